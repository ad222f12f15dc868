"""`evaluate`, `plot`, `gather` and `report` of small networks that nothing trained."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn import decomposition
from torch import Tensor

from hourglass import figures
from hourglass.console.errors import UserError
from hourglass.inference.rating import encode_and_score
from hourglass.inference.store import save_model, weights_file
from hourglass.inference.twin import Twin, twin_shape
from hourglass.metrics.quality import METRICS, Metric
from hourglass.metrics.results import About, Varied
from hourglass.networks.base.autoencoder import Autoencoder
from hourglass.networks.base.families import build
from stages import codecs, evaluate, gather, plot, report

from .shards import save_split

NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "cells-dense": ("dense", {"latent_dim": 3}),
    "cells-pca": ("pca", {"tile": [4, 5], "tile_latent_dim": 2}),
    "cells-vae": ("vae", {"latent_dim": 2, "encoder": [{"filters": 2}], "decoder": [{"filters": 2}]}),
}
SEEDS = (0, 7, 8)  # of cells-dense
META = {
    "title": "Cells",
    "license": "",
    "citation": "",
    "counts": {"train": 40, "val": 4, "test": 5},
    "split": "random",
    "split_note": "by image",
    "groups": None,
    "classes": [],
    "shape": [3, 9, 11],
    "preparation": {},
    "copies": 0,
}
PREPARATION = {"color": "rgb", "resize": "crop", "resample": "lanczos", "orientation": "exif"}


def params(group: str = "cells") -> str:
    """Return params.yaml with the networks above; JSON is YAML."""
    models = {
        name: {"group": group, "dataset": "cells", "family": family, "network": network, "training": {}}
        for name, (family, network) in NETWORKS.items()
    }
    return json.dumps({"models": models, "groups": {"cells": {"title": "Cells"}}}, indent=2)


def prepare(shape: tuple[int, int, int] = (3, 9, 11)) -> dict[str, NDArray[np.uint8]]:
    """Write what `prepare` writes, a split of each kind, and models in their first state."""
    generator = np.random.default_rng(0)
    folder = Path("data/prepared/cells")
    splits = {
        split: generator.integers(0, 256, (count, *shape), dtype=np.uint8)
        for split, count in (("train", 40), ("val", 4), ("test", 5))
    }
    rows = []
    for split, images in splits.items():
        save_split(folder, split, images)
        rows += [
            {"split": split, "index": row, "label": "NA", "source": f"{split}[{row}]"} for row in range(len(images))
        ]
    pd.DataFrame(rows).to_csv(folder / "labels.csv", index=False)
    (folder / "meta.json").write_text(json.dumps(META), encoding="utf-8")
    Image.fromarray(splits["test"][0].transpose(1, 2, 0)[..., 0]).save(folder / "preview.png")
    for name, (family, network) in NETWORKS.items():
        seeds = SEEDS if name == "cells-dense" else SEEDS[:1]
        config = {"family": family, "image_shape": shape, "network": network, "seeds": list(seeds)}
        config |= {"dataset": "cells", "dataset_sha256": "0" * 64, "preparation": PREPARATION | {"size": shape[1:]}}
        for seed in seeds:
            weights = weights_file(seed if seed else None)
            save_model(Path("data/trained") / name, build(family, shape, network, seed), config, weights)
        Path("metrics/history").mkdir(parents=True, exist_ok=True)
        Path(f"metrics/history/{name}.csv").write_text(
            "epoch,train_loss,val_loss\n1,2.0,3.0\n2,1.0,2.0\n", encoding="utf-8"
        )
    return splits


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(params(), encoding="utf-8")
    return tmp_path


def read(path: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
    return values


def test_the_arrays_are_of_the_test_split_and_scored_in_full() -> None:
    images = prepare()["test"]
    evaluate.main("cells-dense")
    folder = Path("data/evaluated/cells-dense")
    latents, decoded = np.load(folder / "latents.npy"), np.load(folder / "reconstructions.npy")
    assert (latents.shape, latents.dtype) == ((5, 3), np.float32)
    assert (decoded.shape, decoded.dtype) == (images.shape, np.uint8)
    network = build("dense", (3, 9, 11), {"latent_dim": 3}, seed=0)
    with torch.no_grad():
        originals = torch.from_numpy(images).float() / 255
        expected = network(originals)
    scores = pd.read_csv(folder / "scores.csv")
    fitting = {name: metric for name, metric in METRICS.items() if not metric.why_not((3, 9, 11))}
    assert list(scores) == ["index", *fitting]
    for name, metric in fitting.items():
        np.testing.assert_allclose(scores[name], metric.function(originals.numpy(), expected.numpy()), rtol=1e-4)
    labels = pd.read_csv(folder / "labels.csv", dtype=str, keep_default_na=False)
    assert labels.to_dict("list") == {
        "index": [*"01234"],
        "label": ["NA"] * 5,
        "source": [f"test[{row}]" for row in range(5)],
    }


def test_both_splits_have_the_same_keys_with_four_digits() -> None:
    prepare()
    evaluate.main("cells-dense")
    test, val = (read(f"metrics/{split}/cells-dense.json") for split in ("test", "val"))
    assert list(test) == list(val) == ["mae", "mse", "psnr_db", "split_id", "ssim"]  # few, for `dvc metrics diff`
    assert all(test[key] != val[key] for key in test)
    scores = pd.read_csv("data/evaluated/cells-dense/scores.csv")
    assert 10_000 <= test.pop("split_id") < 100_000
    for name, value in test.items():
        assert value == pytest.approx(scores[name].mean(), rel=1e-3)
        assert float(f"{value:.4g}") == value


def test_seeds_have_a_row_each_the_first_that_of_the_metrics() -> None:
    prepare()
    for name in NETWORKS:
        evaluate.main(name)
    table = pd.read_csv("data/evaluated/cells-dense/seeds.csv")
    assert list(table) == ["seed", "mse", "mae", "psnr_db", "ssim"]
    assert table["seed"].tolist() == list(SEEDS)
    assert table["mse"].nunique() == len(SEEDS)
    first = table.iloc[0].drop("seed").to_dict()
    scores = read("metrics/test/cells-dense.json")
    assert scores.pop("split_id") == read("metrics/test/cells-pca.json")["split_id"]  # the same images
    assert scores == pytest.approx(first, rel=1e-3)
    assert not Path("data/evaluated/cells-pca/seeds.csv").exists()


def test_metrics_that_do_not_fit_are_left_out_and_said_so() -> None:
    prepare((1, 6, 8))
    evaluate.main("cells-dense")
    scores = list(read("metrics/test/cells-dense.json"))
    assert scores == list(read("metrics/val/cells-dense.json"))
    assert {"mae", "mse", "psnr_db"} <= set(scores)
    assert "ssim" not in scores
    about = read("data/evaluated/cells-dense/about.json")
    assert about["left_out"] == {
        "ssim": "expected images of at least 7x7 for its window, got 6x8",
        "ssim_gaussian": "expected 11x11 pixels or more for its window, got 6x8",
        "ms_ssim": "expected 176x176 pixels or more for 5 scales, got 6x8",
    }


def test_about_says_what_reports_need() -> None:
    prepare()
    for name in NETWORKS:
        evaluate.main(name)
    about = read("data/evaluated/cells-pca/about.json")
    files = read("data/evaluated/cells-pca/files.json")
    bytes_per_image, bits = about.pop("bytes_per_image"), about.pop("bits")
    assert bytes_per_image == pytest.approx(files["test"]["bytes"], rel=1e-3)
    assert 4 <= bits <= 16
    assert list(files["val"]) == list(files["test"]) == ["bytes", "psnr_db", "ssim"]
    assert about.pop("left_out").keys() == {"ssim_gaussian", "ms_ssim"}
    expected = {"dataset": "cells", "family": "pca", "tile": [4, 5], "latent_dim": 18, "parameters": 60 + 2 * 60}
    assert about == expected | {"compression_ratio": pytest.approx(3 * 9 * 11 / bytes_per_image)}
    assert read("data/evaluated/cells-dense/about.json")["tile"] is None


def test_the_twin_is_pca_of_as_many_numbers() -> None:
    images = prepare()
    for name in NETWORKS:
        evaluate.main(name)
    folder = Path("data/evaluated/cells-dense")
    flat = {split: values.reshape(len(values), -1) / 255 for split, values in images.items()}
    fitted = decomposition.PCA(3, svd_solver="full").fit(flat["train"])  # cells-dense has three numbers
    expected = np.clip(fitted.inverse_transform(fitted.transform(flat["test"])), 0, 1)
    twin = np.load(folder / "pca_reconstructions.npy").reshape(len(expected), -1)
    np.testing.assert_allclose(twin, expected * 255, atol=0.51)  # rounded to bytes
    scores = pd.read_csv(folder / "pca_scores.csv")
    np.testing.assert_allclose(scores["mse"], np.square(expected - flat["test"]).mean(axis=1), rtol=1e-4)
    curve = pd.read_csv(folder / "curve.csv")
    assert set(curve["codec"]) == {"model", "pca"}
    assert not list(Path("data/evaluated/cells-pca").glob("pca_*"))  # it is its own
    assert set(pd.read_csv("data/evaluated/cells-pca/curve.csv")["codec"]) == {"model"}


@pytest.mark.parametrize(
    ("family", "network", "shape"),
    [
        ("dense", {"latent_dim": 3}, ((9, 11), 3)),
        ("tiles", {"tile": [4, 5], "tile_latent_dim": 2}, ((4, 5), 2)),
        ("conv", {"encoder": [{"filters": 4, "pool": 2}], "decoder": [{"filters": 2, "upsample": 2}]}, ((2, 2), 4)),
        ("conv", {"encoder": [{"filters": 4}], "latent_dim": 5, "decoder": [{"filters": 2}]}, ((9, 11), 5)),
    ],
)
def test_a_network_of_parts_of_images_has_a_twin_of_as_large_parts(
    family: str, network: dict[str, Any], shape: tuple[tuple[int, int], int]
) -> None:
    built = build(family, (3, 9, 11), network)
    assert twin_shape(built) == shape
    assert Twin(built.image_shape, *shape).latent_dim == built.latent_dim


def test_too_few_images_for_a_twin_are_said() -> None:
    prepare()
    network = build("dense", (3, 9, 11), {"latent_dim": 41})
    config = read("data/trained/cells-dense/config.json") | {"network": {"latent_dim": 41}, "seeds": [0]}
    del config["sha256"]
    save_model(Path("data/trained/cells-dense"), network, config)
    evaluate.main("cells-dense")
    reason = read("data/evaluated/cells-dense/about.json")["left_out"]["pca"]
    assert reason == "expected latent_dim of at most 40 for PCA of 40 training images of 297 values, got 41"
    assert not Path("data/evaluated/cells-dense/pca_scores.csv").exists()


def test_a_curve_is_of_files_of_few_bits_and_many() -> None:
    prepare()
    evaluate.main("cells-vae")
    bits, files = (read(f"data/evaluated/cells-vae/{name}.json") for name in ("about", "files"))
    curve = pd.read_csv("data/evaluated/cells-vae/curve.csv")
    of_model = curve[curve["codec"] == "model"].set_index("bits")
    assert list(of_model.index) == list(range(4, bits["bits"] + 3))
    assert (of_model["bytes"].diff().dropna() >= 0).all()  # of so few images, a bit may hide in the last word
    assert of_model["psnr_db"].iloc[-1] > of_model["psnr_db"].iloc[0]
    assert of_model["bytes"][bits["bits"]] == pytest.approx(files["test"]["bytes"], rel=1e-3)  # of so few images, all
    assert of_model["psnr_db"][bits["bits"]] == pytest.approx(files["test"]["psnr_db"], rel=1e-3)


def test_the_spread_of_scores_is_that_of_the_table() -> None:
    prepare()
    table = pd.read_csv("data/prepared/cells/labels.csv", keep_default_na=False)
    table.loc[table["split"] == "test", "label"] = ["10", "2", "10", "", "2"]
    table.to_csv("data/prepared/cells/labels.csv", index=False)
    evaluate.main("cells-dense")
    summary = read("data/evaluated/cells-dense/summary.json")
    for split, file in (("test", "scores"), ("val", "val_scores")):
        scores = pd.read_csv(f"data/evaluated/cells-dense/{file}.csv").drop(columns="index")
        assert summary[split].keys() == set(scores)
        for metric, values in scores.items():
            spread = summary[split][str(metric)]
            worst = 0.95 if metric in ("mse", "mae") else 0.05
            assert spread["mean"] == pytest.approx(values.mean(), rel=1e-3)
            assert spread["std"] == pytest.approx(values.std(), rel=1e-3)
            assert spread["worst_5_percent"] == pytest.approx(values.quantile(worst), rel=1e-3)
            assert spread["low"] <= spread["mean"] <= spread["high"]
    scores = pd.read_csv("data/evaluated/cells-dense/scores.csv")
    assert summary["classes"].keys() == {"10", "2"}
    assert summary["classes"]["10"]["images"] == 2
    assert summary["classes"]["2"]["psnr_db"] == pytest.approx(scores["psnr_db"][[1, 4]].mean(), rel=1e-3)


def test_a_generative_family_leaves_what_it_generates() -> None:
    prepare()
    evaluate.main("cells-vae")
    folder = Path("data/evaluated/cells-vae")
    shapes = {kind: np.load(folder / f"{kind}.npy").shape for kind in ("samples", "variations", "interpolation")}
    assert shapes == {"samples": (10, 3, 9, 11), "variations": (2, 11, 3, 9, 11), "interpolation": (11, 3, 9, 11)}
    described = read("data/evaluated/cells-vae/variations.json")
    assert sorted(described["dimensions"]) == [0, 1]
    assert described["kl_nats"] == sorted(described["kl_nats"], reverse=True)
    assert described["values"][::5] == [-3, 0, 3]
    evaluate.main("cells-dense")
    assert not Path("data/evaluated/cells-dense/samples.npy").exists()


def test_from_models_to_a_report() -> None:
    prepare()
    drawn = {}
    for name in NETWORKS:
        evaluate.main(name)
        plot.main(name)
        drawn[name] = {path.stem for path in Path(f"plots/{name}").iterdir()}
    codecs.main("cells")
    gather.main("cells", list(NETWORKS))
    report.main("cells")
    assert {"reconstructions", "latents", "training"} <= drawn["cells-dense"]
    assert drawn["cells-pca"] == drawn["cells-dense"] | {"whole"}
    assert drawn["cells-vae"] == drawn["cells-dense"] | {"samples", "variations", "interpolation"}
    page = Path("metrics/reports/cells.md").read_text(encoding="utf-8")
    assert (
        "cells-dense: mean ± standard deviation over 3 seeds; metrics/test/ and the pictures are of the first." in page
    )
    assert all(f"![{name}: {picture}]" in page for name, pictures in drawn.items() for picture in pictures)


def test_no_group_is_in_any_path_but_the_reports(folder: Path) -> None:
    Path("params.yaml").write_text(params(group="sparrows"), encoding="utf-8")
    prepare()
    evaluate.main("cells-pca")
    plot.main("cells-pca")
    assert not [path for path in folder.rglob("*") if "sparrows" in path.name]


def test_a_metric_of_the_registry_is_scored_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def largest(images: NDArray[np.float32], reconstructions: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.abs(images - reconstructions).max(axis=(1, 2, 3)).astype(np.float64)

    monkeypatch.setitem(METRICS, "largest", Metric(largest, "largest error", ".3f", "lower", compared=True))
    prepare()
    evaluate.main("cells-dense")
    plot.main("cells-dense")
    codecs.main("cells")
    gather.main("cells", ["cells-dense"])
    report.main("cells")
    assert 0 < read("metrics/test/cells-dense.json")["largest"] <= 1
    over_seeds = pd.read_csv("data/evaluated/cells-dense/seeds.csv")["largest"]
    assert "largest" in read("metrics/val/cells-dense.json")
    page = Path("metrics/reports/cells.md").read_text(encoding="utf-8")
    assert "largest error" in page
    assert f" {over_seeds.mean():.3f} ± " in page


def test_a_figure_is_a_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "added").mkdir()
    (folder / "added" / "dark.py").write_text(
        "from hourglass.figures.style import new_figure\n\n\ndef draw(model):\n    return new_figure(1, 1)\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(figures, "__path__", [*figures.__path__, str(folder / "added")])
    prepare()
    evaluate.main("cells-dense")
    plot.main("cells-dense")
    codecs.main("cells")
    gather.main("cells", ["cells-dense"])
    report.main("cells")
    assert Path("plots/cells-dense/dark.png").exists()
    assert "plots/cells-dense/dark.png" in Path("metrics/reports/cells.md").read_text(encoding="utf-8")


def test_what_is_missing_is_one_line() -> None:
    with pytest.raises(
        UserError,
        match=r"expected data/trained/cells-pca/config.json, found none: make heal && dvc repro train@cells-pca",
    ):
        evaluate.main("cells-pca")
    with pytest.raises(UserError, match="did you mean 'cells-pca'"):
        evaluate.main("cells-pcs")
    with pytest.raises(
        UserError, match=r"expected data/evaluated/cells-pca, found none: make heal && dvc repro evaluate@cells-pca"
    ):
        plot.main("cells-pca")
    prepare()
    Path("data/prepared/cells/val/val-00000.npy").unlink()
    missing = r"expected data/prepared/cells/val/val-00000.npy, found none: make heal && dvc repro prepare@cells"
    with pytest.raises(UserError, match=missing):
        evaluate.main("cells-pca")
    assert not Path("data/evaluated/cells-pca").exists()


def test_a_model_without_seeds_in_its_config_has_one() -> None:
    prepare()
    path = Path("data/trained/cells-pca/config.json")
    config = read(str(path))
    del config["seeds"], config["sha256"]  # as in the configs of earlier commits
    path.write_text(json.dumps(config), encoding="utf-8")
    evaluate.main("cells-pca")
    assert not Path("data/evaluated/cells-pca/seeds.csv").exists()


def test_missing_weights_of_a_further_seed_say_what_to_do() -> None:
    prepare()
    Path("data/trained/cells-dense/seed-8.safetensors").unlink()
    with pytest.raises(
        UserError, match=r"^expected .*/seed-8.safetensors, found none: make heal && dvc repro train@cells-dense$"
    ):
        evaluate.main("cells-dense")


def test_metrics_are_written_once_the_folder_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def interrupted(_target: Path) -> Iterator[Path]:
        Path("partial").mkdir()
        yield Path("partial")
        raise KeyboardInterrupt

    prepare()
    monkeypatch.setattr(evaluate, "whole_folder", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate.main("cells-pca")
    assert Path("partial/scores.csv").exists()
    assert not Path("metrics/test").exists()
    assert not Path("metrics/val").exists()


DAMAGES = {
    "data/evaluated/cells-vae/about.json": ("{", "evaluate"),
    "data/evaluated/cells-vae/variations.json": ("", "evaluate"),
    "data/evaluated/cells-vae/labels.csv": ("index,label\n0,a\n", "evaluate"),
    "data/evaluated/cells-vae/scores.csv": ("index,mse\n0,1\n1,2,3,4\n", "evaluate"),
    "metrics/history/cells-vae.csv": ("", "train"),
}


@pytest.mark.parametrize("file", DAMAGES)
def test_a_damaged_file_is_one_line(file: str) -> None:
    content, stage = DAMAGES[file]
    prepare()
    evaluate.main("cells-vae")
    Path(file).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=rf"^{file}: expected .*: make heal && dvc repro {stage}@cells-vae$"):
        plot.main("cells-vae")
    if stage == "train":
        Path(file).unlink()
        with pytest.raises(
            UserError, match=rf"^expected {file}, found none: make heal && dvc repro {stage}@cells-vae$"
        ):
            plot.main("cells-vae")


def test_a_damaged_table_of_labels_is_one_line() -> None:
    prepare()
    Path("data/prepared/cells/labels.csv").write_text("", encoding="utf-8")
    with pytest.raises(
        UserError, match=r"^data/prepared/cells/labels.csv: expected .*: make heal && dvc repro prepare@cells$"
    ):
        evaluate.main("cells-pca")
    assert not Path("data/evaluated/cells-pca").exists()


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("mean.bias", torch.nan, "mean.bias: expected finite weights"),
        ("mean.weight", 3e38, "expected finite latents"),
        ("log_variance.bias", 1e3, "expected finite KL divergences"),
    ],
)
def test_a_network_that_diverged_is_one_line_and_leaves_nothing(part: str, value: float, message: str) -> None:
    prepare()
    network = build("vae", (3, 9, 11), NETWORKS["cells-vae"][1])
    with torch.no_grad():
        network.get_parameter(part).fill_(value)
    save_model(Path("data/trained/cells-vae"), network, read("data/trained/cells-vae/config.json"))
    with pytest.raises(UserError, match=message):
        evaluate.main("cells-vae")
    assert not Path("data/evaluated/cells-vae").exists()
    assert not Path("metrics/test/cells-vae.json").exists()


class Spoilt(Autoencoder):
    """A network that decodes to no numbers."""

    def encode(self, images: Tensor) -> Tensor:
        return images.flatten(1)

    def decode(self, latents: Tensor) -> Tensor:
        return torch.full((len(latents), *self.image_shape), torch.nan)


def test_reconstructions_that_are_no_numbers_are_one_line() -> None:
    network, images = Spoilt((1, 2, 2), 4), np.zeros((3, 1, 2, 2), np.uint8)
    with pytest.raises(UserError, match=r"^expected finite reconstructions, got others"):
        encode_and_score(network, images, torch.device("cpu"))


def test_a_model_of_images_of_another_size_is_one_line() -> None:
    prepare((3, 8, 11))
    shutil.move("data/trained", "data/trained-of-others")
    shutil.rmtree("data/prepared")
    prepare()
    shutil.rmtree("data/trained")
    shutil.move("data/trained-of-others", "data/trained")
    with pytest.raises(
        UserError,
        match=r"^data/prepared/cells/train: expected images of \(3, 8, 11\), as cells-pca was trained on, got",
    ):
        evaluate.main("cells-pca")


def test_labels_of_other_images_are_one_line() -> None:
    prepare()
    table = pd.read_csv("data/prepared/cells/labels.csv")
    for rows in (table[:-1], table[::-1], table[table["split"] != "test"]):
        rows.to_csv("data/prepared/cells/labels.csv", index=False)
        with pytest.raises(
            UserError, match=r"^data/prepared/cells/labels.csv: expected (5|40) rows with index 0 to (4|39) in this"
        ):
            evaluate.main("cells-pca")


def test_pictures_of_images_that_were_not_evaluated_are_one_line() -> None:
    images = prepare()["test"]
    evaluate.main("cells-dense")
    shutil.rmtree("data/prepared/cells/test")
    save_split(Path("data/prepared/cells"), "test", images[:4])
    with pytest.raises(UserError, match=r"^data/evaluated/cells-dense/labels.csv: expected 4 rows .*, got 5 rows"):
        plot.main("cells-dense")


def test_what_is_written_has_the_form_in_which_it_is_read() -> None:
    prepare()
    for name in NETWORKS:
        evaluate.main(name)
        keys = {field.name for field in fields(About)}
        assert read(f"data/evaluated/{name}/about.json").keys() == keys
    assert read("data/evaluated/cells-vae/variations.json").keys() == {field.name for field in fields(Varied)}
