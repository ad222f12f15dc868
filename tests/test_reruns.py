"""What `dvc repro` runs again for which edit, and nothing else."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import Project, copy_of
from .params import DATASETS, GROUPS, MODELS, QUICKSTART

REPORTS = {f"report@{group}" for group in GROUPS}
GATHERINGS = {f"groups/dvc.yaml:{group}" for group in GROUPS}
PCA = {name for name, entry in MODELS.items() if entry["family"] == "pca"}


def stages(*names: str, of: set[str] | dict[str, object] = MODELS) -> set[str]:
    """Name the stages of some entries of params.yaml, of all models unless told otherwise."""
    return {f"{name}@{entry}" for name in names for entry in of}


# What an edit of a file asks for: the stages that declare it. What follows these runs if their outputs change.
FILES = {
    "README.md": set(),
    "CONTRIBUTING.md": set(),
    "docs/params.md": set(),
    "tests/test_reruns.py": set(),
    "stages/tools/prune.py": set(),
    "params.yaml": {"check"},  # a comment
    "hourglass/console/command.py": {"check"},
    "hourglass/console/errors.py": {"check"},
    "hourglass/console/progress.py": {"check"},
    "hourglass/config/messages.py": {"check"},
    "hourglass/data/remote/fetch.py": {"check", "download@digits", "download@faces", "download@photos"},
    "hourglass/data/readers/csv.py": {"check", "prepare@digits"},
    "hourglass/data/readers/folder.py": {"check", "prepare@photos"},
    "hourglass/data/image.py": {"check"} | stages("prepare", of=DATASETS),
    "hourglass/data/manifest.py": {"check"} | stages("prepare", of=DATASETS),
    "hourglass/data/content.py": {"check"} | stages("prepare", of=DATASETS) | stages("evaluate"),
    "hourglass/data/preparation/shards.py": {"check"} | stages("prepare", of=DATASETS),
    "hourglass/data/preparation/preview.py": {"check"} | stages("prepare", of=DATASETS),
    "hourglass/natural.py": {"check"} | stages("prepare", of=DATASETS) | stages("plot") | REPORTS,
    "hourglass/networks/pca.py": {"check"} | stages("train", "evaluate", of=PCA),
    "hourglass/networks/tiles.py": {"check", "train@photos-tiles", "evaluate@photos-tiles"},
    "hourglass/networks/base/layers.py": {"check"} | stages("train", "evaluate"),
    "hourglass/training/optimizers.py": {"check"} | stages("train"),
    "hourglass/arrays/spread.py": {"check"} | stages("codecs", of=DATASETS) | stages("evaluate", "plot") | GATHERINGS,
    "hourglass/image_codecs/formats.py": {"check"} | stages("codecs", of=DATASETS),
    "hourglass/metrics/bd_rate.py": {"check"} | GATHERINGS | REPORTS,
    "hourglass/metrics/quality.py": {"check"} | stages("codecs", of=DATASETS) | stages("evaluate") | REPORTS,
    "hourglass/figures/latents.py": {"check"} | stages("plot") | REPORTS,
    "hourglass/figures/style.py": {"check"} | stages("plot") | REPORTS,
    "stages/codecs.py": stages("codecs", of=DATASETS),
    "stages/train.py": stages("train"),
    "stages/evaluate.py": stages("evaluate"),
    "stages/report.py": REPORTS,
}
PARAMS: dict[tuple[str, object], set[str]] = {
    ("models.digits-dense.network.latent_dim", 4): {"check", "train@digits-dense"},
    # The report shows recipes.
    ("models.digits-dense.training.epochs", 2): {"check", "train@digits-dense", "groups/dvc.yaml:quickstart"},
    ("groups.faces.title", "Faces"): {"check", "report@faces"},
    ("train.checkpoint_seconds", 5): {"check"},
    ("train.data", "streaming"): {"check"},
    ("train.channels_last", False): {"check"} | stages("train"),
    ("train.deterministic", False): {"check"} | stages("train"),
    ("train.precision", "bfloat16"): {"check"} | stages("train"),
    # torchrun gives each of its processes one thread, and sums over threads have other bits.
    ("train.launch", "torchrun --standalone --nproc-per-node=2"): {"check"} | stages("train"),
}


@pytest.fixture(scope="module")
def edited(everything: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a copy of the clone in which everything was run, for edits that are taken back."""
    return copy_of(everything, tmp_path_factory.mktemp("edited") / "project")


@pytest.fixture
def taken_back(edited: Project) -> Iterator[Callable[[str], Path]]:
    """Return a function that takes note of a file, and put these files back at the end."""
    before: dict[Path, bytes] = {}

    def note(file: str) -> Path:
        path = edited.folder / file
        before[path] = path.read_bytes()
        return path

    yield note
    for path, content in before.items():
        path.write_bytes(content)


