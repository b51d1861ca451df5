"""Ask the server for minutes, change a model under it, and see whether it fails or grows.

    python benchmarks/endurance.py

First four clients ask all models, good requests and bad ones, for ten minutes. Each request must be answered as the
first of its kind was; the memory of the server's process is read every few seconds. Then a model gets new versions and
loses old ones while the clients go on, for one more minute.
"""

import argparse
import contextlib
import http.client
import itertools
import json
import shutil
import tempfile
import threading
import time
from pathlib import Path

import psutil
from hardware import hardware
from serving import MODELS, server

from keras_refs import commands, storage

BAD = [b'{"instances": []}', b'{"instances": [[1', b"[]", b'{"inputs": {"x": [NaN]}}', b'{"instances": ["\xff"]}']
SWITCHED = "linear_regression"


def requests():
    """Return paths and bodies: what each model warms up with, and for each some that are wrong."""
    from keras_refs import export
    from keras_refs.serving import rest

    found = []
    for folder in sorted(MODELS.glob("*/1")):
        path = f"/v1/models/{folder.parent.name}:predict"
        inputs = dict(export.read_warm_up(folder))["serving_default"]
        body = {"inputs": json.loads(rest.write_answer(inputs, by_rows=False))["outputs"]}
        found += [(path, json.dumps(body).encode()), *((path, bad) for bad in BAD)]
    return found


def status_of(connection, path, body):
    """Return the status and the body of the answer."""
    connection.request("POST", path, body)
    answer = connection.getresponse()
    return answer.status, answer.read()


class Load:
    """Clients that ask in turns; it counts answers, and keeps those that are not what they were at first."""

    def __init__(self, port, asked, clients=4):
        self._port = port
        self._asked = asked
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
            self._expected = [status_of(connection, *request)[0] for request in asked]
        self.answered = 0
        self.failures = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number):
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        for place in itertools.cycle(range(len(self._asked))):
            if self._stop.is_set():
                return
            place = (place + number * 7) % len(self._asked)
            try:
                status, body = status_of(connection, *self._asked[place])
            except OSError as error:
                status, body = 0, repr(error)
                connection.close()
            self.answered += 1
            if status != self._expected[place]:
                self.failures.append((self._asked[place][0], status, self._expected[place], body[:200]))


def memory_over(seconds, process, every=5.0):
    """Return the megabytes of a process, read every few seconds."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(every)
        found.append(process.memory_info().rss / 2**20)
    return found


def switch(root, seconds):
    """Give a model a new version and take the one before away, again and again; return how often."""
    end, number = time.monotonic() + seconds, 1
    while time.monotonic() < end:
        # Elsewhere first, so that no half of it is seen.
        shutil.copytree(MODELS / SWITCHED / "1", root / "being_copied")
        (root / "being_copied").rename(root / SWITCHED / str(number + 1))
        time.sleep(5)
        shutil.rmtree(root / SWITCHED / str(number))
        number += 1
        time.sleep(1)
    return number - 1


def main():
    """Measure and print; with `--output`, write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--output")
    arguments = parser.parse_args()
    commands.import_tensorflow_quietly()
    asked = requests()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "models"
        shutil.copytree(MODELS, root)
        with server(root=root) as (port, _, pid):
            process = psutil.Process(pid)
            with Load(port, asked) as load:
                memory = memory_over(60 * arguments.minutes, process)
            found = {
                **hardware(),
                "minutes": arguments.minutes,
                "answered": load.answered,
                "failed": len(load.failures),
                "megabytes_after_first_minute": round(memory[min(11, len(memory) - 1)], 1),
                "megabytes_at_end": round(memory[-1], 1),
            }
            with Load(port, [request for request in asked if SWITCHED in request[0]]) as switching:
                found["version_switches"] = switch(root, 60)
            found |= {"answered_while_switching": switching.answered, "failed_while_switching": len(switching.failures)}
    for failure in [*load.failures, *switching.failures][:10]:
        print(failure)
    for name, value in found.items():
        print(f"{name}: {value}")
    if arguments.output:
        storage.write_json(arguments.output, found)


if __name__ == "__main__":
    main()
