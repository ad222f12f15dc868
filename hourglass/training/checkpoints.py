"""The last states of a training, from which it continues after it was killed.

    <folder>/<key>/<epoch>-<step>-<sha256>.pt          the name holds the hash of the content, which shows damage
    <folder>/<key>/epoch-<n>-<sha256>.safetensors      weights to keep beside the last ones
    <folder>/<key>/finished                            the model was written; DVC may not have stored it yet

The key is a hash of all that the weights depend on, so that a changed parameter never inherits weights. No DVC stage
declares these files. The last state of a finished training stays until its model has been evaluated: if DVC loses the
model before it has stored it, to a full disk or a power cut, the training need not run again.
"""

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from hourglass.files import PARTIAL, sha256
from hourglass.inference.store import FINISHED, save_weights, snapshot_file
from hourglass.networks.base.autoencoder import Autoencoder
from hourglass.training.state import State, last_epoch

KEEP = 2  # the newest, and the one before it in case the newest is damaged
# Code that cannot change a bit of the weights: messages, and the checks of params.yaml.
HARMLESS = ("hourglass.console", "hourglass.config")


class Checkpoints:
    """The states of one training in `folder`; a new one is due every `seconds`.

    Args:
        folder: Where they are.
        seconds: Time between two.
        save_every: Epochs between two snapshots: files of weights that are part of the model; None for no snapshots.
    """

    def __init__(self, folder: Path, seconds: float, save_every: int | None = None) -> None:
        self.folder = folder
        self.seconds = seconds
        self.save_every = save_every
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
            os.replace(partial, self.folder / f"{epoch:06}-{step:09}-{sha256(partial)}.pt")
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

    def has(self, epoch: int) -> bool:
        """Return whether there is a checkpoint of this epoch."""
        return any(self.folder.glob(f"{epoch:06}-*.pt"))

    def load(self) -> tuple[Path, State] | None:
        """Return the newest undamaged state, on the CPU, and its file, or None; warn of damaged ones and remove them.

        A state that lacks a snapshot of an earlier epoch is of no use: what it would end with is not the whole model.
        """
        for path in self._newest_first():
            try:
                state = torch.load(path, map_location="cpu", weights_only=True) if _is_whole(path) else None
                epochs = last_epoch(state["history"]) if state else 0
            except Exception:  # a file may raise anything that has the right hash and was not written here
                state = None
            if state is None:
                self.discard(path, "expected a whole checkpoint, got a damaged one")
            elif missing := self.missing_snapshots(epochs):
                self.discard(path, f"expected a whole snapshot of epoch {missing[0]} beside it, got none")
            else:
                return path, state
        return None

    def discard(self, path: Path, reason: str) -> None:
        """Remove a checkpoint and say why; or it would count as the newest until the training has come as far again."""
        _warn(f"{path}: {reason}: it is removed")
        path.unlink()

    def save_snapshot(self, network: Autoencoder, epoch: int) -> None:
        """Write the weights if a snapshot is due after this epoch.

        Checkpoints of later epochs are written after it, so that a training that continues finds it.
        """
        if epoch in self._due(epoch):
            self.folder.mkdir(parents=True, exist_ok=True)
            partial = self.folder / f".epoch{PARTIAL}"
            save_weights(partial, network)
            for other in self.folder.glob(self._snapshot(epoch, "*").name):
                other.unlink()  # of a run that was killed before a checkpoint told of it
            os.replace(partial, self._snapshot(epoch, sha256(partial)))

    def snapshots(self, epochs: int) -> dict[int, Path]:
        """Return the undamaged snapshots of a training of so many epochs by their epoch, the earliest first."""
        files = [
            (epoch, path) for epoch in self._due(epochs) for path in self.folder.glob(self._snapshot(epoch, "*").name)
        ]
        return {epoch: path for epoch, path in files if _is_whole(path)}

    def missing_snapshots(self, epochs: int) -> list[int]:
        """Return the epochs whose snapshots a training of so many epochs should have, and has not."""
        return sorted(set(self._due(epochs)) - set(self.snapshots(epochs)))

    def _due(self, epochs: int) -> range:
        return range(self.save_every, epochs + 1, self.save_every) if self.save_every else range(0)

    def _snapshot(self, epoch: int, digest: str) -> Path:
        name = Path(snapshot_file(epoch))
        return self.folder / f"{name.stem}-{digest}{name.suffix}"

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("*.pt"), reverse=True)


def keep_finished(folder: Path, finished: Iterable[Checkpoints]) -> None:
    """Mark trainings in `folder` as such whose model has been written; remove abandoned ones, of other parameters."""
    kept = {checkpoints.folder for checkpoints in finished}
    for path in kept:
        (path / FINISHED).touch()
    for path in {entry for entry in folder.glob("*") if entry.is_dir()} - kept:
        shutil.rmtree(path)


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
        return path.stem.rpartition("-")[2] == sha256(path)
    except OSError:  # a disk that cannot read what it wrote
        return False


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr)
