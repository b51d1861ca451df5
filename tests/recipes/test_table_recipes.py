from pathlib import Path

import keras
import numpy as np
import pytest

from keras_refs import datasets, export
from keras_refs.errors import UserError
from keras_refs.recipes import linear_regression, logistic_regression
from tests import checks


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    """The recipe as its command runs it, and its metrics."""
    folder = tmp_path_factory.mktemp("linear")
    recipe = linear_regression.Recipe(linear_regression.Config())
    return recipe, recipe.train_and_evaluate(folder / "run", folder / "models"), folder


def test_linear_regression_equals_least_squares(linear):
    """In sample, on real data, in the features' and the target's deviations."""
    recipe, metrics, folder = linear
    assert metrics["test"]["r2"] == pytest.approx(0.5177, abs=1e-4)
    rows = recipe.data.train
    design = np.column_stack([recipe.feature_scale.apply(rows.features), np.ones(len(rows))])
    solution = np.linalg.lstsq(design, recipe.target_scale.apply(rows.targets), rcond=None)[0]
    probes = np.vstack([np.zeros(10), np.eye(10)]) * recipe.feature_scale.deviation + recipe.feature_scale.mean
    answers = export.SavedFunction(metrics["export"]).predict(features=probes)["prediction"]
    answers = recipe.target_scale.apply(answers)
    np.testing.assert_allclose(answers[0], solution[-1], atol=1e-3)
    np.testing.assert_allclose(answers[1:] - answers[0], solution[:-1], atol=1e-3)
    figures = {"learning_curves.png", "predictions.png"}
    assert {path.name for path in (folder / "run" / "figures").iterdir()} == figures


def test_linear_export_takes_raw_numbers_in_a_clean_process(linear, tmp_path):
    recipe, metrics, _ = linear
    features = recipe.data.test.features
    outputs = export.SavedFunction(metrics["export"]).predict(features=features)
    assert np.sqrt(np.mean((outputs["prediction"] - recipe.data.test.targets) ** 2)) == pytest.approx(
        metrics["test"]["rmse"]
    )
    checks.check_answers_in_a_clean_process(
        metrics["export"], "serving_default", {"features": features}, outputs, tmp_path, rtol=1e-5
    )
    assert metrics["parameters"] == 11
    card = export.read_model_card(metrics["export"])
    assert card["test"] == metrics["test"]


@pytest.fixture(scope="module")
def logistic(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logistic")
    recipe = logistic_regression.Recipe(logistic_regression.Config(epochs=10, passes_per_epoch=100))
    return recipe, recipe.train_and_evaluate(folder / "run", folder / "models"), folder


def test_logistic_regression_in_cross_validation(logistic):
    _, metrics, folder = logistic
    assert metrics["cross_validation"]["accuracy"] > 0.97
    card = (Path(metrics["export"]) / "model_card.md").read_text()
    assert f"| scores in cross-validation | accuracy {metrics['cross_validation']['accuracy']:.4f}, " in card
    assert f"| scores in sample | accuracy {metrics['test']['accuracy']:.4f}, " in card
    assert sum(map(sum, metrics["cross_validation"]["confusion_matrix"])) == 569
    # What was fitted to the rows does better on them.
    assert metrics["test"]["loss"] < metrics["cross_validation"]["loss"]
    figures = {"learning_curves.png", "confusion_matrix.png", "roc_curve.png"}
    assert {path.name for path in (folder / "run" / "figures").iterdir()} == figures


def test_cross_validation_scores_rows_it_did_not_see():
    """With random labels, a model that had seen them would be right more often than not."""
    from keras_refs import training

    recipe = logistic_regression.Recipe(logistic_regression.Config(epochs=4, passes_per_epoch=100, l2=0.0))
    labels = np.random.default_rng(0).integers(0, 2, (569, 1)).astype("float32")
    rows = datasets.Table(recipe.data.rows.features, labels)
    recipe.__dict__["data"] = datasets.TableDataset("random", rows, recipe.data.feature_names, ("a", "b"), "", "")
    keras.utils.set_random_seed(0)
    plan = training.choose_compute(training.Device("cpu", "a CPU"), "dense", "float32")
    assert 0.4 < recipe.cross_validate(plan)["accuracy"] < 0.6


def test_logistic_export_in_a_clean_process(logistic, tmp_path):
    recipe, metrics, _ = logistic
    features = recipe.data.test.features
    outputs = export.SavedFunction(metrics["export"]).predict(features=features)
    np.testing.assert_allclose(outputs["probabilities"].sum(axis=1), 1, atol=1e-6)
    assert set(outputs["class_name"]) == {b"malignant", b"benign"}
    checks.check_answers_in_a_clean_process(
        metrics["export"], "serving_default", {"features": features}, outputs, tmp_path
    )


def test_a_table_of_another_kind_is_refused():
    with pytest.raises(UserError, match="'diabetes' is no table of one vector of numbers and a class label. It has: "):
        datasets.load_table("diabetes", with_classes=True)
    with pytest.raises(UserError, match="'fashion_mnist' is no table"):
        datasets.load_table("fashion_mnist")


def test_numbers_that_are_missing_are_found(tmp_path):
    import tensorflow_datasets as tfds

    from tests.conftest import prepare

    features = {"features": tfds.features.Tensor(shape=(2,), dtype=np.float32), "target": np.float32}
    rows = [{"features": np.array([1, 2], "float32"), "target": 1.0} for _ in range(3)]
    rows[2]["features"][1] = np.nan
    prepare(tmp_path, "holes", features, rows, rows)
    with pytest.raises(
        UserError, match="1 values in 'features' that are no finite numbers; the first is number 1 of example 2"
    ):
        datasets.load_table("holes", tmp_path)


def test_standardization_of_a_constant_column_keeps_it():
    values = np.array([[1, 5], [3, 5]], "float32")
    scale = datasets.Standardization.of(values)
    np.testing.assert_allclose(scale.apply(values), [[-1, 0], [1, 0]])
    np.testing.assert_allclose(scale.invert(scale.apply(values)), values)
