"""Measure the server: batching, overhead, start.

    python benchmarks/serving.py

Server and clients run on this machine. Each request has one example; connections are kept open. For g2p and
conv_classifier, 32 clients load servers with and without batching in turns, so that a change in the machine's speed
affects both. Then the median time of one client is compared with that of calling the signature in process, in turns
again. There, TensorFlow has as many intra-op threads as in the servers (`--operation-threads`; by default half of the
cores, as for the command), so that the difference is the cost of HTTP, and not that of fewer threads.
"""

import argparse
import asyncio
import contextlib
import http.client
import itertools
import json
import re
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import uvloop
from hardware import hardware

from keras_refs import commands, datasets, storage
from keras_refs.serving.options import HALF_OF_CORES

MODELS = Path(__file__).parents[1] / "saved_models"


@contextlib.contextmanager
def server(*options, root=MODELS, program=("-m", "keras_refs.serve")):
    """Start a server of a folder; yield its port, the seconds until all models are loaded, and its process."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    start = time.perf_counter()
    command = [
        sys.executable,
        *program,
        root,
        "--no-playground",
        "--port",
        port,
        "--concurrency",
        128,
        *options,
    ]
    process = subprocess.Popen(list(map(str, command)))
    try:
        while status(port) != 200:
            if process.poll() is not None:
                raise SystemExit("The server ended.")
            time.sleep(0.05)
        yield port, time.perf_counter() - start, process.pid
    finally:
        process.terminate()
        process.wait()


def status(port):
    """Return the status of the server's health, or 0 if it does not listen yet."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


class Client(asyncio.Protocol):
    """Sends one request after another until an end, and keeps the seconds of each.

    It parses no more of HTTP than it needs, so that little of the time is its own.
    """

    def __init__(self, requests, end):
        self._requests = itertools.cycle(requests)
        self._end = end
        self.times = []
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        """Send the first request."""
        self._transport = transport
        self._send()

    def _send(self):
        self._received, self._start = b"", time.perf_counter()
        self._transport.write(next(self._requests))

    def data_received(self, data):
        """Send the next request when the response is complete."""
        self._received += data
        head, _, content = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: *(\d+)", head, re.I)
        if not length or len(content) < int(length[1]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(f"{head!r} {content[:200]!r}"))
            self._transport.close()
            return
        now = time.perf_counter()
        self.times.append(now - self._start)
        if now < self._end:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, _):
        """Finish."""
        if not self.done.done():
            self.done.set_result(None)


async def _load(port, requests, clients, seconds):
    end, connected = time.perf_counter() + seconds, []
    for number in range(clients):
        own = requests[number:] + requests[:number]
        connection = asyncio.get_running_loop().create_connection(lambda own=own: Client(own, end), "127.0.0.1", port)
        connected.append((await connection)[1])
    await asyncio.gather(*(client.done for client in connected))
    return [seconds for client in connected for seconds in client.times]


def request_seconds(port, name, bodies, clients, seconds):
    """Return the seconds of every request that so many clients send, each one after the other."""
    head = f"POST /v1/models/{name}:predict HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    requests = [f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode() for body in bodies]
    return uvloop.run(_load(port, requests, clients, seconds))


def in_process(name, inputs):
    """Return a function that calls the signature with one example after another, and returns the seconds of each."""
    import tensorflow as tf

    # The model must outlive its signature.
    model = tf.saved_model.load(str(MODELS / name / "1"))
    signature = model.signatures["serving_default"]
    (key,) = signature.structured_input_signature[1]

    def call(calls, _model=model):
        times = []
        for number in range(calls):
            example = tf.constant(inputs[number % len(inputs) : number % len(inputs) + 1])
            start = time.perf_counter()
            outputs = signature(**{key: example})
            _ = [tensor.numpy() for tensor in outputs.values()]
            times.append(time.perf_counter() - start)
        return times

    return call


def measure(name, examples, clients, rounds, seconds, threads):
    """Return rates and times of a model, with batching and without."""
    bodies = [json.dumps({"instances": [example]}) for example in examples.tolist()]
    options = ("--operation-threads", threads)
    with server("--batch-size", 1, *options) as (alone, *_), server(*options) as (batched, *_):
        rates = {alone: [], batched: []}
        for _ in range(rounds + 1):
            for port, measured in rates.items():
                times = request_seconds(port, name, bodies, clients, seconds)
                measured.append(len(times) / seconds)
        # In turns, too.
        call = in_process(name, examples)
        single = {"alone": [], "batched": [], "in_process": []}
        for _ in range(rounds + 1):
            single["alone"].append(statistics.median(request_seconds(alone, name, bodies, 1, 2)))
            single["batched"].append(statistics.median(request_seconds(batched, name, bodies, 1, 2)))
            single["in_process"].append(statistics.median(call(200)))
    return {
        "requests_per_second": {
            "alone": round(statistics.median(rates[alone][1:]), 1),
            "batched": round(statistics.median(rates[batched][1:]), 1),
        },
        "ratio": round(float(statistics.median(np.divide(rates[batched], rates[alone])[1:])), 2),
        "one_client_milliseconds": {
            way: round(1e3 * statistics.median(medians[1:]), 2) for way, medians in single.items()
        },
    }


def main():
    """Measure and print; with `--output`, write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="of a round")
    parser.add_argument("--operation-threads", type=int, default=HALF_OF_CORES, help="of the servers and in process")
    parser.add_argument("--output")
    arguments = parser.parse_args()
    commands.import_tensorflow_quietly()
    import tensorflow as tf

    # Before the first operation, after which the number is fixed.
    threads = arguments.operation_threads
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    splits = dict.fromkeys(("train_split", "validation_split", "test_split"), "test[:200]")
    words = datasets.load_transcriptions("cmudict", **splits).test.sources
    images = datasets.load_image_split("fashion_mnist")[0].images[:200]
    inputs = {"g2p": np.array(words, dtype=object), "conv_classifier": images}
    result = {**hardware(), "clients": arguments.clients, "operation_threads": threads, "models": {}}
    for name, examples in inputs.items():
        measured = measure(name, examples, arguments.clients, arguments.rounds, arguments.seconds, threads)
        result["models"][name] = measured
        print(f"{name}: {measured}")
    with server() as (_, seconds, _):
        result["start_seconds"] = round(seconds, 1)
    print(f"start to all models: {result['start_seconds']} s")
    if arguments.output:
        storage.write_json(arguments.output, result)


if __name__ == "__main__":
    main()
