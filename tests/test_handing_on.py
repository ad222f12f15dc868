"""README's lines from training to a model in use elsewhere, followed word for word."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from hourglass.data.prepared import open_split

from .conftest import ROOT, Project

URL = "https://host/team/hourglass"


def block(start: str) -> list[str]:
    """Return the indented lines of README.md that begin with one that holds `start`."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"^(?:    .*\n)*    {re.escape(start)}.*\n(?:    .*\n)*", readme, re.MULTILINE)
    assert found, start
    return [line.strip() for line in found.group().splitlines()]


def shell(command: str, folder: Path) -> str:
    """Run a line of README.md as a shell does, with the commands of this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S602
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_from_training_to_a_model_in_use_elsewhere(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    photos = elsewhere / "photos"
    (photos / "more").mkdir(parents=True)
    images = np.array(open_split(project.folder / "data/prepared/digits/test", "again"))[:12, 0]
    for index, image in enumerate(images):
        Image.fromarray(image).save(photos / ("more" if index % 2 else ".") / f"{index}.png")
    project.ok("dvc", "remote", "add", "--default", "--local", "storage", str(tmp_path / "storage"))
    project.ok("dvc", "push", "data/models/digits-dense")
    project.ok("git", "remote", "add", "origin", URL)
    get, install, *use = block("dvc get https://host/team/hourglass data")
    assert install.startswith("pip install")  # tests/test_packaging.py installs it, and uses it without DVC
    shell(get.replace(URL, str(project.folder)), elsewhere)
    said = "".join(
        shell(f"{line}".replace("hourglass ", f"{sys.executable} -m hourglass ", 1), elsewhere) for line in use
    )
    assert "12 images" in said
    latents = np.load(elsewhere / "latents.npz")["latents"]
    assert latents.shape == (12, 8)
    names = sorted(path.relative_to(photos) for path in photos.rglob("*.png"))
    decoded = elsewhere / "decoded"
    assert sorted(path.relative_to(decoded) for path in decoded.rglob("*.png")) == names
    expected = np.array(open_split(project.folder / "data/prepared/digits/test", "again"))[0, 0].astype(float)
    error = np.asarray(Image.open(decoded / "0.png")).astype(float) - expected
    assert np.sqrt(np.mean(error**2)) < 60
    assert len(list((elsewhere / "compressed").rglob("*.hg"))) == 12


def test_models_that_are_handed_on_have_a_name(project: Project, tmp_path: Path) -> None:
    project.append("dvc.yaml", "  digits:\n    path: data/models/digits-dense\n    type: model\n")
    project.commit("Name a model")
    project.ok("git", "tag", "--annotate", "--message", "the first", "digits@v1.0.0")
    project.ok("dvc", "artifacts", "get", str(project.folder), "digits", "--out", str(tmp_path / "got"))
    assert (tmp_path / "got/model.safetensors").is_file()
