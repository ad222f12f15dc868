"""What a disk damages is found by `make heal`, and made again with the same bits."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from dvc.repo import Repo
from dvc.utils.serialize import load_yaml

from .conftest import Project
from .test_pipeline import bytes_of

MODEL = "data/trained/digits-dense/config.json"  # its weights are in data/models too
ARRAY = "data/prepared/digits/train/train-00000.npy"
RECONSTRUCTIONS = "data/evaluated/digits-dense/reconstructions.npy"
FILES = (MODEL, ARRAY, RECONSTRUCTIONS)
FOLDER = "data/trained/digits-vae"  # of whose files the cache has a list
WHOLE = "all that is here is whole; if a stage still finds damage in a file: dvc repro --force <its stage>\n"


def heal(project: Project, *arguments: str) -> str:
    """Run the tool, which must succeed, and return what it printed."""
    return project.ok("python", "-m", "stages.tools.heal", *arguments)


def in_cache(project: Project, path: str) -> Path:
    """Return where the cache has a file that is whole in the workspace, or the list of a folder."""
    if (project.folder / path).is_dir():
        stages = load_yaml(str(project.folder / "dvc.lock"))["stages"].values()
        (name,) = [out["md5"] for stage in stages for out in stage.get("outs", ()) if out["path"] == path]
    else:
        name = hashlib.md5((project.folder / path).read_bytes(), usedforsecurity=False).hexdigest()
    return project.folder / ".dvc/cache/files/md5" / name[:2] / name[2:]


def flip(path: Path) -> None:
    """Flip one bit of a file as a failing disk does: nothing else changes, neither its time nor its mode."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def outputs(project: Project) -> dict[str, bytes]:
    """Read all outputs: not the times, which differ from run to run, nor checkpoints that wait for an evaluation."""
    return {
        f"{folder}/{name}": content
        for folder in ("data", "metrics", "plots")
        for name, content in bytes_of(project.folder / folder).items()
        if not name.startswith(("timing/", "checkpoints/"))
    }


def test_damage_that_came_back_from_the_cache_is_made_again(project: Project) -> None:
    before = outputs(project)
    for path in (*FILES, FOLDER):
        flip(in_cache(project, path))
        shutil.rmtree((project.folder / path) if path == FOLDER else (project.folder / path).parent)
    project.ok("dvc", "checkout", "--quiet", "prepare@digits", "train@digits-dense", "evaluate@digits-dense")
    after = outputs(project)
    assert {path for path in after if after[path] != before[path]} == set(FILES)
    printed = heal(project)
    assert set(printed.splitlines()) == {
        *(f"{path}, as it is in the cache: damaged, removed" for path in (*FILES, FOLDER)),
        *(f"{path}: damaged, removed" for path in FILES),
        "next: dvc repro",
    }
    ran = {"prepare@digits", "train@digits-dense", "train@digits-vae", "evaluate@digits-dense"}
    assert project.repro("report@quickstart") == ran
    assert outputs(project) == before
    assert project.ok("git", "status", "--porcelain") == ""
    assert heal(project) == WHOLE
    assert project.repro("report@quickstart") == set()


@pytest.mark.parametrize("link", ["hardlink", "symlink"])
def test_links_to_what_is_damaged_go_with_it(project: Project, link: str) -> None:
    before = outputs(project)
    entry = in_cache(project, MODEL)
    project.ok("dvc", "config", "--local", "cache.type", link)
    project.ok("dvc", "checkout", "--quiet", "--relink", "train@digits-dense")
    assert (project.folder / MODEL).samefile(entry)
    flip(entry)
    damaged = entry.read_bytes()
    assert project.repro("--force", "--single-item", "train@digits-dense") == {"train@digits-dense"}
    assert (project.folder / MODEL).read_bytes() == damaged  # DVC puts it in the place of the model that was just made
    assert f"{MODEL}, as it is in the cache: damaged, removed\n" in heal(project)
    assert not os.path.lexists(project.folder / MODEL)
    assert project.repro("evaluate@digits-dense") == {"train@digits-dense"}
    assert outputs(project) == before
    assert (project.folder / MODEL).samefile(entry)


