"""CONTRIBUTING.md is followed word for word, in a clone: each of its examples works as it stands; README.md's too."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hourglass.data.prepared import open_split

from .conftest import ROOT, Project, copy_of

GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(python|yaml)\n# (\S+?)(?:: ([^\n]*))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TESTS = ("families", "trainer", "losses", "readers")  # where the examples are tested, beside two of the next
LISTS = ("check", "metrics", "report", "figures")  # tests that see what there is, and must not mind that there is more
# Figures of other images than the rest, and a clone of the project: slow, and no more is there to see.
SLOW = ("large-", "classes-", "gray-", "color-", "command")
OF_THE_EXAMPLES = "(linear or sgd or mae or cifar or is_tested) and not never"
OF_LISTS = f"({' or '.join(f'test_{name}.py' for name in LISTS)}) and not ({' or '.join(('dvc', 'yaml', *SLOW))})"


def edits() -> Iterator[tuple[str, str, str]]:
    """Yield the file, the place and the code of every block of Python."""
    for kind, file, place, code in BLOCK.findall(GUIDE):
        if kind == "python":
            yield file, place, code


def entries() -> list[str]:
    """Return the blocks of params.yaml."""
    return [code for kind, file, _, code in BLOCK.findall(GUIDE) if (kind, file) == ("yaml", "params.yaml")]


def commands() -> list[str]:
    """Return the targets of all `dvc repro`."""
    return re.findall(r"^    dvc repro (\S+)$", GUIDE, re.MULTILINE)


def edit(path: Path, place: str, code: str) -> None:
    """Put code where its first line says."""
    if place == "a new file":
        assert not path.exists()
        path.write_text(code, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    if place == "at the end":
        path.write_text(f"{text}\n\n{code}", encoding="utf-8")
        return
    where, name = place.split()
    begin, end = literal(text, name)
    if where == "before":
        path.write_text(f"{text[:begin]}{code}\n\n{text[begin:]}", encoding="utf-8")
        return
    assert where == "into"
    inside = text[: end - 1].rstrip()
    comma = "" if inside.endswith(",") else ", "
    path.write_text(f"{inside}{comma}{code}{text[end - 1 :]}", encoding="utf-8")


def literal(text: str, name: str) -> tuple[int, int]:
    """Return where the assignment of a dictionary begins, and where it ends."""
    for node in ast.parse(text).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == name:
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            assert isinstance(node.value, ast.Dict)
            lines = text.splitlines(keepends=True)
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            begin = len("".join(lines[: node.lineno - 1]))
            return begin, len("".join(lines[: node.end_lineno - 1])) + node.end_col_offset
    raise AssertionError(f"no dictionary {name}")


@pytest.fixture(scope="module")
def extended(cloned: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a clone in which all of CONTRIBUTING.md was done. Tests must not change it."""
    project = copy_of(cloned, tmp_path_factory.mktemp("extended") / "project")
    for file, place, code in edits():
        edit(project.folder / file, place, code)
    changed = sorted({file for file, _, _ in edits()})
    project.ok("ruff", "format", *changed)
    images = project.folder / "cifar-10-batches-bin"
    images.mkdir()
    generator = np.random.default_rng(0)
    for name in ("data_batch_1.bin", "test_batch.bin"):
        records = generator.integers(0, 256, (30, 3073)).astype(np.uint8)
        records[:, 0] = np.arange(30) % 3
        records.tofile(images / name)
    for number, block in enumerate(entries()):
        (project.folder / f"{number}.yaml").write_text(block, encoding="utf-8")
        project.ok("python", "-m", "stages.tools.add", f"{number}.yaml")
    return project


def test_every_block_has_its_place() -> None:
    assert len(BLOCK.findall(GUIDE)) == len(re.findall(r"^```(?:python|yaml)$", GUIDE, re.MULTILINE))
    headings = re.findall(r"^## (?:A|An) (\w+)", GUIDE, re.MULTILINE)
    assert headings == ["family", "optimizer", "loss", "reader", "metric", "figure"]


