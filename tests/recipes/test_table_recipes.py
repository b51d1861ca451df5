import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression

from keras_refs import datasets, evaluation, export, models, settings
from keras_refs.errors import UserError
from keras_refs.recipes import linear_regression, logistic_regression
from tests import checks
from tests.conftest import prepare


@pytest.fixture
def drawn_coefficients(monkeypatch):
    """What `save_coefficients` was called with: names, coefficients, label and path."""
    calls = []
    monkeypatch.setattr(evaluation, "save_coefficients", lambda *arguments: calls.append(arguments))
    return calls


@pytest.fixture(scope="module")
def diabetes():
    return datasets.load_table("diabetes")


@pytest.fixture(scope="module")
def linear(tmp_path_factory):
    """The metrics of the recipe with its defaults, and the folder of its run and its models."""
    folder = tmp_path_factory.mktemp("linear")
    config = linear_regression.Config()
    return linear_regression.train_and_evaluate(config, folder / "run", folder / "models"), folder


def test_linear_regression_equals_least_squares(linear, diabetes, drawn_coefficients, tmp_path):
    """In sample, on real data, in the features' and the target's standard deviations."""
    metrics, folder = linear
    assert metrics["test"]["r2"] == pytest.approx(0.5177, abs=1e-4)
    assert metrics["parameters"] == 11
    rows = diabetes.rows
    scaler, target_scaler = datasets.fit_scaler(rows.features), datasets.fit_scaler(rows.targets)
    solution = LinearRegression().fit(scaler.transform(rows.features), target_scaler.transform(rows.targets)[:, 0])
    probes = scaler.inverse_transform(np.vstack([np.zeros(10), np.eye(10)]))
    predictions = export.SavedFunction(metrics["export"]).predict(features=probes)["prediction"]
    predictions = target_scaler.transform(predictions)[:, 0]
    assert predictions[0] == pytest.approx(solution.intercept_, abs=1e-3)
    np.testing.assert_allclose(predictions[1:] - predictions[0], solution.coef_, atol=1e-3)
    figures = {"learning_curves.png", "predictions.png"}
    assert {path.name for path in (folder / "run" / "figures").iterdir()} == figures

    linear_regression.explain(metrics["export"], linear_regression.Config(), tmp_path)
    [(names, coefficients, _, _)] = drawn_coefficients
    assert names == diabetes.feature_names
    in_units = solution.coef_ * target_scaler.scale_
    np.testing.assert_allclose(coefficients["prediction"], in_units, atol=1e-3 * target_scaler.scale_[0])


def test_linear_export_takes_raw_numbers_in_a_clean_process(linear, diabetes, tmp_path):
    metrics, _ = linear
    rows = diabetes.rows
    outputs = export.SavedFunction(metrics["export"]).predict(features=rows.features)
    rmse = np.sqrt(np.mean((outputs["prediction"] - rows.targets) ** 2))
    assert rmse == pytest.approx(metrics["test"]["rmse"])
    inputs = {"features": rows.features}
    checks.check_answers_in_a_clean_process(metrics["export"], "serving_default", inputs, outputs, tmp_path, rtol=1e-5)
    assert export.read_model_card(metrics["export"])["test"] == metrics["test"]


@pytest.fixture(scope="module")
def tumours():
    return datasets.load_table("breast_cancer", with_classes=True)


@pytest.fixture(scope="module")
def logistic(tmp_path_factory):
    """As `linear`, with a twentieth of the steps."""
    folder = tmp_path_factory.mktemp("logistic")
    config = settings.override(logistic_regression.Config(), epochs=4, passes_per_epoch=50)
    return logistic_regression.train_and_evaluate(config, folder / "run", folder / "models"), folder


def test_logistic_regression_in_cross_validation(logistic):
    metrics, folder = logistic
    assert metrics["cross_validation"]["accuracy"] > 0.97
    card = (Path(metrics["export"]) / "model_card.md").read_text()
    assert f"| scores in cross-validation | accuracy {metrics['cross_validation']['accuracy']:.4f}, " in card
    assert f"| scores in sample | accuracy {metrics['test']['accuracy']:.4f}, " in card
    assert sum(map(sum, metrics["cross_validation"]["confusion_matrix"])) == 569
    # What was fitted to the rows does better on them.
    assert metrics["test"]["loss"] < metrics["cross_validation"]["loss"]
    figures = {"learning_curves.png", "confusion_matrix.png", "roc_curve.png"}
    assert {path.name for path in (folder / "run" / "figures").iterdir()} == figures


def test_logistic_export_in_a_clean_process(logistic, tumours, tmp_path):
    metrics, _ = logistic
    inputs = {"features": tumours.rows.features}
    outputs = export.SavedFunction(metrics["export"]).predict(**inputs)
    np.testing.assert_allclose(outputs["probabilities"].sum(axis=1), 1, atol=1e-6)
    assert np.mean(outputs["label"] == tumours.rows.labels) == metrics["test"]["accuracy"]
    np.testing.assert_array_equal(outputs["class_name"], np.array([b"malignant", b"benign"])[outputs["label"]])
    checks.check_answers_in_a_clean_process(metrics["export"], "serving_default", inputs, outputs, tmp_path)


