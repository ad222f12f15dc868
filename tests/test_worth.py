"""What latents are worth: scikit-learn's figures, however many numbers a row has, and reasons for those that are not."""

import json
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import trustworthiness as scikit_learns_trustworthiness
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hourglass.arrays.principal_axes import Rows, principal_coordinates, variances
from hourglass.files import rounded
from hourglass.metrics import worth as module
from hourglass.metrics.worth import (
    Labels,
    knn_accuracy,
    participation_ratio,
    probe_accuracy,
    shared_neighbors,
    trustworthiness,
    worth,
)

Floats = NDArray[np.floating]
Digits = tuple[NDArray[np.uint8], Labels, NDArray[np.uint8], Labels]


@pytest.fixture(scope="module")
def digits() -> Digits:
    """Return real images, flattened, and their labels, of training and of test."""
    images, labels = load_digits(return_X_y=True)
    return (
        images[:1000].astype(np.uint8),
        labels[:1000].astype(str),
        images[1000:].astype(np.uint8),
        labels[1000:].astype(str),
    )


def halves(digits: Digits, columns: int) -> tuple[Floats, Floats]:
    """Return latents, the first principal components of the training images."""
    pca = PCA(columns, svd_solver="full").fit(digits[0])
    return pca.transform(digits[0]).astype(np.float32), pca.transform(digits[2]).astype(np.float32)


def measure(digits: Digits, latents: tuple[Rows, Rows] | None = None, **more: object) -> dict[str, object]:
    train, train_labels, test, test_labels = digits
    values = {"latents": latents or halves(digits, 8), "pixels": (train, test), "labels": (train_labels, test_labels)}
    result = worth(**(values | more))  # type: ignore[arg-type]
    json.dumps(result, allow_nan=False)
    return result


def reasons(result: dict[str, object]) -> dict[str, str]:
    left_out = result["left_out"]
    assert isinstance(left_out, dict)
    return left_out


def space(result: dict[str, object], name: str) -> dict[str, float]:
    values = result[name]
    assert isinstance(values, dict)
    return values


def test_all_figures_are_scikit_learns(digits: Digits) -> None:
    train, train_labels, test, test_labels = digits
    latents = halves(digits, 8)
    result = measure(digits, latents, pca=(latents[0][:, :4], latents[1][:, :4]))
    spaces = {"latents": latents, "pixels": (train, test), "pca": (latents[0][:, :4], latents[1][:, :4])}
    for name, (fitted, scored) in spaces.items():
        found = space(result, name)
        neighbors = KNeighborsClassifier(5).fit(fitted.astype(float), train_labels)
        assert found["knn_accuracy"] == pytest.approx(neighbors.score(scored.astype(float), test_labels), abs=2e-3)
        probes = [
            make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=5000)).fit(fitted, train_labels)
            for penalty in (1, 0.1, 0.01)
        ]
        scores = [probe.score(scored, test_labels) for probe in probes]
        assert min(abs(found["probe_accuracy"] - score) for score in scores) < 3e-3
        eigenvalues = np.linalg.eigvalsh(np.cov(fitted.T.astype(float)))
        expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
        assert found["participation_ratio"] == pytest.approx(expected, rel=1e-3)
    for name in ("latents", "pca"):
        maps = test.astype(float), spaces[name][1].astype(float)
        for key, pair in (("trustworthiness", maps), ("continuity", maps[::-1])):
            expected = scikit_learns_trustworthiness(*pair, n_neighbors=5)
            assert space(result, name)[key] == pytest.approx(expected, abs=1e-3)
    assert "trustworthiness" not in space(result, "pixels")
    most_frequent = Counter(train_labels.tolist()).most_common(1)[0][0]
    assert result["classification"] == {
        **{"train_images": 1000, "test_images": 797, "classes": 10, "neighbors": 5},
        "largest_class": rounded(float(np.mean(test_labels == most_frequent)), 4),
    }
    assert result["neighborhoods"] == {"images": 797, "neighbors": 5}
    assert reasons(result) == {}


