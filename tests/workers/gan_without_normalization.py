"""A small GAN of which no layer depends on the whole batch."""

import sys

import keras

from keras_refs import settings, training
from keras_refs.errors import WorkerDoneError
from keras_refs.recipes import gan


def build(config, data):
    """Return an adversarial model of dense layers."""
    latents, images = keras.Input((config.network.latent_dim,)), keras.Input(data.image_shape)
    hidden = keras.layers.Dense(16, "relu")(latents)
    generated = keras.layers.Reshape(data.image_shape)(keras.layers.Dense(64, "tanh")(hidden))
    logits = keras.layers.Dense(1)(keras.layers.Dense(16, "relu")(keras.layers.Flatten()(images)))
    networks = keras.Model(latents, generated), keras.Model(images, logits)
    return training.AdversarialModel(*networks, loss="wasserstein", seed=config.compute.seed)


if __name__ == "__main__":
    distribute, data_dir, classifier = sys.argv[1:]
    values = {"dataset": "digits", "data_dir": data_dir, "classifier": classifier, "samples": 100, "epochs": 5}
    values |= {"batch_size": 32, "distribute": distribute, "deterministic": True, "class_conditional": False}
    values |= {"latent_dim": 8, "learning_rate": 1e-3, "precision": "float32"}
    try:
        gan.train_and_evaluate(settings.override(gan.Config(), **values), "run", resume=True, build=build)
    except WorkerDoneError:
        print("done")