def test_logistic_weights_of_two_classes_are_log_odds(logistic, drawn_coefficients, tmp_path):
    metrics, _ = logistic
    logistic_regression.explain(metrics["export"], logistic_regression.Config(), tmp_path)
    [(_, coefficients, label, _)] = drawn_coefficients
    assert list(coefficients) == ["benign"]
    assert "log-odds" in label


def test_cross_validation_scores_rows_that_the_model_had_not_seen(tumours):
    """With random labels they are right by chance alone; those of rows that it was fitted to, more often."""
    labels = np.random.default_rng(0).integers(0, 2, (569, 1)).astype("float32")
    rows = datasets.Table(tumours.rows.features, labels)
    data = dataclasses.replace(tumours, name="random", train=rows, validation=rows, test=rows)
    config = settings.override(logistic_regression.Config(), epochs=2)
    folds = logistic_regression.stratified_folds(rows, config)
    held_out = np.concatenate([indices for _, indices in folds])
    np.testing.assert_array_equal(np.sort(held_out), np.arange(569))

    def compiled_model():
        model = models.logistic_regression(num_features=30)
        model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", steps_per_execution=10)
        return model

    def accuracy(folds):
        probabilities = logistic_regression.cross_validate(config, data, folds, 100, compiled_model)
        return np.mean(probabilities.argmax(axis=1) == rows.labels)

    assert 0.4 < accuracy(folds) < 0.55
    assert accuracy([(np.arange(569), np.arange(569))]) > 0.57


def test_folds_have_the_same_fraction_of_each_class(tumours):
    def folds(**values):
        config = settings.override(logistic_regression.Config(), **values)
        return logistic_regression.stratified_folds(tumours.rows, config)

    benign = tumours.rows.labels.mean()
    for fitted_to, held_out in folds(seed=1):
        assert not set(fitted_to) & set(held_out)
        assert tumours.rows.labels[held_out].mean() == pytest.approx(benign, abs=0.01)
    assert not np.array_equal(folds(seed=1)[0][1], folds(seed=2)[0][1])
    assert folds(folds=1) == []
    with pytest.raises(UserError, match=r"--folds must be at most 212, .* Received: 213"):
        folds(folds=213)


@pytest.fixture(scope="module")
def iris_data_dir(tmp_path_factory):
    """A TFDS folder with scikit-learn's irises: all three classes, and the first two."""
    folder, iris = tmp_path_factory.mktemp("iris"), load_iris()
    for name, classes in (("three_irises", 3), ("two_irises", 2)):
        features = {
            "features": tfds.features.Tensor(shape=(4,), dtype=np.float32),
            "label": tfds.features.ClassLabel(names=iris.target_names[:classes].tolist()),
        }
        pairs = zip(iris.data.astype("float32"), iris.target, strict=True)
        rows = [{"features": values, "label": int(label)} for values, label in pairs if label < classes]
        prepare(folder, name, features, rows, rows)
    return folder


def test_logistic_regression_of_three_classes(iris_data_dir, drawn_coefficients, tmp_path):
    """With the user's own optimizer, and without a cross-validation, of which there is then no score."""
    values = {"data_dir": str(iris_data_dir), "batch_size": 50, "epochs": 2, "passes_per_epoch": 50, "folds": 1}
    config = settings.override(logistic_regression.Config(), dataset="three_irises", **values)
    folders = tmp_path / "run", tmp_path / "models"
    metrics = logistic_regression.train_and_evaluate(config, *folders, optimizer=keras.optimizers.Adam(0.05))
    assert metrics["test"]["accuracy"] > 0.9
    assert metrics["cross_validation"] is None
    assert "cross-validation |" not in (Path(metrics["export"]) / "model_card.md").read_text()
    assert not (tmp_path / "run" / "figures" / "roc_curve.png").exists()
    assert logistic_regression.evaluate(metrics["export"], config) == metrics["test"]

    logistic_regression.explain(metrics["export"], config, tmp_path)
    [(_, coefficients, label, _)] = drawn_coefficients
    assert list(coefficients) == ["setosa", "versicolor", "virginica"]
    assert "log-odds" not in label

    with pytest.raises(UserError, match="The model has 3 classes and the data set 'two_irises' has 2"):
        logistic_regression.evaluate(metrics["export"], settings.override(config, dataset="two_irises"))


def test_cross_validation_copies_the_users_optimizer(iris_data_dir, tmp_path):
    optimizer = keras.optimizers.SGD(0.5)
    values = {"data_dir": str(iris_data_dir), "batch_size": 50, "epochs": 2, "passes_per_epoch": 50, "folds": 3}
    config = settings.override(logistic_regression.Config(), dataset="two_irises", **values)
    folders = tmp_path / "run", tmp_path / "models"
    metrics = logistic_regression.train_and_evaluate(config, *folders, optimizer=optimizer)
    assert metrics["cross_validation"]["accuracy"] == 1.0
