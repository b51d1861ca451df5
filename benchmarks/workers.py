"""Measure what training on several machines costs: seconds a step and the bytes it sends, on loopback.

    python benchmarks/workers.py

trains models of one dense layer with 1, 2 and 4 workers, in a network of their own, whose counters nothing else changes
(`unshare` and `ip` of Linux). Then it measures the step of C1, of g2p and of BERT with 110 million parameters in one
process: its CPU time divided by the cores, which other work on the machine changes little. `results/workers.json` has
the figures; `benchmarks/readme.py` works out from them, by the formula of `exchange_seconds`, what machines gain.
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from keras_refs import storage

RESULTS = Path(__file__).parents[1] / "results" / "workers.json"
WORKERS = (1, 2, 4)
MACHINES, SPEEDS = (2, 4, 8, 16, 32, 64), (1e10, 1e11)
WIDTHS = (100, 1000, 3000)
"""Units of the dense layer, and of its inputs."""
STEPS, FIRST_PORT = 30, 23_000


def exchange_seconds(machines, parameters, bits_per_second, latency, bytes_each=4):
    """Return how long a ring of machines takes to average the gradients of a step.

    In 2 (N - 1) rounds each machine sends an N-th of them to the next: t = 2 (N - 1) (latency + 8 b P / (N B)), with P
    parameters of b bytes, B bits a second and the latency of a round. It begins when all gradients are there.
    """
    return 2 * (machines - 1) * (latency + 8 * bytes_each * parameters / (machines * bits_per_second))


def latency(loopback):
    """Return the seconds of a round that sends next to nothing, from the steps of the smallest model."""
    smallest = {row["workers"]: row["seconds"] for row in loopback if row["parameters"] == loopback[0]["parameters"]}
    return statistics.median(
        (seconds - smallest[1]) / (2 * (count - 1)) for count, seconds in smallest.items() if count > 1
    )


def tables(measured):
    """Return the figures of a file of results as Markdown, and what follows from them for several machines."""
    loopback, round_seconds = measured["loopback"], latency(measured["loopback"])
    lines = ["| parameters | workers | a step | each sends, a step |", "|---|---|---|---|"]
    lines += [
        f"| {row['parameters']:,} | {row['workers']} | {row['seconds'] * 1000:.2f} ms | {row['bytes'] / 1e6:.3f} MB |"
        for row in loopback
    ]
    lines += [
        "",
        f"Measured on {measured['cores']} cores of {measured['device']}, which all workers share, with other work: the "
        f"fastest of {STEPS} steps.",
        "",
        "A ring of N machines averages P gradients of 4 bytes in 2 (N - 1) (latency + 32 P / (N B)) seconds, at B bits "
        f"a second. The latency of a round is {round_seconds * 1000:.2f} ms here, that of TensorFlow's collectives "
        "included. On paper, the efficiency is the fraction of the time in which machines compute: first where each "
        "has a whole batch, then where all share the batch of one, which gives the same answer as one machine.",
        "",
        "| model, batch, step | machines | 10 Gbit/s: a batch each | one batch shared | 100 Gbit/s: a batch each "
        "| one batch shared |",
        "|---|---|---|---|---|---|",
    ]
    for model, machines in itertools.product(measured["models"], MACHINES):
        about = f"{model['name']}, {model['parameters']:,} parameters, {model['batch_size']}, {model['seconds']:.3g} s"
        cells = " | ".join(
            f"{part:.0%}" for speed in SPEEDS for part in _efficiencies(model, machines, speed, round_seconds)
        )
        lines.append(f"| {about} | {machines} | {cells} |")
    gains = [_gain(model, round_seconds) for model in measured["models"]]
    return "\n".join([*lines, "", *gains, "", _bfloat16(measured["models"], round_seconds)])


def _efficiencies(model, machines, bits_per_second, round_seconds, bytes_each=4):
    """Return the fraction of the time that machines compute, with a batch each and with one that they share."""
    exchange = exchange_seconds(machines, model["parameters"], bits_per_second, round_seconds, bytes_each)
    return [model["seconds"] / (model["seconds"] + factor * exchange) for factor in (1, machines)]


def _gain(model, round_seconds):
    """Return a sentence: on how many machines that share one batch a model is fastest."""
    counts = [count for count in MACHINES if count <= model["batch_size"]]
    told = []
    for speed in SPEEDS:
        gains = {count: count * _efficiencies(model, count, speed, round_seconds)[1] for count in counts}
        best = max(gains, key=gains.get)
        what = f"{gains[best]:.1f} times as fast on {best} machines" if gains[best] > 1.1 else "no faster on any number"
        told.append(f"{what} at {speed / 1e9:.0f} Gbit/s")
    return f"- {model['name']} with the batch of one machine: at best {', '.join(told)}."


def _bfloat16(models, round_seconds):
    """Return a sentence: what gradients in bfloat16 would gain at most where each machine has a batch."""
    gains = {}
    for model, machines, speed in itertools.product(models, MACHINES, SPEEDS):
        half, full = (_efficiencies(model, machines, speed, round_seconds, size)[0] for size in (2, 4))
        gains[half - full] = f"{model['name']} on {machines} machines at {speed / 1e9:.0f} Gbit/s"
    most = max(gains)
    return (
        "Gradients are sent in float32. In bfloat16 they would be half as large, and a batch for each machine gain "
        f"{100 * most:.1f} percentage points of efficiency at most ({gains[most]}), for other weights in the end."
    )


def train_step(model, optimizer, inputs, targets, loss):
    """Return a compiled function that makes a step on one batch."""
    import tensorflow as tf

    model.compile(optimizer, loss)
    optimizer.build(model.trainable_variables)
    return tf.function(lambda: model.train_step((inputs, targets)))


def measure_worker(width):
    """Measure the steps of this worker; the chief prints the figures of all."""
    import keras
    import tensorflow as tf

    from keras_refs.training.peers import Peers
    from keras_refs.training.tf_config import read_tf_config
    from keras_refs.training.workers import Workers

    peers = Peers(read_tf_config(os.environ["TF_CONFIG"]), {"width": width})
    workers = Workers(peers)
    inputs, layer = keras.Input((width,)), keras.layers.Dense(width)
    model, optimizer = keras.Model(inputs, layer(inputs)), keras.optimizers.SGD()
    workers.average_gradients(model, [optimizer])
    step = train_step(model, optimizer, tf.ones([8, width]), tf.zeros([8, width]), "mse")
    for _ in range(3):
        step()
    peers.exchange("ready")
    sent, seconds = _bytes_sent(), []
    peers.exchange("go")
    for _ in range(STEPS):
        began = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - began)
    peers.exchange("done")
    if peers.is_chief:
        each = (_bytes_sent() - sent) / STEPS / peers.count
        # Other work on the machine makes steps longer, and none shorter.
        figures = {"seconds": min(seconds), "bytes": round(each), "parameters": model.count_params()}
        print(json.dumps(figures))
    peers.close()


def _bytes_sent():
    lines = Path("/proc/net/dev").read_text().splitlines()
    fields = next(line for line in lines if line.strip().startswith("lo:")).split()
    return int(fields[9])


def measure_loopback(count, width):
    """Run so many workers in a network of their own; return what the chief measured."""
    script = 'ip link set lo up && exec "$@"'
    workers = [sys.executable, __file__, "--width", str(width), "--workers", str(count)]
    command = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c", script, "sh", *workers]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return {"workers": count, **json.loads(output.splitlines()[-1])}


def start_workers(count, width):
    """Start so many workers in this network, and wait for them."""
    addresses, processes = [f"127.0.0.1:{FIRST_PORT + index}" for index in range(count)], []
    for index in range(count):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = {**os.environ, "TF_CONFIG": json.dumps(config)}
        processes.append(subprocess.Popen([sys.executable, __file__, "--width", str(width)], env=environment))
    if any(process.wait() for process in processes):
        sys.exit("A worker failed.")


def measure_models():
    """Return name, parameters, batch size and seconds of a step of each model, in float32."""
    import keras
    import tensorflow as tf

    from keras_refs import models

    def tokens(*shape):
        return tf.ones(shape, tf.int32)

    # Words of eight letters and seven phonemes.
    transcription = models.attention_seq2seq(
        28, 41, embedding_dim=128, units=(512, 512), bidirectional=True, dropout=0.45
    )
    words = {"source": tokens(256, 8), "target": tokens(256, 7)}
    texts = {"tokens": tokens(16, 128), "segments": tf.zeros([16, 128], tf.int32)}
    found = {
        "C1": (models.conv_classifier(), tf.zeros([64, 28, 28, 1]), tf.one_hot([0] * 64, 10), 20),
        "g2p": (transcription, words, tf.one_hot(tokens(256, 7), 41), 5),
        "BERT": (models.bert_classifier(), texts, tf.one_hot([0] * 16, 2), 2),
    }
    rows = []
    for name, (model, inputs, targets, steps) in found.items():
        step = train_step(model, keras.optimizers.Adam(), inputs, targets, "categorical_crossentropy")
        step()
        began = time.process_time()
        for _ in range(steps):
            step()
        seconds = (time.process_time() - began) / steps / len(os.sched_getaffinity(0))
        row = {"name": name, "parameters": model.count_params(), "batch_size": len(targets), "seconds": seconds}
        rows.append(row)
        print(row, flush=True)
    return rows


def main():
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--width", type=int, help="only measure a layer of this width, as one worker")
    parser.add_argument("--workers", type=int, help="start so many of these in this network")
    arguments = parser.parse_args()
    if arguments.workers:
        start_workers(arguments.workers, arguments.width)
        return
    if arguments.width:
        measure_worker(arguments.width)
        return
    loopback = []
    for width, count in itertools.product(WIDTHS, WORKERS):
        loopback.append(measure_loopback(count, width))
        print(loopback[-1], flush=True)
    from hardware import hardware

    storage.write_json(RESULTS, {**hardware(), "loopback": loopback, "models": measure_models()})


if __name__ == "__main__":
    main()
