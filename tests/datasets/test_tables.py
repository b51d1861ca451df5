import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from sklearn.datasets import load_iris

from keras_refs import datasets
from keras_refs.errors import UserError
from tests.conftest import prepare


def test_a_table_of_another_kind_is_refused():
    with pytest.raises(UserError, match="'diabetes' is no table of numbers, .* and a class label. It has: "):
        datasets.load_table("diabetes", with_classes=True)
    with pytest.raises(UserError, match="'fashion_mnist' is no table"):
        datasets.load_table("fashion_mnist")


def test_numbers_that_are_missing_are_located(tmp_path):
    features = {"features": tfds.features.Tensor(shape=(2,), dtype=np.float32), "target": np.float32}
    rows = [{"features": np.array([1, 2], "float32"), "target": 1.0} for _ in range(3)]
    rows[2]["features"][1] = np.nan
    prepare(tmp_path, "holes", features, rows, rows)
    with pytest.raises(
        UserError, match="1 values in 'features' that are no finite numbers; the first is number 1 of example 2"
    ):
        datasets.load_table("holes", tmp_path)


@pytest.fixture
def several_columns(tmp_path):
    """Irises as one would write them down: a feature for each column."""
    iris = load_iris()
    features = dict.fromkeys("abcd", np.float32) | {"age": np.int64, "target": np.float32}
    features["species"] = tfds.features.ClassLabel(names=iris.target_names.tolist())
    rows = [
        {**dict(zip("abcd", row, strict=True)), "age": 2 * index, "target": -row[0], "species": int(label)}
        for index, (row, label) in enumerate(zip(iris.data.astype("float32"), iris.target, strict=True))
    ]
    prepare(tmp_path, "flowers", features, rows, rows[:1])
    return tmp_path


def test_columns_are_features_of_their_own(several_columns):
    data = datasets.load_table("flowers", several_columns)
    assert data.feature_names == ("a", "age", "b", "c", "d")
    iris = load_iris().data.astype("float32")
    np.testing.assert_array_equal(data.rows.features, np.insert(iris, 1, 2 * np.arange(150), axis=1))
    np.testing.assert_array_equal(data.rows.targets[:, 0], -iris[:, 0])
    other = datasets.load_table("flowers", several_columns, target="d", inputs=("c", "age"))
    assert other.feature_names == ("c", "age")
    np.testing.assert_array_equal(other.rows.targets[:, 0], iris[:, 3])
    classes = datasets.load_table("flowers", several_columns, with_classes=True)
    assert classes.feature_names == ("a", "age", "b", "c", "d", "target")
    np.testing.assert_array_equal(classes.rows.labels, load_iris().target)
    assert classes.scored_on == "in sample"
    with pytest.raises(UserError, match="'flowers' is no table of numbers, .* or --target must name which. It has: "):
        datasets.load_table("flowers", several_columns, target="species")
    for named in ("length", "species"):
        with pytest.raises(UserError, match=f"'flowers' has no feature '{named}' of numbers .*, which --inputs names"):
            datasets.load_table("flowers", several_columns, inputs=("a", named))


def test_standardize_and_back():
    values = np.random.default_rng(0).normal([1e4, -3], [5, 0.1], (50, 4, 2)).astype("float32")
    scaler = datasets.fit_scaler(values)
    standardized = datasets.standardize(values, scaler)
    assert standardized.dtype == np.float32
    np.testing.assert_allclose(standardized.mean(axis=(0, 1)), 0, atol=1e-4)
    np.testing.assert_allclose(standardized.std(axis=(0, 1)), 1, atol=1e-4)
    np.testing.assert_allclose(datasets.unstandardize(standardized, scaler), values, rtol=1e-6)
    np.testing.assert_array_equal(datasets.standardize(tf.constant(values), scaler), standardized)


def test_standardize_only_centres_a_constant_column():
    values = np.array([[1, 5], [3, 5]], "float32")
    scaler = datasets.fit_scaler(values)
    np.testing.assert_allclose(datasets.standardize(values, scaler), [[-1, 0], [1, 0]])
    np.testing.assert_allclose(datasets.standardize(values + 2, scaler), [[1, 2], [3, 2]])
