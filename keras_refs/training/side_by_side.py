"""The halves of a batch side by side, for networks whose operations are too small to be shared between cores."""

from __future__ import annotations

import os
from typing import Any

import keras
import tensorflow as tf


def side_by_side(network: keras.Model) -> keras.Model:
    """Return a model that computes both halves of a batch at the same time, with a core for each.

    It has the network's weights, inputs and outputs, and one layer, which has the network as `network`. An LSTM trains
    1.2 times as fast by it on two cores; simple recurrent layers are as fast, or slower if they are small.

    Args:
        network: A functional `keras.Model` whose outputs for an example do not depend on the others of a batch, and
            have no masks.

    Returns:
        The model; the network itself on one core, or where there is a GPU.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores == 1 or tf.config.list_physical_devices("GPU"):
        return network
    return keras.Model(network.input, _Halves(network)(network.input), name=network.name)


@keras.saving.register_keras_serializable("keras_refs")
class _Halves(keras.layers.Layer):
    def __init__(self, network: keras.Model) -> None:
        # The network's own layers cast.
        super().__init__(name="halves", autocast=False)
        self.network = network

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        rows = tf.shape(keras.tree.flatten(inputs)[0])[0]
        half = (rows + 1) // 2

        def of(part):
            return self.network(keras.tree.map_structure(lambda each: each[part], inputs), training=training)

        # Of an odd number both have the one in the middle: a half must not be empty.
        first, second = of(slice(None, half)), of(slice(rows - half, None))
        return keras.tree.map_structure(lambda a, b: tf.concat([a, b[2 * half - rows :]], axis=0), first, second)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        return self.network.compute_output_spec(inputs, training=training)

    def get_config(self) -> dict[str, Any]:
        return {"network": keras.saving.serialize_keras_object(self.network)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> _Halves:
        return cls(keras.saving.deserialize_keras_object(config["network"]))
