"""What latents are worth to whoever uses them in place of images: to classify, and to find images that look alike.

Latents and flattened images alike are rows of numbers. Labels are texts, "" for an image without one.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hourglass.arrays.principal_axes import Coordinates, Rows, principal_coordinates, variances
from hourglass.arrays.spread import spread
from hourglass.files import rounded

LARGE = 4096  # values of an image, beyond which the products of many rows would take minutes
TRAIN_IMAGES, LARGE_TRAIN_IMAGES, TEST_IMAGES = 4096, 2048, 2048  # at most
COMPARED_IMAGES = 1000  # test images whose distances to each other are computed, at most
NEIGHBORS = 5
FEWEST = 3  # training images a class, on average
CLASSES = 256  # that a linear model is fitted to, at most
INVERSE_PENALTIES = 1.0, 0.1, 0.01  # scikit-learn's C, with its default first
HELD_OUT = 5  # one training image in so many chooses among these
SAME = "expected numbers that differ from image to image, got the same for all"

Labels = NDArray[np.str_]
Sides = tuple[Rows, Rows]  # of training images and of test images
Reasons = dict[str, str]  # what is left out -> why


def worth(
    latents: Sides, pixels: Sides, labels: tuple[Sequence[str], Sequence[str]], pca: Sides | None = None
) -> dict[str, object]:
    """Measure what latents are worth, beside the pixels of the images and, if given, the latents of PCA.

    Each argument is of the training images and of the test images. At most 4,096 of the former, or 2,048 if an image
    has more than 4,096 values, and 2,048 of the latter are used, evenly spread; 1,000 to compare neighborhoods.

    Returns:
        A dictionary for JSON. "latents", "pixels" and "pca" have "knn_accuracy" and "probe_accuracy" where there are
        labels; "participation_ratio" of the training images; and, but for the pixels, which they are compared to,
        "trustworthiness" and "continuity". "left_out" has the reason for what is missing. "classification" and
        "neighborhoods" say how many images and neighbors these are of, and "largest_class" what is right by always
        naming the class that is the most frequent in training.
    """
    most = LARGE_TRAIN_IMAGES if pixels[0].shape[1] > LARGE else TRAIN_IMAGES
    rows = spread(len(pixels[0]), most), spread(len(pixels[1]), TEST_IMAGES)
    train_labels, test_labels = (np.array(side, np.str_)[chosen] for side, chosen in zip(labels, rows, strict=True))
    images = pixels[1][spread(len(pixels[1]), COMPARED_IMAGES)]
    neighborhoods, left_out = _describe_neighborhoods(images)
    classification, unclassified = _describe_classes(train_labels, test_labels)
    left_out |= unclassified
    spaces: dict[str, object] = {}
    for name, space in {"latents": latents, "pixels": pixels, "pca": pca}.items():
        if space is None:
            continue
        train, test = (side[chosen] for side, chosen in zip(space, rows, strict=True))
        if not _varies(train) or not _varies(test):
            left_out[name] = SAME
            continue
        values = _class_scores(train, train_labels, test, test_labels, left_out)
        if neighborhoods and name != "pixels":
            values |= _map_scores(images, space[1][spread(len(space[1]), COMPARED_IMAGES)])
        spaces[name] = {key: rounded(value, 4) for key, value in values.items()}
    return spaces | classification | neighborhoods | {"left_out": left_out}


def knn_accuracy(train: Coordinates, train_labels: Labels, test: Coordinates, test_labels: Labels) -> float:
    """Return the share of test rows (M, D) whose label is that of most of their 5 nearest training rows (N, D)."""
    from sklearn.neighbors import KNeighborsClassifier

    classifier = KNeighborsClassifier(NEIGHBORS, algorithm="brute").fit(train, train_labels)
    return float(np.mean(classifier.predict(test) == test_labels))


def probe_accuracy(train: Rows, train_labels: Labels, test: Rows, test_labels: Labels) -> float:
    """Return the share of test rows (M, D) whose label a linear model of the training rows (N, D) predicts.

    Alain and Bengio (2017), Understanding intermediate layers using linear classifier probes, arXiv:1610.01644.
    Logistic regression of columns with variance 1, with the L2 penalty of which a model of four fifths of the training
    rows predicts most of the others: with one penalty for all, spaces of many numbers and of few could not be compared.
    """
    # What an L2 penalty makes of the columns, it makes of their rotation, of which there are at most N.
    coordinates, others = principal_coordinates(train, test, standardize=True)
    penalty = _choose_penalty(coordinates, train_labels)
    return _probe(coordinates, train_labels, others, test_labels, penalty)


def _choose_penalty(train: Coordinates, labels: Labels) -> float:
    """Return the inverse penalty with which one part of the rows predicts most of the rest, of equals the first."""
    held_out = np.zeros(len(train), bool)
    held_out[np.argsort(labels, kind="stable")[::HELD_OUT]] = True  # of every class
    if len(set(labels[~held_out])) < 2:
        return INVERSE_PENALTIES[0]
    part = train[~held_out], labels[~held_out], train[held_out], labels[held_out]
    return max(INVERSE_PENALTIES, key=lambda penalty: _probe(*part, penalty, tolerance=1e-3))


def _probe(
    train: Coordinates,
    train_labels: Labels,
    test: Coordinates,
    test_labels: Labels,
    inverse_penalty: float,
    tolerance: float = 1e-4,
) -> float:
    from sklearn.linear_model import LogisticRegression

    probe = LogisticRegression(C=inverse_penalty, tol=tolerance, max_iter=10_000).fit(train, train_labels)
    return float(np.mean(probe.predict(test) == test_labels))


def trustworthiness(images: Rows, latents: Rows, neighbors: int) -> float:
    """Return how far nearest neighbors among the latents (N, D) are near among the images (N, E) too: 1 if all are.

    Venna and Kaski (2001), Neighborhood preservation in nonlinear projection methods. The arguments exchanged, it is
    their continuity: how far nearest neighbors among the images are still near among the latents.
    """
    from sklearn import manifold

    return float(manifold.trustworthiness(images, latents, n_neighbors=neighbors))


def participation_ratio(variances: NDArray[np.float64]) -> float:
    """Return along how many axes rows vary, by their variances (R,) along the principal ones: tr(C)^2 / tr(C^2).

    R if all are equal, 1 if one is far larger than all others. Gao et al. (2017), A theory of multineuronal
    dimensionality, dynamics and measurement.
    """
    return float(variances.sum() ** 2 / np.square(variances).sum())


def shared_neighbors(images: int) -> int:
    """Return how many neighbors `trustworthiness` compares: 5, fewer of fewer than 11 images, 0 if it is undefined."""
    return min(NEIGHBORS, max(images - 1, 0) // 2)


def _class_scores(
    train: Rows, train_labels: Labels, test: Rows, test_labels: Labels, left_out: Reasons
) -> dict[str, float]:
    coordinates, others = principal_coordinates(train, test)
    values = {"participation_ratio": participation_ratio(variances(coordinates))}
    fitted, scored = _classified(train_labels, test_labels)
    known = train_labels[fitted], test_labels[scored]
    if "knn_accuracy" not in left_out:
        values["knn_accuracy"] = knn_accuracy(coordinates[fitted], known[0], others[scored], known[1])
    if "probe_accuracy" not in left_out:
        values["probe_accuracy"] = probe_accuracy(train[fitted], known[0], test[scored], known[1])
    return values


def _map_scores(images: Rows, latents: Rows) -> dict[str, float]:
    pixels, points = principal_coordinates(images)[0], principal_coordinates(latents)[0]
    neighbors = shared_neighbors(len(images))
    return {
        "trustworthiness": trustworthiness(pixels, points, neighbors),
        "continuity": trustworthiness(points, pixels, neighbors),
    }


def _classified(train_labels: Labels, test_labels: Labels) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which training images have a label, and which test images one of theirs."""
    fitted = train_labels != ""
    return fitted, np.isin(test_labels, train_labels[fitted])


