"""Training of six networks on a GPU: our builders on Keras's JAX backend beside the same networks in PyTorch.

    KERAS_BACKEND=jax python benchmarks/gpu.py --output results/gpu.json

`step` is a compiled function over the builder's `stateless_call` and the optimizer's `stateless_apply`, as one writes
it for JAX; `fit` is Keras's own. PyTorch has the same layers, as it is (eager) and compiled by `torch.compile`, with
its fused Adam; both clip gradients and average the weights. Examples are random and lie in the GPU's memory, but for
`fit`, which gets NumPy arrays. float32 is TF32, as both multiply it so; bfloat16 is Keras's mixed precision and
PyTorch's autocast. Each has a process of its own and waits while another works.

The work of a step is what PyTorch counts of matrix products and convolutions, forwards and backwards; the peak is what
the GPU reaches on a product of two matrices of 8192 rows in the same precision. A run without a GPU shows that the
script works.
"""

import argparse
import functools
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from earlier import earlier

BATCHES = {
    # As in the recipe, and enough to fill a GPU.
    "conv_classifier": (128, 8192),
    "lstm": (128, 2048),
    "g2p": (256, 2048),
    "gan": (64, 1024),
    "transformer": (128, 2048),
    "bert_base": (32, 128),
}
STEPS = 16
"""Batches of which examples are drawn."""
PEERS = ("step", "fit", "eager", "compiled")


def examples(name, count):
    """Return the inputs, a tuple of arrays, and the targets of random examples."""
    import peers

    rng = np.random.default_rng(0)
    if name == "gan":
        images = rng.uniform(-1, 1, (count, 28, 28, 1)).astype("float32")
        return (images, rng.normal(size=(count, 100)).astype("float32")), rng.integers(0, 10, count)
    if name == "bert_base":
        return (rng.integers(1, 30_522, (count, 128), np.int32),), rng.integers(0, 2, count)
    return peers.examples(name, count)


def adam(**options):
    """Return the optimizer of the recipes: Adam with cosine decay, clipped gradients and averaged weights."""
    import keras

    decay = keras.optimizers.schedules.CosineDecay(1e-3, 10_000)
    usual = {"global_clipnorm": 1.0, "use_ema": True, "ema_momentum": 0.99}
    return keras.optimizers.Adam(decay, **{**usual, **options})


def build(name):
    """Return a network of ours, with the sizes of its recipe."""
    import peers

    from keras_refs import models

    return models.bert_classifier() if name == "bert_base" else peers.build(name)


def inputs_of(model, arrays):
    """Return arrays as the inputs of a model."""
    if not isinstance(model.input, dict):
        return arrays[0]
    if "segments" in model.input:
        return {"tokens": arrays[0], "segments": 0 * arrays[0]}
    return dict(zip(model.input, arrays, strict=True))


def our_step(name):
    """Return the state of a network of ours and a compiled function of it and a batch, which returns the next state."""
    import jax
    import keras

    if name == "gan":
        return our_gan_step()
    model, optimizer = build(name), adam()
    optimizer.build(model.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy()

    def compute(trainable, fixed, inputs, targets):
        outputs, fixed = model.stateless_call(trainable, fixed, inputs_of(model, inputs), training=True)
        return loss(targets, outputs), fixed

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state, inputs, targets):
        trainable, fixed, optimized = state
        gradients, fixed = jax.grad(compute, has_aux=True)(trainable, fixed, inputs, targets)
        trainable, optimized = optimizer.stateless_apply(optimized, gradients, trainable)
        return trainable, fixed, optimized

    variables = model.trainable_variables, model.non_trainable_variables, optimizer.variables
    return [[jax.numpy.copy(variable.value) for variable in group] for group in variables], step


