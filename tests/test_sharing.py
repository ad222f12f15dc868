"""Three people share one project, as README.md and docs/team.md say, line by line, against real servers."""

import grp
import os
import re
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from . import servers
from .conftest import ROOT, Project

TEAM = (ROOT / "docs/team.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
Server = Callable[[Path], AbstractContextManager[str]]
OPT_IN = pytest.mark.skipif(not os.environ.get("HOURGLASS_SERVERS"), reason="HOURGLASS_SERVERS=1 plays every server")
KINDS = [  # the heading in docs/team.md, its server, and the address there that this server has
    pytest.param("S3", servers.s3, "https://host:9000", id="s3"),
    pytest.param("A folder", servers.directory, "/mnt/team/hourglass", id="folder"),
    pytest.param("SSH", servers.ssh, "ssh://host/srv/hourglass", id="ssh"),
    pytest.param("WebDAV", servers.webdav, "webdavs://host", id="webdav"),
    pytest.param("HTTP", servers.http, "https://host/files", id="http"),
]


def block(text: str, start: str) -> list[str]:
    """Return the commands of the first indented block after `start`."""
    after = text[text.index(start) :]
    found = re.search(r"(?:^    .*\n)+", after, re.MULTILINE)
    assert found, start
    return [line.strip() for line in found.group().splitlines()]


def follow(project: Project, line: str) -> str:
    """Run a line as a shell does."""
    return project.ok("bash", "-euo", "pipefail", "-c", line)


def cached(project: Project) -> set[str]:
    """Return the paths of the files of a clone's cache."""
    cache = project.folder / ".dvc/cache/files"
    return {str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()}


def contents(project: Project) -> dict[str, bytes]:
    """Return what is in the folders and files that people look at."""
    folders = [project.folder / name for name in ("data/models", "data/evaluated", "data/prepared", "plots", "reports")]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(project.folder)): path.read_bytes() for path in files}


def person(hub: Path, folder: Path) -> Project:
    """Clone the team's repository for one more person."""
    subprocess.run(["git", "clone", "--quiet", hub, folder], check=True)
    project = Project(folder)
    project.ok("git", "config", "user.name", folder.name)
    project.ok("git", "config", "user.email", f"{folder.name}@localhost")
    return project


def name_remote(project: Project, heading: str, url: str, place: str, storage: Path) -> None:
    """Do what docs/team.md says of a kind of remote, with this server's address and secrets."""
    for line in block(TEAM, f"**{heading}**"):
        if line.startswith("make "):
            continue  # the environment of the tests has the plugins
        plain = url.replace("webdav://", "http://")
        told = (
            line.replace(place, url)
            .replace("https://host", plain)
            .replace("/home/me/.ssh/id_ed25519", f"{storage}/key")
        )
        told = told.replace("user team", f"user {os.environ.get('USER', 'root') if heading == 'SSH' else servers.USER}")
        follow(project, told.replace("KEY", servers.USER).replace("SECRET", servers.SECRET))
    for line in block(README, "One person names the storage")[1:]:
        follow(project, line)
    assert project.ok("git", "show", "--name-only", "--format=") == ".dvc/config\n"  # not results that nobody has yet
    shared = (project.folder / ".dvc/config").read_text(encoding="utf-8")
    assert servers.SECRET not in shared


def hand_secrets(giver: Project, receiver: Project) -> None:
    """Let another person have the secrets, which git does not carry."""
    local = giver.folder / ".dvc/config.local"
    if local.exists():
        (receiver.folder / ".dvc/config.local").write_bytes(local.read_bytes())


@OPT_IN
@pytest.mark.parametrize(("heading", "server", "place"), KINDS)
def test_three_people(heading: str, server: Server, place: str, project: Project, tmp_path: Path) -> None:
    hub, storage = tmp_path / "hub", tmp_path / "storage"
    subprocess.run(["git", "clone", "--quiet", "--bare", project.folder, hub], check=True)
    project.ok("git", "remote", "add", "origin", str(hub))
    project.ok("git", "fetch", "--quiet")
    branch = project.ok("git", "branch", "--show-current").strip()
    project.ok("git", "branch", "--quiet", "--set-upstream-to", f"origin/{branch}")
    with server(storage) as url:
        name_remote(project, heading, url, place, storage)
        first, second = block(README, "After a run, first the data")
        follow(project, second)

        bob = person(hub, tmp_path / "bob")
        hand_secrets(project, bob)
        follow(bob, block(README, "On another machine all that")[0])
        assert bob.repro("report@quickstart") == set()
        assert contents(bob) == contents(project)

        carol = person(hub, tmp_path / "carol")
        hand_secrets(project, carol)
        # Longer than before: a file of the same size that is edited in the second of its checkout, git takes for unchanged.
        carol.change("models.digits-dense.training.epochs", 10)
        run, report = block(README, "In a clone without data")
        follow(carol, run)
        assert {path.name for path in (carol.folder / "data/prepared").iterdir()} == {"digits"}
        assert not (carol.folder / "data/raw/digits").exists()
        assert not (carol.folder / "data/evaluated/digits-conv").exists()
        follow(carol, report)
        follow(carol, f"git add params.yaml && {first}")
        follow(carol, second)

        old = project.ok("git", "rev-parse", "HEAD").strip()
        before = (project.folder / "data/models/digits-dense/model.safetensors").read_bytes()
        follow(project, block(README, "On another machine all that")[0])
        trained = carol.folder / "data/models/digits-dense/model.safetensors"
        assert (project.folder / "data/models/digits-dense/model.safetensors").read_bytes() == trained.read_bytes()
        assert project.repro("report@quickstart") == set()

        new = trained.read_bytes()
        back, again = block(TEAM, "To have an old commit's")
        follow(carol, back.replace("REVISION", old))
        assert trained.read_bytes() == before
        follow(carol, again.replace("main", branch))
        assert trained.read_bytes() == new


