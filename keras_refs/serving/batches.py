"""Examples of several requests computed at once, by the threads of the requests themselves.

A request that arrives while a thread is free leads: it computes its examples. Those that arrive meanwhile wait; the
first of them leads the next batch, which has as many of them as fit. There are no threads to stop, and nothing is left
of a model that is dropped.
"""

import collections
import dataclasses
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np

from keras_refs.serving.rest import RequestError

Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(eq=False)
class _Entry:
    """A request that waits: its result is its outputs, or `None` if it is to lead the next batch."""

    arrays: Arrays
    rows: float
    result: Future = dataclasses.field(default_factory=Future)


class Batches:
    """Calls a function of arrays with the rows of several requests at once.

    Args:
        function: From arrays by name to arrays by name, which all have as many rows.
        size: Maximum number of rows in a batch.
        threads: Batches that are computed at the same time.
        is_mistake: Whether an exception is the request's fault, so that it is not computed again.
    """

    def __init__(
        self, function: Callable[[Arrays], Arrays], size: int, threads: int, is_mistake: Callable[[Exception], bool]
    ):
        self._function = function
        self._size = size
        self._free = threads
        self._is_mistake = is_mistake
        self._waiting: collections.deque[Any] = collections.deque()
        self._lock = threading.Lock()

    def __call__(self, arrays: Arrays, rows: float, deadline: float | None = None) -> Arrays:
        """Return the outputs for the arrays of one request.

        Args:
            arrays: By name.
            rows: The number of rows that each has, or infinity to be computed alone.
            deadline: Time of `time.monotonic` until which it waits; without end by default.

        Raises:
            RequestError: If the deadline has passed, with status 504.
            Exception: What the function raises for these arrays alone.
        """
        seconds = seconds_left(deadline)
        entry = _Entry(arrays, rows)
        with self._lock:
            leads = self._free > 0
            if leads:
                self._free -= 1
            else:
                self._waiting.append(entry)
        return (None if leads else self._result(entry, seconds)) or self._lead(entry)

    def _result(self, entry, seconds):
        """Return the outputs, or `None` if this request is to lead."""
        try:
            return entry.result.result(seconds)
        except TimeoutError as error:
            with self._lock:
                if not entry.result.done():
                    if entry in self._waiting:
                        self._waiting.remove(entry)
                    raise too_late() from error
            # It ended just now.
            return entry.result.result()

    def _lead(self, entry):
        batch, rows = [entry], entry.rows
        with self._lock:
            while self._waiting and (rows := rows + self._waiting[0].rows) <= self._size:
                batch.append(self._waiting.popleft())
        results = [RuntimeError("The thread that computed the batch ended.")] * len(batch)
        try:
            results = self._compute(batch)
        finally:
            for each, result in zip(batch[1:], results[1:], strict=True):
                (each.result.set_exception if isinstance(result, Exception) else each.result.set_result)(result)
            with self._lock:
                if self._waiting:
                    self._waiting.popleft().result.set_result(None)
                else:
                    self._free += 1
        if isinstance(results[0], Exception):
            raise results[0]
        return results[0]

    def _compute(self, batch, again=True):
        """Return the outputs of each request, or its exception."""
        first = batch[0].arrays
        try:
            if len(batch) == 1:
                return [self._function(first)]
            outputs = self._function({name: np.concatenate([each.arrays[name] for each in batch]) for name in first})
            ends = np.cumsum([each.rows for each in batch])
            parts = {name: np.split(array, ends[:-1]) for name, array in outputs.items()}
            return [{name: parts[name][index] for name in parts} for index in range(len(batch))]
        except Exception as error:
            # One invalid request fails its whole batch; others must not notice.
            if half := len(batch) // 2:
                return self._compute(batch[:half]) + self._compute(batch[half:])
            if again and not self._is_mistake(error):
                return self._compute(batch, again=False)
            return [error]


def seconds_left(deadline: float | None) -> float | None:
    """Return the seconds until a deadline, `None` without one.

    Raises:
        RequestError: If it has passed, with status 504.
    """
    left = None if deadline is None else deadline - time.monotonic()
    if left is not None and left <= 0:
        raise too_late()
    return left


def too_late() -> RequestError:
    """Return the error of a request whose deadline has passed."""
    return RequestError("The request took too long.", 504)