def our_gan_step():
    """Return the same for the GAN of the recipe: a step of both networks, with the hinge loss."""
    import jax
    from keras import ops

    from keras_refs import models
    from keras_refs.models.gan import latent_classes

    shared = {"kernel_size": 4, "num_classes": 10}
    generator = models.gan_generator(100, (28, 28, 1), (), 128, (128, 64), **shared)
    discriminator = models.gan_discriminator((28, 28, 1), (64, 128), **shared)
    optimizers = adam(beta_1=0.5), adam(beta_1=0.5)
    for network, optimizer in zip((generator, discriminator), optimizers, strict=True):
        optimizer.build(network.trainable_variables)

    def logits_of(trainable, fixed, images, classes):
        inputs = {"images": images, "classes": classes}
        return discriminator.stateless_call(trainable, fixed, inputs, training=True)[0]

    def discriminator_loss(trainable, fixed, images, classes, generated, their_classes):
        real = logits_of(trainable, fixed, images, classes)
        false = logits_of(trainable, fixed, generated, their_classes)
        return ops.mean(ops.relu(1 - real) + ops.relu(1 + false)) / 2

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state, inputs, classes):
        (ours, fixed, optimized), (theirs, their_fixed, their_optimized) = state
        images, latents = inputs
        their_classes = latent_classes(latents, 10)

        def generate(weights):
            return generator.stateless_call(weights, fixed, latents, training=True)

        # One forward pass of the generator serves both updates.
        generated, backwards, fixed = jax.vjp(generate, ours, has_aux=True)
        gradients = jax.grad(discriminator_loss)(theirs, their_fixed, images, classes, generated, their_classes)
        theirs, their_optimized = optimizers[1].stateless_apply(their_optimized, gradients, theirs)
        of_images = jax.grad(lambda pixels: -ops.mean(logits_of(theirs, their_fixed, pixels, their_classes)))(generated)
        ours, optimized = optimizers[0].stateless_apply(optimized, backwards(of_images)[0], ours)
        return (ours, fixed, optimized), (theirs, their_fixed, their_optimized)

    networks = zip((generator, discriminator), optimizers, strict=True)
    groups = [(n.trainable_variables, n.non_trainable_variables, o.variables) for n, o in networks]
    return jax.tree.map(lambda variable: jax.numpy.copy(variable.value), groups), step


def ours(name, peer, precision):
    """Return a function that trains a network of ours on some batches of a size and waits for the end."""
    import jax
    import keras

    keras.config.set_dtype_policy({"bfloat16": "mixed_bfloat16"}.get(precision, precision))
    if peer == "fit":
        model = build(name)
        # At its end Keras lets the weights and their averages share buffers, with which JAX cannot go on training.
        model.compile(adam(use_ema=False), "sparse_categorical_crossentropy")

        def fit(inputs, targets, batch_size, rounds):
            model.fit(inputs_of(model, inputs), targets, batch_size, rounds, verbose=0)

        return fit
    state, step = our_step(name)
    arrays = {}

    def train(inputs, targets, batch_size, rounds):
        nonlocal state
        if batch_size not in arrays:
            arrays[batch_size] = jax.device_put((inputs, targets))
        inputs, targets = arrays[batch_size]
        for start in list(range(0, len(targets), batch_size)) * rounds:
            batch = [array[start : start + batch_size] for array in (*inputs, targets)]
            state = step(state, tuple(batch[:-1]), batch[-1])
        jax.block_until_ready(state)

    return train


def memory(peer):
    """Return the most bytes of the GPU that this process had in use; `None` without a GPU."""
    if peer in ("step", "fit"):
        import jax

        return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None


def work(name, peer, precision):
    """Be one of the peers: for each line, a batch size, print examples a second of about a second of training."""
    if peer in ("step", "fit"):
        train = ours(name, peer, precision)
    else:
        import gpu_torch

        train = gpu_torch.trainer(name, precision, compiled=peer == "compiled")
    data = {size: examples(name, size * STEPS) for size in BATCHES[name]}
    for line in sys.stdin:
        size, seconds = json.loads(line)
        inputs, targets = data[size]
        rounds, taken = 1, 0.0
        while not taken or taken < seconds / 2:
            began = time.perf_counter()
            train(inputs, targets, size, rounds)
            taken = time.perf_counter() - began
            rate = rounds * len(targets) / taken
            rounds = max(rounds, min(rounds * 8, round(seconds / taken * rounds)))
        print(json.dumps([rate, memory(peer)]), flush=True)