def test_a_probe_of_more_numbers_than_images_is_the_same_model(digits: Digits) -> None:
    train, train_labels, test, test_labels = digits
    few = train[:60], train_labels[:60]
    assert train.shape[1] > len(few[0])
    expected = make_pipeline(StandardScaler(), LogisticRegression(C=1, tol=1e-8, max_iter=9999)).fit(*few)
    coordinates, others = principal_coordinates(few[0], test, standardize=True)
    assert coordinates.shape == (60, coordinates.shape[1])
    probe = LogisticRegression(C=1, tol=1e-8, max_iter=9999).fit(coordinates, few[1])
    np.testing.assert_allclose(probe.predict_proba(others), expected.predict_proba(test), atol=1e-5)
    chosen = [
        make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=9999)).fit(*few).score(test, test_labels)
        for penalty in (1, 0.1, 0.01)
    ]
    assert probe_accuracy(*few, test, test_labels) == pytest.approx(
        min(chosen, key=lambda score: abs(score - max(chosen))), abs=0.02
    )


@pytest.mark.parametrize("order", ["random", "in turn"])
def test_the_penalty_is_the_one_that_predicts_what_is_held_out_of_every_class(order: str) -> None:
    generator = np.random.default_rng(0)
    # Of five classes in turn, every fifth image would be all of one.
    labels = (generator.integers(0, 5, 2000) if order == "random" else np.arange(2000) % 5).astype(str)
    latents = generator.normal(size=(2000, 300))
    latents[:, :5] += 1.5 * np.eye(5)[labels.astype(int)]
    train, test = (latents[:1000], labels[:1000]), (latents[1000:], labels[1000:])
    overfitted, fitted = (
        make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=5000)).fit(*train).score(*test)
        for penalty in (1, 0.01)
    )
    assert fitted > overfitted + 0.03
    assert probe_accuracy(*train, *test) == pytest.approx(fitted, abs=0.005)


def test_neighborhoods_that_a_map_folds_are_not_trusted_and_those_that_it_tears_not_continuous() -> None:
    line = np.random.default_rng(0).random((100, 1))
    folded = np.abs(line - 0.5)
    assert trustworthiness(line, line * 3, 5) == 1
    assert trustworthiness(line, folded, 5) < 0.9 < trustworthiness(folded, line, 5)


def test_the_participation_ratio_counts_directions() -> None:
    generator = np.random.default_rng(0)
    equal = generator.normal(size=(20_000, 6))
    assert participation_ratio(variances(principal_coordinates(equal)[0])) == pytest.approx(6, rel=0.01)
    assert participation_ratio(np.array([1.0, 1e-9])) == pytest.approx(1)
    assert participation_ratio(np.array([3.0, 1.0])) == 16 / 10


def test_knn_by_hand() -> None:
    train, labels = np.arange(10.0)[:, None], np.array(list("aaaaabbbbb"))
    assert knn_accuracy(train, labels, np.array([[0.0], [9.0], [8.0]]), np.array(["a", "b", "a"])) == pytest.approx(
        2 / 3
    )


@pytest.mark.parametrize(("images", "neighbors"), [(0, 0), (2, 0), (3, 1), (5, 2), (10, 4), (11, 5), (1000, 5)])
def test_few_images_have_few_neighbors(images: int, neighbors: int) -> None:
    assert shared_neighbors(images) == neighbors
    if neighbors:
        rows = np.random.default_rng(0).normal(size=(images, 3))
        assert trustworthiness(rows, rows, neighbors) == 1  # scikit-learn takes no more


def test_without_labels_there_is_no_accuracy(digits: Digits) -> None:
    train, _, test, _ = digits
    result = measure((train, np.full(len(train), ""), test, np.full(len(test), "")))
    reason = "expected labels of training and test images, got none"
    assert reasons(result) == {"knn_accuracy": reason, "probe_accuracy": reason}
    assert space(result, "latents").keys() == {"participation_ratio", "trustworthiness", "continuity"}
    assert space(result, "pixels").keys() == {"participation_ratio"}
    assert "classification" not in result


