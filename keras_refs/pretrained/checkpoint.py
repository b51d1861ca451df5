"""BERT checkpoints in Hugging Face's naming, read into the builders with NumPy."""

from __future__ import annotations

import json
import re
from pathlib import Path

import keras
import numpy as np

from keras_refs import datasets, models
from keras_refs.errors import UserError, first_line

_TASK_HEADS = ("cls.", "classifier.", "qa_outputs.")
_LAYERS = {
    "word_embedding": "embeddings.word_embeddings",
    "position_embedding": "embeddings.position_embeddings",
    "segment_embedding": "embeddings.token_type_embeddings",
    "embedding_normalization": "embeddings.LayerNorm",
    "pooler": "pooler.dense",
}
_LAYERS_OF_A_BLOCK = {
    "attention_normalization": "attention.output.LayerNorm",
    "feed_forward": "intermediate.dense",
    "feed_forward_output": "output.dense",
    "feed_forward_normalization": "output.LayerNorm",
}
# What the builders compute; the second of the names of GELU is an old one of the same function.
_CONFIG = {
    "model_type": ("bert",),
    "hidden_act": ("gelu", "gelu_python"),
    "layer_norm_eps": (1e-12,),
    "position_embedding_type": ("absolute",),
}


def read_bert(path: str | Path) -> keras.Model:
    """Return a `models.bert_encoder` of a checkpoint's sizes, with its weights.

    Args:
        path: File or folder of the checkpoint.

    Raises:
        UserError: As by `bert_sizes` and `load_bert_weights`.
    """
    try:
        model = models.bert_encoder(**bert_sizes(path))
    except ValueError as error:
        raise UserError(f"{path} cannot be built: {first_line(error)}") from error
    load_bert_weights(model, path)
    return model


def read_wordpiece(path: str | Path, vocabulary_size: int) -> datasets.WordPiece:
    """Return the `datasets.WordPiece` of the `vocab.txt` beside a checkpoint.

    Args:
        path: File or folder of the checkpoint.
        vocabulary_size: Number of tokens that the weights are for.

    Raises:
        UserError: If there is no vocabulary, or it does not fit the weights, or tells lower case from upper case.
    """
    file = _folder(path) / "vocab.txt"
    wordpiece = datasets.WordPiece.from_file(file)
    if wordpiece.size != vocabulary_size:
        raise UserError(
            f"{file} does not fit the weights, which are for {vocabulary_size:,} tokens. Received: {wordpiece.size:,}"
        )
    # But for special tokens, which stand in brackets.
    cased = [token for token in wordpiece.vocabulary if token != token.lower() and not token.startswith("[")]
    if cased:
        raise UserError(f"{file} must be of an uncased model, whose tokens are lower case. Received: {cased[0]!r}")
    return wordpiece


def bert_sizes(path: str | Path) -> dict[str, int]:
    """Return the arguments of the builders that fit a checkpoint: sizes and numbers, not the dropout rate.

    Args:
        path: File or folder of the checkpoint.

    Raises:
        UserError: If it cannot be read, is no BERT that the builders compute, or there is no `config.json`.
    """
    arrays, config = _read_arrays(path), _read_config(path)
    if "num_attention_heads" not in config:
        raise UserError(
            f"{path} does not say its number of attention heads, which the shapes of weights do not show: "
            "put the model's config.json beside the weights."
        )
    try:
        vocabulary_size, hidden_dim = arrays["embeddings.word_embeddings.weight"].shape
        (feed_forward_dim,) = arrays["encoder.layer.0.intermediate.dense.bias"].shape
        return {
            "vocabulary_size": vocabulary_size,
            "hidden_dim": hidden_dim,
            "blocks": 1 + max(int(name.split(".")[2]) for name in arrays if name.startswith("encoder.layer.")),
            "num_heads": config["num_attention_heads"],
            "feed_forward_dim": feed_forward_dim,
            "max_steps": len(arrays["embeddings.position_embeddings.weight"]),
            "num_segments": len(arrays["embeddings.token_type_embeddings.weight"]),
        }
    except KeyError as error:
        raise UserError(f"{path} holds no BERT in Hugging Face's naming: it has no {error}.") from error
    except ValueError as error:
        raise UserError(f"{path} holds no BERT in Hugging Face's naming: {first_line(error)}.") from error


