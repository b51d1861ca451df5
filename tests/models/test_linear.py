import keras
import numpy as np
import pytest

from keras_refs import linear_regression, logistic_regression
from tests import checks

BUILDERS = pytest.mark.parametrize("build", [linear_regression, logistic_regression])
PENALTIES = {"l1": 1e-3, "l2": 1e-3}


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(size=(6, 3)).astype("float32")


@pytest.mark.parametrize(
    ("build", "arguments", "inputs", "outputs", "parameters"),
    [
        pytest.param(linear_regression, {}, 1, 1, 2, id="listings A1, B1, D1"),
        pytest.param(logistic_regression, {}, 2, 1, 3, id="listings A2, D2"),
        (linear_regression, {"num_features": 10, "num_outputs": 3}, 10, 3, 33),
        (logistic_regression, {"num_features": 30, "num_classes": 4}, 30, 4, 124),
    ],
)
def test_shapes_and_parameters(build, arguments, inputs, outputs, parameters):
    checks.check_shapes(build(**arguments), np.zeros((5, inputs)), (5, outputs), parameters)


@BUILDERS
@pytest.mark.parametrize(
    ("argument", "value", "match"),
    [("num_features", 0, "at least 1"), ("l1", -1, r"\[0, inf\)"), ("l2", "much", r"\[0, inf\)")],
)
def test_bad_arguments(build, argument, value, match):
    checks.check_refuses(build, argument, value, match)


def test_bad_widths():
    checks.check_refuses(linear_regression, "num_outputs", 1.5, "integer")
    checks.check_refuses(logistic_regression, "num_classes", 0, "at least 1")


@BUILDERS
def test_shared_checks(build, features, tmp_path):
    keras.utils.set_random_seed(0)
    checks.check_config_round_trip(build(3, **PENALTIES), features)
    checks.check_save_and_reload(build(3, **PENALTIES), features, tmp_path)
    checks.check_dtype_policies(lambda: build(3), features, computes=False)
    loss = keras.losses.MeanSquaredError()
    checks.check_every_weight_gets_a_gradient(build(3, 2), features, np.zeros((6, 2)), loss)


def fit(model, loss, inputs, targets, steps=3000):
    schedule = keras.optimizers.schedules.CosineDecay(0.1, steps)
    model.compile(keras.optimizers.Adam(schedule), loss)
    checks.train_on_one_batch(model, inputs, targets, steps)


def test_linear_regression_finds_an_intercept():
    """Listings A1, B1 and D1: y = 3x + 2 and noise; the weights are those of least squares."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(100, 1))
    y = 3 * x + 2 + rng.uniform(size=(100, 1))
    model = linear_regression()
    fit(model, "mse", x, y)
    slope, intercept = np.linalg.lstsq(np.hstack([x, np.ones_like(x)]), y, rcond=None)[0].ravel()
    np.testing.assert_allclose([weight.item() for weight in model.get_weights()], [slope, intercept], atol=1e-3)


def test_ridge_equals_its_closed_form(features):
    """Keras adds l2 * sum(W^2) to the MEAN of the squared errors, and the bias is free."""
    targets = features @ [[1.0], [-2.0], [0.5]] + 0.3
    model = linear_regression(3, l2=0.1)
    fit(model, "mse", features, targets)
    centred, centred_targets = features - features.mean(axis=0), targets - targets.mean()
    gram = centred.T @ centred + 0.1 * len(features) * np.eye(3)
    np.testing.assert_allclose(model.get_weights()[0], np.linalg.solve(gram, centred.T @ centred_targets), atol=1e-3)


def test_lasso_drops_a_useless_feature():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    model = linear_regression(2, l1=0.1)
    fit(model, "mse", x, x[:, :1] * 2.0)
    weights = np.abs(model.get_weights()[0]).ravel()
    assert weights[0] > 1.8
    assert weights[1] < 1e-2


def test_logistic_regression_equals_a_libraries():
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression

    x, y = load_breast_cancer(return_X_y=True)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    penalty = 0.01
    # scikit-learn minimises C * sum(loss) + |w|^2 / 2.
    reference = LogisticRegression(C=1 / (2 * penalty * len(x)), tol=1e-8, max_iter=10_000).fit(x, y)
    model = logistic_regression(30, l2=penalty)
    fit(model, "binary_crossentropy", x, y[:, None])
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(kernel.ravel(), reference.coef_.ravel(), atol=1e-3)
    np.testing.assert_allclose(bias, reference.intercept_, atol=1e-3)


def test_logistic_regression_learns_and_but_not_xor():
    """Listing A2 has XOR's labels, of which a line separates three at most, and no intercept, which AND needs."""
    model, (inputs, labels) = logistic_regression(), checks.XOR
    fit(model, "binary_crossentropy", inputs, labels)
    assert np.sum((model(inputs) > 0.5) == labels) <= 3
    labels = inputs.min(axis=1, keepdims=True)
    fit(model, "binary_crossentropy", inputs, labels)
    np.testing.assert_allclose(model(inputs), labels, atol=0.1)


def test_probabilities_sum_to_one(features):
    np.testing.assert_allclose(np.sum(logistic_regression(3, num_classes=4)(features), axis=1), 1, atol=1e-6)
