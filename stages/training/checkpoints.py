"""The last states of a run, kept so that one that was killed goes on where it was.

<folder>/<key>/<epoch>-<step>-<sha256>.pt   the name holds the hash of the content: what is damaged is seen

The key is a hash of all that the weights depend on, so that a changed parameter never inherits weights. Nothing else
knows these files: no DVC stage declares them, and they are gone when the run has ended well.

<folder>/<key>/epoch-<n>.safetensors        weights that are to be kept beside the last ones
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from stages.common.files import PARTIAL
from stages.models.base.autoencoder import Autoencoder
from stages.models.base.store import save_weights

KEEP = 2  # the newest, and the one before it in case that one is damaged
State = dict[str, Any]


class Checkpoints:
    """The states of one run, in `folder`, a new one due every `seconds`."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self.seconds = seconds
        self._saved = time.monotonic()

    def due(self) -> bool:
        """Tell whether the last one is old enough."""
        return time.monotonic() - self._saved >= self.seconds

    def save(self, epoch: int, step: int, state: State) -> bool:
        """Keep `state` as the newest, whole or not at all; without room for it, say so, and the run goes on."""
        self._saved = time.monotonic()
        partial = self.folder / f".new{PARTIAL}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())  # or a power cut could leave the name without the content
            os.replace(partial, self.folder / f"{epoch:06}-{step:09}-{_sha256(partial)}.pt")
        except (OSError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "inline_container" not in str(error):
                raise  # not of the file that torch could not write
            partial.unlink(missing_ok=True)
            reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
            _warn(f"expected to write a checkpoint to {self.folder}, got: {reason}; the one before it stays")
            return False
        for path in self._newest_first()[KEEP:]:
            path.unlink()
        return True

    def load(self) -> State | None:
        """Give the newest state that is whole, on the CPU, or None; one that is damaged is named and removed."""
        for path in self._newest_first():
            if _is_whole(path):
                return torch.load(path, map_location="cpu", weights_only=True)
            _warn(f"{path}: expected a whole checkpoint, got a damaged one: it is removed")
            path.unlink()  # or it would pass for the newest for as long as the run has not come as far again
        return None

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("*.pt"), reverse=True)


class Snapshots:
    """The weights after every `every` epochs, in the folder of a run's checkpoints; None keeps none.

    A checkpoint of a later epoch is written after them, so that a run that goes on finds those of its past.
    """

    def __init__(self, folder: Path, every: int | None) -> None:
        self.folder, self.every = folder, every

    def save(self, model: Autoencoder, epoch: int) -> None:
        """Keep the weights, if this is an epoch for it."""
        if self.every and epoch % self.every == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_weights(self.folder / f"epoch-{epoch:06}.safetensors", model)

    def files(self) -> list[Path]:
        """List them, the earliest first."""
        return sorted(self.folder.glob("epoch-*.safetensors"))


def run_key(parameters: Mapping[str, Any]) -> str:
    """Hash what a run's weights depend on: `parameters`, and the project's code that this process has loaded."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode())
    # The stage's own script runs under the name __main__.
    ours = {module for name, module in sys.modules.items() if name.partition(".")[0] in ("stages", "__main__")}
    for path in sorted({str(file) for module in ours if (file := getattr(module, "__file__", None))}):
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()[:16]


def _is_whole(path: Path) -> bool:
    try:
        return path.stem.rpartition("-")[2] == _sha256(path)
    except OSError:  # a disk that cannot read what it wrote
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr)