@pytest.fixture
def project(everything: Project, tmp_path: Path) -> Project:
    """Return a copy, to be changed at will, of the clone in which everything was run."""
    return copy_of(everything, tmp_path / "project")


def test_nothing_is_stale_after_a_run(edited: Project) -> None:
    assert edited.stale() == set()


@pytest.mark.parametrize("file", FILES)
def test_an_edit_of_a_file(edited: Project, taken_back: Callable[[str], Path], file: str) -> None:
    taken_back(file)
    edited.append(file, "# An edit.")
    assert edited.stale() == FILES[file]


@pytest.mark.parametrize(("path", "value"), PARAMS)
def test_an_edit_of_a_value(edited: Project, taken_back: Callable[[str], Path], path: str, value: object) -> None:
    taken_back("params.yaml")
    edited.change(path, value)
    assert edited.stale() == PARAMS[path, value]


def test_a_comment_in_params_runs_the_check_alone(project: Project) -> None:
    project.append("params.yaml", "# A comment.")
    assert project.repro() == {"check"}


def test_another_title_of_a_data_set_trains_nothing(project: Project) -> None:
    project.change("datasets.digits.title", "Other digits")
    evaluated = stages("evaluate", of={name for name in QUICKSTART if MODELS[name]["dataset"] == "digits"})
    ran = {
        "check",
        "prepare@digits",
        *evaluated,
        "groups/dvc.yaml:quickstart",
        "report@quickstart",
    }  # the title is in the model cards and in the report
    assert project.repro("report@quickstart") == ran


def test_new_code_that_computes_the_same_ends_where_it_began(project: Project) -> None:
    project.append("hourglass/networks/pca.py", "# An edit that changes no result.")
    assert project.repro("report@quickstart") == {"check", "train@digits-pca", "evaluate@digits-pca"}


def test_an_edit_that_cannot_matter_is_committed_without_a_run(project: Project) -> None:
    project.append("hourglass/training/trainer.py", "# An edit that changes no result.")
    assert project.stale() == {"check"} | stages("train")
    project.ok("dvc", "commit", "--force")
    assert project.stale() == set()
    assert project.repro() == set()


def test_a_model_that_moves_to_another_group_runs_their_reports_alone(project: Project) -> None:
    project.change("models.digits-vae.group", "faces")
    done = project.run("dvc", "repro")
    # DVC has read the stages of the groups before `check` writes them.
    assert done.returncode != 0
    assert "digits-vae" in done.stderr
    assert "run the same command again" in done.stderr
    assert "Running stage 'train" not in done.stdout
    assert project.repro() == {"check"} | GATHERINGS | REPORTS
    reports = {
        group: (project.folder / f"metrics/reports/{group}.md").read_text(encoding="utf-8")
        for group in ("quickstart", "faces")
    }
    assert "digits-vae" in reports["faces"]
    assert "digits-vae" not in reports["quickstart"]


def test_a_model_that_was_removed_leaves_its_report(project: Project) -> None:
    project.remove("models.photos-tiles")
    project.ok("python", "-m", "stages.check")
    ran = {"check", "groups/dvc.yaml:quickstart", "report@quickstart"}
    assert project.repro("report@quickstart") == ran
    assert "photos-tiles" not in (project.folder / "metrics/reports/quickstart.md").read_text(encoding="utf-8")
    # Its files stay until somebody removes them.
    assert (project.folder / "data/trained/photos-tiles").is_dir()
    project.ok("python", "-m", "stages.tools.prune")
    assert [path for path in project.folder.rglob("*photos-tiles*") if ".dvc/" not in str(path)] == []
    assert "photos-tiles" not in (project.folder / "dvc.lock").read_text(encoding="utf-8")
    assert project.repro() == set()


def test_half_of_the_data_is_as_good_as_none_for_pulling_the_rest(everything: Project, tmp_path: Path) -> None:
    owner = copy_of(everything, tmp_path / "owner")
    owner.ok("dvc", "remote", "add", "--default", "--quiet", "storage", str(tmp_path / "storage"))
    owner.commit("Share the data")
    owner.ok("dvc", "push", "--quiet")
    subprocess.run(["git", "clone", "--quiet", str(owner.folder), str(tmp_path / "colleague")], check=True)
    colleague = Project(tmp_path / "colleague")
    colleague.ok("dvc", "pull", "--quiet", "evaluate@digits-pca", "plot@digits-pca")
    colleague.ok("dvc", "repro", "--pull", "--allow-missing", "report@quickstart")
    assert colleague.ok("git", "status", "--porcelain") == ""
    assert not (colleague.folder / "data/raw").exists()  # not all data were needed
    shutil.rmtree(tmp_path / "storage")