def compare(name, precision, rounds, seconds, log):
    """Return by batch size and peer the examples a second of every round, and by peer the bytes of the GPU."""
    names = [peer for peer in PEERS if (name, peer) != ("gan", "fit")]
    command = [sys.executable, __file__, "--work", name, "--precision", precision, "--peer"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log, "text": True}
    processes = {peer: subprocess.Popen([*command, peer], **pipes) for peer in names}

    def ask(peer, size, seconds):
        processes[peer].stdin.write(json.dumps([size, seconds]) + "\n")
        processes[peer].stdin.flush()

    def answer(peer):
        line = processes[peer].stdout.readline()
        return json.loads(line) if line else (None, None)

    # They compile side by side.
    for size in BATCHES[name]:
        for peer in names:
            ask(peer, size, 0)
        alive = [peer for peer in names if answer(peer)[0]]
        for peer in set(names) - set(alive):
            print(f"{name}, {precision}: {peer} failed, see the log")
        names = alive
    rates, used = {size: {peer: [] for peer in names} for size in BATCHES[name]}, {}
    for _, size, peer in itertools.product(range(rounds), BATCHES[name], names):
        ask(peer, size, seconds)
        rate, used[peer] = answer(peer)
        rates[size][peer].append(round(rate))
    for process in processes.values():
        process.stdin.close()
        process.wait()
    return rates, used


def table(measured):
    """Return the figures as a table in Markdown."""
    lines = [
        "| network | precision | batch | step | `fit` | PyTorch | PyTorch compiled | step to compiled "
        "| fraction of the peak | memory: step, PyTorch compiled |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in measured["rows"]:
        peak = row["peak_teraflops"] * 1e12
        largest = max(map(int, row["rates"]))
        for size, rates in row["rates"].items():
            medians = {peer: statistics.median(each) for peer, each in rates.items()}
            cells = [f"{medians[peer]:,.0f}" if peer in medians else "" for peer in PEERS]
            ratio = f"**{medians['step'] / medians['compiled']:.2f}**" if "compiled" in medians else ""
            share = f"{medians['step'] * row['flops'] / peak:.1%}" if peak else ""
            used = [f"{row['bytes'][peer] / 1e9:.1f}" for peer in ("step", "compiled") if row["bytes"].get(peer)]
            used = f"{', '.join(used)} GB" if used and int(size) == largest else ""
            first = f"{row['family']} | {row['precision']} | {int(size):,}"
            lines.append(f"| {first} | {' | '.join(cells)} | {ratio} | {share} | {used} |")
    # Measured again for each run: the highest.
    rows = sorted(measured["rows"], key=lambda row: row["peak_teraflops"])
    peaks = {row["precision"]: row["peak_teraflops"] for row in rows}
    peaks = ", ".join(f"{peak:.0f} TFLOP/s in {name}" for name, peak in sorted(peaks.items()))
    versions = ", ".join(f"{name} {version}" for name, version in measured["versions"].items())
    about = (
        f"Training examples a second on one {measured['device']}, medians of {len(next(iter(rates.values())))} rounds"
    )
    return "\n".join([*lines, "", f"{about}; peak: {peaks}. {versions}."])


def main():
    """Measure what is asked for, print it and write it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--families", nargs="+", default=list(BATCHES), choices=BATCHES)
    parser.add_argument("--precisions", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--output", type=Path, help="it keeps what it has of other families")
    parser.add_argument("--log", default=os.devnull, help="what the peers print as errors")
    parser.add_argument("--work", help=argparse.SUPPRESS)
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    parser.add_argument("--precision", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    # Several processes share the GPU.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    if arguments.work:
        work(arguments.work, arguments.peer, arguments.precision)
        return
    import gpu_torch

    from keras_refs import storage

    described, peaks = gpu_torch.describe(), {name: gpu_torch.peak(name) for name in arguments.precisions}
    print(json.dumps(described), json.dumps(peaks))
    rows = earlier(arguments.output, "rows") if arguments.output else []
    with Path(arguments.log).open("a") as log:
        for name, precision in itertools.product(arguments.families, arguments.precisions):
            rates, used = compare(name, precision, arguments.rounds, arguments.seconds, log)
            for size, each in rates.items():
                medians = {peer: statistics.median(found) for peer, found in each.items()}
                print(f"{name}, {precision}, {size}:", ", ".join(f"{p} {rate:,.0f}" for p, rate in medians.items()))
            flops = gpu_torch.count_flops(name)
            row = {"family": name, "precision": precision, "flops": flops, "peak_teraflops": peaks[precision]}
            row |= {"bytes": used, "rates": rates}
            rows = [each for each in rows if (each["family"], each["precision"]) != (name, precision)]
            rows = sorted([*rows, row], key=lambda each: (list(BATCHES).index(each["family"]), each["precision"]))
            if arguments.output:
                storage.write_json(arguments.output, {**described, "rows": rows})


if __name__ == "__main__":
    main()
