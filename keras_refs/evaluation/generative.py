"""How good made examples are, next to real ones: in the space of a classifier's features, or in pixels."""

import numpy as np
from sklearn.metrics import pairwise_distances_chunked
from sklearn.neighbors import NearestNeighbors


def generative_metrics(real, made):
    """Return `frechet_distance`, `kernel_distance`, `precision` and `recall` of made examples' features by name."""
    precision, recall = precision_and_recall(real, made)
    return {
        "frechet_distance": frechet_distance(real, made),
        "kernel_distance": kernel_distance(real, made),
        "precision": precision,
        "recall": recall,
    }


def evenness(shares):
    """Return how evenly shares are spread: their entropy over that of equal shares, from 0 to 1."""
    shares = np.asarray(shares, "float64")
    known = shares[shares > 0]
    return float(-(known * np.log(known)).sum() / np.log(len(shares)))


def frechet_distance(real, made):
    """Return the Fréchet distance of two sets of features, each taken for a sample of a Gaussian.

    |m - n|^2 + tr(C + D - 2 (C D)^(1/2)), with the means m, n and the covariances C, D: 0 for the same mean and
    covariance. It is in the units of the features, squared, and biased: between two samples of one distribution it is
    above 0, the more so the smaller they are. Heusel et al. 2017, whose features were another network's.

    Args:
        real: Features `(examples, dimensions)`.
        made: Features of other examples.
    """
    means = [np.mean(features, axis=0, dtype="float64") for features in (real, made)]
    covariances = [np.atleast_2d(np.cov(features, rowvar=False, dtype="float64")) for features in (real, made)]
    return gaussian_frechet_distance(*means, *covariances)


def gaussian_frechet_distance(mean, other_mean, covariance, other_covariance):
    """Return the Fréchet distance, squared, of two Gaussians."""
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    # C D and C^(1/2) D C^(1/2) have the same eigenvalues, and the second is symmetric.
    shared = np.linalg.eigvalsh(root @ other_covariance @ root)
    traces = np.trace(covariance) + np.trace(other_covariance) - 2 * np.sqrt(np.maximum(shared, 0)).sum()
    return float(np.sum((mean - other_mean) ** 2) + max(0.0, traces))


def kernel_distance(real, made, size=1000, subsets=20, seed=0):
    """Return the kernel distance of two sets of features: the mean of unbiased estimates on random subsets.

    The squared maximum mean discrepancy for the kernel k(x, y) = (x . y / dimensions + 1)^3. It is 0 on average for two
    samples of one distribution, and may be a little below. Bińkowski et al. 2018.

    Args:
        real: Features `(examples, dimensions)`.
        made: Features of other examples.
        size: Examples of each set in a subset, at most as many as there are.
        subsets: Subsets to average over.
        seed: Seed of the subsets.
    """
    rng = np.random.default_rng(seed)
    size = min(size, len(real), len(made))
    estimates = []
    for _ in range(subsets):
        x, y = (features[rng.choice(len(features), size, replace=False)].astype("float64") for features in (real, made))
        within = [_kernel(features, features) for features in (x, y)]
        # Without the diagonal, where an example meets itself.
        means = [(kernel.sum() - np.trace(kernel)) / (size * (size - 1)) for kernel in within]
        estimates.append(sum(means) - 2 * _kernel(x, y).mean())
    return float(np.mean(estimates))


def _kernel(x, y):
    return (x @ y.T / x.shape[1] + 1) ** 3


def precision_and_recall(real, made, neighbours=3):
    """Return how many made examples lie among the real ones, and how many real ones among the made ones.

    An example lies among others if it is no farther from one of them than that one's k-th nearest neighbour of its own
    set. Precision falls when pictures are bad, recall when kinds of pictures are missing. Kynkäänniemi et al. 2019.

    Args:
        real: Features `(examples, dimensions)`.
        made: Features of other examples.
        neighbours: The k.
    """
    return _share_among(made, real, neighbours), _share_among(real, made, neighbours)


def _share_among(examples, others, neighbours):
    # The nearest neighbour of each in its own set is itself.
    distances, _ = NearestNeighbors(n_neighbors=neighbours + 1).fit(others).kneighbors(others)
    radii = distances[:, -1]
    found = [(chunk <= radii).any(axis=1) for chunk in pairwise_distances_chunked(examples, others)]
    return float(np.concatenate(found).mean())


def nearest_examples(made, real):
    """Return for each made example the distance to the nearest real one, and that one's place."""
    flat = [np.reshape(examples, (len(examples), -1)).astype("float32") for examples in (made, real)]
    distances, places = NearestNeighbors(n_neighbors=1).fit(flat[1]).kneighbors(flat[0])
    return distances[:, 0], places[:, 0]