def _describe_classes(train_labels: Labels, test_labels: Labels) -> tuple[dict[str, object], Reasons]:
    """Return how many images are classified, and why some accuracy is left out."""
    fitted, scored = _classified(train_labels, test_labels)
    both = "knn_accuracy", "probe_accuracy"
    classes, counts = np.unique(train_labels[fitted], return_counts=True)
    if not fitted.any() or not (test_labels != "").any():
        return {}, dict.fromkeys(both, "expected labels of training and test images, got none")
    if len(classes) < 2:
        return {}, dict.fromkeys(both, "expected training images of at least 2 classes, got 1")
    if not scored.any():
        return {}, dict.fromkeys(both, "expected test images of classes that are in training too, got none")
    if fitted.sum() < FEWEST * len(classes):
        few = f"expected at least {FEWEST} training images a class, got {fitted.sum()} of {len(classes)} classes"
        return {}, dict.fromkeys(both, few)
    reasons = {}
    if len(classes) > CLASSES:
        reasons["probe_accuracy"] = f"expected at most {CLASSES} classes, got {len(classes)}"
    described = {
        "train_images": int(fitted.sum()),
        "test_images": int(scored.sum()),
        "classes": len(classes),
        "neighbors": NEIGHBORS,
        "largest_class": rounded(float(np.mean(test_labels[scored] == classes[counts.argmax()])), 4),
    }
    return {"classification": described}, reasons


def _describe_neighborhoods(images: Rows) -> tuple[dict[str, object], Reasons]:
    """Return how many images and neighbors are compared, and why none are."""
    neighbors = shared_neighbors(len(images))
    reason = SAME if neighbors else f"expected at least 3 test images, got {len(images)}"
    if not neighbors or not _varies(images):
        return {}, dict.fromkeys(("trustworthiness", "continuity"), reason)
    return {"neighborhoods": {"images": len(images), "neighbors": neighbors}}, {}


def _varies(rows: Rows) -> bool:
    return any((row != rows[0]).any() for row in rows)  # of most images, two are looked at
