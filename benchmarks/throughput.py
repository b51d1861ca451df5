"""Training throughput of the recipe's settings against plain Keras on the same network, side by side in one run.

    python benchmarks/throughput.py

Plain Keras is listing C1 as its author would write it today: float32, images scaled to 0..1 in NumPy, `compile` and
`fit` with their defaults. Ours is `conv_classifier` with the precision and compilation that `choose_compute` picks for
this machine, on the recipe's input pipeline with its augmentation. Both train one epoch a round, in turns, so that a
machine that slows down slows down both; the first round warms up and does not count.
"""

import argparse
import statistics
import time

from hardware import hardware

from keras_refs import commands, datasets, models, storage, training
from keras_refs.recipes.conv_classifier import Config

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


def ours(split, batch_size, plan):
    """Return a function that trains the recipe's network for one epoch."""
    config = Config()
    steps = len(split) // batch_size
    with plan.scope():
        model = models.conv_classifier()
    model.compile(
        "adam",
        "categorical_crossentropy",
        metrics=["accuracy"],
        jit_compile=plan.jit_compile,
        steps_per_execution=training.steps_per_execution(steps),
    )

    def epoch(number):
        first, last = number * steps, (number + 1) * steps
        arguments = (config.seed, first, last, config.horizontal_flip, config.shift)
        model.fit(datasets.training_batches(split, 10, batch_size, *arguments), shuffle=False, verbose=0)

    return epoch


def compare(split, batch_size, plan, rounds):
    """Train both in turns and return their rates in images a second and the ratios of the rounds."""
    epochs = {"plain": plain_keras(split, batch_size), "ours": ours(split, batch_size, plan)}
    rates = {name: [] for name in epochs}
    for number in range(rounds + 1):
        for name, epoch in epochs.items():
            began = time.perf_counter()
            epoch(number)
            rates[name].append(len(split) / (time.perf_counter() - began))
    ratios = [one / other for one, other in zip(rates["ours"][1:], rates["plain"][1:], strict=True)]
    return {
        "batch_size": batch_size,
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
    plan = training.choose_compute(device, "convolutional")
    split = datasets.load_image_classification("fashion_mnist").train.take(slice(IMAGES))
    print(f"{device.name}, {found_on['cores']} cores. {plan.describe()}")
    rows = []
    for batch_size in arguments.batch_sizes:
        row = compare(split, batch_size, plan, arguments.rounds)
        rows.append(row)
        print(
            f"batch {batch_size}: plain Keras {row['plain']:,} images/s, keras_refs {row['ours']:,} images/s, "
            f"ratio {row['ratio']} (rounds {row['lowest_ratio']} to {row['highest_ratio']})"
        )
    if arguments.output:
        storage.write_json(arguments.output, {**found_on, "rows": rows})


if __name__ == "__main__":
    main()
