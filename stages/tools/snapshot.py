"""Evaluated models as they are in the work tree, or as they were at a git revision, by DVC's file system of either.

Files in git are read from it, those that DVC tracks from its cache or the remote, file by file: nothing is checked out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from hourglass.console.errors import UserError
from hourglass.data.documents import read_json
from hourglass.data.sums import SUMS, read_sums
from hourglass.data.tables import read_table
from hourglass.files import sha256
from hourglass.metrics.results import Means
from stages.paths import EVALUATED, METRICS, PREPARED
from stages.tools.check_lock import TAKE

STAGE = "evaluate@"
SCORES = "val_scores.csv"
COMPARED = (EVALUATED, METRICS, PREPARED)
AGAIN = "make heal && dvc pull"


class AbsentError(Exception):
    """A file is neither here nor in DVC's cache nor in its remote, or none that can be read."""


@dataclass(frozen=True)
class Snapshot:
    """The models of one revision.

    Attributes:
        revision: A commit, or "" for the work tree.
        files: Of it, a `dvc.api.DVCFileSystem`.
        folder: Where files are copied to, to be read.
    """

    revision: str
    files: Any
    folder: Path

    @cached_property
    def models(self) -> Mapping[str, Mapping[str, str]]:
        """The models that were evaluated: name -> path of the images or the scores -> its hash in dvc.lock.

        Raises:
            UserError: There is no pipeline, or it or its lock file is damaged.
        """
        from dvc.exceptions import DvcException

        try:
            return {
                stage.name.removeprefix(STAGE): {
                    one.def_path: one.hash_info.value
                    for one in (*stage.deps, *stage.outs)
                    if any(Path(one.def_path).is_relative_to(folder) for folder in COMPARED)
                }
                for stage in self.files.repo.index.stages
                if getattr(stage, "name", "").startswith(STAGE) and all(out.hash_info for out in stage.outs)
            }
        except (DvcException, RecursionError) as error:
            got = f"{self.revision or 'the work tree'}: expected dvc.yaml, dvc.lock and params.yaml for DVC to read"
            raise UserError(f"{got}, got: {' '.join(str(error).split())}: {TAKE}") from None

    def means(self, model: str, split: str) -> Means:
        """Return what metrics/ has of a model, {} if nothing."""
        try:
            return read_json(self._copy(METRICS / split / f"{model}.json"), Means)
        except AbsentError:
            return {}

    def scores(self, model: str) -> pd.DataFrame:
        """Return the scores of every validation image; raise AbsentError if they cannot be had."""
        sums, path = self._copy(EVALUATED / model / SUMS), self._copy(EVALUATED / model / SCORES)
        try:
            if read_sums(sums.parent, AGAIN).get(SCORES) != sha256(path):
                raise AbsentError(f"{EVALUATED / model / SCORES} is damaged: {AGAIN}")
            return read_table(path, ["index", "psnr_db"], AGAIN)
        except UserError as error:
            raise AbsentError(str(error).replace(f"{self.folder}/", "")) from None

    def bytes_per_image(self, model: str) -> float:
        """Return the mean bytes of a validation image in a file of all; raise AbsentError if they cannot be had."""
        path = self._copy(EVALUATED / model / "files.json")
        try:
            return read_json(path, dict[str, Means])["val"]["bytes"]
        except (UserError, KeyError):
            raise AbsentError(f"{EVALUATED / model / 'files.json'} says no bytes") from None

    def _copy(self, path: Path) -> Path:
        """Return a copy of a file of the revision."""
        copy = self.folder / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            self.files.get_file(path.as_posix(), str(copy))
        except Exception:  # whatever the library of a remote raises
            where = f"scores of the images at {self.revision[:9] or 'work tree'}"
            raise AbsentError(f"{where}: in neither DVC's cache nor a remote that can be read") from None
        return copy
