import numpy as np
import pytest

from keras_refs import evaluation
from keras_refs.evaluation import generative


def normal(examples, mean=0.0, scale=1.0, dimensions=4, seed=0):
    return np.random.default_rng(seed).normal(mean, scale, (examples, dimensions))


def test_frechet_distance_of_two_gaussians_is_known():
    """For diagonal covariances it is |m - n|^2 + sum of (s - t)^2 over the deviations."""
    mean, other_mean = np.array([0.0, 1, 2]), np.array([1.0, 1, 0])
    deviations, other_deviations = np.array([1.0, 2, 3]), np.array([2.0, 2, 0.5])
    expected = 1 + 4 + 1 + 2.5**2
    rotation, _ = np.linalg.qr(normal(3, dimensions=3))
    for turn in (np.eye(3), rotation):
        covariances = [turn @ np.diag(d**2) @ turn.T for d in (deviations, other_deviations)]
        found = evaluation.gaussian_frechet_distance(turn @ mean, turn @ other_mean, *covariances)
        assert found == pytest.approx(expected)


def test_frechet_distance_of_samples_comes_close():
    first, second = normal(40_000), normal(40_000, mean=0.5, scale=2.0, seed=1)
    assert evaluation.frechet_distance(first, second) == pytest.approx(4 * (0.25 + 1), rel=0.03)
    assert evaluation.frechet_distance(first, first[::-1]) == pytest.approx(0, abs=1e-9)
    assert evaluation.frechet_distance(first[:100], first[100:200]) > 0.01


def test_kernel_distance_is_unbiased():
    """About 0 for one distribution whatever the size of the samples, where the Fréchet distance is above it."""
    draws = np.random.default_rng(0).normal(size=(1000, 2, 50, 4))
    same = [evaluation.kernel_distance(*pair, size=50, subsets=1) for pair in draws]
    assert abs(np.mean(same)) < 3 * np.std(same) / np.sqrt(len(same))
    assert min(same) < 0 < max(same)


def test_kernel_distance_of_known_points():
    """All of one set at the origin, k = 1; all of the other at 1 in two dimensions, k = 8; across, k = 1."""
    assert evaluation.kernel_distance(np.zeros((5, 2)), np.ones((6, 2))) == pytest.approx(1 + 8 - 2)


def test_precision_and_recall_of_sets_that_are_equal_or_far_apart():
    real = normal(300)
    assert evaluation.precision_and_recall(real, real[::-1]) == (1, 1)
    assert evaluation.precision_and_recall(real, real + 100) == (0, 0)


def test_missing_kinds_cost_recall_and_bad_examples_precision():
    real = np.concatenate([normal(300), normal(300, mean=50, seed=1)])
    one_kind = normal(300, seed=2)
    precision, recall = evaluation.precision_and_recall(real, one_kind)
    assert precision > 0.9
    assert 0.4 < recall <= 0.5
    half_bad = np.concatenate([normal(300, seed=3), normal(300, mean=-90, seed=4)])
    precision, recall = evaluation.precision_and_recall(normal(300), half_bad)
    assert 0.4 < precision <= 0.5
    assert recall > 0.9


def test_precision_counts_by_the_radius_of_the_kth_neighbour():
    """Points 0, 1, 2 on a line: with one neighbour every radius is 1, so that 3 lies among them and 3.1 does not."""
    real = np.array([[0.0], [1.0], [2.0]])
    assert generative._share_among(np.array([[3.0], [3.1], [-1.0], [0.5]]), real, 1) == 0.75


def test_nearest_examples():
    real = np.zeros((3, 2, 2, 1), "uint8")
    real[1] = 10
    real[2, 0, 0] = 200
    made = np.full((2, 2, 2, 1), 9, "uint8")
    made[1] = real[2]
    distances, places = evaluation.nearest_examples(made, real)
    np.testing.assert_allclose(distances, [2, 0])
    np.testing.assert_array_equal(places, [1, 2])


def test_evenness_of_shares():
    assert evaluation.evenness([0.25] * 4) == pytest.approx(1)
    assert evaluation.evenness([1, 0, 0]) == 0
    assert evaluation.evenness([0.5, 0.5, 0, 0]) == pytest.approx(0.5)


def test_metrics_of_the_same_features():
    found = evaluation.generative_metrics(normal(200), normal(200))
    assert found["frechet_distance"] == pytest.approx(0, abs=1e-9)
    assert (found["precision"], found["recall"]) == (1, 1)
    assert set(found) == {"frechet_distance", "kernel_distance", "precision", "recall"}
