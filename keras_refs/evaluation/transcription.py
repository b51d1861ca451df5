"""Scores and figures of transcriptions: sequences of symbols predicted for strings."""

import collections
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import ArrayLike
from rapidfuzz.distance import Levenshtein

from keras_refs.evaluation.figures import new_figure


def transcription_metrics(
    references: Sequence[Sequence[Sequence[str]]], predictions: Sequence[Sequence[str]]
) -> dict[str, Any]:
    """Return the error rates of transcriptions, each against the nearest of its references.

    Args:
        references: For each source all correct transcriptions, each a sequence of symbols.
        predictions: For each source the predicted sequence of symbols.

    Returns:
        A dictionary: `word_error_rate`, the fraction of predictions that equal none of their references;
        `symbol_error_rate`, insertions, deletions and substitutions against the nearest reference (the first of the
        shortest of equally near ones), over the number of symbols of these references; `examples`.
    """
    nearest = [_nearest_reference(*pair) for pair in zip(references, predictions, strict=True)]
    distances = [Levenshtein.distance(*pair) for pair in zip(nearest, predictions, strict=True)]
    return {
        "word_error_rate": float(np.mean(np.greater(distances, 0))) if distances else 0.0,
        "symbol_error_rate": sum(distances) / max(1, sum(map(len, nearest))),
        "examples": len(distances),
    }


def confusions(
    references: Sequence[Sequence[Sequence[str]]], predictions: Sequence[Sequence[str]]
) -> collections.Counter[tuple[str, str]]:
    """Count which wrong symbols are predicted for which symbols of the nearest references.

    Takes what `transcription_metrics` takes. Returns a `collections.Counter` by `(reference symbol, predicted symbol)`;
    of an insertion the first is empty, of a deletion the second.
    """
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for candidates, prediction in zip(references, predictions, strict=True):
        reference = _nearest_reference(candidates, prediction)
        for edit in Levenshtein.editops(reference, prediction):
            expected = "" if edit.tag == "insert" else reference[edit.src_pos]
            predicted = "" if edit.tag == "delete" else prediction[edit.dest_pos]
            counts[expected, predicted] += 1
    return counts


def _nearest_reference(references, prediction):
    return min(references, key=lambda reference: (Levenshtein.distance(reference, prediction), len(reference)))


@keras.saving.register_keras_serializable("keras_refs")
class SequenceAccuracy(keras.metrics.Mean):
    """Fraction of sequences in which every symbol is the most probable one, given the symbols before it.

    That is how often greedy decoding outputs exactly the target. Targets are one-hot, `(batch, steps, symbols)`, all 0
    where there is padding; predictions there do not count.
    """

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Accumulate a batch."""
        same = ops.equal(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1))
        padding = ops.logical_not(ops.any(ops.cast(y_true, "bool"), axis=-1))
        super().update_state(ops.all(ops.logical_or(same, padding), axis=-1), sample_weight)


def save_attention(
    sources: Sequence[str],
    predictions: Sequence[Sequence[str]],
    attention: np.ndarray,
    path: str | Path,
    columns: int = 4,
) -> None:
    """Draw which characters of a source each predicted symbol attends to, one panel per source.

    Sources are strings, predictions sequences of symbols, and `attention` has weights in [0, 1], `(sources, steps,
    characters)`, of which those beyond a sequence's end are not drawn; of an empty prediction, those of its end are.
    There are `columns` panels in a row.
    """
    rows = -(-len(sources) // columns)
    with new_figure(path, 3.2 * columns, 3.2 * rows, rows, columns) as panels:
        for axes, source, symbols, weights in zip(panels, sources, predictions, attention, strict=False):
            steps = symbols or ("(none)",)
            image = axes.imshow(weights[: len(steps), : len(source)], cmap="Blues", vmin=0, vmax=1, aspect="auto")
            axes.set_xticks(range(len(source)), source)
            axes.set_yticks(range(len(steps)), steps)
            axes.set_title(source, fontsize="medium")
        for axes in panels[len(sources) :]:
            axes.set_axis_off()
        axes.figure.colorbar(image, ax=panels, label="attention weight", shrink=0.6)


def save_error_by_length(
    lengths: ArrayLike, wrong: ArrayLike, label: str, path: str | Path, min_count: int = 20
) -> None:
    """Draw the error rate against the length of the source, over a histogram of the lengths.

    `lengths` has each source's length in characters, `wrong` booleans: whether its prediction is wrong. `label` says
    what the sources are. The error rate is drawn for lengths of at least `min_count` sources.
    """
    values, indices, counts = np.unique(lengths, return_inverse=True, return_counts=True)
    rates, frequent = np.bincount(indices, wrong) / counts, counts >= min_count
    # Two standard errors of a proportion.
    margins = 2 * np.sqrt(rates * (1 - rates) / counts)
    with new_figure(path, 6, 3.8) as (histogram,):
        histogram.bar(values, counts, color="lightgrey")
        histogram.set(xlabel="length in characters", ylabel=f"{label} in the test split")
        histogram.xaxis.get_major_locator().set_params(integer=True)
        errors = histogram.twinx()
        errors.errorbar(values[frequent], rates[frequent], margins[frequent], marker="o", capsize=3)
        errors.set(ylabel="error rate", ylim=(0, None))


def save_confusions(confusions: collections.Counter[tuple[str, str]], path: str | Path, count: int = 20) -> None:
    """Draw the most frequent confusions as bars.

    `confusions` is the result of the function of that name; `count` limits the number of bars.
    """
    frequent = sorted(confusions.items(), key=lambda item: (-item[1], item[0]))[:count]
    arrow = " \N{RIGHTWARDS ARROW} "
    names = [arrow.join(symbol or "(none)" for symbol in pair) for pair, _ in frequent]
    with new_figure(path, 6, 1 + 0.26 * max(4, len(frequent))) as (axes,):
        if not frequent:
            axes.text(0.5, 0.5, "no errors in the test split", ha="center", va="center", transform=axes.transAxes)
        axes.barh(range(len(frequent)), [number for _, number in frequent], tick_label=names)
        axes.invert_yaxis()
        axes.set(xlabel="count in the test split", ylabel=f"reference{arrow}predicted")