def test_each_example_touches_one_file_and_its_test() -> None:
    for section in re.split(r"^## ", GUIDE, flags=re.MULTILINE)[1:]:
        files = {file for kind, file, _, _ in BLOCK.findall(section) if kind == "python"}
        assert len([file for file in files if not file.startswith("tests/")]) <= 1, section.partition("\n")[0]


def test_the_examples_are_in_the_style_of_the_code(extended: Project) -> None:
    extended.ok("ruff", "check", *sorted({file for file, _, _ in edits()}))
    extended.ok("lint-imports", "--no-logo", "--no-cache")


def test_the_tests_of_the_examples_pass_and_no_other_minds_them(extended: Project) -> None:
    files = [f"tests/test_{name}.py" for name in (*TESTS, *LISTS)]
    chosen = f"({OF_THE_EXAMPLES}) or ({OF_LISTS})"
    passed = extended.ok("python", "-m", "pytest", "-p", "no:cacheprovider", "-vv", "-k", chosen, *files)
    for name in ("sgd_gets", "mae_by", "test_cifar", "largest_error", "[linear", "[mae]", "[max_error]", "-errors]"):
        assert re.search(rf"{re.escape(name)}.*PASSED", passed), name


def test_the_pipeline_runs_the_examples(extended: Project) -> None:
    targets = list(dict.fromkeys(commands()))
    ran = extended.repro(*targets)
    assert {"train@digits-linear", "train@digits-sgd", "train@digits-mae", "prepare@cifar-10"} <= ran
    folder = extended.folder
    history = pd.read_csv(folder / "metrics/history/digits-mae.csv")
    assert {"train_mse", "train_mae", "val_mae"} <= set(history)
    assert '"max_error"' in (folder / "metrics/test/digits-linear.json").read_text(encoding="utf-8")
    assert (folder / "plots/digits-linear/errors.png").stat().st_size > 0
    assert open_split(folder / "data/prepared/cifar-10/test").shape == (30, 3, 32, 32)


def test_the_reference_is_of_the_examples_too(extended: Project) -> None:
    extended.ok("python", "-m", "stages.tools.reference")
    page = (extended.folder / "docs/params.md").read_text(encoding="utf-8")
    assert all(word in page for word in ("`sgd`", "`linear`", "`cifar`", "Decay of the running mean of the gradient"))


def test_the_entries_of_the_readme_are_right(fresh: Project) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    model, *datasets = re.findall(r"^```yaml\n(  .*?)^```$", readme, re.MULTILINE | re.DOTALL)
    home = fresh.folder / "home"
    for index in range(60):
        folder = (f"photos/cat{index % 3}", f"people/person{index // 4}")[index % 2]
        path = home / folder / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(index).integers(0, 256, (32, 32), np.uint8)).save(path)
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
    labels = np.arange(40) % 2
    np.savetxt(home / "train.csv.gz", np.column_stack([labels, images.reshape(40, -1)]), "%d", ",")
    (home / "arrays").mkdir()
    np.save(home / "arrays/images.npy", images)
    np.save(home / "arrays/labels.npy", labels)
    text = "".join(datasets).replace("/home/me", str(home))
    (fresh.folder / "new.yaml").write_text(f"models:\n{model}datasets:\n{text}", encoding="utf-8")
    added = fresh.ok("python", "-m", "stages.tools.add", "new.yaml")
    assert "added models.digits-tiny, datasets.my-photos, datasets.my-people, datasets.my-table" in added
    for name, way in (
        ("photos", "stratified"),
        ("people", "grouped"),
        ("table", "stratified"),
        ("arrays", "stratified"),
    ):
        assert f", {way}: " in fresh.ok("python", "-m", "stages.prepare", f"my-{name}")