def load_bert_weights(model: keras.Model, path: str | Path) -> None:
    """Assign the weights of a checkpoint to a model, all or none of them.

    Heads of tasks, which stand in checkpoints as `cls`, `classifier` or `qa_outputs`, are left out, and the head of a
    `bert_classifier` stays as it is. Weights stored as float16 or bfloat16 become float32.

    Args:
        model: A model that `models.bert_encoder` or `models.bert_classifier` returned, without adapters.
        path: File or folder of the checkpoint.

    Raises:
        UserError: If the checkpoint cannot be read, or does not fit: with the names that are missing, left over, or of
            another shape.
    """
    arrays, variables, config = _read_arrays(path), dict(_variables(model)), _read_config(path)
    problems = [f"{name} is missing" for name in variables if name not in arrays]
    unused = ("pooler.",) if "pooler" not in [layer.name for layer in model.layers] else ()
    problems += [f"{name} is left over" for name in arrays if name not in variables and not name.startswith(unused)]
    for name, (_, shape) in variables.items():
        if name in arrays and arrays[name].shape != shape:
            problems.append(f"{name} has the shape {arrays[name].shape}, and the model's {shape}")
    num_heads = model.get_layer("block1_attention").num_heads
    if config.get("num_attention_heads", num_heads) != num_heads:
        problems.append(f"it has {config['num_attention_heads']} attention heads, and the model {num_heads}")
    if problems:
        raise UserError(f"{path} does not fit the model: {'; '.join(problems)}.")
    for name, (variable, _) in variables.items():
        is_kernel = variable.name == "kernel"
        variable.assign((arrays[name].T if is_kernel else arrays[name]).reshape(variable.shape))


def _variables(model):
    """Yield for each variable its name in a checkpoint, itself, and the shape that it has there.

    PyTorch has the outputs of a dense layer first, and those of all heads on one axis.
    """
    for prefix, layer in _layers(model):
        weight, *bias = layer.weights
        shape = tuple(weight.shape)
        if weight.name == "kernel":
            outputs = int(np.prod(bias[0].shape))
            shape = outputs, int(np.prod(shape)) // outputs
        yield f"{prefix}.weight", (weight, shape)
        for variable in bias:
            yield f"{prefix}.bias", (variable, (int(np.prod(variable.shape)),))


def _layers(model):
    """Yield the name in a checkpoint of each layer, and the layer."""
    layers = {layer.name: layer for layer in model.layers}
    if "word_embedding" not in layers or "block1_attention" not in layers:
        raise ValueError(f"`model` must be a `bert_encoder` or a `bert_classifier`. Received: model={model!r}")
    for name, prefix in _LAYERS.items():
        # A classifier that averages the hidden states has no pooler.
        if name in layers:
            yield prefix, layers[name]
    attentions = [layer for layer in model.layers if isinstance(layer, keras.layers.MultiHeadAttention)]
    for number, attention in enumerate(attentions):
        block = f"encoder.layer.{number}"
        for name in ("query", "key", "value"):
            yield f"{block}.attention.self.{name}", getattr(attention, f"{name}_dense")
        yield f"{block}.attention.output.dense", attention.output_dense
        for name, prefix in _LAYERS_OF_A_BLOCK.items():
            yield f"{block}.{prefix}", layers[f"block{number + 1}_{name}"]


def _read_arrays(path):
    """Return the float32 arrays of a checkpoint, but for heads of tasks, by name, without prefixes and old names."""
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError as error:
        raise UserError("Reading weights needs one more package: pip install 'keras_refs[bert]'") from error
    path = Path(path)
    file = path / "model.safetensors" if path.is_dir() else path
    if not file.exists():
        raise UserError(f"There is no {file}; python -m keras_refs.fetch fetches the weights of all-MiniLM-L6-v2.")
    try:
        arrays = load_file(file)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{file} holds no weights in the format safetensors: {first_line(error)}") from error
    arrays = {_standard_name(name): array for name, array in arrays.items()}
    return {
        name: array.astype("float32")
        for name, array in arrays.items()
        # A table of the numbers 0, 1, 2 ...
        if not name.startswith(_TASK_HEADS) and name != "embeddings.position_ids"
    }


def _standard_name(name):
    name = re.sub(r"^(model\.|bert\.)+", "", name)
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")


def _folder(path):
    path = Path(path)
    return path if path.is_dir() else path.parent


def _read_config(path):
    """Return the content of the `config.json` beside the weights, empty if there is none."""
    file = _folder(path) / "config.json"
    if not file.exists():
        return {}
    try:
        config = dict(json.loads(file.read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise UserError(f"{file} is no JSON object: {first_line(error)}") from error
    for key, allowed in _CONFIG.items():
        if config.get(key, allowed[0]) not in allowed:
            raise UserError(f"{file}: `{key}` must be {allowed[0]!r}. Received: {config[key]!r}")
    return config
