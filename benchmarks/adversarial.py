"""The GAN's training step, side by side with other ways to do it; and what the listing as printed would learn.

    python benchmarks/adversarial.py
    python benchmarks/adversarial.py --as-printed

The first compares, on the same networks and pictures in one run, `training.AdversarialModel` in the precision that
`choose_compute` picks for this machine; the same in float32; the same run eagerly; and the usual example, float32 and
compiled: two gradient tapes over one pass of both players, whose gradients are applied at the end. All train some steps
a round, in turns, so that a machine that slows down slows down all; the first round warms up and does not count.

The second stacks the repaired generator and discriminator in one `compile` with one loss, as listing C4 does, trains
them so, and measures the pictures as the recipe does its own.
"""

import argparse
import statistics
import time

import numpy as np
from hardware import hardware

from keras_refs import commands, evaluation, export, storage, training
from keras_refs.recipes import gan


def two_tapes(generator, discriminator, config, num_classes):
    """Return a training step as examples have it."""
    import keras
    import tensorflow as tf

    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    optimizers = [keras.optimizers.Adam(config.learning_rate, beta_1=0.5) for _ in range(2)]

    @tf.function
    def step(images, classes):
        latents = tf.random.normal([tf.shape(images)[0], config.latent_dim])
        drawn = tf.argmax(latents[:, :num_classes], axis=-1)
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            made = generator(latents, training=True)
            real_logits = discriminator({"images": images, "classes": classes}, training=True)
            made_logits = discriminator({"images": made, "classes": drawn}, training=True)
            generator_loss = cross_entropy(tf.ones_like(made_logits), made_logits)
            discriminator_loss = cross_entropy(tf.ones_like(real_logits), real_logits)
            discriminator_loss += cross_entropy(tf.zeros_like(made_logits), made_logits)
        for player, optimizer, tape, loss in zip(
            (generator, discriminator),
            optimizers,
            (generator_tape, discriminator_tape),
            (generator_loss, discriminator_loss),
            strict=True,
        ):
            variables = player.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    return step


def throughput(recipe, plan, rounds, steps):
    """Return the rates of all ways in pictures a second, and the ratios of ours to the others."""
    float32 = training.choose_compute(training.detect_device(), recipe.family, precision="float32", jit="off")

    def ours(chosen, eagerly=False):
        model = recipe.compiled_model(chosen)
        model.run_eagerly = eagerly
        return lambda batches: model.fit(batches, verbose=0, shuffle=False)

    model = recipe.compiled_model(float32)
    example = two_tapes(model.generator, model.discriminator, recipe.config, len(recipe.data.class_names))

    def run_example(batches):
        for images, classes in batches:
            example(images, classes)

    ways = {
        "ours": ours(plan),
        "ours, float32": ours(float32),
        "ours, run eagerly": ours(plan, eagerly=True),
        "two tapes, float32": run_example,
    }
    rates = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, train in ways.items():
            began = time.perf_counter()
            train(recipe.training_batches(number * steps, (number + 1) * steps))
            rates[name].append(steps * recipe.config.batch_size / (time.perf_counter() - began))
    found = {"pictures_per_second": {name: round(statistics.median(values[1:])) for name, values in rates.items()}}
    found["ratios"] = {
        name: round(float(statistics.median(np.divide(rates["ours"], values)[1:])), 2)
        for name, values in rates.items()
        if name != "ours"
    }
    return found


def as_printed(recipe, plan, steps):
    """Return what generator and discriminator, stacked and trained with one loss, make, next to the test split."""
    import keras
    import tensorflow as tf

    model = recipe.compiled_model(plan)
    stacked = keras.Sequential([model.generator, model.discriminator, keras.layers.Activation("sigmoid")])
    stacked.compile(keras.optimizers.Adam(recipe.config.learning_rate), "binary_crossentropy")
    size = recipe.config.batch_size
    latents = tf.data.Dataset.range(steps).map(
        lambda step: (tf.random.stateless_normal([size, recipe.config.latent_dim], [0, step]), tf.ones([size, 1]))
    )
    history = stacked.fit(latents, verbose=0)
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(recipe.config.samples, recipe.config.latent_dim)).astype("float32")
    made = export.to_pixels(model.generator.predict(draws, batch_size=500, verbose=0)).numpy()
    judge = export.SavedFunction(recipe.config.classifier, "features")
    real, made = (judge.predict(500, images=images)["features"] for images in (recipe.data.test.images, made))
    return {"steps": steps, "loss": history.history["loss"][-1], **evaluation.generative_metrics(real, made)}


def main():
    """Measure and print; with `--output`, write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="training steps a round")
    parser.add_argument("--as-printed", action="store_true", help="train the listing as printed, for one epoch")
    parser.add_argument("--output")
    arguments = parser.parse_args()
    commands.import_tensorflow_quietly()
    device, found_on = training.detect_device(), hardware()
    recipe = gan.Recipe(gan.Config(class_conditional=not arguments.as_printed))
    plan = training.choose_compute(device, recipe.family)
    print(f"{device.name}, {found_on['cores']} cores. {plan.describe()}")
    if arguments.as_printed:
        found = as_printed(recipe, plan, recipe.steps_per_epoch)
    else:
        found = throughput(recipe, plan, arguments.rounds, arguments.steps)
    for name, value in found.items():
        print(f"{name}: {value}")
    if arguments.output:
        storage.write_json(arguments.output, {**found_on, **found})


if __name__ == "__main__":
    main()
