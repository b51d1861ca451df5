import itertools
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from keras_refs import export
from keras_refs.serving import RequestError, Servable, ServerOptions, servable
from tests.conftest import REPOSITORY
from tests.serving import models


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return models.write(tmp_path_factory.mktemp("models") / "1")


def call_together(signatures, requests, name="numbers"):
    """Return the outputs of each signature for its request, or the exception that it raised."""
    results, start = [None] * len(requests), threading.Barrier(len(requests))

    def call(index):
        start.wait()
        try:
            results[index] = signatures[index]({name: requests[index]})
        except tf.errors.OpError as error:
            results[index] = error

    threads = [threading.Thread(target=call, args=(index,)) for index in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("batch_size", [1, 4])
def test_single_requests(folder, batch_size):
    servable = Servable(folder, ServerOptions(batch_size=batch_size))
    assert servable.names == ["one_output", "serving_default"]
    for size in (0, 1, 2, 9):
        numbers = np.resize(models.NUMBERS, (size, 2))
        outputs = servable.signature()({"numbers": numbers})
        np.testing.assert_array_equal(outputs["products"], 2 * numbers)
        np.testing.assert_array_equal(outputs["sum"], numbers.sum(axis=1))


def test_queued_requests_share_a_batch_without_a_timeout(tmp_path, monkeypatch):
    """One thread is busy with the first request; the others form a batch meanwhile."""
    monkeypatch.setattr(servable, "BATCH_THREADS", 1)
    calls = []

    def slow(numbers):
        calls.append(len(numbers))
        time.sleep(0.2)
        return numbers

    def predict(numbers):
        return {"numbers": tf.ensure_shape(tf.numpy_function(slow, [numbers], tf.float32), [None, 2])}

    models.save(tmp_path, {"numbers": (tf.float32, (2,))}, serving_default=predict)
    signature = Servable(tmp_path).signature()
    requests = [np.full((1, 2), number, "float32") for number in range(6)]
    for request, outputs in zip(requests, call_together([signature] * 6, requests), strict=True):
        np.testing.assert_array_equal(outputs["numbers"], request)
    assert sum(calls) == 6
    assert len(calls) < 6


def test_every_signature_has_batches_of_its_own(folder, tmp_path):
    """Also those of two models with the same inputs and outputs."""
    options = ServerOptions(batch_size=8)
    double, triple = Servable(folder, options), Servable(models.write(tmp_path / "1", factor=3.0), options)
    signatures = [double.signature(), triple.signature(), double.signature("one_output")] * 4
    requests = [np.full((1, 2), number, "float32") for number in range(12)]
    for _ in range(5):
        results = call_together(signatures, requests)
        for request, outputs, factor in zip(requests, results, [2, 3, 2] * 4, strict=True):
            np.testing.assert_array_equal(outputs["products"], factor * request)


def record(calls, numbers, shape):
    """Return numbers as they are, after their shape was added to the calls."""

    def add(values):
        calls.append(values.shape)
        return values

    return tf.ensure_shape(tf.numpy_function(add, [numbers], tf.float32), shape)


def test_requests_of_different_lengths_share_no_batch(tmp_path):
    calls = []

    def mean(series):
        return {"mean": tf.reduce_mean(record(calls, series, [None, None]), axis=1)}

    models.save(tmp_path, {"series": (tf.float32, (None,))}, serving_default=mean)
    signature = Servable(tmp_path).signature()
    results = call_together([signature] * 8, [np.ones((1, 1 + steps), "float32") for steps in range(8)], "series")
    assert [outputs["mean"] for outputs in results] == [1] * 8
    assert sorted(calls) == [(1, 1 + steps) for steps in range(8)]


def test_a_large_request_is_computed_in_pieces(tmp_path):
    calls = []

    def same(numbers):
        return {"numbers": record(calls, numbers, [None, 2])}

    models.save(tmp_path, {"numbers": (tf.float32, (2,))}, serving_default=same)
    numbers = np.arange(20, dtype="float32").reshape(10, 2)
    outputs = Servable(tmp_path, ServerOptions(batch_size=4)).signature()({"numbers": numbers})
    np.testing.assert_array_equal(outputs["numbers"], numbers)
    assert calls == [(4, 2), (4, 2), (2, 2)]


def test_a_late_request_stops_between_pieces(tmp_path):
    calls = []

    def same(numbers):
        return {"numbers": record(calls, numbers, [None, 2])}

    models.save(tmp_path, {"numbers": (tf.float32, (2,))}, serving_default=same)
    signature = Servable(tmp_path, ServerOptions(batch_size=1)).signature()
    with pytest.raises(RequestError, match="too long"):
        signature({"numbers": np.zeros((10**6, 2), "float32")}, time.monotonic() + 0.2)
    assert len(calls) < 10**6 / servable.PIECE


@pytest.mark.parametrize("name", ["g2p", "date_normalisation"])
def test_all_that_a_committed_model_computes_at_once_is_small(name, monkeypatch):
    """However many words a request has; and after its deadline there is no further piece."""
    calls, call = [], servable._Signature._call

    def counted(signature, arrays):
        calls.append(len(next(iter(arrays.values()))))
        return call(signature, arrays)

    monkeypatch.setattr(servable._Signature, "_call", counted)
    loaded = Servable(REPOSITORY / "saved_models" / name / "1")
    for signature in loaded.names:
        (key,) = loaded.signature(signature).inputs
        words = np.array([[2]] * 70) if key == "tokens" else np.array(["1"] * 70, object)
        calls.clear()
        outputs = loaded.signature(signature)({key: words})
        assert calls == [32, 32, 6]
        assert all(len(array) == 70 for array in outputs.values())
    # A clock that goes on by a second with every look at it.
    monkeypatch.setattr("time.monotonic", itertools.count().__next__)
    calls.clear()
    with pytest.raises(RequestError, match="too long"):
        loaded.signature("k_best")(dict.fromkeys(loaded.signature("k_best").inputs, np.array(["1"] * 70, object)), 2)
    assert calls == [32, 32]


def write_spelling(folder, padded):
    """Write a version that returns the code points of each word, padded to the longest word of a batch."""

    def spell(words):
        return {"characters": tf.strings.unicode_decode(words, "UTF-8").to_tensor(), "copies": words}

    models.save(folder, {"words": (tf.string, ())}, serving_default=spell)
    if padded:
        export.write_padded_outputs(folder, ["characters"])


@pytest.mark.parametrize("padded", [True, False])
def test_the_length_of_an_output_depends_on_the_request_alone(tmp_path, padded):
    """Whatever words others send at the same time."""
    write_spelling(tmp_path, padded)
    signature = Servable(tmp_path, ServerOptions(batch_size=8)).signature()
    words = [np.array(["x" * length], object) for length in range(1, 17)]
    for _ in range(5):
        results = call_together([signature] * 16, words, "words")
        assert [outputs["characters"].shape for outputs in results] == [(1, length) for length in range(1, 17)]
    # Of the pieces of one request the longest word counts.
    outputs = signature({"words": np.concatenate(words)})
    assert outputs["characters"].shape == (16, 16)
    assert (outputs["characters"] == 120).sum(axis=1).tolist() == list(range(1, 17))


def test_metadata_are_the_signatures(folder):
    metadata = Servable(folder).metadata["serving_default"]
    assert metadata["inputs"]["numbers"]["dtype"] == "DT_FLOAT"
    assert [dim["size"] for dim in metadata["inputs"]["numbers"]["tensor_shape"]["dim"]] == ["-1", "2"]
    assert set(metadata["outputs"]) == {"products", "sum"}
    assert metadata["method_name"] == "tensorflow/serving/predict"


def test_an_unknown_signature(folder):
    with pytest.raises(RequestError, match="no signature 'no'. The model has: one_output, serving_default"):
        Servable(folder).signature("no")


def test_a_version_whose_warm_up_fails_is_not_served(tmp_path):
    models.write(tmp_path / "1")
    export.write_warm_up(
        tmp_path / "1", "doubling", {"serving_default": {"numbers": np.array([[1.0, np.inf]], "float32")}}
    )
    with pytest.raises(tf.errors.InvalidArgumentError):
        Servable(tmp_path / "1")