@pytest.mark.parametrize(
    ("train_label", "test_label", "reason"),
    [
        ("a", "a", "expected training images of at least 2 classes, got 1"),
        (None, "b", "expected test images of classes that are in training too, got none"),
    ],
    ids=["one class", "no class on both sides"],
)
def test_classes_that_tell_nothing(digits: Digits, train_label: str | None, test_label: str, reason: str) -> None:
    train, labels, test, _ = digits
    known = labels if train_label is None else np.full(len(train), train_label)
    result = measure((train, known, test, np.full(len(test), test_label)))
    assert reasons(result) == {"knn_accuracy": reason, "probe_accuracy": reason}


def test_images_without_a_label_or_of_a_class_unknown_in_training_are_not_counted(digits: Digits) -> None:
    train, train_labels, test, test_labels = digits
    some = np.where(train_labels == "9", "", train_labels), np.where(np.arange(len(test)) < 100, "", test_labels)
    result = measure((train, some[0], test, some[1]))
    kept, known = some[0] != "", (some[1] != "") & (some[1] != "9")
    assert space({"x": result["classification"]}, "x")["train_images"] == kept.sum()
    assert space({"x": result["classification"]}, "x")["test_images"] == known.sum()
    latents = halves(digits, 8)
    expected = KNeighborsClassifier(5).fit(latents[0][kept], some[0][kept]).score(latents[1][known], some[1][known])
    assert space(result, "latents")["knn_accuracy"] == pytest.approx(expected, abs=2e-3)


def test_few_images_of_a_class_and_many_classes_leave_out_accuracies(digits: Digits) -> None:
    train, labels, test, test_labels = digits
    few = np.array([0, 1, 10, 11])  # two of class 0, two of class 1
    result = measure((train[few], labels[few], test, test_labels), (train[few], test))
    reason = "expected at least 3 training images a class, got 4 of 2 classes"
    assert reasons(result) == {"knn_accuracy": reason, "probe_accuracy": reason}
    many = np.array([str(index % 300) for index in range(len(train))])
    result = measure((train, many, test, many[: len(test)]))
    assert reasons(result) == {"probe_accuracy": "expected at most 256 classes, got 300"}
    assert "knn_accuracy" in space(result, "latents")


def test_latents_that_are_all_the_same_and_too_few_images_are_left_out(digits: Digits) -> None:
    train, labels, test, test_labels = digits
    same = np.full((len(train), 3), np.float32(0.1)), np.full((len(test), 3), np.float32(0.1))
    result = measure(digits, same)
    assert reasons(result) == {"latents": "expected numbers that differ from image to image, got the same for all"}
    assert "latents" not in result
    assert space(result, "pixels").keys() == {"participation_ratio", "knn_accuracy", "probe_accuracy"}
    result = measure((train, labels, test[:2], test_labels[:2]), (train, test[:2]))
    reason = "expected at least 3 test images, got 2"
    assert reasons(result) == {"trustworthiness": reason, "continuity": reason}


def test_only_some_of_many_images_are_used(digits: Digits, monkeypatch: pytest.MonkeyPatch) -> None:
    _, labels, test, test_labels = digits
    for name, most in {"TRAIN_IMAGES": 200, "TEST_IMAGES": 100, "COMPARED_IMAGES": 50}.items():
        monkeypatch.setattr(module, name, most)
    result = measure(digits)
    every = np.arange(200) * 5, np.arange(100) * 797 // 100
    latents = halves(digits, 8)
    expected = KNeighborsClassifier(5).fit(latents[0][every[0]], labels[every[0]])
    found = space(result, "latents")
    assert found["knn_accuracy"] == pytest.approx(expected.score(latents[1][every[1]], test_labels[every[1]]), abs=1e-3)
    compared = np.arange(50) * 797 // 50
    trusted = scikit_learns_trustworthiness(test[compared].astype(float), latents[1][compared], n_neighbors=5)
    assert found["trustworthiness"] == pytest.approx(trusted, abs=1e-3)
    assert result["neighborhoods"] == {"images": 50, "neighbors": 5}
    monkeypatch.setattr(module, "LARGE", 63)
    monkeypatch.setattr(module, "LARGE_TRAIN_IMAGES", 30)
    assert space({"x": measure(digits)["classification"]}, "x")["train_images"] == 30


def test_it_is_the_same_twice(digits: Digits) -> None:
    assert measure(digits) == measure(digits)
