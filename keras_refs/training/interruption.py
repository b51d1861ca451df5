"""Ctrl-C and SIGTERM: asked to stop, a training ends at the next step that can be saved."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

_raised: list[int] = []
"""Signals that `raised_as_exceptions` has raised, each of which an import or a destructor may have caught."""


class Interrupted(KeyboardInterrupt):
    """A signal stopped the run; `signum` says which."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


@contextlib.contextmanager
def raised_as_exceptions() -> Iterator[None]:
    """Inside the `with`, SIGINT and SIGTERM raise `Interrupted` wherever the program is."""

    def handle(signum, _frame):
        _raised.append(signum)
        raise Interrupted(signum)

    try:
        with handled_by(handle):
            yield
    finally:
        _raised.clear()


@contextlib.contextmanager
def collected() -> Iterator[list[int]]:
    """Inside the `with`, signals are appended to the list it yields, for a loop to look at; a second one raises.

    Raises:
        Interrupted: On the way in, if there was a signal before, which was raised and lost.
    """
    if _raised:
        raise Interrupted(_raised[0])
    received: list[int] = []

    def handle(signum, _frame):
        if received:
            raise Interrupted(signum)
        received.append(signum)

    with handled_by(handle):
        yield received


@contextlib.contextmanager
def handled_by(handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Inside the `with`, SIGINT and SIGTERM call the handler, with the signal's number and the frame."""
    if threading.current_thread() is not threading.main_thread():
        # Python delivers signals to the main thread alone.
        yield
        return
    before = {signum: signal.signal(signum, handler) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for signum, previous in before.items():
            signal.signal(signum, previous)
