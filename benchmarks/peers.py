"""Training and prediction of every family beside the same network in PyTorch, in turns, in one run.

    python benchmarks/peers.py

Ours is the builder with the recipe's optimizer (Adam with warm-up, cosine decay, clipped gradients and an exponential
moving average of the weights), its input pipeline, and the threads that `choose_compute` picks for this machine; the
LSTM is trained on both halves of a batch at once, as its recipes do.
PyTorch has the same layers and the same optimizer, its fused Adam, and its data in memory; as it is (eager) and
compiled by `torch.compile`. Each has a process of its own and waits while another works; the first round warms up and
does not count. Inputs are random: only their shapes matter. Where the processor multiplies bfloat16 in hardware, all
are measured in it as well.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from earlier import earlier

PEERS = ("ours", "eager", "compiled")
FAMILIES = {
    # Family of `choose_compute`, batch size and examples a round: a few seconds each.
    "conv_classifier": ("convolutional", 128, 6_400),
    "simple_rnn": ("recurrent", 128, 6_400),
    "lstm": ("recurrent", 128, 2_560),
    "mlp": ("dense", 128, 25_600),
    "g2p": ("wide_recurrent", 256, 1_024),
    "transformer": ("dense", 128, 2_560),
}


def examples(name, count):
    """Return the inputs, a tuple of arrays, and the targets, class indices, of random examples of a family."""
    rng = np.random.default_rng(0)
    if name == "conv_classifier":
        return (rng.integers(0, 256, (count, 28, 28, 1), np.uint8),), rng.integers(0, 10, count)
    if name == "mlp":
        return (rng.random((count, 784), np.float32),), rng.integers(0, 10, count)
    if name == "g2p":
        source, target = rng.integers(1, 28, (count, 8), np.int32), rng.integers(1, 41, (count, 8), np.int32)
        return (source, target), rng.integers(1, 41, (count, 8))
    if name == "transformer":
        return (rng.integers(1, 65_536, (count, 40, 5), np.int32),), rng.integers(0, 40, count)
    return (rng.normal(size=(count, 50, 28)).astype("float32"),), rng.integers(0, 10, count)


def build(name):
    """Return our network of a family, with the sizes of its recipe or of the listing."""
    import keras
    from keras import layers

    from keras_refs import models

    if name == "simple_rnn":
        # The builder of this layer is a regressor.
        inputs = keras.Input((50, 28))
        x = layers.SimpleRNN(128)(layers.SimpleRNN(128, return_sequences=True)(inputs))
        return keras.Model(inputs, layers.Dense(10, "softmax")(x))
    if name == "g2p":
        return models.attention_seq2seq(embedding_dim=128, units=(512, 512), dropout=0.45)
    if name == "transformer":
        sizes = {"embedding_dim": 32, "hidden_dim": 96, "num_heads": 4, "feed_forward_dim": 192, "dropout": 0.1}
        return models.self_attention_classifier(
            num_classes=40, vocabulary_size=65_536, num_channels=5, positions=None, **sizes
        )
    if name == "mlp":
        return models.mlp(784, 10, (1024, 512), activation="relu")
    return models.conv_classifier() if name == "conv_classifier" else models.lstm_classifier(steps=50)


def ours(name, inputs, targets, batch_size, precision, threads):
    """Return functions that train our network on all examples once and that predict them."""
    import tensorflow as tf

    from keras_refs import datasets, settings, training

    plan = training.choose_compute(training.detect_device(), FAMILIES[name][0], precision)
    tf.config.threading.set_intra_op_parallelism_threads(plan.intra_op_threads if threads is None else threads)
    steps = len(targets) // batch_size
    with plan.scope():
        network = build(name)
        # As the recipes of LSTMs do.
        model = training.side_by_side(network) if name == "lstm" else network
    options = settings.Training(epochs=100, batch_size=batch_size, learning_rate=1e-3, clip_norm=1.0)
    optimizer = training.adam(options, steps)
    per_execution = 1 if name == "g2p" else training.steps_per_execution(steps)
    model.compile(optimizer, "sparse_categorical_crossentropy", steps_per_execution=per_execution)
    names = list(model.input) if isinstance(model.input, dict) else None

    def of_model(*arrays):
        return dict(zip(names, arrays, strict=True)) if names else arrays[0]

    def prepare(_, *arrays):
        return of_model(*arrays[:-1]), arrays[-1]

    rounds = itertools.count()
    call = tf.function(lambda *arrays: network(of_model(*arrays), training=False), jit_compile=False)

    def train():
        first = next(rounds) * steps
        batches = datasets.shuffled_batches((*inputs, targets), batch_size, 0, first, first + steps, prepare)
        model.fit(batches, shuffle=False, verbose=0)

    def predict():
        for start in range(0, len(targets) - batch_size + 1, batch_size):
            call(*(tf.constant(array[start : start + batch_size]) for array in inputs))

    return train, predict


def work(name, peer, precision, threads):
    """Be one of the peers: for each line of standard input, `train` or `predict`, print examples a second."""
    _, batch_size, count = FAMILIES[name]
    inputs, targets = examples(name, count)
    if peer == "ours":
        train, predict = ours(name, inputs, targets, batch_size, precision, threads)
    else:
        import peers_torch

        options = {"precision": precision, "compiled": peer == "compiled"}
        train, predict = peers_torch.trainer(name, inputs, targets, batch_size, **options)
    for line in sys.stdin:
        began = time.perf_counter()
        try:
            train() if line.strip() == "train" else predict()
        except RuntimeError as error:
            # `torch.compile` fails for some networks in bfloat16.
            print(f"{name}, {peer}, {precision}: {str(error).splitlines()[0]}", file=sys.stderr)
            print("null", flush=True)
        else:
            print(json.dumps(count // batch_size * batch_size / (time.perf_counter() - began)), flush=True)


def compare(name, peers, precision, rounds):
    """Return by peer the examples a second, of every round, of training and of prediction; `None` for what failed."""
    command = [sys.executable, __file__, "--work", name, "--precision", precision]
    processes = {}
    for peer in peers:
        kind, _, threads = peer.partition(":")
        arguments = [*command, "--peer", kind, *(["--threads", threads] if threads else [])]
        processes[peer] = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    rates = {peer: {"train": [], "predict": []} for peer in peers}
    for number, task, peer in itertools.product(range(rounds + 1), ("train", "predict"), peers):
        process = processes[peer]
        process.stdin.write(f"{task}\n")
        process.stdin.flush()
        rate = json.loads(process.stdout.readline())
        if number:
            rates[peer][task].append(rate and round(rate))
    for process in processes.values():
        process.stdin.close()
        process.wait()
    return rates


def tables(measured):
    """Return the figures as a table in Markdown."""
    lines = [
        "| network | | precision | keras_refs | PyTorch | ratio | PyTorch compiled | ratio | processor |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in measured["rows"]:
        for task, said in (("train", "training"), ("predict", "prediction")):
            rates = {peer: each[task] for peer, each in row["rates"].items()}
            cells = [f"{statistics.median(rates['ours']):,.0f}"]
            for peer in PEERS[1:]:
                if None in rates[peer]:
                    cells += ["", ""]
                    continue
                # Of each round, as a machine that slows down slows down both.
                ratios = [one / other for one, other in zip(rates["ours"], rates[peer], strict=True)]
                cells += [f"{statistics.median(rates[peer]):,.0f}", f"**{statistics.median(ratios):.2f}**"]
            lines.append(f"| {row['family']} | {said} | {row['precision']} | {' | '.join(cells)} | {row['device']} |")
    of_rows = {(row["cores"], len(row["rates"]["ours"]["train"])) for row in measured["rows"]}
    said = ", ".join(f"medians of {rounds} rounds on {cores} cores" for cores, rounds in sorted(of_rows))
    return "\n".join([*lines, "", f"Examples a second, {said}."])


def _place(row):
    """Return what a row is of, in the order of the table."""
    return row["device"], list(FAMILIES).index(row["family"]), row["precision"] == "bfloat16"


def precisions():
    """Return the precisions that this processor has in hardware."""
    from keras_refs import training
    from keras_refs.training import compute

    has_bfloat16 = training.detect_device().cpu_flags & compute.BFLOAT16_FLAGS
    return ["float32", *(["bfloat16"] if has_bfloat16 else [])]


def main():
    """Measure what is asked for, print it and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=FAMILIES)
    parser.add_argument("--peers", nargs="+", default=list(PEERS), help="`ours:1` is ours with one thread an operation")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--output",
        type=Path,
        help="results/peers.json, for example; it keeps what it has of other networks and machines",
    )
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--precision", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        precision = {"bfloat16": "mixed_bfloat16"}.get(arguments.precision, "float32")
        precision = precision if arguments.peer == "ours" else arguments.precision
        work(arguments.work, arguments.peer, precision, arguments.threads)
        return
    from hardware import hardware

    from keras_refs import commands, storage

    commands.import_tensorflow_quietly()
    for name, precision in itertools.product(arguments.families, precisions()):
        rates = compare(name, arguments.peers, precision, arguments.rounds)
        for task in ("train", "predict"):
            print(f"{name}, {precision}, {task}:", {peer: each[task] for peer, each in rates.items()}, flush=True)
        if arguments.output:
            row = {"family": name, "precision": precision, **hardware(), "rates": rates}
            kept = [each for each in earlier(arguments.output, "rows") if _place(each) != _place(row)]
            storage.write_json(arguments.output, {"rows": sorted([*kept, row], key=_place)})


if __name__ == "__main__":
    main()
