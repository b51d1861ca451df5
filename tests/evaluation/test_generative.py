import numpy as np
import pytest

from keras_refs import evaluation


def normal(examples, mean=0.0, scale=1.0, dimensions=4, seed=0):
    return np.random.default_rng(seed).normal(mean, scale, (examples, dimensions))


def test_frechet_distance_of_two_gaussians_with_diagonal_covariances():
    """It is |m - n|^2 + sum of (s - t)^2 over the standard deviations, whatever the rotation of both."""
    mean, other_mean = np.array([0.0, 1, 2]), np.array([1.0, 1, 0])
    standard_deviations = np.array([1.0, 2, 3]), np.array([2.0, 2, 0.5])
    expected = 1 + 4 + 1 + 2.5**2
    rotation, _ = np.linalg.qr(normal(3, dimensions=3))
    for turn in (np.eye(3), rotation):
        covariances = [turn @ np.diag(d**2) @ turn.T for d in standard_deviations]
        distance = evaluation.gaussian_frechet_distance(turn @ mean, turn @ other_mean, *covariances)
        assert distance == pytest.approx(expected)


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


def test_kernel_distance_of_two_points():
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


def test_radius_is_the_distance_to_the_kth_neighbour():
    """Real points 0, 1, 2 on a line have, with one neighbour, the radius 1; of the generated ones 3.1 is farther.

    These have, in turn, the radii 0.5, 0.5, 0.1 and 0.1, within which lies 0 alone.
    """
    real, generated = np.array([[0.0], [1.0], [2.0]]), np.array([[-1.0], [-0.5], [3.0], [3.1]])
    assert evaluation.precision_and_recall(real, generated, neighbours=1) == (0.75, 1 / 3)
    # With two neighbours the radii of 0 and 2 are 2, and so reach 3.1; that of 3, which is 3.5, reaches all.
    assert evaluation.precision_and_recall(real, generated, neighbours=2) == (1, 1)


def test_nearest_examples():
    real = np.zeros((3, 2, 2, 1), "uint8")
    real[1] = 10
    real[2, 0, 0] = 200
    generated = np.full((2, 2, 2, 1), 9, "uint8")
    generated[1] = real[2]
    distances, indices = evaluation.nearest_examples(generated, real)
    np.testing.assert_allclose(distances, [2, 0])
    np.testing.assert_array_equal(indices, [1, 2])


def test_evenness_of_fractions():
    assert evaluation.evenness([0.25] * 4) == pytest.approx(1)
    assert evaluation.evenness([1, 0, 0]) == 0
    assert evaluation.evenness([0.5, 0.5, 0, 0]) == pytest.approx(0.5)


def test_metrics_of_the_same_features():
    scores = evaluation.generative_metrics(normal(200), normal(200))
    assert set(scores) == {"frechet_distance", "kernel_distance", "precision", "recall"}
    assert scores["frechet_distance"] == pytest.approx(0, abs=1e-9)
    assert (scores["precision"], scores["recall"]) == (1, 1)
    # Below 0: both sums are over the same pairs, but only the cross term has the diagonal.
    assert -1 < scores["kernel_distance"] < 0


def test_precision_is_of_the_generated_examples_in_the_dictionary():
    scores = evaluation.generative_metrics(np.concatenate([normal(300), normal(300, mean=50, seed=1)]), normal(300))
    assert scores["precision"] > 0.9 > 0.5 >= scores["recall"]