def test_there_and_back(tiny: Project, tmp_path: Path) -> None:
    hub, storage = tmp_path / "hub", tmp_path / "storage"
    subprocess.run(["git", "clone", "--quiet", "--bare", tiny.folder, hub], check=True)
    ann = person(hub, tmp_path / "ann")
    ann.append(".gitignore", "/scratch")
    ann.ok("git", "add", ".gitignore")  # as `dvc repro` stages dvc.lock
    with servers.s3(storage) as url:
        name_remote(ann, "S3", url, "https://host:9000", storage)
        ann.ok("dvc", "pull", "--allow-missing")  # nobody has pushed
        ann.repro()
        follow(ann, block(README, "After a run, first the data")[1])
        ben = person(hub, tmp_path / "ben")
        hand_secrets(ann, ben)
        follow(ben, block(README, "On another machine all that")[0])
        assert ben.repro() == set()
    assert (ben.folder / "results/copy").read_text(encoding="utf-8") == "first\n"


def test_registry(tiny: Project, tmp_path: Path) -> None:
    tiny.append("dvc.yaml", "artifacts:\n  digits:\n    path: results\n    type: model")
    tiny.commit("Name a model")
    hub = tmp_path / "hub"
    subprocess.run(["git", "clone", "--quiet", "--bare", tiny.folder, hub], check=True)
    tiny.ok("git", "remote", "add", "origin", str(hub))
    *tags, by_stage, by_tag = block(README, "version is in use; whoever")
    for line in tags:
        follow(tiny, line.replace("fashion-residual", "digits"))
    assert set(tiny.ok("git", "ls-remote", "--tags", "--refs", "origin").split()[1::2]) == {
        "refs/tags/digits#production#1",
        "refs/tags/digits@v1.0.0",
    }
    (tiny.folder / "source").write_text("second\n", encoding="utf-8")
    tiny.repro()
    tiny.commit("Second results")
    for line in (by_stage, by_tag):
        named = line.replace("data/models/fashion-residual", "results").replace("fashion-residual", "digits")
        follow(tiny, f"cd {tmp_path} && {named.replace('https://host/team/hourglass', str(tiny.folder))}")
    for folder in ("results", "v1"):
        assert (tmp_path / folder / "copy").read_text(encoding="utf-8") == "first\n"


def test_one_cache_for_all(tiny: Project, tmp_path: Path) -> None:
    cache, group = tmp_path / "cache", grp.getgrgid(os.getgid()).gr_name
    you, them = (person(tiny.folder, tmp_path / name) for name in ("you", "them"))
    (made,) = block(TEAM, "## One cache on a server")
    follow(tiny, made.replace("/srv/hourglass-cache", str(cache)).replace("chgrp team", f"chgrp {group}"))
    for project in (tiny, you, them):
        for line in block(TEAM, "Then each, in a clone"):
            follow(project, line.replace("/srv/hourglass-cache", str(cache)))
        for line in block(TEAM, "What a clone has in its own cache") if project is tiny else ():
            follow(project, line)
        (project.folder / "source").write_text(f"{project.folder.name}\n", encoding="utf-8")
        project.repro()
        project.commit("Results")
    stored = {path for path in (cache / "files").rglob("*") if "runs" not in path.parts}
    assert {path.stat().st_gid for path in stored} == {cache.stat().st_gid}
    assert all(path.stat().st_mode & 0o070 == 0o070 for path in stored if path.is_dir())
    assert all(path.stat().st_mode & 0o040 for path in stored if path.is_file())
    files = {path for path in stored if path.is_file()}
    (collect,) = block(TEAM, "Run `dvc gc` there only")
    clones = collect.replace("/home/you/hourglass", str(you.folder)).replace("/home/them/hourglass", str(them.folder))
    follow(tiny, f"{clones} <<< yes")
    assert set((cache / "files").rglob("*")) >= files  # theirs too


def test_every_pin_is_one_of_all_extras() -> None:
    everything = set((ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines())
    pins = set((ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines())
    assert pins < everything
    assert all(re.fullmatch(r"[a-z0-9.-]+==[a-z0-9.]+( ; [^;]+)?", pin) for pin in everything)
