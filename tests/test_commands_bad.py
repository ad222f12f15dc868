"""The command line of a trained model, on what is wrong: one line, and nothing written."""

import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from PIL import Image

import hourglass
from hourglass.codec.codec import Codec
from hourglass.coding.quantizer import Latents
from hourglass.commands import outputs
from hourglass.commands.comparison import find_pca
from hourglass.commands.latents import read_latents, write_latents
from hourglass.console.errors import UserError

from .conftest import ROOT
from .test_codec import packed
from .test_commands import NAMES, codec, files_in, image, model, photos, pixels, run

__all__ = ["codec", "model", "photos"]  # fixtures


@pytest.fixture
def latents() -> Latents:
    return np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def refused(folder: Path, match: str, *arguments: object) -> None:
    """Check that a command is refused in one line, and leaves the folder as it was."""
    before = contents(folder)
    with pytest.raises(UserError, match=match) as error:
        run(*arguments)
    assert "\n" not in str(error.value)
    assert contents(folder) == before
    assert not [path for path in folder.rglob("*") if path.name.endswith(".partial")]


@pytest.mark.parametrize("command", ["encode", "compress"])
def test_bad_images(
    model: Path, photos: Path, tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "b/3.jpg").write_text("I am text", encoding="utf-8")
    (photos / "b/4.png").write_bytes((photos / "a.png").read_bytes()[:90])
    output = tmp_path / "out.npz" if command == "encode" else tmp_path / "out"
    refused(tmp_path, r"b/3\.jpg: expected an image, got text", command, model, photos, "-o", output)
    capsys.readouterr()
    run(command, model, photos, "-o", output, "--on-bad-image", "skip")
    assert "note: 2 of 7 images skipped; the first: " in capsys.readouterr().err
    if command == "compress":
        assert len(files_in(output)) == len(NAMES)
    else:
        with np.load(output) as arrays:
            assert arrays["names"].tolist() == list(NAMES)
    text = photos / "b/3.jpg"
    last = tmp_path / "last.npz"
    refused(tmp_path, "at least one image", "encode", model, text, "-o", last, "--on-bad-image", "skip")


