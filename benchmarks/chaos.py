"""Send good, bad, slow and huge requests while versions appear, break and vanish and threads fail; count mistakes.

    python benchmarks/chaos.py

First a minute of good requests alone, whose times are those of a quiet server. Then ten minutes of the same ones, while
others send what is wrong, too large, or one byte a second, hold a thousand idle connections, and change the folder of
models: copies, halves and pipes that hang when they are read. In the server each 200th computation raises an error,
and so does each 50th listing of a folder. The good requests must have the answers of the first minute.
"""

import argparse
import asyncio
import base64
import collections
import contextlib
import http.client
import io
import itertools
import json
import math
import os
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
from endurance import INVALID, requests, status_of
from hardware import hardware, report
from PIL import Image
from serving import MODELS, server

from keras_refs import commands

CHANGED = "linear_regression"
"""The model whose versions come and go; all are the same."""
IDLE, ONE_BYTE, UPLOADS = 1000, 300, 64
"""Connections that send nothing, one byte of the headers, and bodies of 16 MB at a byte a second."""


def serve_with_faults(arguments):
    """Serve, with computations and folders that fail now and then."""
    from keras_refs import serve
    from keras_refs.serving import servable

    def failing(function, every, error):
        numbers = itertools.count(1)

        def call(*values):
            if next(numbers) % every == 0:
                raise error
            return function(*values)

        return call

    call, listing = servable._Signature._call, Path.iterdir
    servable._Signature._call = failing(call, 200, RuntimeError("A thread failed."))
    Path.iterdir = failing(listing, 50, OSError(5, "Input/output error"))
    return serve.main(arguments)


class Client(threading.Thread):
    """Sends requests in turns and judges each response, until it is stopped.

    Args:
        port: The server's.
        sent: Paths and bodies.
        judge: Function from the index of a request, its status and its body to a word: what is counted.
        pause: Seconds between two requests.
    """

    def __init__(self, port, sent, judge, pause=0.0):
        super().__init__()
        self._port, self._sent, self._judge, self._pause = port, sent, judge, pause
        self.counts, self.times, self.examples = collections.Counter(), [], {}
        self.ended = threading.Event()

    def run(self):
        """Send."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=300)
        order = random.Random(self.ident)
        while not self.ended.wait(self._pause):
            index, start = order.randrange(len(self._sent)), time.perf_counter()
            status, body = self._status(connection, index)
            self.times.append(time.perf_counter() - start)
            word = self._judge(index, status, body)
            self.counts[word] += 1
            self.counts[f"{status // 100}xx"] += 1
            self.examples.setdefault(word, (self._sent[index][0], status, body[:200]))

    def _status(self, connection, index):
        for _ in range(2):
            try:
                return status_of(connection, *self._sent[index])
            except OSError:
                # A connection that was idle may be closed, by HTTP's rules; then it is sent again, once.
                connection.close()
            except http.client.HTTPException:
                connection.close()
        return 0, b"no response"


def same(first, second):
    """Return whether two values of JSON are the same, but for the rounding of floats."""
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list) and isinstance(second, list):
        return len(first) == len(second) and all(map(same, first, second))
    if isinstance(first, float) and isinstance(second, (int, float)):
        return math.isclose(first, second, rel_tol=1e-3, abs_tol=1e-4)
    return first == second


def png(width, height):
    """Return a black image in a file of a thousandth of its size."""
    file = io.BytesIO()
    Image.new("L", (width, height)).save(file, "PNG")
    return file.getvalue()


def huge_requests():
    """Return requests that are too large, and after them large ones that are not."""

    def request(name, instances, **more):
        return f"/v1/models/{name}:predict", json.dumps({"instances": instances, **more}).encode()

    words = ["".join(random.Random(number).choices("abcdefgh", k=9)) for number in range(20_000)]
    image = [{"b64": base64.b64encode(png(16_000, 16_000)).decode()}]
    refused = [
        request("g2p", words),
        request("g2p", words, signature_name="k_best"),
        request("conv_classifier", image, signature_name="encoded_images"),
        request("adding_problem", [[[0.5, 0.0]] * 100_000]),
        ("/v1/models/g2p:predict", b" " * 2**25),
    ]
    return refused, [request("g2p", words[:500]), request("date_normalisation", ["2 May 1999"] * 200)]


async def hold_connections(port, ended):
    """Hold slow and idle connections, each opened again when the server closes it."""

    async def hold(first, then):
        while not ended.is_set():
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(first)
                while not ended.is_set() and not reader.at_eof():
                    writer.write(then)
                    with contextlib.suppress(TimeoutError):
                        # What sends nothing more waits until the server closes the connection.
                        await asyncio.wait_for(reader.read(100), 1 if then else None)
                writer.close()
            await asyncio.sleep(1)

    head = b"POST /v1/models/g2p:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 16000000\r\n\r\n"
    kinds = [(b"", b"", IDLE), (b"P", b"", ONE_BYTE), (head, b" ", UPLOADS)]
    await asyncio.gather(*(hold(first, then) for first, then, count in kinds for _ in range(count)))


def change_versions(root, ended):
    """Add versions, whole and broken, and remove them, also while they are being loaded; return how many."""
    source, versions = MODELS / CHANGED / "1", itertools.count(2)
    for number in versions:
        folder = root / CHANGED / str(number)
        if ended.wait(1):
            return number - 2
        shutil.copytree(source, root / "copying")
        if number % 4 == 1:
            (root / "copying" / "saved_model.pb").write_bytes(b"half of it")
        elif number % 4 == 2:
            (root / "copying" / "saved_model.pb").unlink()
            os.mkfifo(root / "copying" / "saved_model.pb")
        (root / "copying").rename(folder)
        # Of four, one is removed before it can be loaded.
        ended.wait(0.1 if number % 4 == 3 else 5)
        with contextlib.suppress(OSError):
            # Ends the thread that waits for the pipe, so that as many hang as in a minute.
            os.close(os.open(folder / "saved_model.pb", os.O_WRONLY | os.O_NONBLOCK))
        shutil.rmtree(folder)
    return None


def percentiles(times):
    """Return median and 99th percentile in milliseconds."""
    return {
        "median": round(1e3 * statistics.median(times), 1),
        "p99": round(1e3 * statistics.quantiles(times, n=100)[98], 1),
    }


def run_clients(clients, seconds, process):
    """Run clients for so long; return the megabytes of the server's process, read every second."""
    megabytes = []
    for client in clients:
        client.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(1)
        megabytes.append(process.memory_info().rss / 2**20)
    for client in clients:
        client.ended.set()
    for client in clients:
        client.join()
    return megabytes


