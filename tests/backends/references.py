"""Write what TensorFlow computes, for the tests on other backends: `python -m tests.backends.references FOLDER`."""

import sys
from pathlib import Path

import numpy as np

import keras_refs
from tests.backends import cases


def draw_weights(model):
    """Change all weights at random: biases are zeros at first, and a mistake with them would not show."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.dtype.startswith("float"):
            change = rng.normal(0, 0.1, weight.shape)
            # A variance is not negative.
            weight.assign(weight.numpy() + (change if weight.trainable else abs(change)))


def write(model, folder, name):
    inputs = cases.draw_inputs(model)
    outputs = cases.predict(model, inputs)
    for key, output in outputs.items():
        assert np.ptp(output, axis=0).max() > 1e-3, f"{name}: {key} hardly depends on the inputs"
    np.savez(folder / f"{name}.inputs.npz", **inputs)
    np.savez(folder / f"{name}.outputs.npz", **outputs)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases.CASES:
        model = cases.build(case)
        draw_weights(model)
        model.save(folder / f"{case}.keras")
        write(model, folder, case)
    for trained in keras_refs.list_models(trained=True):
        write(keras_refs.load_model(trained.name), folder, f"trained-{trained.name}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
