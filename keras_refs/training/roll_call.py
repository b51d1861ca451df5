"""How the workers of a training find each other, and find out whether they are alike."""

import contextlib
import json
import socket
import threading
import time
from collections.abc import Mapping
from typing import Any

from keras_refs.errors import UserError
from keras_refs.training.tf_config import Task

CONNECT_SECONDS = 300
"""How long a worker waits for the others to start."""
SILENCE_SECONDS = 30
"""After how long a silent worker is taken for dead. That of a process that ends is noticed at once."""

_GREETING = "keras_refs worker"
_LONGEST_MESSAGE = 2**26


class Link:
    """Messages in both directions over a connected socket: JSON objects, a line each."""

    def __init__(self, connected: socket.socket):
        self._socket, self._lines, self._lock = connected, connected.makefile("rb"), threading.Lock()
        self.wait(SILENCE_SECONDS)

    def wait(self, seconds: float) -> None:
        """Set how long to wait for a message."""
        self._socket.settimeout(seconds)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; several threads may."""
        with self._lock:
            self._socket.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        """Return the next message.

        Raises:
            TimeoutError: If none came in time.
            OSError: If the connection is closed.
            ValueError: If it is none.
        """
        line = self._lines.readline(_LONGEST_MESSAGE)
        if not line.endswith(b"\n"):
            raise ConnectionError
        message = json.loads(line)
        if not isinstance(message, dict):
            raise ValueError(message)
        return message

    def close(self) -> None:
        """Close the connection."""
        self._lines.close()
        self._socket.close()


def accept(task: Task, facts: Mapping[str, Any], seconds: float) -> dict[Any, Link]:
    """Return the chief's links to all other workers, by their numbers.

    Arguments and errors are those of `peers.Peers`.
    """
    port, deadline = int(task.addresses[0].rpartition(":")[2]), time.monotonic() + seconds
    problem = None
    links: dict[Any, Link] = {}
    try:
        listener = socket.create_server(("", port), backlog=len(task.addresses))
    except (OSError, OverflowError) as error:
        raise UserError(f"The chief cannot listen at {task.addresses[0]}, as TF_CONFIG says: {error}") from error
    with listener:
        while len(links) < len(task.addresses) - 1 and (left := deadline - time.monotonic()) > 0:
            listener.settimeout(left)
            with contextlib.suppress(TimeoutError):
                link = Link(listener.accept()[0])
                index, found = _greeted(link, task, facts)
                if index is None:
                    link.close()
                    continue
                found = found or (f"Two workers say that they are {task.name(index)}." if index in links else None)
                links[index if index not in links else f"second {index}"] = link
                if found and not problem:
                    # The others hear of it, too, if they come soon.
                    problem, deadline = found, min(deadline, time.monotonic() + 10)
    missing = [task.name(index) for index in range(1, len(task.addresses)) if index not in links]
    if missing and not problem:
        problem = f"In {seconds:.0f} s {', '.join(missing)} did not connect to the chief ({task.addresses[0]})."
    for link in links.values():
        with contextlib.suppress(OSError):
            link.send({"refused": problem} if problem else {"welcome": True})
    if problem:
        raise UserError(problem)
    return links


def _greeted(link, task, facts):
    """Return the number of who connects, `None` if it is no worker, and a sentence if it does not belong here."""
    # A port may be looked at by others than workers.
    link.wait(5)
    try:
        hello = link.receive()
        index, addresses, theirs = hello[_GREETING], hello["addresses"], hello["facts"]
    except (OSError, ValueError, KeyError):
        return None, None
    link.wait(SILENCE_SECONDS)
    if addresses != list(task.addresses) or not 0 < index < len(addresses):
        told = f"{', '.join(addresses)} on worker {index} and {', '.join(task.addresses)} on the chief"
        return index, f"TF_CONFIG is not the same on all workers: {told}."
    different = [
        f"{name} is {theirs.get(name)!r} on {task.name(index)} and {facts.get(name)!r} on the chief"
        for name in sorted({*facts, *theirs})
        if theirs.get(name) != facts.get(name)
    ]
    return index, f"The workers are not alike: {'; '.join(different)}." if different else None


def reach(task: Task, facts: Mapping[str, Any], seconds: float) -> dict[Any, Link]:
    """Return a worker's link to the chief, by the chief's number, with the arguments and errors of `accept`."""
    deadline, problem = time.monotonic() + seconds, ""
    host, _, port = task.addresses[0].rpartition(":")
    while time.monotonic() < deadline:
        try:
            link = Link(socket.create_connection((host.strip("[]"), int(port)), timeout=5))
            link.send({_GREETING: task.index, "addresses": task.addresses, "facts": facts})
            link.wait(seconds + 10)
            answer = link.receive()
        # A port that still belongs to the chief of the run before answers something else.
        except (OSError, OverflowError, ValueError) as error:
            problem = getattr(error, "strerror", None) or str(error) or "it answers as no chief does"
            time.sleep(0.5)
            continue
        if "refused" in answer:
            raise UserError(answer["refused"])
        link.wait(SILENCE_SECONDS)
        return {0: link}
    raise UserError(
        f"{task.name(task.index)[0].upper()}{task.name(task.index)[1:]} could not reach {task.name(0)} in "
        f"{seconds:.0f} s: {problem}. The addresses are those of TF_CONFIG."
    )
