"""Latents as bytes: nothing is lost but what rounding loses, and nothing else is believed."""

import struct
import tracemalloc
import zlib
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hourglass.coding import file
from hourglass.coding.entropy import LONGEST, TOTAL, encode
from hourglass.coding.file import ModelId, read, write
from hourglass.coding.fit import choose_bits, encode_images, fit_quantizer, mean_psnr, sensitivity
from hourglass.coding.quantizer import MAX_BITS, MIN_BITS, Quantizer, from_symbols, to_symbols
from hourglass.console.errors import UserError
from hourglass.inference.batches import to_bytes
from hourglass.networks.base.families import build

from .test_families import every_family_and_shape, make

MODEL = ModelId("cells-dense", b"12345678")
CPU = torch.device("cpu")


def latents(count: int = 400, seed: int = 0) -> NDArray[np.float32]:
    """Draw latents of very different spread: one of heavy tails, one that is mostly 0, one that never changes."""
    generator = np.random.default_rng(seed)
    columns = [
        generator.normal(3, 1, count),
        generator.normal(0, 1e-3, count),
        generator.standard_t(2, count) * 50,
        np.maximum(generator.normal(-1, 1, count), 0),
        np.full(count, 0.25),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


# A file of version 1, as an x86-64 machine wrote it.
GOLDEN = (
    "8948470a010e31323334353637380b03000000000000000000000063656c6c732d64656e736510000000"
    "0100000070feffffa85874de7f79020007d15385"
)


@pytest.fixture
def quantizer() -> Quantizer:
    return Quantizer.fit(latents(), np.array([1.0, 500.0, 0.1, 1.0, 1.0]))


@pytest.mark.parametrize("bits", range(MIN_BITS, MAX_BITS + 1))
def test_a_file_gives_back_what_was_rounded(quantizer: Quantizer, bits: int) -> None:
    new = latents(300, seed=1)
    new[7] = [1e6, -1e6, 1e9, -5, 7]  # far beyond all that was fitted
    found = read(write(new, quantizer, bits, MODEL), quantizer, 5, MODEL, "the file")
    assert (found.latents == quantizer.quantize(new, bits)).all()
    assert found.bits == bits
    error = np.abs(found.latents - new)[:7] / quantizer.step
    assert error.max() <= (1 << MAX_BITS - bits) / 2 + 0.51


def test_more_bits_lose_less(quantizer: Quantizer) -> None:
    new = latents(300, seed=1)
    errors = [np.abs(quantizer.quantize(new, bits) - new)[:, 0].mean() for bits in range(10, MAX_BITS + 1)]
    for coarse, fine in pairwise(errors):
        assert fine == pytest.approx(coarse / 2, rel=0.3)


def test_steps_move_the_reconstruction_by_the_same_length(quantizer: Quantizer) -> None:
    moved = quantizer.step[[0, 1, 3]] * [1, 500, 1]
    np.testing.assert_allclose(moved, moved[0])


@pytest.mark.parametrize("bits", [6, 8, 12, 16])
def test_files_are_as_short_as_the_entropy_of_their_symbols(bits: int) -> None:
    """A table of quantiles, and the cut into high parts and low bits, cost at most a twentieth of a bit a number."""
    generator = np.random.default_rng(0)
    fitted, new = (generator.normal(size=(20_000, 1)).astype(np.float32) for _ in range(2))
    normal = Quantizer.fit(fitted, np.ones(1))
    size = 8 * len(write(new, normal, bits, MODEL)) / len(new)
    width = float(normal.step[0]) * 2 ** (MAX_BITS - bits)
    entropy = 0.5 * np.log2(2 * np.pi * np.e) - np.log2(width)  # of a normal distribution in bins of this width
    assert entropy - 0.05 < size < entropy + 0.1


def test_numbers_that_never_change_cost_nothing(quantizer: Quantizer) -> None:
    constant = np.full((10_000, 5), quantizer.mean, np.float32)
    assert len(write(constant, quantizer, 8, MODEL)) < 10_000 * 5 / 8 * 6


def test_tiles_share_a_table() -> None:
    tiled = latents(100).reshape(20, 25)
    quantizer = Quantizer.fit(tiled, np.ones(5))
    assert quantizer.mean.shape == (5,)
    data = write(tiled, quantizer, 9, MODEL)
    assert (read(data, quantizer, 25, MODEL, "x").latents == quantizer.quantize(tiled, 9)).all()


def test_tables_are_integers_that_fit(quantizer: Quantizer) -> None:
    from hourglass.coding.entropy import _models

    for bits in range(MIN_BITS, MAX_BITS + 1):
        for table, _ in _models(quantizer, bits):
            assert table.frequencies.dtype == np.int64
            assert (table.frequencies > 0).all()
            assert len(table.frequencies) <= LONGEST
            assert TOTAL <= table.frequencies.sum() + table.frequencies.min() < TOTAL * 1.02


def test_the_first_version_of_the_format_is_read_for_ever() -> None:
    """The bytes are those that version 1 wrote: of three latents of two numbers, by a quantizer of round numbers."""
    quantizer = Quantizer(np.array([0.5, -1]), np.array([0.25, 0.5]), np.array([[-40, -8, 8, 40], [-64, 0, 0, 64]]))
    values = np.array([[0.5, -1], [3.0, 7.5], [-400, -20.5]], np.float32)
    assert write(values, quantizer, 14, MODEL).hex() == GOLDEN
    assert read(bytes.fromhex(GOLDEN), quantizer, 2, MODEL, "x").latents.tolist() == [
        [0.5, -1],
        [3.5, 7],
        [-399.5, -21],
    ]


def test_many_images_have_names_and_sizes_and_one_header(quantizer: Quantizer) -> None:
    new, names, sizes = latents(50), [f"ä/{index}\n.png" for index in range(50)], [(index, 9) for index in range(50)]
    data = write(new, quantizer, 8, MODEL, names, sizes)
    found = read(data, quantizer, 5, MODEL, "x")
    assert (list(found.names), list(found.sizes)) == (names, sizes)
    alone = [write(new[[index]], quantizer, 8, MODEL) for index in range(50)]
    assert len(write(new, quantizer, 8, MODEL)) < sum(map(len, alone)) / 4


def test_latents_that_are_coded_in_parts(quantizer: Quantizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "CHUNK_VALUES", 40)
    new = latents(50)
    found = read(write(new, quantizer, 8, MODEL), quantizer, 5, MODEL, "x")
    assert (found.latents == quantizer.quantize(new, 8)).all()


def test_what_is_no_file_of_this_model_is_one_line(quantizer: Quantizer) -> None:
    data = write(latents(3), quantizer, 8, MODEL)

    def line(data: bytes, model: ModelId = MODEL) -> str:
        with pytest.raises(UserError) as error:
            read(data, quantizer, 5, model, "a.hg")
        return str(error.value)

    assert line(b"") == "a.hg: expected a file of compressed images, got an empty one"
    assert line(b"\xff\xd8\xff") == "a.hg: expected a file of compressed images, got another"
    assert line(data[:-1]) == "a.hg: expected a whole file, got a truncated or altered one: its checksum is wrong"
    assert (
        line(data[:4] + b"\x02" + data[5:]) == "a.hg: expected version 1 of the format, got 2: use another `hourglass`"
    )
    assert line(data, ModelId("faces", b"abcdefgh")) == "a.hg: expected a file that faces made, got one of cells-dense"
    again = replace(MODEL, digest=b"abcdefgh")
    assert line(data, again) == "a.hg: expected a file that cells-dense made, got one of another version of cells-dense"


def test_altered_files_are_refused_or_hold_latents(quantizer: Quantizer) -> None:
    """Even with a checksum that fits, as whoever alters a file on purpose would write."""
    generator = np.random.default_rng(0)
    data = write(latents(20), quantizer, 8, MODEL, names=[str(index) for index in range(20)], sizes=[(3, 4)] * 20)
    refused = 0
    for trial in range(200):
        altered = bytearray(data[: generator.integers(1, len(data))] if trial % 4 == 0 else data)
        for place in generator.integers(0, len(altered), 3):
            altered[place] = generator.integers(256)
        if trial % 2:
            altered[-4:] = struct.pack("<I", zlib.crc32(bytes(altered[:-4])))
        try:
            found = read(bytes(altered), quantizer, 5, MODEL, "x")
        except UserError:
            refused += 1
        else:
            assert bytes(altered) == data or trial % 2
            assert np.isfinite(found.latents).all()
            assert found.latents.size <= file.MAX_VALUES
    assert refused > 100


def test_a_header_of_many_images_takes_no_memory(quantizer: Quantizer) -> None:
    head = file.HEADER.pack(file.MAGIC, file.VERSION, 8, MODEL.digest, 0, 2**32 - 1, 0, 0)
    data = head + struct.pack("<I", zlib.crc32(head))
    with pytest.raises(UserError, match="expected 1 to 3,355,443 images of 5 numbers, got 4,294,967,295"):
        read(data, quantizer, 5, MODEL, "x")


def checked(body: bytes) -> bytes:
    """Return the bytes of a file with the checksum that they should have."""
    return body + struct.pack("<I", zlib.crc32(body))


def test_a_file_of_nothing_and_one_that_ends_early_are_one_line(quantizer: Quantizer) -> None:
    head = file.HEADER.pack(file.MAGIC, file.VERSION, 8, MODEL.digest, 0, 0, 0, 0)
    with pytest.raises(UserError, match="expected 1 to 3,355,443 images of 5 numbers, got 0"):
        read(checked(head), quantizer, 5, MODEL, "x")
    data = write(latents(3), quantizer, 8, MODEL)
    with pytest.raises(UserError, match=r"^x: "):
        read(checked(data[:-4] + bytes(4)), quantizer, 5, MODEL, "x")  # a word of zeros, at which ANS never ends


@pytest.mark.parametrize(
    "names", [b"[" + b"[]," * 10**7 + b"[]]", b"[" + b'"",' * 10**7 + b'""]', b"{}", b'["a"] ', b""]
)
def test_names_of_a_few_bytes_take_no_memory(quantizer: Quantizer, names: bytes) -> None:
    packed = zlib.compress(names, 9)
    assert len(packed) < 1e5
    whole = write(latents(1), quantizer, 8, MODEL, ["a"])
    at, before = file.HEADER.size + len(MODEL.name), len(zlib.compress(b'["a"]', 9))
    head = file.HEADER.pack(file.MAGIC, file.VERSION, 8, MODEL.digest, len(MODEL.name), 1, len(packed), 0)
    assert read(whole, quantizer, 5, MODEL, "x").names == ["a"]
    data = checked(head + MODEL.name.encode() + packed + whole[at + before : -4])
    tracemalloc.start()
    with pytest.raises(UserError, match="x: expected 1 names"):
        read(data, quantizer, 5, MODEL, "x")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * file.MAX_NAMES


def test_too_many_or_no_numbers_are_one_line(quantizer: Quantizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "MAX_VALUES", 10)
    with pytest.raises(UserError, match="expected 1 to 2 images in one file, got 3"):
        write(latents(3), quantizer, 8, MODEL)
    with pytest.raises(UserError, match="expected 1 to 2 images in one file, got 0"):
        write(latents(0), quantizer, 8, MODEL)
    with pytest.raises(UserError, match="expected finite latents"):
        write(np.full((1, 5), np.nan, np.float32), quantizer, 8, MODEL)


@every_family_and_shape
def test_every_family_is_coded(family: str, shape: tuple[int, int, int]) -> None:
    """Latents survive the file, and with 16 bits a reconstruction hardly changes."""
    network, images = make(family, shape)
    pixels = to_bytes(images)
    quantizer = fit_quantizer(network, pixels, CPU)
    encoded = encode_images(network, pixels, CPU)
    found = read(write(encoded, quantizer, 16, MODEL), quantizer, network.latent_dim, MODEL, "x").latents
    assert (found == quantizer.quantize(encoded, 16)).all()
    before, after = (mean_psnr(network, values, pixels, CPU) for values in (encoded, found))
    assert after == pytest.approx(before, abs=0.01)
    bits = choose_bits(network, quantizer, pixels, CPU)
    assert mean_psnr(network, quantizer.quantize(encoded, bits), pixels, CPU) >= before - 0.1 - 1e-9
    if bits > MIN_BITS:
        assert mean_psnr(network, quantizer.quantize(encoded, bits - 1), pixels, CPU) < before - 0.1


def test_sensitivity_is_the_length_of_the_derivative() -> None:
    network = build("dense", (1, 6, 6), {"latent_dim": 4, "output_activation": "linear"}).eval()
    images = np.random.default_rng(0).integers(0, 256, (64, 1, 6, 6), np.uint8)
    weight = next(
        value for name, value in network.named_parameters() if "decoder" in name and value.ndim == 2
    )  # (36, 4)
    expected = weight.detach().norm(dim=0).numpy()
    np.testing.assert_allclose(sensitivity(network, images, 4), expected, rtol=0.35)
    assert (sensitivity(network, images, 4) == sensitivity(network, images, 4)).all()


def test_symbols_are_of_ticks_around_them() -> None:
    ticks = np.arange(-100, 100)
    assert (np.abs(from_symbols(to_symbols(ticks, 12), 12) - ticks) <= 8).all()
    assert (to_symbols(ticks, MAX_BITS) == ticks).all()


def test_the_same_symbols_have_the_same_bytes(quantizer: Quantizer) -> None:
    ticks = quantizer.ticks(latents(30))
    assert encode(ticks, quantizer, 8) == encode(ticks.copy(), quantizer, 8)
