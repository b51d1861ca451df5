"""Training throughput of the recipe's settings against plain Keras on the same network, side by side in one run.

    python benchmarks/throughput.py

Plain Keras is listing C1 as its author would write it today: float32, images scaled to 0..1 in NumPy, `compile` and
`fit` with their defaults. Ours is the recipe `conv_classifier`: its optimizer with schedule and moving average, its
input pipeline with augmentation, and the precision and compilation that `choose_compute` picks for this machine; where
that is not float32, float32 as well. Validation, checkpoints and logs, which come once an epoch, are left out of both.
Both train one epoch a round, in turns, so that a machine that slows down slows down both; the first round warms up and
does not count.
"""

import argparse
import itertools
import statistics
import time

from hardware import hardware

from keras_refs import commands, datasets, storage, training
from keras_refs.recipes import conv_classifier

IMAGES = 12_800


def plain_keras(split, batch_size):
    """Return a function that trains listing C1 for one epoch."""
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    images, labels = split.images.astype("float32") / 255, split.labels
    return lambda _round: model.fit(images, labels, batch_size=batch_size, verbose=0)


def ours(data, split, batch_size, plan):
    """Return a function that trains as the recipe does for one epoch."""
    config = conv_classifier.Config()
    steps = len(split) // batch_size
    with plan.scope():
        model = conv_classifier.build(config, data)
    model.compile(
        training.adam(config.training, steps),
        "categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=plan.jit_compile,
        steps_per_execution=training.steps_per_execution(steps),
    )
    augmentation = config.augmentation.horizontal_flip, config.augmentation.shift

    def epoch(number):
        first, last = number * steps, (number + 1) * steps
        batches = datasets.training_batches(split, 10, batch_size, config.compute.seed, first, last, *augmentation)
        model.fit(batches, shuffle=False, verbose=0)

    return epoch


def compare(data, batch_size, plan, rounds):
    """Train both in turns and return their rates in images a second and the ratios of the rounds."""
    split = data.train.take(slice(IMAGES))
    epochs = {"plain": plain_keras(split, batch_size), "ours": ours(data, split, batch_size, plan)}
    rates = {name: [] for name in epochs}
    for number in range(rounds + 1):
        for name, epoch in epochs.items():
            began = time.perf_counter()
            epoch(number)
            rates[name].append(len(split) / (time.perf_counter() - began))
    ratios = [one / other for one, other in zip(rates["ours"][1:], rates["plain"][1:], strict=True)]
    return {
        "batch_size": batch_size,
        "precision": plan.precision,
        **{name: round(statistics.median(values[1:])) for name, values in rates.items()},
        "ratio": round(statistics.median(ratios), 2),
        "lowest_ratio": round(min(ratios), 2),
        "highest_ratio": round(max(ratios), 2),
    }


def main():
    """Measure and print; with `--output`, write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[64, 128])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--output")
    arguments = parser.parse_args()
    commands.import_tensorflow_quietly()
    device, found_on = training.detect_device(), hardware()
    chosen = training.choose_compute(device, "convolutional")
    plans = {plan.precision: plan for plan in (chosen, training.choose_compute(device, "convolutional", "float32"))}
    data = datasets.load_image_classification("fashion_mnist")
    print(f"{device.name}, {found_on['cores']} cores. {chosen.describe()}")
    rows = []
    for batch_size, plan in itertools.product(arguments.batch_sizes, plans.values()):
        row = compare(data, batch_size, plan, arguments.rounds)
        rows.append(row)
        print(
            f"batch {batch_size}, {plan.precision}: plain Keras {row['plain']:,} images/s, keras_refs {row['ours']:,} "
            f"images/s, ratio {row['ratio']} (rounds {row['lowest_ratio']} to {row['highest_ratio']})"
        )
    if arguments.output:
        storage.write_json(arguments.output, {**found_on, "rows": rows})


if __name__ == "__main__":
    main()