def main():
    """Measure and print; with `--output`, write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--output")
    arguments = parser.parse_args()
    commands.import_tensorflow_quietly()
    good = [request for request in requests() if request[1] not in INVALID]
    wrong = [request for request in requests() if request[1] in INVALID] + [("/v1/models/nothing:predict", b"{}")]
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "models"
        shutil.copytree(MODELS, root)
        options = ("--request-seconds", 240, "--log-level", "warning")
        with server(*options, root=root, program=(__file__, "--serve")) as (port, _, pid):
            result = {**hardware(), "minutes": arguments.minutes, "load_average": [round(os.getloadavg()[0], 1)]}
            result |= measure(port, psutil.Process(pid), root, good, wrong, 60 * arguments.minutes)
            result["load_average"].append(round(os.getloadavg()[0], 1))
    report(result, arguments.output)


def answer(port, path, body):
    """Return the answer to a request, when its model is loaded: the first listing of its folder may have failed."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        while (response := status_of(connection, path, body))[0] != 200:
            time.sleep(0.5)
        return json.loads(response[1])


def measure(port, process, root, good, wrong, seconds):
    """Return the figures of a quiet run and of the other."""
    answers = [answer(port, *request) for request in good]

    def as_before(index, status, body):
        if status != 200:
            return "failed"
        return "right" if same(answers[index], json.loads(body)) else "wrong"

    def is_status(*allowed):
        return lambda _index, status, _body: "right" if status in allowed else "unexpected"

    refused, large = huge_requests()
    quiet = [Client(port, good, as_before) for _ in range(2)]
    run_clients(quiet, 60, process)
    ended = threading.Event()
    others = [
        Client(port, wrong, is_status(400, 404), 0.05),
        # Too large a body may meet a closed connection before it is sent.
        Client(port, refused, is_status(413, 0), 0.5),
        Client(port, large, is_status(200), 0.5),
    ]
    loud = [Client(port, good, as_before) for _ in range(2)]
    changed = []
    helpers = [
        threading.Thread(target=lambda: asyncio.run(hold_connections(port, ended))),
        threading.Thread(target=lambda: changed.append(change_versions(root, ended))),
    ]
    for helper in helpers:
        helper.start()
    megabytes = run_clients([*loud, *others], seconds, process)
    ended.set()
    for helper in helpers:
        helper.join()
    for client in [*loud, *others]:
        print({word: example for word, example in client.examples.items() if word != "right"})
    counts = sum((client.counts for client in loud), collections.Counter())
    of_others = sum((client.counts for client in others), collections.Counter())
    times = {
        name: [each for client in clients for each in client.times]
        for name, clients in (("quiet", quiet), ("loud", loud))
    }
    return {
        "good": counts["right"] + counts["wrong"] + counts["failed"],
        "wrong": counts["wrong"],
        "failed": counts["failed"],
        "others": of_others["right"] + of_others["unexpected"],
        "unexpected": of_others["unexpected"],
        "status_5xx": counts["5xx"] + of_others["5xx"],
        "versions_changed": changed[0],
        "milliseconds": {name: percentiles(each) for name, each in times.items()},
        "megabytes_after_first_minute": round(statistics.median(megabytes[:60]), 1),
        "megabytes_at_most": round(max(megabytes), 1),
        "megabytes_at_end": round(megabytes[-1], 1),
    }


if __name__ == "__main__":
    sys.exit(serve_with_faults(sys.argv[2:]) if sys.argv[1:2] == ["--serve"] else main())
