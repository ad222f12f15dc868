"""The last states of a training, from which it continues after it was killed.

    <folder>/<key>/<epoch>-<step>-<sha256>.pt   the name holds the hash of the content, which shows damage
    <folder>/<key>/epoch-<n>.safetensors        weights to keep beside the last ones

The key is a hash of all that the weights depend on, so that a changed parameter never inherits weights. No DVC stage
declares these files; they are removed when the training has ended well.
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

from hourglass.files import PARTIAL
from hourglass.inference.store import save_weights
from hourglass.networks.base.autoencoder import Autoencoder

KEEP = 2  # the newest, and the one before it in case the newest is damaged
# Code that cannot change a bit of the weights: messages, and the checks of params.yaml.
HARMLESS = ("hourglass.console", "hourglass.config")
State = dict[str, Any]


class Checkpoints:
    """The states of one training in `folder`; a new one is due every `seconds`."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self.seconds = seconds
        self._saved = time.monotonic()

    def is_due(self) -> bool:
        """Return whether the last checkpoint is old enough."""
        return time.monotonic() - self._saved >= self.seconds

    def save(self, epoch: int, step: int, state: State) -> bool:
        """Write `state` as the newest checkpoint, whole or not at all; warn and return False where that fails."""
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
                raise  # not an error of writing the file
            partial.unlink(missing_ok=True)
            reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
            _warn(f"expected to write a checkpoint to {self.folder}, got: {reason}; the one before it stays")
            return False
        for path in self._newest_first()[KEEP:]:
            path.unlink()
        return True

    def load(self) -> State | None:
        """Return the newest undamaged state, on the CPU, or None; damaged ones are removed with a warning."""
        for path in self._newest_first():
            if _is_whole(path):
                return torch.load(path, map_location="cpu", weights_only=True)
            _warn(f"{path}: expected a whole checkpoint, got a damaged one: it is removed")
            path.unlink()  # or it would count as the newest until the training has come as far again
        return None

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("*.pt"), reverse=True)


class Snapshots:
    """The weights after every `every` epochs, in the folder of a training's checkpoints; none if `every` is None.

    Checkpoints of later epochs are written after them, so that a training that continues finds its earlier snapshots.
    """

    def __init__(self, folder: Path, every: int | None) -> None:
        self.folder, self.every = folder, every

    def save(self, network: Autoencoder, epoch: int) -> None:
        """Write the weights if a snapshot is due after this epoch."""
        if self.every and epoch % self.every == 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_weights(self.folder / f"epoch-{epoch:06}.safetensors", network)

    def files(self) -> list[Path]:
        """Return the files, the earliest epoch first."""
        return sorted(self.folder.glob("epoch-*.safetensors"))


def run_key(parameters: Mapping[str, Any]) -> str:
    """Return a hash of what a training's weights depend on: `parameters`, and the code that this process has loaded."""
    digest = hashlib.sha256(json.dumps(parameters, sort_keys=True, default=dict).encode())
    # The script itself runs under the name __main__.
    ours = {module for name, module in sys.modules.items() if _shapes_weights(name)}
    for path in sorted({str(file) for module in ours if (file := getattr(module, "__file__", None))}):
        digest.update(Path(path).read_bytes())
    return digest.hexdigest()[:16]


def _shapes_weights(module: str) -> bool:
    return module.partition(".")[0] in ("hourglass", "__main__") and not module.startswith(HARMLESS)


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
