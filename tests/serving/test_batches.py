import collections
import math
import threading
import time

import numpy as np
import pytest

from keras_refs.serving import RequestError
from keras_refs.serving.batches import Batches
from tests.serving.servers import wait_until


class Doubling:
    """A function that waits for its turn, and keeps what it was called with."""

    def __init__(self):
        self.calls = []
        self.go = threading.Event()
        self.failures = collections.deque()

    def __call__(self, arrays):
        self.calls.append(arrays["x"].tolist())
        self.go.wait(60)
        if "bad" in self.calls[-1]:
            raise ValueError("bad")
        if self.failures and (failure := self.failures.popleft()):
            raise failure
        return {"y": np.array([2 * x for x in self.calls[-1]])}


@pytest.fixture
def double():
    return Doubling()


@pytest.fixture
def batches(double):
    return Batches(double, size=4, threads=1, is_mistake=lambda error: isinstance(error, ValueError))


def call(batches, double, requests, deadline=None):
    """Send the first request, then the others while it is computed; return the outputs or the exception of each."""
    results = [None] * len(requests)

    def send(index):
        try:
            arrays = {"x": np.array(requests[index], object)}
            results[index] = batches(arrays, len(requests[index]), deadline)["y"].tolist()
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=send, args=(index,)) for index in range(len(requests))]
    for number, thread in enumerate(threads):
        thread.start()
        wait_until(lambda number=number: len(double.calls) == 1 and len(batches._waiting) == number, every=0.001)
    double.go.set()
    for thread in threads:
        thread.join()
    return results


def test_those_that_wait_are_computed_at_once(batches, double):
    assert call(batches, double, [[1], [2, 3], [4], [5], [6]]) == [[2], [4, 6], [8], [10], [12]]
    assert double.calls == [[1], [2, 3, 4, 5], [6]]


def test_one_that_is_too_large_to_share_is_computed_alone(batches, double):
    assert call(batches, double, [[1], [2], [3, 4, 5, 6], [7]]) == [[2], [4], [6, 8, 10, 12], [14]]
    assert double.calls == [[1], [2], [3, 4, 5, 6], [7]]
    assert batches({"x": np.array([1])}, math.inf)["y"].tolist() == [2]


def test_an_invalid_request_fails_alone(batches, double):
    *good, bad, last = call(batches, double, [[1], [2], [3], ["bad"], [4]])
    assert (good, last) == ([[2], [4], [6]], [8])
    assert isinstance(bad, ValueError)
    # Not again: it is the request's fault.
    assert double.calls.count(["bad"]) == 1


def test_what_fails_for_another_reason_is_computed_again(batches, double):
    double.failures += [RuntimeError("a thread died"), None, MemoryError()]
    assert call(batches, double, [[1], [2], [3]]) == [[2], [4], [6]]
    assert double.calls == [[1], [1], [2, 3], [2], [3]]


def test_what_fails_again_is_reported_and_others_go_on(batches, double):
    double.failures += [RuntimeError("first"), RuntimeError("second")]
    failed, *good = call(batches, double, [[1], [2], [3]])
    assert str(failed) == "second"
    assert good == [[4], [6]]
    assert batches({"x": np.array([1])}, 1)["y"].tolist() == [2]


def test_one_that_waits_too_long_is_never_computed(batches, double):
    first = threading.Thread(target=batches, args=({"x": np.array([1])}, 1))
    first.start()
    wait_until(lambda: double.calls)
    with pytest.raises(RequestError, match="too long") as raised:
        batches({"x": np.array([2])}, 1, time.monotonic() + 0.05)
    assert raised.value.status == 504
    double.go.set()
    first.join()
    with pytest.raises(RequestError, match="too long"):
        batches({"x": np.array([3])}, 1, time.monotonic() - 1)
    assert double.calls == [[1]]


@pytest.mark.parametrize("threads", [1, 3])
def test_every_request_of_many_threads_gets_its_own(threads):
    def slow(arrays):
        time.sleep(0.0005)
        return {"y": 2 * arrays["x"]}

    batches, wrong = Batches(slow, 8, threads, lambda _: True), []

    def send(number):
        for step in range(40):
            x = np.full(1 + (number + step) % 5, 100 * number + step)
            if not np.array_equal(batches({"x": x}, len(x))["y"], 2 * x):
                wrong.append(x)

    senders = [threading.Thread(target=send, args=(number,)) for number in range(16)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    assert not wrong
    assert batches._free == threads
    assert not batches._waiting
