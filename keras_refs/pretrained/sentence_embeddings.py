"""A BERT as a model from texts to vectors, whose cosines say how close two texts are in meaning.

Source: Reimers & Gurevych 2019, "Sentence-BERT: Sentence embeddings using Siamese BERT-networks".
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_refs import storage
from keras_refs.errors import UserError
from keras_refs.pretrained.download import FOLDER

if TYPE_CHECKING:
    import keras
    import numpy as np

    from keras_refs import datasets, export

NAME = "sentence_embeddings"
LENGTH = 256
"""Tokens that are read of a text, as in the training of all-MiniLM-L6-v2."""
EXAMPLES = ("A cat sits on the mat.", "How do I reset my password?")
REQUIRED_BYTES = 200_000_000
LIMITS = (
    f"Texts are cut at {LENGTH} tokens, `[CLS]` and `[SEP]` included. Upper case, accents and bytes that are no UTF-8 "
    "are left out,\nand `[CLS]` in a text is ordinary text. An empty text has an embedding, too, which means nothing. "
    "The vocabulary is\nEnglish. What the weights were trained on, the README.md beside them says."
)


def export_sentence_embeddings(
    weights: str | Path = FOLDER, export_dir: str | Path = "saved_models", precision: str = "float32"
) -> Path:
    """Export a checkpoint as the next version of `sentence_embeddings`.

    Args:
        weights: Folder or file of the checkpoint.
        export_dir: Folder to export into.
        precision: `"float32"`, `"float16"` or `"int8"`.

    Returns:
        The version folder.

    Raises:
        UserError: If the checkpoint cannot be read, its vocabulary does not fit, or the folder cannot be written to.
    """
    require_exportable(weights, export_dir)
    from keras_refs import export, pretrained

    network = pretrained.read_bert(weights)
    vocabulary_size = network.get_layer("word_embedding").input_dim
    wordpiece = pretrained.read_wordpiece(weights, vocabulary_size)
    with export.unfinished_version(Path(export_dir) / NAME) as folder:
        signatures = write_sentence_embeddings(network, wordpiece, folder, precision)
        _write_card(folder, network, weights, precision, signatures)
        return export.publish(folder)


def require_exportable(weights: str | Path, export_dir: str | Path) -> None:
    """Check, before TensorFlow is imported, what `export_sentence_embeddings` needs; it raises what that does."""
    if Path(weights) == FOLDER and not FOLDER.exists():
        raise UserError(f"There is no {FOLDER}: fetch it by python -m keras_refs.fetch, or name --weights.")
    if not importlib.util.find_spec("safetensors"):
        raise UserError("Reading weights needs one more package: pip install 'keras_refs[bert]'")
    storage.require_writable(export_dir, "--export-dir", REQUIRED_BYTES)


def write_sentence_embeddings(
    network: keras.Model, wordpiece: datasets.WordPiece, folder: str | Path, precision: str = "float32"
) -> Any:
    """Write a `models.bert_encoder` as a SavedModel from texts to embeddings.

    An embedding is the mean of the last hidden states over all tokens, `[CLS]` and `[SEP]` included, divided by its L2
    norm, as sentence-transformers computes it for all-MiniLM-L6-v2.

    Args:
        network: The encoder.
        wordpiece: The `datasets.WordPiece` of its vocabulary.
        folder: An existing folder to write into.
        precision: `"float32"`, `"float16"` or `"int8"`, of the weights in the file.

    Returns:
        The signatures as Markdown, for the model card.
    """
    import tensorflow as tf

    from keras_refs import export

    length = min(LENGTH, network.get_layer("position_embedding").input_dim)
    functions = _signatures(network, wordpiece, length)
    signatures = {name: export.checked(function, {"texts": (tf.string, ())}) for name, function in functions.items()}
    requests = {name: {"texts": list(EXAMPLES)} for name in signatures}
    options = {"half_precision": precision == "float16", "int8": precision == "int8"}
    export.write_saved_model(folder, network, signatures, requests, **options)
    return _described(length, network.output["hidden_states"].shape[-1], precision)


def _signatures(network, wordpiece, length):
    import tensorflow as tf

    def encode(texts):
        tokens = wordpiece.encode(texts, length)
        states = network({"tokens": tokens, "segments": tf.zeros_like(tokens)}, training=False)["hidden_states"]
        # Those of padding would depend on the other texts of the batch.
        return tf.where(tokens[..., tf.newaxis] != 0, states, 0.0), tokens

    def embed(texts):
        # The norm cancels the number of tokens: the sum does as well as the mean.
        states, _ = encode(texts)
        return {"embeddings": tf.math.l2_normalize(tf.reduce_sum(states, axis=1), axis=1)}

    def embed_tokens(texts):
        states, tokens = encode(texts)
        return {"token_embeddings": states, "tokens": tokens}

    return {"serving_default": embed, "token_embeddings": embed_tokens}


def _described(length, width, precision):
    converted = f"\n\nEvery request turns the {precision} weights into float32 first, so many texts in one save time."
    return (
        f"Both take `texts`, string `[batch]`, UTF-8, of which {length} tokens are read.\n\n"
        f"- `serving_default`: `embeddings`, float32 `[batch, {width}]`, of L2 norm 1, so their products are cosines\n"
        f"- `token_embeddings`: `token_embeddings`, float32 `[batch, steps, {width}]`, 0 where there is no token, and "
        "`tokens`, int32\n  `[batch, steps]`, the numbers of the tokens, 0 after the last one"
        + ("" if precision == "float32" else converted)
    )


def _write_card(folder, network, weights, precision, signatures):
    from keras_refs.export import version
    from keras_refs.training import run

    card = {
        "name": NAME,
        "summary": "Embed sentences and short texts, so that texts of similar meaning have similar vectors.",
        "date": datetime.now(UTC).date().isoformat(),
        "parameters": network.count_params(),
        "settings": {"weights": Path(weights).name, "precision": precision, "length": LENGTH},
        "signatures": signatures,
        "limits": LIMITS,
        "ran_on": run.environment(),
    }
    version.write_card_json(folder, card)
    facts = {**card["settings"], "parameters": f"{card['parameters']:,}", "date": card["date"]}
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    text = (
        f"# {NAME}\n\n{card['summary']}\n\n| | |\n|---|---|\n{rows}\n\n## Signatures\n\n{signatures}\n\n"
        f"## Use and limits\n\n{LIMITS}\n"
    )
    (folder / "model_card.md").write_text(text, encoding="utf-8")


def embed(model: export.SavedFunction, texts: Sequence[str]) -> np.ndarray:
    """Return the embeddings of texts, float32 `(texts, width)`, by an `export.SavedFunction`."""
    import numpy as np

    # In batches of about the same length: each text takes as long as the longest of its batch.
    order = np.argsort([len(text) for text in texts], kind="stable")
    embeddings = model.predict(batch_size=32, texts=[texts[index] for index in order])["embeddings"]
    return embeddings[np.argsort(order)]
