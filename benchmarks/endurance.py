"""Load the server for minutes, replace the versions of a model meanwhile, and report errors and memory.

    python benchmarks/endurance.py

First four clients send valid and invalid requests for all models, for ten minutes. Each response must have the status
that the first one to the same request had; the memory of the server's process is read every few seconds. Then versions
of a model are added and removed while the clients go on, for one more minute.
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
from hardware import hardware, report
from serving import MODELS, server

from keras_refs import commands

INVALID = [b'{"instances": []}', b'{"instances": [[1', b"[]", b'{"inputs": {"x": [NaN]}}', b'{"instances": ["\xff"]}']
SWITCHED = "linear_regression"


def requests():
    """Return paths and bodies: the warm-up request of each model, and some invalid ones."""
    from keras_refs import export
    from keras_refs.serving import rest

    all_requests = []
    for folder in sorted(MODELS.glob("*/1")):
        path = f"/v1/models/{folder.parent.name}:predict"
        inputs = dict(export.read_warm_up(folder))["serving_default"]
        body = {"inputs": json.loads(rest.write_response(inputs, by_rows=False))["outputs"]}
        all_requests += [(path, json.dumps(body).encode()), *((path, invalid) for invalid in INVALID)]
    return all_requests


def status_of(connection, path, body):
    """Return the status and the body of the response."""
    connection.request("POST", path, body)
    response = connection.getresponse()
    return response.status, response.read()


class Load:
    """Clients that send requests in turns; counts responses, and keeps those whose status differs from the first."""

    def __init__(self, port, sent, clients=4):
        self._port = port
        self._sent = sent
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
            self._expected = [status_of(connection, *request)[0] for request in sent]
        self.answered = 0
        self.failures = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, number):
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        for step in itertools.cycle(range(len(self._sent))):
            if self._stop.is_set():
                return
            index = (step + number * 7) % len(self._sent)
            try:
                status, body = status_of(connection, *self._sent[index])
            except OSError as error:
                status, body = 0, repr(error)
                connection.close()
            self.answered += 1
            if status != self._expected[index]:
                self.failures.append((self._sent[index][0], status, self._expected[index], body[:200]))


def memory_over(seconds, process, every=5.0):
    """Return the megabytes of a process, read every few seconds."""
    megabytes, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(every)
        megabytes.append(process.memory_info().rss / 2**20)
    return megabytes


def switch(root, seconds):
    """Add a version of a model and remove the one before, again and again; return how often."""
    end, number = time.monotonic() + seconds, 1
    while time.monotonic() < end:
        # Elsewhere first, so that the server never sees an incomplete version.
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
    sent = requests()
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "models"
        shutil.copytree(MODELS, root)
        with server(root=root) as (port, _, pid):
            process = psutil.Process(pid)
            with Load(port, sent) as load:
                memory = memory_over(60 * arguments.minutes, process)
            result = {
                **hardware(),
                "minutes": arguments.minutes,
                "answered": load.answered,
                "failed": len(load.failures),
                "megabytes_after_first_minute": round(memory[min(11, len(memory) - 1)], 1),
                "megabytes_at_end": round(memory[-1], 1),
            }
            with Load(port, [request for request in sent if SWITCHED in request[0]]) as switching:
                result["version_switches"] = switch(root, 60)
            result |= {
                "answered_while_switching": switching.answered,
                "failed_while_switching": len(switching.failures),
            }
    for failure in [*load.failures, *switching.failures][:10]:
        print(failure)
    report(result, arguments.output)


if __name__ == "__main__":
    main()
