import numpy as np
import pytest
from sklearn import metrics as reference

from keras_refs import evaluation


def test_equals_a_librarys():
    rng = np.random.default_rng(0)
    targets, predictions = rng.normal(size=(2, 50, 3))
    scores = evaluation.regression_metrics(targets, predictions)
    assert scores["rmse"] == pytest.approx(reference.root_mean_squared_error(targets.ravel(), predictions.ravel()))
    assert scores["mae"] == pytest.approx(reference.mean_absolute_error(targets.ravel(), predictions.ravel()))
    assert scores["r2"] == pytest.approx(reference.r2_score(targets.ravel(), predictions.ravel()))


def test_skill_is_the_share_of_the_references_error_done_away_with():
    targets = np.zeros(4)
    scores = evaluation.regression_metrics(targets, targets + 1, {"naive": targets + 2, "perfect": targets})
    assert scores["references"]["naive"]["skill"] == 0.5
    assert np.isnan(scores["references"]["perfect"]["skill"])
    assert np.isnan(scores["r2"])


def test_table_ends_with_the_models_own_line():
    scores = evaluation.regression_metrics([1.0, 2.0], [1.0, 3.0], {"naive": [0.0, 0.0]})
    lines = evaluation.format_regression_metrics(scores).splitlines()
    assert lines[-1] == "RMSE 0.7071, MAE 0.5000, R2 -1.0000"
    assert lines[1].startswith("naive")
    alone = evaluation.regression_metrics([1.0, 2.0], [1.0, 3.0])
    assert evaluation.format_regression_metrics(alone) == lines[-1]


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 1\). Received: \(4,\)"):
        evaluation.regression_metrics(np.zeros((4, 1)), np.zeros(4))


def test_roc_curve_equals_a_librarys_area():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    # Rounded, so that many are equal.
    probabilities = np.round(0.3 * labels + rng.uniform(size=200), 1)
    false_positives, true_positives = evaluation.roc_curve(labels, probabilities)
    assert (false_positives[0], true_positives[0], false_positives[-1], true_positives[-1]) == (0, 0, 1, 1)
    area = np.trapezoid(true_positives, false_positives)
    assert area == pytest.approx(reference.roc_auc_score(labels, probabilities))
