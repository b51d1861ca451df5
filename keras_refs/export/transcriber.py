"""SavedModels that turn strings into strings, symbol by symbol, by greedy and beam search."""

import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from keras_refs import datasets, decoding, preprocessing, storage
from keras_refs.datasets.alignment import BOUNDARY
from keras_refs.errors import UserError
from keras_refs.export.compressed import CompressedFunction
from keras_refs.export.saved_model import SavedFunction, checked, specifications, write_saved_model
from keras_refs.export.version import version_folder, write_padded_outputs

SYMBOLS = Path("assets.extra") / "symbols.json"
"""The `datasets.Symbols` of sources and targets, in a folder that servers leave alone."""


def write_transcriber(
    network: keras.Model,
    source: tuple[str, datasets.Symbols],
    target: tuple[str, datasets.Symbols],
    folder: str | os.PathLike,
    *,
    examples: Sequence[str],
    longest_source: int,
    beam_width: int,
    length_penalty: float,
    half_precision: bool = False,
    postprocess: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
) -> str:
    """Write an attention sequence-to-sequence model as a SavedModel with four signatures, which the card describes.

    `assets.extra/symbols.json` says what tokens stand for. A batch may be empty.

    Args:
        network: A `models.attention_seq2seq`, built in float32.
        source: Name of the input, and the `datasets.Symbols` that are read.
        target: Name of the output, and its `datasets.Symbols`.
        folder: An existing folder to write into.
        examples: Two sources, for the warm-up requests.
        longest_source: Number of symbols to which sources are truncated.
        beam_width: Beam width of `k_best`.
        length_penalty: Power of its length that the log-probability of a sequence is divided by in `k_best`.
        half_precision: Whether the weights are rounded to float16 and stored so, in half of the space.
        postprocess: Function from the decoded strings, of any shape, to those to output; `numeric` is without it.

    Returns:
        The signatures as Markdown, for the model card.
    """
    (source_name, source_symbols), (target_name, target_symbols) = source, target
    parts = decoding.FastParts(network)

    def greedy(tokens, dtype=tf.float32):
        return decoding.greedy_decode(parts(dtype), tokens, BOUNDARY, longest_source)

    def k_best(tokens):
        return decoding.beam_decode(parts(tf.float32), tokens, BOUNDARY, longest_source, beam_width, length_penalty)

    def of_strings(decode):
        def transcribe(strings):
            outputs = decode(source_symbols.tokens(strings))
            return {target_name: postprocess(target_symbols.strings(outputs.pop("symbols"))), **outputs}

        return checked(transcribe, {source_name: (tf.string, ())})

    signatures = {
        "serving_default": of_strings(greedy),
        "k_best": of_strings(k_best),
        "bfloat16": of_strings(lambda tokens: greedy(tokens, tf.bfloat16)),
        # Without checks, which programs that a SavedModel is converted for do not have.
        "numeric": (greedy, specifications({"tokens": (tf.int32, (None,))})),
    }
    string = {source_name: examples[:1]}
    requests = dict.fromkeys(signatures, string) | {"numeric": {"tokens": source_symbols.tokens(examples).numpy()}}
    write_saved_model(folder, network, signatures, requests, half_precision)
    symbols = {"source": dataclasses.asdict(source_symbols), "target": dataclasses.asdict(target_symbols)}
    storage.write_json(Path(folder) / SYMBOLS, symbols)
    reading = source_symbols.symbols, source_symbols.lower_case, longest_source
    writing = target_symbols.symbols, target_symbols.separator
    preprocessing.write(folder, preprocessing.Symbols(*reading, *writing))
    write_padded_outputs(folder, ["symbols", "attention"])
    return _described(source, target, longest_source, beam_width, length_penalty)


