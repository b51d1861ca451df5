import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from keras_refs import export
from keras_refs.serving import Batching, RequestError, Servable
from tests.serving import models


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return models.write(tmp_path_factory.mktemp("models") / "1")


def ask_together(signatures, requests):
    """Return what each request got of its signature, or what it raised."""
    found, start = [None] * len(requests), threading.Barrier(len(requests))

    def ask(place):
        start.wait()
        try:
            found[place] = signatures[place]({"numbers": requests[place]})
        except tf.errors.OpError as error:
            found[place] = error

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(requests))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("batching", [None, Batching(max_batch_size=4)])
def test_answers_alone(folder, batching):
    servable = Servable(folder, batching)
    assert servable.names == ["one_output", "serving_default"]
    for size in (0, 1, 2, 9):
        numbers = np.resize(models.NUMBERS, (size, 2))
        found = servable.signature()({"numbers": numbers})
        np.testing.assert_array_equal(found["products"], 2 * numbers)
        np.testing.assert_array_equal(found["sum"], numbers.sum(axis=1))


def test_requests_at_the_same_time_are_joined(folder):
    """As many as fill a batch do not wait until the time is over, which would be an hour."""
    batching = Batching(max_batch_size=8, timeout_seconds=3600)
    requests = [np.full((2, 2), number, "float32") for number in range(4)]
    signature = Servable(folder, batching).signature()
    for request, found in zip(requests, ask_together([signature] * 4, requests), strict=True):
        np.testing.assert_array_equal(found["products"], 2 * request)


def test_what_waits_is_joined_without_a_time_to_wait(tmp_path):
    """One thread is busy with the first request; the others make a batch meanwhile."""
    calls = []

    def slow(numbers):
        calls.append(len(numbers))
        time.sleep(0.2)
        return numbers

    def answer(numbers):
        return {"numbers": tf.ensure_shape(tf.numpy_function(slow, [numbers], tf.float32), [None, 2])}

    export.write_function(answer, {"numbers": (tf.float32, (2,))}, tmp_path)
    signature = Servable(tmp_path, Batching(threads=1)).signature()
    requests = [np.full((1, 2), number, "float32") for number in range(6)]
    for request, found in zip(requests, ask_together([signature] * 6, requests), strict=True):
        np.testing.assert_array_equal(found["numbers"], request)
    assert sum(calls) == 6
    assert len(calls) < 6


def test_every_signature_has_batches_of_its_own(folder, tmp_path):
    """Also those of two models with the same inputs and outputs."""
    batching = Batching(max_batch_size=8, timeout_seconds=0.05)
    double, triple = Servable(folder, batching), Servable(models.write(tmp_path / "1", factor=3.0), batching)
    signatures = [double.signature(), triple.signature(), double.signature("one_output")] * 4
    requests = [np.full((1, 2), number, "float32") for number in range(12)]
    for _ in range(5):
        found = ask_together(signatures, requests)
        for request, answer, factor in zip(requests, found, [2, 3, 2] * 4, strict=True):
            np.testing.assert_array_equal(answer["products"], factor * request)


def test_a_bad_request_does_not_spoil_its_batch(folder):
    batching = Batching(max_batch_size=4, timeout_seconds=3600)
    requests = [np.full((1, 2), value, "float32") for value in (1, np.nan, 3, 4)]
    found = ask_together([Servable(folder, batching).signature()] * 4, requests)
    assert isinstance(found.pop(1), tf.errors.InvalidArgumentError)
    assert [answer["products"][0, 0] for answer in found] == [2, 6, 8]


def test_what_differs_in_length_is_not_joined(tmp_path):
    def mean(series):
        return {"mean": tf.reduce_mean(series, axis=1)}

    export.write_function(mean, {"series": (tf.float32, (None,))}, tmp_path)
    # A batch of one request would wait for an hour.
    signature = Servable(tmp_path, Batching(timeout_seconds=3600)).signature()
    for steps in (1, 5):
        assert signature({"series": np.ones((1, steps), "float32")})["mean"] == [1]


def test_metadata_are_the_signatures(folder):
    found = Servable(folder).metadata["serving_default"]
    assert found["inputs"]["numbers"]["dtype"] == "DT_FLOAT"
    assert [dim["size"] for dim in found["inputs"]["numbers"]["tensor_shape"]["dim"]] == ["-1", "2"]
    assert set(found["outputs"]) == {"products", "sum"}
    assert found["method_name"] == "tensorflow/serving/predict"


def test_an_unknown_signature(folder):
    with pytest.raises(RequestError, match="no signature 'no'. The model has: one_output, serving_default"):
        Servable(folder).signature("no")


def test_a_version_that_cannot_answer_its_own_request_is_not_served(tmp_path):
    models.write(tmp_path / "1")
    export.write_warm_up(
        tmp_path / "1", "doubling", {"serving_default": {"numbers": np.array([[1.0, np.inf]], "float32")}}
    )
    with pytest.raises(tf.errors.InvalidArgumentError):
        Servable(tmp_path / "1")
