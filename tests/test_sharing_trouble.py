"""What goes wrong between a team and its remote: what DVC says, and the ways out that docs/team.md tells, on a tiny project."""

import shutil
import subprocess
from pathlib import Path

import pytest

from . import servers
from .conftest import Project
from .test_sharing import OPT_IN, TEAM, block, follow, person

TABLE = TEAM[TEAM.index("## When it goes wrong") :]


def seen(done: subprocess.CompletedProcess[str]) -> str:
    """Return what a command printed."""
    return done.stdout + done.stderr


def told(message: str) -> str:
    """Return the way out that the table has for a message."""
    found = [row for row in TABLE.splitlines() if row.startswith("|") and message in row.split("|")[1]]
    assert len(found) == 1, message
    return found[0].split("|")[2]


def name_folder(project: Project, folder: Path) -> None:
    """Name a folder as the remote of a project."""
    project.ok("dvc", "remote", "add", "--quiet", "--default", "storage", str(folder))
    project.ok("dvc", "remote", "modify", "storage", "verify", "true")
    project.commit("Share by a folder")


def work(project: Project, source: str) -> None:
    """Give the stage other input, run it, and commit what comes of it."""
    (project.folder / "source").write_text(f"{source}\n", encoding="utf-8")
    assert project.repro() == {"work"}
    project.commit(source)


