"""How similar generated examples are to real ones: in the space of a classifier's features, or in pixels.

Features are arrays `(examples, dimensions)`; the real and the generated examples may differ in number.
"""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import pairwise_distances_chunked
from sklearn.metrics.pairwise import polynomial_kernel
from sklearn.neighbors import NearestNeighbors


def generative_metrics(real: np.ndarray, generated: np.ndarray) -> dict[str, float]:
    """Return `frechet_distance`, `kernel_distance`, `precision` and `recall` of two sets of features by name.

    Both are `(examples, dimensions)`, of at least four examples each, and may differ in their number.
    """
    precision, recall = precision_and_recall(real, generated)
    return {
        "frechet_distance": frechet_distance(real, generated),
        "kernel_distance": kernel_distance(real, generated),
        "precision": precision,
        "recall": recall,
    }


def evenness(fractions: ArrayLike) -> float:
    """Return the entropy of fractions that sum to 1, `(classes,)`, over that of equal ones: in [0, 1]."""
    fractions = np.asarray(fractions, "float64")
    positive = fractions[fractions > 0]
    return float(-(positive * np.log(positive)).sum() / np.log(len(fractions)))


def frechet_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """Return the squared Fréchet distance of two sets of features, each modelled as a sample of a Gaussian.

    Both are `(examples, dimensions)`, of at least two examples each, and may differ in their number. The distance is
    |m - n|^2 + tr(C + D - 2 (C D)^(1/2)), with the means m, n and the covariances C, D: 0 for the same mean and
    covariance. It is biased: between two samples of one distribution it is above 0, the more so the smaller they are.
    Heusel et al. 2017, whose features were another network's.
    """
    means = [np.mean(features, axis=0, dtype="float64") for features in (real, generated)]
    covariances = [np.atleast_2d(np.cov(features, rowvar=False, dtype="float64")) for features in (real, generated)]
    return gaussian_frechet_distance(*means, *covariances)


def gaussian_frechet_distance(
    mean: np.ndarray, other_mean: np.ndarray, covariance: np.ndarray, other_covariance: np.ndarray
) -> float:
    """Return the squared Fréchet distance of two Gaussians.

    Means are `(dimensions,)`, covariances `(dimensions, dimensions)`.
    """
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    # C D and C^(1/2) D C^(1/2) have the same eigenvalues, and the second is symmetric.
    eigenvalues = np.linalg.eigvalsh(root @ other_covariance @ root)
    traces = np.trace(covariance) + np.trace(other_covariance) - 2 * np.sqrt(np.maximum(eigenvalues, 0)).sum()
    return float(np.sum((mean - other_mean) ** 2) + max(0.0, traces))


def kernel_distance(
    real: np.ndarray, generated: np.ndarray, size: int = 1000, subsets: int = 20, seed: int = 0
) -> float:
    """Return the kernel distance of two sets of features: the mean of unbiased estimates on random subsets.

    The squared maximum mean discrepancy for the kernel k(x, y) = (x . y / dimensions + 1)^3. It is 0 on average for two
    samples of one distribution, and may be slightly negative. Bińkowski et al. 2018. Both sets are `(examples,
    dimensions)`, of at least two examples each. There are `subsets` subsets, each of `size` examples of either set, or
    as many as the smaller one has; `seed` is that of the random choice.
    """
    rng = np.random.default_rng(seed)
    size = min(size, len(real), len(generated))
    estimates = []
    for _ in range(subsets):
        x, y = (rng.choice(features, size, replace=False).astype("float64") for features in (real, generated))
        within = [polynomial_kernel(features, degree=3) for features in (x, y)]
        # Without the diagonal: the kernel of an example with itself.
        means = [(kernel.sum() - np.trace(kernel)) / (size * (size - 1)) for kernel in within]
        estimates.append(sum(means) - 2 * polynomial_kernel(x, y, degree=3).mean())
    return float(np.mean(estimates))


def precision_and_recall(real: np.ndarray, generated: np.ndarray, neighbours: int = 3) -> tuple[float, float]:
    """Return the fraction of generated examples that lie among the real ones, and of real ones among the generated.

    An example lies among others if it is no farther from one of them than that one's k-th nearest neighbour of its own
    set; k is `neighbours`, less than the number of examples of either set, which are `(examples, dimensions)`.
    Precision measures quality, recall coverage of the kinds of real examples. Kynkäänniemi et al. 2019.
    """
    return _fraction_among(generated, real, neighbours), _fraction_among(real, generated, neighbours)


def _fraction_among(examples, others, neighbours):
    # The nearest neighbour of each in its own set is itself.
    distances, _ = NearestNeighbors(n_neighbors=neighbours + 1).fit(others).kneighbors(others)
    inside = [(chunk <= distances[:, -1]).any(axis=1) for chunk in pairwise_distances_chunked(examples, others)]
    return float(np.concatenate(inside).mean())


def nearest_examples(generated: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return for each generated example the Euclidean distance to the nearest real one, and the index of that one.

    Examples are arrays of any one shape, `(examples, ...)`; both are `(generated examples,)`.
    """
    generated, real = (np.reshape(examples, (len(examples), -1)).astype("float32") for examples in (generated, real))
    distances, indices = NearestNeighbors(n_neighbors=1).fit(real).kneighbors(generated)
    return distances[:, 0], indices[:, 0]
