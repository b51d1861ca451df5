"""The GAN's training step, side by side with other ways to do it; and what the listing as printed would learn.

    python benchmarks/adversarial.py
    python benchmarks/adversarial.py --as-printed

The first compares, on the same networks and images in one run, `training.AdversarialModel` in the precision that
`choose_compute` picks for this machine; the same in float32; the same run eagerly; and the usual example, float32 and
compiled: two gradient tapes over one pass of both networks, whose gradients are applied at the end. All train some
steps a round, in turns, so that a machine that slows down slows down all; the first round warms up and does not count.

The second stacks the repaired generator and discriminator in one `compile` with one loss, as listing C4 does, trains
them so, and compares the generated images with real ones as the recipe does its own.
"""

import argparse
import statistics
import time

import numpy as np
from hardware import hardware, report

from keras_refs import commands, datasets, evaluation, export, settings, training
from keras_refs.recipes import gan, image_comparison


def compiled(config, data, plan):
    """Return the recipe's networks in their training step, compiled as a plan says."""
    steps = len(data.train) // config.training.batch_size
    with plan.scope():
        model = gan.build(config, data)
    generator_optimizer = training.adam(config.training, steps, beta_1=0.5)
    discriminator_optimizer = training.adam(config.training, steps, beta_1=0.5, use_ema=False)
    model.compile(generator_optimizer, discriminator_optimizer, jit_compile=plan.jit_compile)
    return model


def two_tapes(generator, discriminator, config, num_classes):
    """Return a training step as examples have it."""
    import keras
    import tensorflow as tf

    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)
    optimizers = [keras.optimizers.Adam(config.training.learning_rate, beta_1=0.5) for _ in range(2)]

    @tf.function
    def step(images, classes):
        latents = tf.random.normal([tf.shape(images)[0], config.network.latent_dim])
        generated_classes = tf.argmax(latents[:, :num_classes], axis=-1)
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            generated = generator(latents, training=True)
            real_logits = discriminator({"images": images, "classes": classes}, training=True)
            generated_logits = discriminator({"images": generated, "classes": generated_classes}, training=True)
            generator_loss = cross_entropy(tf.ones_like(generated_logits), generated_logits)
            discriminator_loss = cross_entropy(tf.ones_like(real_logits), real_logits)
            discriminator_loss += cross_entropy(tf.zeros_like(generated_logits), generated_logits)
        for network, optimizer, tape, loss in zip(
            (generator, discriminator),
            optimizers,
            (generator_tape, discriminator_tape),
            (generator_loss, discriminator_loss),
            strict=True,
        ):
            variables = network.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    return step


def throughput(config, data, plan, rounds, steps):
    """Return the rates of all ways in images a second, and the ratios of ours to the others."""
    float32 = training.choose_compute(training.detect_device(), "convolutional", precision="float32", jit="off")
    batch_size = config.training.batch_size

    def ours(chosen, eagerly=False):
        model = compiled(config, data, chosen)
        model.run_eagerly = eagerly
        return lambda batches: model.fit(batches, verbose=0, shuffle=False)

    model = compiled(config, data, float32)
    example = two_tapes(model.generator, model.discriminator, config, len(data.class_names))

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
            start = time.perf_counter()
            train(gan.training_batches(data.train, batch_size, 0, number * steps, (number + 1) * steps))
            rates[name].append(steps * batch_size / (time.perf_counter() - start))
    ratios = {name: np.divide(rates["ours"], values)[1:] for name, values in rates.items() if name != "ours"}
    return {
        "images_per_second": {name: round(statistics.median(values[1:])) for name, values in rates.items()},
        "ratios": {name: round(float(statistics.median(values)), 2) for name, values in ratios.items()},
    }


def as_printed(config, data, plan):
    """Return how images of a generator compare with the test split that was trained for an epoch as C4 does it."""
    import keras
    import tensorflow as tf

    model = compiled(config, data, plan)
    stacked = keras.Sequential([model.generator, model.discriminator, keras.layers.Activation("sigmoid")])
    stacked.compile(keras.optimizers.Adam(config.training.learning_rate), "binary_crossentropy")
    size, latent_dim = config.training.batch_size, config.network.latent_dim
    steps = len(data.train) // size
    batches = tf.data.Dataset.range(steps).map(
        lambda step: (tf.random.stateless_normal([size, latent_dim], [0, step]), tf.ones([size, 1]))
    )
    history = stacked.fit(batches, verbose=0)
    latents = gan.draw_latents(config.scoring.samples, latent_dim)
    images = export.to_pixels(model.generator.predict(latents, batch_size=500, verbose=0)).numpy()
    classifier = image_comparison.FeatureClassifier(config.scoring.classifier, data)
    metrics = evaluation.generative_metrics(classifier.features(data.test.images), classifier.features(images))
    return {"steps": steps, "loss": history.history["loss"][-1], **metrics}


def main():
    """Measure and print; with `--output`, write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20, help="training steps a round")
    parser.add_argument("--as-printed", action="store_true", help="train the listing as printed, for one epoch")
    parser.add_argument("--output")
    arguments = parser.parse_args()
    commands.import_tensorflow_quietly()
    device, machine = training.detect_device(), hardware()
    config = settings.override(gan.Config(), class_conditional=not arguments.as_printed)
    data = datasets.load_image_classification(**vars(config.data))
    plan = training.choose_compute(device, "convolutional")
    print(f"{device.name}, {machine['cores']} cores. {plan.describe()}")
    if arguments.as_printed:
        figures = as_printed(config, data, plan)
    else:
        figures = throughput(config, data, plan, arguments.rounds, arguments.steps)
    report({**machine, **figures}, arguments.output)


if __name__ == "__main__":
    main()