def _described(source, target, longest_source, beam_width, length_penalty):
    (source, source_symbols), (target, target_symbols) = source, target
    characters, symbols = "".join(source_symbols.symbols), target_symbols.separator.join(target_symbols.symbols).strip()
    moving_on = twice = ""
    if "" in target_symbols.symbols:
        moving_on = ", and the one after them into no symbol: there the next character is read"
        twice = " Two that differ in where characters are read alone are the same string."
    return (
        f"All but the last take `{source}`, string `[batch]`, UTF-8, in Unicode's form NFC or with letter and accent "
        "apart where the characters\nhave both in one. Upper case is read as lower case, characters "
        f"other than `{characters}` are left out, and so is what follows the first {longest_source}. Where nothing is "
        "left, the output is an empty string with the score 0.\n\n"
        f"- `serving_default`: by greedy search `{target}`, string `[batch]`; `score`, float32 `[batch]`, the "
        "log-probability; and `attention`, float32 `[batch, steps, characters]`,\n  the weights with which each "
        "symbol, and the end, attends to each character that is read.\n"
        f"- `k_best`: by beam search the best {beam_width}, best first, `{target}`, string `[batch, {beam_width}]`, "
        f"and `score`, float32 `[batch, {beam_width}]`, the log-probability divided by the\n  length to the power of "
        f"{length_penalty:g}; minus infinity where there are fewer.{twice}\n"
        "- `bfloat16`: as `serving_default`, with the large products in bfloat16: faster for large batches where the "
        "processor has\n  instructions for it, several times as slow where it has none.\n"
        "- `numeric`: by greedy search without strings, from `tokens`, int32 `[batch, characters]`, to `symbols`, "
        "int32 `[batch, steps]`, with `score` and `attention`; both are indices, counted\n  from 2 and padded with 0 "
        "at the end, the tokens into the characters above, the symbols into "
        f"`{symbols}`{moving_on}."
    )


class SavedTranscriber(SavedFunction):
    """One signature of an exported transcriber.

    Args:
        folder: A version folder that `write_transcriber` wrote.
        signature: Name of the signature.

    Attributes:
        source_symbols: The `datasets.Symbols` that it reads.
        target_symbols: Those that it outputs.

    Raises:
        UserError: If it cannot be loaded, is no transcriber, or has no such signature.
    """

    def __init__(self, folder: str | os.PathLike, signature: str = "serving_default") -> None:
        super().__init__(folder, signature)
        self.source_symbols, self.target_symbols = read_symbols(folder)

    def transcribe(self, sources: Sequence[str], batch_size: int = 1000) -> list[tuple[str, ...]]:
        """Return for each string the symbols of its best output, a tuple, by a signature that takes strings.

        `batch_size` strings are computed at once.
        """
        # In batches of sources of about the same length: each takes as long as its longest.
        order = sorted(range(len(sources)), key=lambda index: len(sources[index]))
        (source_name,) = self.inputs
        (target_name,) = (name for name, spec in self.signature.structured_outputs.items() if spec.dtype == tf.string)
        sorted_sources = {source_name: [sources[index] for index in order]}
        strings = self.predict(batch_size, outputs=[target_name], **sorted_sources)[target_name]
        best = strings if strings.ndim == 1 else strings[:, 0]
        outputs = (tuple(self.target_symbols.split(string.decode())) for string in best)
        return [symbols for _, symbols in sorted(zip(order, outputs, strict=True))]


class CompressedTranscriber(CompressedFunction):
    """The signature `numeric` of an exported transcriber as a compressed file; attributes as of `SavedTranscriber`.

    Args:
        path: A compressed file of an export.

    Raises:
        UserError: If it cannot be loaded, or is none of a transcriber.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        super().__init__(path)
        self.source_symbols, self.target_symbols = read_symbols(version_folder(path))

    def transcribe(self, sources: Sequence[str], batch_size: int = 1000) -> list[tuple[str, ...]]:
        """Return for each string the symbols of its output by greedy search, a tuple."""
        batches = [sources[start : start + batch_size] for start in range(0, len(sources), batch_size)]
        tokens = (self.source_symbols.tokens(list(batch)) for batch in batches)
        rows = (row for batch in tokens for row in self.predict(batch_size, ["symbols"], tokens=batch)["symbols"])
        return [self.target_symbols.lookup(row) for row in rows]


def read_symbols(folder: str | os.PathLike) -> list[datasets.Symbols]:
    """Return the `datasets.Symbols` that an export reads and those that it outputs.

    Args:
        folder: A version folder.

    Raises:
        UserError: If it is no export of a transcriber.
    """
    path = Path(folder) / SYMBOLS
    if not path.exists():
        raise UserError(f"{folder} does not hold an exported transcriber: it has no {SYMBOLS}.")
    content = json.loads(path.read_text(encoding="utf-8"))
    return [
        datasets.Symbols(**{**content[which], "symbols": tuple(content[which]["symbols"])})
        for which in ("source", "target")
    ]
