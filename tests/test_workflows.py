"""GitHub's workflows: what they run is there, and nothing that they fetch can change under them."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from .conftest import ROOT

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
HASH = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40}")

each = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def load(path: Path) -> dict[str, Any]:
    """Return a workflow."""
    values: dict[str, Any] = YAML(typ="safe", pure=True).load(path)
    return values


def steps(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the steps of all jobs."""
    for job in load(path)["jobs"].values():
        yield from job["steps"]


def test_there_are_workflows() -> None:
    assert [path.stem for path in WORKFLOWS] == ["ci", "report"]


@each
def test_actions_are_pinned_by_hash_and_their_version_is_said(path: Path) -> None:
    assert [step["uses"] for step in steps(path) if "uses" in step and not HASH.fullmatch(step["uses"])] == []
    used = [line for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert [line for line in used if not re.search(r" # v\d+\.\d+\.\d+$", line)] == []


@each
def test_make_targets_are_there(path: Path) -> None:
    commands = "\n".join(step["run"] for step in steps(path) if "run" in step)
    targets = set(re.findall(r"\bmake (?:--directory \S+ )?([a-z-]+)", commands))
    assert targets
    listed = subprocess.run(
        ["make", "--print-data-base", "--question", "help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    known = set(re.findall(r"^([a-z-]+):", listed.stdout, re.MULTILINE))
    assert targets - known == set()


@each
def test_code_of_a_pull_request_gets_no_right_to_write(path: Path) -> None:
    workflow = load(path)
    assert "pull_request_target" not in workflow["on"]
    assert "write" not in workflow["permissions"].values()
    for job in workflow["jobs"].values():
        granted = job.get("permissions", {})
        if any(step.get("uses", "").startswith("actions/checkout@") for step in job["steps"]):
            assert {right for right, level in granted.items() if level == "write"} <= {"id-token"}
        if "self-hosted" in job["runs-on"]:
            assert "head.repo.full_name == github.repository" in job["if"]
    checkouts = [step for step in steps(path) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@each
def test_no_text_of_somebody_else_becomes_a_command(path: Path) -> None:
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []


def test_ci_is_on_every_python_that_the_project_is_for() -> None:
    matrix = load(ROOT / ".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
    assert {name.partition("-")[0] for name in matrix["os"]} == {"ubuntu", "macos"}


def test_another_label_neither_ends_a_run_nor_starts_one() -> None:
    workflow = load(ROOT / ".github/workflows/report.yml")
    assert "github.event.label.name != 'report' && github.run_id" in workflow["concurrency"]["group"]
    assert "github.event.label.name == 'report'" in workflow["jobs"]["results"]["if"]
