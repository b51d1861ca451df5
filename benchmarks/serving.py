"""Measure the server: batching, overhead, start.

    python benchmarks/serving.py

Server and clients run on this machine; the clients are those of wrk, a package of Debian. Each request has one example;
connections are kept open. For g2p and conv_classifier, 32 clients load servers with and without batching in turns, so
that a change in the machine's speed affects both. Then the median time of one client is compared with that of calling
the signature in process, in turns again. There, TensorFlow has as many intra-op threads as in the servers
(`--operation-threads`; by default half of the cores, as for the command), so that the difference is the cost of HTTP,
and not that of fewer threads.
"""

import argparse
import contextlib
import http.client
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
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


WRK = """
local bodies, number = {%s}, 0
request = function()
  number = number + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/json"}, bodies[number %% #bodies + 1])
end
done = function(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("\\n%%d %%d %%f", summary.requests, failed, latency:percentile(50) / 1e6))
end
"""
"""A script of wrk: the bodies in turns; at the end requests, failures and the median time in seconds."""


def load(port, name, bodies, clients, seconds):
    """Return requests per second and the median seconds of a request of so many clients, each one after the other."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(WRK % ", ".join(f"[==[{body}]==]" for body in bodies))
        script.flush()
        url = f"http://127.0.0.1:{port}/v1/models/{name}:predict"
        command = ["wrk", "-t", 1, "-c", clients, "-d", f"{seconds:.0f}s", "--timeout", "60s", "-s", script.name, url]
        finished = subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True)
    requests, failed, median = map(float, finished.stdout.split()[-3:])
    if failed:
        raise RuntimeError(finished.stdout)
    return requests / seconds, median


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
                measured.append(load(port, name, bodies, clients, seconds)[0])
        # In turns, too.
        call = in_process(name, examples)
        single = {"alone": [], "batched": [], "in_process": []}
        for _ in range(rounds + 1):
            single["alone"].append(load(alone, name, bodies, 1, 2)[1])
            single["batched"].append(load(batched, name, bodies, 1, 2)[1])
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