@pytest.mark.parametrize("damage", ["lost", "damaged"])
def test_whoever_has_the_file_mends_the_remote(damage: str, tiny: Project, tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    name_folder(tiny, storage)
    tiny.ok("dvc", "push")
    (file,) = (path for path in storage.rglob("*") if path.is_file() and path.read_text(encoding="utf-8") == "first\n")
    file.chmod(0o644)
    file.unlink() if damage == "lost" else file.write_text("worst\n", encoding="utf-8")
    other = person(tiny.folder, tmp_path / "other")
    pulled = other.run("dvc", "pull")
    assert pulled.returncode == 1
    message = {"lost": "failed to transfer", "damaged": "Checkout failed for following targets"}[damage]
    assert message in seen(pulled)
    if damage == "damaged":
        other.ok("dvc", "pull", "--allow-missing")  # which leaves it out
    assert not (other.folder / "results").exists()
    assert "Everything is up to date" in tiny.ok("dvc", "push")  # which is no help
    copy = next(code for code in told(message).split("`") if code.startswith("cp "))
    follow(tiny, copy.replace("/mnt/team/hourglass", str(storage)))
    other.ok("dvc", "pull")
    assert (other.folder / "results/copy").read_text(encoding="utf-8") == "first\n"


def test_two_people_push_at_once(tiny: Project, tmp_path: Path) -> None:
    name_folder(tiny, tmp_path / "storage")
    hub = tmp_path / "hub"
    subprocess.run(["git", "clone", "--quiet", "--bare", tiny.folder, hub], check=True)
    ann, ben = person(hub, tmp_path / "ann"), person(hub, tmp_path / "ben")
    (ann.folder / "notes").write_text("Ann's\n", encoding="utf-8")
    ann.commit("Notes")
    ann.ok("git", "push", "--quiet")
    work(ben, "second")
    ben.ok("dvc", "push")
    pushed = ben.run("git", "push")
    assert pushed.returncode != 0
    assert "[rejected]" in seen(pushed)
    assert "divergent branches" in seen(ben.run("git", "pull"))  # hence what the table has
    pull = next(code for code in told("[rejected]").split("`") if code.startswith("git pull"))
    follow(ben, pull)
    ben.ok("git", "commit", "--quiet", "--message", "Merge")
    ben.ok("git", "push", "--quiet")
    ann.ok("git", "pull", "--quiet")
    ann.ok("dvc", "pull")
    assert (ann.folder / "results/copy").read_text(encoding="utf-8") == "second\n"


@OPT_IN
def test_commits_from_before_the_remote(tiny: Project, tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    work(tiny, "second")
    name_folder(tiny, storage)
    tiny.ok("dvc", "push", "--all-commits")
    assert not any(path.read_bytes() == b"first\n" for path in storage.rglob("*") if path.is_file())
    for line in block(TEAM, "older than the remote"):
        follow(tiny, line.replace("/mnt/team/hourglass", str(storage)))
    forget(tiny)
    tiny.ok("git", "checkout", "--quiet", "HEAD~2")
    tiny.ok("dvc", "pull")
    assert (tiny.folder / "results/copy").read_text(encoding="utf-8") == "first\n"


def test_no_remote_and_no_plugin(tiny: Project) -> None:
    assert "no remote specified" in seen(tiny.run("dvc", "push"))
    assert "No remote provided and no default remote set" in seen(tiny.run("dvc", "pull"))
    tiny.ok("dvc", "remote", "add", "--quiet", "--default", "storage", "azure://container/hourglass")
    pushed = tiny.run("dvc", "push")
    assert pushed.returncode != 0
    assert "azure is supported, but requires 'dvc-azure' to be installed" in seen(pushed)
    assert "make REMOTE=s3" in told("is supported, but requires")
    assert "`git pull`" in told("no remote specified")


def test_another_dvc_runs_in_the_clone(tiny: Project) -> None:
    (tiny.folder / "source").write_text("slow\n", encoding="utf-8")
    tiny.replace("dvc.yaml", "mkdir results", "touch started && until test -e end; do sleep 0.1; done && mkdir results")
    with subprocess.Popen(["dvc", "repro", "--quiet"], cwd=tiny.folder) as running:
        while not (tiny.folder / "started").exists():
            assert running.poll() is None
        blocked = tiny.run("dvc", "repro")
        (tiny.folder / "end").touch()
    assert "is busy, it is being blocked by" in seen(blocked)
    assert running.returncode == 0
    assert told("it is being blocked by")
    with subprocess.Popen(["flock", ".dvc/tmp/lock", "cat"], cwd=tiny.folder, stdin=subprocess.PIPE) as holder:
        assert "Unable to acquire lock" in seen(tiny.run("dvc", "status"))
        holder.communicate()
    assert "Unable to acquire lock" in TABLE


def test_garbage_that_no_commit_names(tiny: Project) -> None:
    work(tiny, "second")
    first = tiny.ok("git", "rev-parse", "HEAD~1").strip()
    for source in ("tried", "kept"):
        (tiny.folder / "source").write_text(f"{source}\n", encoding="utf-8")
        tiny.repro()
    cache = tiny.folder / ".dvc/cache/files"
    before = {path for path in cache.rglob("*") if path.is_file()}
    look, remove = block(TEAM, "## Room")
    follow(tiny, look)
    assert {path for path in cache.rglob("*") if path.is_file()} == before
    follow(tiny, f"{remove} <<< yes")
    gone = before - set(cache.rglob("*"))
    assert len(gone) == 2  # the copy of `tried`, and the list of its folder
    tiny.ok("git", "stash", "--quiet")
    tiny.ok("git", "checkout", "--quiet", first)
    tiny.ok("dvc", "checkout")
    assert (tiny.folder / "results/copy").read_text(encoding="utf-8") == "first\n"
    tiny.ok("git", "checkout", "--quiet", "main")
    forget(tiny)
    refused = tiny.run("bash", "-c", f"{remove} <<< yes")
    assert refused.returncode != 0
    assert "unable to fully collect used cache" in seen(refused)
    follow(tiny, f"{remove} --skip-failed <<< yes")


@OPT_IN
def test_trouble_with_s3(tiny: Project, tmp_path: Path) -> None:
    with servers.s3(tmp_path / "storage") as url:
        tiny.ok("dvc", "remote", "add", "--quiet", "--default", "storage", "s3://bucket/hourglass")
        modify = ("dvc", "remote", "modify", "--local", "storage")
        tiny.ok(*modify, "endpointurl", url)
        tiny.ok(*modify, "access_key_id", servers.USER)
        tiny.ok(*modify, "secret_access_key", "wrong")
        assert "Forbidden: An error occurred (403)" in seen(tiny.run("dvc", "push"))
        tiny.ok(*modify, "secret_access_key", servers.SECRET)
        tiny.ok(*modify, "url", "s3://none/hourglass")
        assert "The specified bucket does not exist" in seen(tiny.run("dvc", "push"))
        tiny.ok(*modify, "url", "s3://bucket/hourglass")
        tiny.ok("dvc", "push")
    forget(tiny)
    assert "Could not connect to the endpoint URL" in seen(tiny.run("dvc", "pull"))


@OPT_IN
def test_trouble_with_webdav(tiny: Project, tmp_path: Path) -> None:
    (tiny.folder / "other").write_text("other\n", encoding="utf-8")
    tiny.ok("dvc", "add", "--quiet", "other")
    with servers.webdav(tmp_path / "storage") as url:
        tiny.ok("dvc", "remote", "add", "--quiet", "--default", "storage", f"{url}/hourglass")
        modify = ("dvc", "remote", "modify", "--local", "storage")
        tiny.ok(*modify, "user", servers.USER)
        tiny.ok(*modify, "password", servers.SECRET)
        assert "could not be found in the server" in seen(tiny.run("dvc", "push"))
        (folder,) = (line for line in block(TEAM, "**WebDAV**") if "MKCOL" in line)
        follow(tiny, folder.replace("https://host", url.replace("webdav", "http")).replace("SECRET", servers.SECRET))
        tiny.ok("dvc", "push")
        forget(tiny)
        tiny.ok(*modify, "password", "wrong")
        alone = tiny.run("dvc", "pull", "work")  # looks for one folder alone
        assert "Some of the cache files do not exist" in seen(alone)
        assert "401 (Unauthorized)" in seen(tiny.run("dvc", "pull"))
        tiny.ok(*modify, "password", servers.SECRET)
    assert "Connection refused" in seen(tiny.run("dvc", "pull"))


def forget(project: Project) -> None:
    """Remove the cache and the results of a clone."""
    for name in (".dvc/cache", "results"):
        shutil.rmtree(project.folder / name)