def test_inputs_that_are_none(model: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    output = tmp_path / "x.csv"
    refused(tmp_path, r"empty: expected files \.jpg, .*found none", "encode", model, tmp_path / "empty", "-o", output)
    refused(tmp_path, "found no .*nothing", "encode", model, tmp_path / "nothing", "-o", output)
    refused(tmp_path, "expected the folder of a model", "encode", tmp_path / "empty", photos, "-o", output)
    refused(tmp_path, r"ends in \.npz or .*got \.txt", "encode", model, photos, "-o", tmp_path / "x.txt")
    refused(tmp_path, "4 to 16 bits, got 3", "compress", model, photos, "-o", tmp_path / "x", "--bits", 3)
    refused(tmp_path, r"ends in \.hg", "compress", model, photos, "-o", tmp_path / "x", "--one-file")
    refused(tmp_path, "device cpu, cuda", "compress", model, photos, "-o", tmp_path / "x", "--device", "tpu")
    refused(tmp_path, "got a folder", "search", model, photos, photos)
    refused(tmp_path, "expected images beside the query", "search", model, photos / "a.png", photos / "a.png")


def test_files_that_exist_are_not_replaced(model: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "b").mkdir(parents=True)
    (out / "mine.txt").write_text("mine", encoding="utf-8")
    (out / "b/10.hg").write_text("mine too", encoding="utf-8")
    refused(tmp_path, r"b/10\.hg: expected a new file, .*--force", "compress", model, photos, "-o", out)
    run("compress", model, photos, "-o", out, "--force")
    assert (out / "mine.txt").read_text(encoding="utf-8") == "mine"
    assert len(files_in(out)) == len(NAMES) + 1
    assert (out / "b/10.hg").read_bytes().startswith(b"\x89HG\n")
    (tmp_path / "l.csv").write_text("mine", encoding="utf-8")
    refused(tmp_path, "--force", "encode", model, photos, "-o", tmp_path / "l.csv")
    refused(tmp_path, "expected a folder, got a file", "compress", model, photos, "-o", tmp_path / "l.csv")
    run("encode", model, photos, "-o", tmp_path / "l.csv", "--force")


@pytest.mark.parametrize("existing", [False, True])
def test_a_folder_appears_whole_or_not_at_all(model: Path, photos: Path, tmp_path: Path, existing: bool) -> None:
    (photos / "z.png").write_bytes(b"none")  # the last one
    out = tmp_path / "out"
    if existing:
        out.mkdir()
    refused(tmp_path, r"z\.png: expected an image", "compress", model, photos, "-o", out)
    assert out.exists() == existing


def test_bad_compressed_files(model: Path, codec: Codec, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = codec.compress(pixels(0)), tmp_path / "out"
    altered = bytearray(data)
    altered[-6] ^= 1
    packed(tmp_path / "other", "vae: dense", (3, 9, 11))
    for name, content in {"cut": data[:-3], "altered": bytes(altered), "empty": b"", "good": data}.items():
        (tmp_path / f"{name}.hg").write_bytes(content)
    for name, reason in {"cut": "truncated", "altered": "altered", "empty": "empty"}.items():
        refused(tmp_path, rf"{name}\.hg: .*{reason}", "decompress", model, tmp_path / f"{name}.hg", "-o", out)
    refused(
        tmp_path, "another version of cells-small", "decompress", tmp_path / "other", tmp_path / "good.hg", "-o", out
    )
    files = [tmp_path / f"{name}.hg" for name in ("cut", "good", "empty")]
    refused(tmp_path, "truncated", "decompress", model, *files, "-o", out)
    run("decompress", model, *files, "-o", out, "--on-bad-image", "skip")
    assert "note: 2 of 3 files skipped; the first: " in capsys.readouterr().err
    assert files_in(out) == ["good.png"]
    assert (image(out / "good.png") == codec.decompress(data)).all()


@pytest.mark.parametrize("name", ["../a", "/etc/a", "a/../../b", "", "a\\b", "a\nb", "a//b", "C:a"])
def test_names_stay_below_the_folder(
    model: Path, codec: Codec, tmp_path: Path, name: str, latents: Latents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "SPECIAL", frozenset("\\:"))  # as on Windows
    (tmp_path / "all.hg").write_bytes(codec.to_file(latents, [name, "fine"]))
    np.savez(tmp_path / "l.npz", names=np.array([name, "fine"]), latents=latents)
    out = tmp_path / "deep" / "out"
    refused(tmp_path, r"all\.hg: expected names", "decompress", model, tmp_path / "all.hg", "-o", out)
    refused(tmp_path, r"l\.npz: expected names", "decode", model, tmp_path / "l.npz", "-o", out)


def test_a_file_with_bad_names_can_be_left_out(model: Path, codec: Codec, tmp_path: Path, latents: Latents) -> None:
    (tmp_path / "bad.hg").write_bytes(codec.to_file(latents, ["../a", "b"]))
    (tmp_path / "good.hg").write_bytes(codec.to_file(latents, ["a", "b"]))
    files = (tmp_path / "bad.hg", tmp_path / "good.hg")
    run("decompress", model, *files, "-o", tmp_path / "out", "--on-bad-image", "skip")
    assert files_in(tmp_path / "out") == ["a.png", "b.png"]


def test_sizes_that_no_image_had(model: Path, codec: Codec, tmp_path: Path, latents: Latents) -> None:
    file = tmp_path / "huge.hg"
    for size in ((1 << 31, 1 << 31), (0, 5)):
        file.write_bytes(codec.to_file(latents[:1], sizes=[size]))
        command = ("decompress", model, file, "--original-size", "-o", tmp_path / "out")
        refused(tmp_path, r"huge\.hg: expected images of at most .* pixels", *command)


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_latents_of_another_model(model: Path, codec: Codec, tmp_path: Path, latents: Latents, suffix: str) -> None:
    path, columns = tmp_path / f"l{suffix}", codec.get_feature_names_out()
    write_latents(path, ["a", "b"], latents, columns, "cells-small 0123456789abcdef")
    refused(tmp_path, rf"l{suffix}: .*got those of cells-small 01234567", "decode", model, path, "-o", tmp_path / "out")
    write_latents(path, ["a", "b"], latents, columns, codec.weights_id)
    run("decode", model, path, "-o", tmp_path / "out")
    assert files_in(tmp_path / "out") == ["a.png", "b.png"]


def test_a_broken_link_in_a_folder_is_a_bad_image(
    model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "b/5.png").symlink_to(tmp_path / "gone")
    refused(tmp_path, r"b/5\.png: expected an image, got: No such", "encode", model, photos, "-o", tmp_path / "l.npz")
    run("compress", model, photos, "-o", tmp_path / "out", "--on-bad-image", "skip")
    assert len(files_in(tmp_path / "out")) == len(NAMES)
    capsys.readouterr()
    run("search", model, photos / "a.png", photos, "--on-bad-image", "skip")
    assert len(capsys.readouterr().out.splitlines()) == len(NAMES)  # but for the query, below a line of titles


@pytest.mark.skipif(os.name == "nt", reason="no pipe is a file there")
def test_what_is_no_file_in_a_folder_of_compressed_files_can_be_left_out(
    model: Path, codec: Codec, tmp_path: Path
) -> None:
    files, out = tmp_path / "files", tmp_path / "out"
    files.mkdir()
    (files / "good.hg").write_bytes(codec.compress(pixels(0)))
    (files / "link.hg").symlink_to(tmp_path / "gone")
    refused(
        tmp_path, r"link\.hg: expected a file of compressed images, got: No such", "decompress", model, files, "-o", out
    )
    (files / "link.hg").unlink()
    os.mkfifo(files / "pipe.hg")  # whose reader waits for ever
    refused(tmp_path, r"pipe\.hg: expected .*, got a folder, a pipe", "decompress", model, files, "-o", out)
    run("decompress", model, files, "-o", out, "--on-bad-image", "skip")
    assert files_in(out) == ["good.png"]


def test_a_name_that_no_table_can_have_is_a_bad_image(model: Path, photos: Path, tmp_path: Path) -> None:
    (photos / "a\nb.png").write_bytes((photos / "a.png").read_bytes())
    refused(tmp_path, "expected names of printable characters", "encode", model, photos, "-o", tmp_path / "l.npz")
    run("compress", model, photos, "-o", tmp_path / "out", "--on-bad-image", "skip")
    assert len(files_in(tmp_path / "out")) == len(NAMES)


def test_names_that_are_folders_of_others_come_back(model: Path, tmp_path: Path) -> None:
    for name in ("p/a.jpg", "p/a.png/b.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(0)).save(tmp_path / name, "PNG")
    run("encode", model, tmp_path / "p", "-o", tmp_path / "l.npz")
    run("decode", model, tmp_path / "l.npz", "-o", tmp_path / "out")
    assert files_in(tmp_path / "out") == ["a.jpg.png", "a.png/b.jpg.png"]


def test_the_same_file_twice_is_one(model: Path, photos: Path, tmp_path: Path) -> None:
    run("compress", model, photos / "a.png", photos / "b/../a.png", "-o", tmp_path / "out")
    assert files_in(tmp_path / "out") == ["a.hg"]


def test_latents_that_would_fill_the_memory(model: Path, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.npz"
    np.savez_compressed(bomb, names=np.array(["a"]), latents=np.zeros((10**7, 3), np.float32))
    refused(tmp_path, r"bomb\.npz: expected at most .* bytes in latents", "decode", model, bomb, "-o", tmp_path / "x")


def test_names_that_standard_output_has_no_letters_for(model: Path, photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "☕.npz"
    command = [sys.executable, "-m", "hourglass", "encode", str(model), str(photos), "-o", str(output)]
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stdout.endswith(b"\\u2615.npz: 5 images of 3 numbers\n")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_altered_arrays_are_one_line(model: Path, tmp_path: Path, method: int) -> None:
    file = tmp_path / "l.npz"
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, array in (("names", np.arange(50).astype(str)), ("latents", np.ones((50, 3), np.float32))):
            with archive.open(f"{name}.npy", "w") as member:
                np.save(member, array)
    whole, generator = file.read_bytes(), np.random.default_rng(0)
    assert len(read_latents(file, 3, "")[0]) == 50
    refusals = 0
    for _ in range(200):
        data = bytearray(whole)
        data[generator.integers(len(data))] = generator.integers(256)
        file.write_bytes(data)
        try:
            read_latents(file, 3, "")
        except UserError as error:
            refusals += "\n" not in str(error)
    assert refusals > 100


def test_without_a_terminal_or_standard_error(model: Path, photos: Path, tmp_path: Path) -> None:
    command = f"'{sys.executable}' -m hourglass encode '{model}' '{photos}' -o '{tmp_path}/l.npz' 2>&-"
    done = subprocess.run(command, shell=True, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S602
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/l.npz: 5 images of 3 numbers\n")


def test_bad_latents(model: Path, tmp_path: Path, latents: Latents) -> None:
    def check(name: str, match: str) -> None:
        refused(tmp_path, rf"{name}: .*{match}", "decode", model, tmp_path / name, "-o", tmp_path / "out")

    names = np.array(["a", "b"])
    bad = latents.copy()
    bad[1, 2] = np.nan
    np.savez(tmp_path / "nan.npz", names=names, latents=bad)
    np.savez(tmp_path / "wide.npz", names=names, latents=np.ones((2, 4)))
    np.savez(tmp_path / "objects.npz", names=np.array(["a", None]), latents=latents)
    np.savez(tmp_path / "twice.npz", names=np.array(["a", "a"]), latents=latents)
    np.savez(tmp_path / "few.npz", names=names[:1], latents=latents)
    np.savez(tmp_path / "arrays.npz", x=latents)
    for suffix in ("npz", "parquet", "csv"):
        (tmp_path / f"text.{suffix}").write_text("text", encoding="utf-8")
    (tmp_path / "words.csv").write_text("name,x,y,z\na,1,2,three\n", encoding="utf-8")
    (tmp_path / "nan.csv").write_text("name,x,y,z\na,1,2,nan\n", encoding="utf-8")
    for name, match in {
        "nan.npz": "NaN or infinity, first for b",
        "nan.csv": "NaN or infinity, first for a",
        "wide.npz": "latents of 3 numbers an image, got 4",
        "objects.npz": "Object arrays cannot be loaded",
        "twice.npz": "every name once, got 'a'",
        "few.npz": "got 1 names of 2 images",
        "arrays.npz": "arrays names and latents, got x",
        "text.npz": r"expected an \.npz file",
        "text.parquet": "expected latents",
        "text.csv": "expected a column 'name'",
        "words.csv": "could not convert string to float",
    }.items():
        check(name, match)


@pytest.mark.skipif(os.name == "nt", reason="permissions are others there")
def test_pca_is_found_beside_a_folder_that_nobody_may_look_into(model: Path) -> None:
    """As in /tmp, where services have folders of their own."""
    with TemporaryDirectory() as models:  # and not `tmp_path`, above which are folders of root alone
        os.chmod(models, 0o755)  # noqa: S103 - for another user, to whom root changes below
        for name in ("dense", "pca"):
            shutil.copytree(model.with_name(name), Path(models) / name)
        os.mkdir(Path(models) / "nobody-s", 0o000)
        codec = hourglass.load(Path(models) / "dense")
        user = os.geteuid()
        try:
            if user == 0:  # whom no permission stops
                os.seteuid(65534)
            found = find_pca(codec)
        finally:
            os.seteuid(user)
    assert found
    assert found.config["family"] == "pca"


def test_an_only_trained_model(model: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    from hourglass.inference.store import write_config

    trained = tmp_path / "trained"
    trained.mkdir()
    (trained / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes())
    write_config(trained, json.loads((model / "config.json").read_text(encoding="utf-8")))
    refused(tmp_path, "only trained: evaluate it", "compress", trained, photos, "-o", tmp_path / "out")
    run("score", trained, photos)
    assert "is only trained: it has no files" in capsys.readouterr().out


def test_errors_are_one_line_and_signals_leave_nothing(model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hourglass"]
    done = subprocess.run([*command, "info", tmp_path], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: {tmp_path}: expected the folder of a model, got one without config.json\n"
    many, out = tmp_path / "many", tmp_path / "out"
    many.mkdir()
    first = many / "0.png"
    Image.fromarray(pixels(0)).save(first)
    for index in range(1, 5_000):
        os.link(first, many / f"{index}.png")
    with subprocess.Popen(
        [*command, "compress", model, many, "-o", out], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while not (partial := list(tmp_path.glob(".out*"))) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert partial
        process.send_signal(signal.SIGINT)
        _, error = process.communicate()
    assert (process.returncode, error) == (130, "interrupted: run the same command again\n")
    assert not out.exists()
    assert not list(tmp_path.glob(".out*"))
