"""Files of ours, altered by hand: who reads one says in one line what is wrong, and the command that makes it again.

HOURGLASS_THOROUGH=1 tries every value in every place of each JSON file and draws every picture, in several minutes.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hourglass.console.errors import UserError
from hourglass.data.sums import SUMS, write_sums
from stages import codecs, evaluate, gather, plot, report, train
from stages.paths import CODECS, EVALUATED, GROUPS, HISTORY, PREPARED
from stages.tools import check_lock

from .alterations import alterations
from .conftest import Project, copy_of

THOROUGH = bool(os.environ.get("HOURGLASS_THOROUGH"))
REMEDY = re.compile(r": make heal && dvc repro [\w./:@-]+$")


def read_for_plot(model: str) -> None:
    """Do what `plot` does, up to the drawing, which takes seconds."""
    if THOROUGH:
        plot.main(model)
    else:
        plot.read(model, EVALUATED / model, PREPARED / "digits", HISTORY / f"{model}.csv")


READERS: dict[str, Callable[[], object]] = {
    "codecs": lambda: codecs.main("digits"),
    "train": lambda: train.main("digits-pca"),
    "evaluate": lambda: evaluate.main("digits-vae"),
    "plot": lambda: read_for_plot("digits-vae"),
    "gather": lambda: gather.main("quickstart", ["digits-vae"]),
    "report": lambda: report.main("quickstart"),
}
FILES = [
    ("codecs", "data/prepared/digits/test/test-00000.npy"),
    ("train", "data/prepared/digits/preparation.json"),
    ("train", "data/prepared/digits/val/val-00000.npy"),
    ("evaluate", "data/trained/digits-vae/config.json"),
    ("evaluate", "data/trained/digits-vae/model.safetensors"),
    ("evaluate", "data/prepared/digits/labels.csv"),
    ("evaluate", "data/prepared/digits/test/SHA256SUMS"),
    ("evaluate", "data/prepared/digits/test/test-00000.npy"),
    ("plot", "data/evaluated/digits-vae/about.json"),
    ("plot", "data/evaluated/digits-vae/SHA256SUMS"),
    ("plot", "data/evaluated/digits-vae/interpolation.npy"),
    ("plot", "data/evaluated/digits-vae/labels.csv"),
    ("plot", "data/evaluated/digits-vae/latents.npy"),
    ("plot", "data/evaluated/digits-vae/reconstructions.npy"),
    ("plot", "data/evaluated/digits-vae/samples.npy"),
    ("plot", "data/evaluated/digits-vae/scores.csv"),
    ("plot", "data/evaluated/digits-vae/variations.json"),
    ("plot", "data/evaluated/digits-vae/variations.npy"),
    ("plot", "metrics/history/digits-vae.csv"),
    ("gather", "data/evaluated/digits-vae/about.json"),
    ("gather", "data/prepared/digits/meta.json"),
    ("gather", "data/evaluated/digits-vae/summary.json"),
    ("gather", "data/evaluated/digits-vae/worth.json"),
    ("gather", "data/evaluated/digits-vae/curve.csv"),
    ("gather", "data/codecs/digits/curves.csv"),
    ("report", "data/groups/quickstart/facts.json"),
    ("report", "data/groups/quickstart/curves.csv"),
    ("report", "data/groups/quickstart/images/digits/original.png"),
]
SEALED = [
    (reader, file)
    for reader, file in FILES
    if (file.endswith(".npy") and reader != "codecs")  # images of another shape are images
    or (file.endswith(".csv") and file.startswith("data/evaluated") and "curve" not in file)  # which has no index
]


@pytest.fixture(scope="module")
def altered(quickstart: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder of a copy of the quickstart. Tests must leave its files as they were."""
    project = copy_of(quickstart, tmp_path_factory.mktemp("altered") / "project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project.folder)
        yield project.folder


def outcomes(reader: str, file: str, reseal: bool = False) -> dict[str, str]:
    """Return for each alteration the line that it ended with, or nothing if all went well; another end is a failure.

    Args:
        reader: A key of `READERS`.
        file: The file to alter.
        reseal: Whether SHA256SUMS is written anew, as if another version of the project had written the file so.
    """
    path = Path(file)
    before, sums = path.read_bytes(), path.with_name(SUMS)
    sums_before = sums.read_bytes() if reseal else b""
    ends = {}
    for name, content in alterations(path, every=THOROUGH):
        path.unlink()
        if callable(content):
            content(path)
        elif content is not None:
            path.write_bytes(content)
        try:
            if reseal and path.is_file():
                write_sums(path.parent)
            READERS[reader]()
            ends[name] = ""
        except UserError as error:
            ends[name] = str(error)
        except Exception as error:
            pytest.fail(f"{file}, {name}: {error!r}")
        finally:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
            path.write_bytes(before)
            if reseal:
                sums.write_bytes(sums_before)
    return ends


def unclear(ends: dict[str, str]) -> dict[str, str]:
    """Return the lines that are no line, or name no file of ours or no command."""
    return {
        name: line
        for name, line in ends.items()
        if line and ("\n" in line or not re.search("(data|metrics)/", line) or not REMEDY.search(line))
    }


def believed(ends: dict[str, str], *names: str) -> list[str]:
    """Return which of these alterations did not end in a line."""
    return [name for name in names if not ends[name]]


@pytest.mark.usefixtures("altered")
@pytest.mark.parametrize(("reader", "file"), FILES)
def test_an_altered_file_is_one_line_or_changes_nothing(reader: str, file: str) -> None:
    path = Path(file)
    before = path.read_bytes()
    changed = {name for name, content in alterations(path, every=THOROUGH) if content != before}
    ends = outcomes(reader, file)
    assert unclear(ends) == {}
    assert believed(ends, "removed", "a folder", "a link to nothing", "empty", "cut in half", "zeros") == []
    sealed = path.is_relative_to(GROUPS) or (
        (path.is_relative_to(CODECS) or path.is_relative_to(EVALUATED)) and (path.suffix == ".csv")
    )
    if path.suffix in (".npy", ".safetensors") or sealed:
        assert {name for name in changed if not ends[name]} == set()  # no byte of it is believed unseen
    elif path.suffix == ".json":
        assert ends["other order"] == ends["Windows' line ends"] == ""
        assert believed(ends, "conflict markers", "not UTF-8", "a byte order mark", "deep", "all of it list") == []
    elif path.suffix == ".csv":
        assert believed(ends, "conflict markers", "not UTF-8", "no header", "no rows") == []


@pytest.mark.usefixtures("altered")
@pytest.mark.parametrize(("reader", "file"), SEALED)
def test_so_is_one_that_another_version_wrote(reader: str, file: str) -> None:
    ends = outcomes(reader, file, reseal=True)
    assert unclear(ends) == {}
    if file.endswith(".npy"):
        assert believed(ends, "the last value less", "flat", "<f8", "text", "objects", "Fortran's order", "npz") == []
    else:
        assert believed(ends, "a row less", "a row twice", "other order of rows", "no index", "index text") == []


LOCKS: dict[str, Callable[[str], str]] = {
    "conflict markers": lambda text: f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> theirs\n",
    "cut": lambda text: text[: len(text) // 2].rpartition("md5:")[0] + "md5",
    "empty": lambda text: "",
    "a list": lambda text: "- a\n",
    "deep": lambda text: "[" * 2_000,
}


@pytest.mark.usefixtures("altered")
@pytest.mark.parametrize("damage", LOCKS)
def test_a_damaged_lock_file_is_one_line(damage: str) -> None:
    path = Path("dvc.lock")
    before = path.read_text(encoding="utf-8")
    path.write_text(LOCKS[damage](before), encoding="utf-8")
    try:
        with pytest.raises(
            UserError, match=r"^expected .* for DVC to read, got: .*: merge it again, git checkout --merge -- "
        ) as line:
            check_lock.main()
    finally:
        path.write_text(before, encoding="utf-8")
    assert "\n" not in str(line.value)


def test_lost_stages_of_groups_are_found(altered: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = altered / "groups/dvc.yaml"
    before = path.read_text(encoding="utf-8")
    path.unlink()
    try:
        assert check_lock.main() == 1
    finally:
        path.write_text(before, encoding="utf-8")
    assert "groups/dvc.lock: has quickstart, which is no stage" in capsys.readouterr().out
