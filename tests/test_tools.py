"""The commands for people: what they add, remove and find."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import dumps_yaml, load_yaml

from hourglass.console.errors import UserError
from stages.tools import add
from stages.tools.add import find_clashes, merge, names

from .conftest import Project, copy_of

IIITM = "docs/iiitm.yaml"


# ---- add


def test_merging_keeps_what_is_there() -> None:
    old: dict[str, Any] = {"models": {"a": {"x": 1}}, "groups": {"g": {"title": "G"}}}
    merge(old, {"models": {"b": {"x": 2}}, "groups": {"g": {"published": {"b": {"mse": 1}}}}})
    assert old == {
        "models": {"a": {"x": 1}, "b": {"x": 2}},
        "groups": {"g": {"title": "G", "published": {"b": {"mse": 1}}}},
    }


def test_a_clash_is_named() -> None:
    old = {"models": {"a": {"x": 1, "y": {"z": 1}}}}
    assert find_clashes(old, {"models": {"a": {"x": 1, "y": {"z": 2}, "new": 3}}}) == ["models.a.x", "models.a.y.z"]
    assert find_clashes(old, {"models": {"b": {"x": 1}}, "groups": {}}) == []
    assert names({"models": {"a": {}, "b": {}}, "groups": {"g": {}}}) == ["models.a", "models.b", "groups.g"]


@pytest.fixture
def iiitm(fresh: Project) -> Project:
    """Return a clone whose file of IIITM's entries names a folder, and whose params.yaml has their group."""
    values = fresh.params()
    values["groups"]["published"] = {"title": "Published systems"}
    fresh.set_params(values)
    images = fresh.folder / "IIITM-Face"
    images.mkdir()
    fresh.replace(IIITM, "    - /path/to/IIITM-Face", f"    - {images}")
    return fresh


def test_iiitm_is_added_in_the_style_of_dvc(iiitm: Project) -> None:
    before = (iiitm.folder / "params.yaml").read_text(encoding="utf-8")
    printed = iiitm.ok("python", "-m", "stages.tools.add", IIITM)
    assert "added downloads.iiitm-face, datasets.iiitm-face, models.iiitm-pca-tiles, models.iiitm-conv" in printed
    after = (iiitm.folder / "params.yaml").read_text(encoding="utf-8")
    assert [line for line in before.splitlines() if line not in after.splitlines()] == []
    assert after.splitlines()[0] == before.splitlines()[0]
    values = iiitm.params()
    assert dumps_yaml(values) == after.partition("\n")[2]
    assert values["models"]["iiitm-conv"]["network"]["encoder"][0] == {"filters": 128, "norm": True, "pool": 2}
    assert values["models"]["iiitm-conv"]["training"]["schedule"]["minimum"] == 1e-7
    assert values["groups"]["published"]["published"]["iiitm-conv"]["mse"] == 5.8e-4
    assert "iiitm-conv" in (iiitm.folder / "groups/dvc.yaml").read_text(encoding="utf-8")


def test_what_is_there_is_not_added_again(iiitm: Project) -> None:
    iiitm.ok("python", "-m", "stages.tools.add", IIITM)
    before = (iiitm.folder / "params.yaml").read_bytes()
    again = iiitm.run("python", "-m", "stages.tools.add", IIITM)
    assert again.returncode == 1
    assert again.stderr.startswith("error: docs/iiitm.yaml: expected new entries, got some that params.yaml has: ")
    assert len(again.stderr.splitlines()) == 1
    assert (iiitm.folder / "params.yaml").read_bytes() == before


def test_what_is_added_is_checked(iiitm: Project) -> None:
    iiitm.replace(IIITM, "family: pca", "family: pcb")
    before = (iiitm.folder / "params.yaml").read_bytes()
    done = iiitm.run("python", "-m", "stages.tools.add", IIITM)
    assert done.returncode == 1
    assert "pcb" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("params.yaml is as it was")
    assert done.stdout == ""
    assert (iiitm.folder / "params.yaml").read_bytes() == before


