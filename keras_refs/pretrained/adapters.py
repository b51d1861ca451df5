"""Which layers of a trained BERT are trained, and low-rank adapters (LoRA) in place of its own weights.

Adapters are few numbers that turn the weights of a trained BERT into those of a fine-tuned one. With them the kernel W
of a feed-forward layer is W + A B, where A has as few columns as B has rows, the rank, and only A, B and the head are
trained (Hu et al. 2021, "LoRA: Low-rank adaptation of large language models").
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_refs.errors import UserError, first_line

if TYPE_CHECKING:
    import keras

_HEAD = "classifier"
_A, _B = "lora_kernel_a", "lora_kernel_b"


def freeze(model: keras.Model, but_last: int) -> None:
    """Freeze the embeddings and all blocks of a `models.bert_classifier` but the last `but_last`."""
    blocks = sum(layer.name.endswith("_attention") for layer in model.layers)
    frozen = tuple(f"block{number}_" for number in range(1, blocks - but_last + 1))
    for layer in model.layers:
        layer.trainable = not layer.name.startswith(frozen) and "embedding" not in layer.name


def split_before_head(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Return a `models.bert_classifier` up to the dropout before its head, and what follows; layers are shared."""
    import keras

    # Without a dropout rate there is no such layer.
    first = next(layer for layer in model.layers if layer.name in ("dropout", _HEAD))
    pooled = first.input
    return keras.Model(model.input, pooled), keras.Model(pooled, model.output)


def add_adapters(model: keras.Model, rank: int) -> None:
    """Add adapters of a rank to all feed-forward layers of a `models.bert_classifier`; freeze all else but the head."""
    adapted = _adapted(model)
    for layer in model.layers:
        layer.trainable = layer in adapted or layer.name == _HEAD
    for layer in adapted:
        layer.enable_lora(rank)
        layer.bias.trainable = False


def merge_adapters(model: keras.Model, network: keras.Model) -> None:
    """Assign the weights of a `models.bert_classifier`, adapters added to their kernels, to one without adapters."""
    for layer in model.layers:
        plain = network.get_layer(layer.name)
        if getattr(layer, "lora_enabled", False):
            plain.kernel.assign(layer.kernel)
            plain.bias.assign(layer.bias)
        else:
            plain.set_weights(layer.get_weights())


def save_adapters(model: keras.Model, path: str | Path) -> None:
    """Write the adapters and the head of a `models.bert_classifier` to an `.npz` file, float32."""
    arrays = {f"{layer.name}/{name}": getattr(layer, name) for layer in _adapted(model) for name in (_A, _B)}
    arrays |= {f"{_HEAD}/{name}": getattr(model.get_layer(_HEAD), name) for name in ("kernel", "bias")}
    stored: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
    np.savez(path, **stored)


def load_adapters(network: keras.Model, path: str | Path) -> None:
    """Add the adapters of a file to the kernels of a `models.bert_classifier` without any, and assign the head.

    The network must have the weights that the adapters were trained on.

    Raises:
        UserError: If the file cannot be read or does not fit the network.
    """
    try:
        with np.load(path) as arrays:
            for layer in _adapted(network):
                change = arrays[f"{layer.name}/{_A}"] @ arrays[f"{layer.name}/{_B}"]
                layer.kernel.assign(layer.kernel + change)
            network.get_layer(_HEAD).set_weights([arrays[f"{_HEAD}/{name}"] for name in ("kernel", "bias")])
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{path} holds no adapters for this network: {first_line(error)}") from error


def _adapted(model):
    return [layer for layer in model.layers if layer.name.endswith(("_feed_forward", "_feed_forward_output"))]
