import numpy as np
import pytest

from keras_refs import evaluation


def test_scores_of_a_small_example():
    """Over all values of any shape: errors 0, 0, 1 and 3, targets of variance 1."""
    targets, predictions = np.array([[0.0, 2.0], [0.0, 2.0]], "float32"), np.array([[0.0, 2.0], [1.0, 5.0]], "float32")
    scores = evaluation.regression_metrics(targets, predictions)
    assert scores == {"rmse": pytest.approx(np.sqrt(2.5)), "mae": 1, "r2": pytest.approx(1 - 2.5), "references": {}}
    assert {type(scores[name]) for name in ("rmse", "mae", "r2")} == {float}


def test_skill_is_the_fraction_by_which_the_error_of_the_reference_falls():
    targets = np.zeros(4)
    scores = evaluation.regression_metrics(targets, targets + 1, {"naive": targets + 2, "perfect": targets})
    assert scores["references"]["naive"]["skill"] == 0.5
    assert np.isnan(scores["references"]["perfect"]["skill"])


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("targets", [np.zeros(4), np.full(3, 0.1), np.ones(1)])
def test_targets_without_variance_have_no_r2(targets):
    assert np.isnan(evaluation.regression_metrics(targets, targets + 1)["r2"])
    assert np.isnan(evaluation.regression_metrics(targets, targets)["r2"])


def test_table_ends_with_the_models_own_line():
    scores = evaluation.regression_metrics([1.0, 2.0], [1.0, 3.0], {"naive": [0.0, 0.0]})
    lines = evaluation.format_regression_metrics(scores).splitlines()
    assert lines[-1] == "RMSE 0.7071, MAE 0.5000, R2 -1.0000"
    assert lines[1].startswith("naive")
    alone = evaluation.regression_metrics([1.0, 2.0], [1.0, 3.0])
    assert evaluation.format_regression_metrics(alone) == lines[-1]


def test_coverage_is_the_fraction_of_targets_within_the_interval():
    targets = np.array([[0.0, 1.0], [2.0, 3.0]])
    interval = targets - np.array([0, 1]), targets + np.array([[1, 1], [1, -0.5]])
    scores = evaluation.regression_metrics(targets, targets, interval=interval)
    assert scores["interval"] == {"coverage": 0.75, "width": 1.125}
    assert "has 75.0% of the true values; its mean width is 1.1250." in evaluation.format_regression_metrics(scores)


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 1\). Received: \(4,\)"):
        evaluation.regression_metrics(np.zeros((4, 1)), np.zeros(4))


def test_predictions_stand_against_true_values(figures, tmp_path):
    targets = np.arange(12_000.0).reshape(-1, 2)
    evaluation.save_predictions(targets, targets + 1, tmp_path / "predictions.png")
    left, right = figures[0].axes
    points = left.collections[0].get_offsets()
    assert 1000 < len(points) <= 5000
    np.testing.assert_array_equal(points[:, 1] - points[:, 0], 1)
    assert left.get_xlabel() == "true value"
    assert sum(bar.get_height() for bar in right.patches) == 12_000


def test_forecasts_of_windows_that_follow_each_other(figures, texts, tmp_path):
    """Of 10 windows of 3 steps, two that cover hours 2 to 7: the first of each three, from the middle."""
    times = np.arange(10) * 60
    targets = np.arange(10)[:, None] + np.arange(3.0)
    arguments = {"network": targets + 0.5, "naive": targets - 1}, "load in MW", tmp_path / "forecasts.png"
    evaluation.save_forecasts(times, targets, *arguments, steps=8)
    (axes,) = figures[0].axes
    truth, network, naive = (line.get_ydata() for line in axes.lines)
    np.testing.assert_array_equal(truth, np.arange(2, 8))
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), np.arange(2, 8).astype("datetime64[h]"))
    np.testing.assert_array_equal([network - truth, naive - truth], [[0.5] * 6, [-1] * 6])
    assert texts(figures[0].legends[0].get_texts()) == ["true values", "network", "naive"]


def test_forecasts_of_windows_that_begin_every_second_step(figures, tmp_path):
    """Of 10 windows of 3 steps, the fourth and the sixth: one begins four steps after the other."""
    times = np.arange(0, 20, 2) * 60
    targets = np.arange(0, 20, 2)[:, None] + np.arange(3.0)
    evaluation.save_forecasts(
        times, targets, {"network": targets}, "load", tmp_path / "forecasts.png", steps=8, every=2
    )
    truth = figures[0].axes[0].lines[0]
    np.testing.assert_array_equal(truth.get_ydata(), [6, 7, 8, 10, 11, 12])
    np.testing.assert_array_equal(truth.get_xdata(), np.array([6, 7, 8, 10, 11, 12]).astype("datetime64[h]"))


@pytest.mark.parametrize("examples", [1, 2, 3])
def test_forecasts_of_fewer_windows_than_the_horizon(figures, tmp_path, examples):
    """The first is drawn, in steps of an hour where there are two to tell."""
    times = np.arange(examples) * 60
    targets = np.arange(examples)[:, None] + np.arange(4.0)
    evaluation.save_forecasts(times, targets, {"network": targets}, "load in MW", tmp_path / "forecasts.png")
    (line, *_) = figures[0].axes[0].lines
    np.testing.assert_array_equal(line.get_ydata(), np.arange(4))
    expected = np.arange(4) * (60 if examples > 1 else 1)
    np.testing.assert_array_equal(line.get_xdata(), expected.astype("datetime64[m]"))


def test_error_grows_with_the_steps_ahead(figures, tmp_path):
    targets = np.zeros((2, 3))
    forecasts = {"network": np.array([[1.0, 2, 3], [1, 2, -3]]), "naive": np.array([[3.0, 0, 4], [-3, 2, 4]])}
    evaluation.save_error_by_step(targets, forecasts, "load", tmp_path / "error.png")
    network, naive = (line.get_xydata() for line in figures[0].axes[0].lines)
    np.testing.assert_allclose(network, [[1, 1], [2, 2], [3, 3]])
    np.testing.assert_allclose(naive, [[1, 3], [2, np.sqrt(2)], [3, 4]])