def test_what_the_workspace_has_whole_is_stored_again_and_nothing_runs(project: Project) -> None:
    before = outputs(project)
    entries = [in_cache(project, path) for path in (*FILES, FOLDER)]
    for entry in entries:
        flip(entry)
    outs = (
        "data/trained/digits-dense",
        "data/trained/digits-vae",
        "data/prepared/digits",
        "data/evaluated/digits-dense",
    )
    assert set(heal(project).splitlines()) == {
        *(f"{path}, as it is in the cache: damaged, removed" for path in (*FILES, FOLDER)),
        *(f"{out}: stored in the cache again, from the workspace" for out in outs),
        "next: dvc repro",
    }
    assert project.repro("report@quickstart") == set()
    assert outputs(project) == before
    assert heal(project) == WHOLE
    shutil.rmtree(project.folder / "data/trained")
    project.ok("dvc", "checkout", "--quiet", "report@quickstart", "--with-deps")
    assert outputs(project) == before


def test_a_file_damaged_in_the_workspace_alone_comes_back_from_the_cache(project: Project) -> None:
    before = outputs(project)
    project.stale()  # DVC has seen the file
    flip(project.folder / MODEL)
    assert project.repro("evaluate@digits-dense") == set()  # and does not look again
    assert outputs(project) != before
    assert heal(project) == f"{MODEL}: damaged, removed\nnext: dvc repro\n"
    assert project.repro("evaluate@digits-dense") == set()
    assert outputs(project) == before


def test_a_file_that_somebody_edited_comes_back_without_a_training(project: Project) -> None:
    before = outputs(project)
    flip(project.folder / MODEL)
    os.utime(project.folder / MODEL)
    assert heal(project) == WHOLE  # DVC sees it by itself; it may be the output of a stage that did not finish
    assert outputs(project) != before
    assert project.repro("evaluate@digits-dense") == set()
    assert outputs(project) == before


def test_with_a_remote_the_advice_is_to_pull(project: Project, tmp_path: Path) -> None:
    before = outputs(project)
    project.ok("dvc", "remote", "add", "--local", "--default", "--quiet", "storage", str(tmp_path / "storage"))
    project.ok("dvc", "push", "--quiet", "train@digits-dense")
    flip(in_cache(project, MODEL))
    (project.folder / MODEL).unlink()
    *_, last = heal(project).splitlines()
    assert last == "next: dvc repro --pull"
    assert project.repro("--pull", "evaluate@digits-dense") == set()
    assert outputs(project) == before


def test_a_lost_cache_is_filled_from_the_workspace(project: Project) -> None:
    before = bytes_of(project.folder / ".dvc/cache/files")
    shutil.rmtree(project.folder / ".dvc/cache/files")
    assert "data/trained/digits-dense: stored in the cache again" in heal(project)
    after = bytes_of(project.folder / ".dvc/cache/files")
    assert after.keys() <= before.keys()
    assert all(before[name] == content for name, content in after.items())
    assert project.repro("evaluate@digits-dense") == set()


def test_what_an_earlier_commit_made_is_checked_on_demand(project: Project) -> None:
    entry = in_cache(project, MODEL)
    project.change("models.digits-dense.training.epochs", 2)
    project.repro("train@digits-dense")
    (entry.parent / "half-written").touch()  # by another project that shares the cache
    flip(entry)
    assert heal(project) == WHOLE
    assert heal(project, "--all") == f"{entry.relative_to(project.folder)}: damaged, removed\nnext: dvc repro\n"
    assert (entry.parent / "half-written").exists()


def test_a_disk_that_cannot_read_a_file_is_damage(project: Project) -> None:
    entry = in_cache(project, MODEL)
    entry.unlink()
    entry.symlink_to("/proc/self/mem")  # which opens, and then reads with an input/output error
    with pytest.raises(OSError, match="Input/output error"):
        entry.read_bytes()
    assert f"{MODEL}, as it is in the cache: damaged, removed\n" in heal(project)


def put_a_folder_there(project: Project) -> None:
    entry = in_cache(project, MODEL)
    entry.unlink()
    entry.mkdir()


def put_a_conflict_there(project: Project) -> None:
    lock = project.folder / "dvc.lock"
    lock.write_text("<<<<<<< HEAD\n" + lock.read_text(encoding="utf-8"), encoding="utf-8")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (put_a_folder_there, "expected a file to read or remove, got: Is a directory"),
        (put_a_conflict_there, "got: unable to read: 'dvc.lock', YAML file structure is corrupted"),
    ],
)
def test_what_cannot_be_read_is_one_line(project: Project, spoil: Callable[[Project], None], message: str) -> None:
    spoil(project)
    done = project.run("python", "-m", "stages.tools.heal")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_another_dvc_that_runs_is_one_line(project: Project) -> None:
    with Repo(str(project.folder)) as repo, repo.lock:
        done = project.run("python", "-m", "stages.tools.heal")
    assert done.returncode == 1
    assert "Unable to acquire lock" in done.stderr
    assert done.stderr.count("\n") == 1