@pytest.mark.parametrize("content", ["models: 3\n", "models:\n", "notes: [1]\n", "downloads:\n- file: x\n"])
def test_what_is_no_section_is_refused(content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("train: {}\n", encoding="utf-8")
    Path("new.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"^new.yaml: expected a section of entries in .*, got "):
        add.main(Path("new.yaml"))
    assert Path("params.yaml").read_text(encoding="utf-8") == "train: {}\n"


# ---- prune


def test_what_is_left_of_a_removed_model_goes(fresh: Project) -> None:
    gone = ["data/trained/gone/model.safetensors", "metrics/history/gone.csv"]
    others = [
        "data/timing/gone.json",
        "data/checkpoints/gone/key/state.pt",
        "data/decoded/gone/images",
        "data/locks/train-gone",
    ]
    kept = [
        "data/trained/digits-pca/model.safetensors",
        "data/timing/digits-pca.json",
        "data/locks/train-digits-pca",
        "notes/mine.txt",
    ]
    for name in gone + others + kept:
        (fresh.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (fresh.folder / name).touch()
    outs = [{"path": path} for path in ("data/trained/gone", "metrics/history/gone.csv", "data/trained/digits-pca")]
    outs += [{"path": path} for path in ("notes", "../project/notes", "data/../notes", "data")]
    stages = {"train@gone": {"cmd": "x", "outs": outs}, "train@digits-pca": {"cmd": "x"}}
    lock = fresh.folder / "dvc.lock"
    lock.write_text(dumps_yaml({"schema": "2.0", "stages": stages}), encoding="utf-8")
    (fresh.folder / "mine.txt").touch()
    fresh.ok("dvc", "add", "--quiet", "mine.txt")
    printed = fresh.ok("python", "-m", "stages.tools.prune")
    assert "removed train@gone from dvc.lock" in printed
    assert load_yaml(str(lock))["stages"].keys() == {"train@digits-pca"}
    assert not [name for name in gone + others if (fresh.folder / name).exists()]
    assert all((fresh.folder / name).exists() for name in kept)
    assert fresh.ok("python", "-m", "stages.tools.prune") == ""


def test_nothing_goes_while_params_has_a_mistake(fresh: Project) -> None:
    timing = fresh.folder / "data/timing/gone.json"
    timing.parent.mkdir(parents=True)
    timing.touch()
    fresh.change("models.digits-pca.family", "pcb")
    done = fresh.run("python", "-m", "stages.tools.prune")
    assert done.returncode == 1
    assert timing.exists()


# ---- check_lock


@pytest.fixture(scope="module")
def complete(cloned: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a clone of one model, in which everything was run and committed. Tests must not change it."""
    project = copy_of(cloned, tmp_path_factory.mktemp("complete") / "project")
    values = project.params()
    for section, name in (
        ("downloads", "digits"),
        ("datasets", "digits"),
        ("models", "digits-pca"),
        ("groups", "quickstart"),
    ):
        values[section] = {name: values[section][name]}
    project.set_params(values)
    project.ok("python", "-m", "stages.check")
    project.repro()
    project.commit("Everything")
    return project


@pytest.fixture
def ran(complete: Project, tmp_path: Path) -> Project:
    """Return a copy of that clone, to be changed at will, without its data."""
    project = copy_of(complete, tmp_path / "project")
    shutil.rmtree(project.folder / "data")
    shutil.rmtree(project.folder / "plots")
    return project


def findings(project: Project) -> list[str]:
    """Return what `make check-lock` finds; its last line says what to do."""
    done = project.run("python", "-m", "stages.tools.check_lock")
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert done.returncode == bool(lines)
    return lines[:-1]


def test_a_commit_whose_data_is_absent_is_whole(complete: Project, ran: Project) -> None:
    assert findings(complete) == []
    assert findings(ran) == []


def test_files_that_dvc_tracks_without_a_stage_are_left_alone(ran: Project) -> None:
    (ran.folder / "mine.txt").touch()
    ran.ok("dvc", "add", "--quiet", "mine.txt")
    assert findings(ran) == []


def test_code_and_params_that_changed_since_are_found(ran: Project) -> None:
    ran.append("stages/train.py", "# changed")
    ran.change("models.digits-pca.network.latent_dim", 9)
    assert findings(ran) == [
        "train@digits-pca: changed deps: params.yaml (models.digits-pca.network)",
        "train@digits-pca: changed deps: stages/train.py (modified)",
    ]


def test_metrics_that_changed_since_are_found(ran: Project) -> None:
    path = ran.folder / "metrics/test/digits-pca.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"mse": 0}), encoding="utf-8")
    (ran.folder / "metrics/val/gone.json").touch()
    assert findings(ran) == [
        "evaluate@digits-pca: changed outs: metrics/test/digits-pca.json (modified)",
        "groups/dvc.yaml:quickstart: changed deps: metrics/test/digits-pca.json (modified)",
        "metrics/val/gone.json: no stage makes it",
    ]


def test_stages_that_are_gone_or_never_ran_are_found(ran: Project) -> None:
    values = ran.params()
    values["models"] = {"digits-tiny": values["models"]["digits-pca"]}
    ran.set_params(values)
    ran.ok("python", "-m", "stages.check")
    found = findings(ran)
    assert "dvc.lock: has train@digits-pca, which is no stage" in found
    assert "dvc.lock: lacks train@digits-tiny" in found
    assert "metrics/test/digits-pca.json: no stage makes it" in found


def test_lock_files_of_which_two_commits_are_mixed_are_found(ran: Project) -> None:
    lock = ran.folder / "dvc.lock"
    content = load_yaml(str(lock))
    (read,) = (
        dep for dep in content["stages"]["evaluate@digits-pca"]["deps"] if dep["path"] == "data/trained/digits-pca"
    )
    read["md5"] = f"{'0' * 32}.dir"
    lock.write_text(dumps_yaml(content), encoding="utf-8")
    assert findings(ran) == ["evaluate@digits-pca: read another data/trained/digits-pca than was made"]
    # DVC's own question ends at the first such stage, for want of the data.
    done = ran.run("dvc", "repro", "--allow-missing", "--dry")
    assert done.returncode != 0
    assert "failed to reproduce 'evaluate@digits-pca'" in done.stderr
