import numpy as np
import pytest

from keras_refs import evaluation


def test_right_outputs_are_trusted():
    targets = np.random.default_rng(0).normal(size=(1000, 3))
    assert evaluation.reliable_weight(targets, targets) == pytest.approx(1)
    assert evaluation.reliable_weight(2 * targets, targets) == pytest.approx(0.5)
    # No more than they are.
    assert evaluation.reliable_weight(targets / 2, targets) == 1


def test_outputs_that_help_in_one_block_alone_are_not():
    rng = np.random.default_rng(0)
    outputs, targets = rng.normal(size=(1000, 3)), rng.normal(size=(1000, 3))
    targets[800:] = outputs[800:]
    assert evaluation.reliable_weight(outputs, targets) < 0.02
    assert evaluation.reliable_weight(outputs, -targets) == 0


def test_of_few_windows_no_output_is_trusted():
    targets = np.random.default_rng(0).normal(size=(20, 4))
    assert evaluation.reliable_weight(targets, targets) == pytest.approx(1)
    assert evaluation.reliable_weight(targets[1:], targets[1:]) == 0
    assert evaluation.reliable_weight(0 * targets, targets) == 0


def test_intervals_cover_what_they_say():
    """Of residuals whose spread grows with the step, 80 % of new ones."""
    rng, scales = np.random.default_rng(0), np.array([1.0, 2.0, 5.0])
    lower, upper = evaluation.interval_margins(rng.normal(0, scales, (5000, 3)))
    new = rng.normal(0, scales, (5000, 3))
    np.testing.assert_allclose(((lower <= new) & (new <= upper)).mean(axis=0), 0.8, atol=0.02)
    np.testing.assert_allclose(upper / upper[0], scales, rtol=0.1)


def test_intervals_from_few_windows_are_wider_and_hold_the_forecast():
    residuals = np.arange(1.0, 11)[:, None]
    lower, upper = evaluation.interval_margins(residuals)
    assert lower[0] == 0
    assert upper[0] == pytest.approx(np.quantile(residuals, 1 - 0.1 / 1.1))
