"""The workers of a training on several machines: who is there, are they alike, and are they alive.

Tensors go through TensorFlow's collectives, which wait for a worker that is gone, and cannot say what is wrong. So
every worker also has a TCP connection to the chief, worker 0: on the port of `TF_CONFIG`, before TensorFlow opens it.
"""

import contextlib
import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from keras_refs.errors import UserError
from keras_refs.training import roll_call
from keras_refs.training.roll_call import CONNECT_SECONDS
from keras_refs.training.tf_config import Task

LOST = 138
"""Exit code of a worker that lost another one: Kubeflow starts a worker again whose code is above 127."""


def end_process(sentence: str, code: int) -> NoReturn:
    """Print a sentence and end the process, whatever its other threads wait for."""
    print(f"keras_refs: {sentence}", file=sys.stderr, flush=True)
    os._exit(code)


class Peers:
    """Connections of this worker to the others, as long as it trains. Of a `Task` with one address there are none.

    Args:
        task: The `Task`, the same addresses on every worker.
        facts: What must be the same on all workers: plain values by name.
        seconds: How long to wait for the others.
        lost: Function of a sentence and an exit code that is called in another thread when another worker is gone.

    Attributes:
        task: The task.
        index: Number of this worker; the chief, which alone writes, is 0.
        count: Number of workers.

    Raises:
        UserError: If a worker is not there in time, or has other facts; every worker that is there gets the sentence.
    """

    def __init__(
        self,
        task: Task,
        facts: Mapping[str, Any],
        seconds: float = CONNECT_SECONDS,
        lost: Callable[[str, int], object] = end_process,
    ):
        self.index, self.count = task.index, len(task.addresses)
        self.task, self._lost, self._lock, self._ended, self._told = task, lost, threading.Lock(), False, False
        connect = roll_call.accept if self.is_chief else roll_call.reach
        self._links = connect(task, json.loads(json.dumps(facts)), seconds) if self.count > 1 else {}
        self._inboxes: dict[int, queue.SimpleQueue[Any]] = {index: queue.SimpleQueue() for index in self._links}
        for index in self._links:
            threading.Thread(target=self._watch, args=(index,), daemon=True).start()
        if self._links:
            threading.Thread(target=self._beat, daemon=True).start()

    @property
    def is_chief(self) -> bool:
        """Whether this worker is the one that writes."""
        return self.index == 0

    def exchange(self, value: Any) -> list[Any]:
        """Return the values of all workers, such as JSON has, in the order of their numbers; all have to call it."""
        if not self.is_chief:
            self._send(0, {"value": value})
            return self._inboxes[0].get()
        values = [value, *(self._inboxes[index].get() for index in sorted(self._links))]
        for index in self._links:
            self._send(index, {"value": values})
        return values

    def require_same(self, what: str, value: Any) -> None:
        """Compare a value of all workers.

        Raises:
            UserError: On each of them, if it is not the same.
        """
        values = self.exchange(value)
        for index, other in enumerate(values):
            if other != values[0]:
                raise UserError(
                    f"The workers are not alike: {what} is {values[0]} on {self.task.name(0)} and {other} on "
                    f"{self.task.name(index)}."
                )

    @contextlib.contextmanager
    def explained(self, *errors: type[BaseException]) -> Iterator[None]:
        """Inside the `with`, errors that follow from a worker's end leave time to notice it and say so."""
        try:
            yield
        except errors:
            if self.count > 1:
                time.sleep(roll_call.SILENCE_SECONDS + 5)
            raise

    def close(self) -> None:
        """Wait until all workers have called this. From then on each may end when it likes."""
        self.exchange(None)
        self._ended = True
        for index in self._links:
            self._send(index, {"ended": True})

    def stop(self, sentence: str, code: int) -> None:
        """Tell the other workers why this one stops, and the exit code with which they have to, too."""
        self._ended = True
        who = self.task.name(self.index)
        for index in self._links:
            self._send(index, {"stop": f"{who[0].upper()}{who[1:]} stopped: {sentence}", "code": code})

    def _send(self, index, message):
        # Whoever is gone is noticed by the thread that reads.
        with contextlib.suppress(OSError):
            self._links[index].send(message)

    def _beat(self):
        while not self._ended:
            for index in self._links:
                self._send(index, {})
            time.sleep(roll_call.SILENCE_SECONDS / 6)

    def _watch(self, index):
        """Receive a worker's messages until it ends, or is gone."""
        link, name = self._links[index], self.task.name(index)
        try:
            while "ended" not in (message := link.receive()):
                if "value" in message:
                    self._inboxes[index].put(message["value"])
                elif "stop" in message:
                    self._end(message["stop"], message["code"])
                    return
        except TimeoutError:
            self._end(f"Nothing was heard of {name} for {roll_call.SILENCE_SECONDS} s. {_GO_ON}", LOST)
        except (OSError, ValueError):
            self._end(f"{name[0].upper()}{name[1:]} is gone. {_GO_ON}", LOST)

    def _end(self, sentence, code):
        with self._lock:
            if self._ended or self._told:
                return
            self._told = True
        for index in self._links if self.is_chief else ():
            self._send(index, {"stop": sentence, "code": code})
        self._lost(sentence, code)


_GO_ON = "To go on, start all workers again with --resume."
ALONE = Peers(Task(("localhost:0",), 0), {})
