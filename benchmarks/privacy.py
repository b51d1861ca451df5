"""What privacy costs in time, and what an attack tells of the examples of models trained with and without it.

    python benchmarks/privacy.py steps
    python benchmarks/privacy.py attacks saved_models/conv_classifier/1 runs/results/.../conv_classifier/1

`steps` trains the same networks with and without `--private` for an epoch each, in turns, so that a machine that slows
down slows down both; the first round warms up and does not count. `attacks` takes exports of `conv_classifier`, which
were trained on the same split. Each keeps in `results/privacy.json` what the other measured.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
from hardware import hardware, where

from keras_refs import commands, datasets, evaluation, export, settings, storage, training
from keras_refs.recipes import conv_classifier, mlp

RESULTS = Path(__file__).parents[1] / "results" / "privacy.json"
IMAGES = 4_096
NETWORKS = {
    "`conv_classifier`, as with `--private`": (conv_classifier, conv_classifier.PRIVATE),
    "`conv_classifier`, as usual": (conv_classifier, {"batch_size": 1024}),
    "`mlp` without batch normalization": (mlp, {"batch_size": 1024, "batch_normalization": False}),
}
"""What is timed: the recipe, and which of its defaults are changed."""


def epoch_of(recipe, config, data, is_private):
    """Return a function that trains for one epoch, of the number it takes."""
    split, batch_size = data.train.take(slice(IMAGES)), config.training.batch_size
    steps = len(split) // batch_size
    model = recipe.build(config, data)
    options = {"jit_compile": False, "steps_per_execution": training.steps_per_execution(steps)}
    model.compile(training.adam(config.training, steps), "categorical_crossentropy", metrics=["accuracy"], **options)
    if is_private:
        plan = training.PrivacyPlan(
            noise_multiplier=1.0,
            clip=config.privacy.clip,
            batch_size=batch_size,
            sampling_rate=batch_size / len(split),
            steps_per_epoch=steps,
            epochs=1,
        )
        training.make_private(model, plan)
    flip, shift = config.augmentation.horizontal_flip, config.augmentation.shift

    def epoch(number):
        first, last = number * steps, (number + 1) * steps
        batches = datasets.training_batches(split, 10, batch_size, 0, first, last, flip, shift, sampled=is_private)
        model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)

    return epoch, steps, model.count_params()


def time_steps(name, data, rounds):
    """Train both ways in turns and return the milliseconds of a step, and their ratio by round."""
    recipe, changes = NETWORKS[name]
    config, epochs = settings.override(recipe.Config(), **changes), {}
    for is_private in (False, True):
        epochs[is_private], steps, parameters = epoch_of(recipe, config, data, is_private)
    times = {False: [], True: []}
    for number in range(rounds + 1):
        for is_private, epoch in epochs.items():
            began = time.perf_counter()
            epoch(number)
            times[is_private].append((time.perf_counter() - began) / steps)
    ratios = [private / usual for private, usual in zip(times[True][1:], times[False][1:], strict=True)]
    return {
        "network": name,
        "parameters": parameters,
        "batch_size": config.training.batch_size,
        "milliseconds": round(1e3 * statistics.median(times[False][1:]), 1),
        "milliseconds_with_privacy": round(1e3 * statistics.median(times[True][1:]), 1),
        "ratio": round(statistics.median(ratios), 2),
        "lowest_ratio": round(min(ratios), 2),
        "highest_ratio": round(max(ratios), 2),
    }


def attack(folder):
    """Return the accuracy of an export on both splits, and what the attack finds out of as many images of each."""
    _, card = commands.read_export(folder)
    _, config = commands.recipe_of(card)
    data = datasets.load_image_classification(**vars(config.data))
    count = min(len(data.train), len(data.test))
    splits = {"train": data.train.take(slice(count)), "test": data.test.take(slice(count))}
    function, losses, accuracy = export.SavedFunction(folder), {}, {}
    for name, split in splits.items():
        probabilities = function.predict(500, images=split.images)["probabilities"]
        of_true_class = np.take_along_axis(probabilities, split.labels[:, None], axis=1)[:, 0]
        losses[name] = -np.log(np.maximum(of_true_class, np.finfo("float32").tiny))
        accuracy[f"{name}_accuracy"] = float(np.mean(probabilities.argmax(axis=1) == split.labels))
    found = evaluation.membership_attack(losses["train"], losses["test"])
    return {
        "epsilon": card.get("privacy", {}).get("epsilon"),
        "parameters": card["parameters"],
        **accuracy,
        "advantage": found["advantage"],
        "area": found["area"],
        "examples": count,
    }


def tables(measured):
    """Return the figures as Markdown."""
    lines = [
        "| network | parameters | batch | a step without privacy | with privacy | ratio (lowest and highest round) |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['network']} | {row['parameters']:,} | {row['batch_size']:,} | {row['milliseconds']:.0f} ms "
        f"| {row['milliseconds_with_privacy']:.0f} ms | **{row['ratio']}** ({row['lowest_ratio']} to "
        f"{row['highest_ratio']}) |"
        for row in measured["steps"]["rows"]
    ]
    lines += ["", f"{where(measured['steps'])}, which other work shared.", ""]
    lines += [
        "| model | epsilon | training accuracy | test accuracy | advantage of the attack |",
        "|---|---|---|---|---|",
    ]
    for row in measured["attacks"]:
        name = "with privacy" if row["epsilon"] else "without privacy"
        epsilon = f"{row['epsilon']:.2f}" if row["epsilon"] else "none"
        accuracies = f"{row['train_accuracy']:.4f} | {row['test_accuracy']:.4f}"
        lines.append(
            f"| {name}, {row['parameters']:,} parameters | {epsilon} | {accuracies} | {row['advantage']:.4f} |"
        )
    return "\n".join(lines)


def main():
    """Measure what is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = parser.add_subparsers(dest="what", required=True)
    kinds.add_parser("steps").add_argument("--rounds", type=int, default=5)
    kinds.add_parser("attacks").add_argument("exports", nargs="+", type=Path)
    arguments = parser.parse_args()
    commands.import_tensorflow_quietly()
    measured = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    if arguments.what == "steps":
        data = datasets.load_image_classification("fashion_mnist")
        rows = [time_steps(name, data, arguments.rounds) for name in NETWORKS]
        measured["steps"] = {**hardware(), "rows": rows}
    else:
        measured["attacks"] = [attack(folder) for folder in arguments.exports]
    print(json.dumps(measured[arguments.what], indent=2))
    storage.write_json(RESULTS, measured)


if __name__ == "__main__":
    main()
