"""How far transcriptions are from the right ones."""

import collections

import keras
import numpy as np
from keras import ops
from rapidfuzz.distance import Levenshtein


def transcription_metrics(references, answers):
    """Return the error rates of transcriptions, each against the nearest of those that are right.

    Args:
        references: For each source all right transcriptions, each a sequence of symbols.
        answers: For each source the sequence of symbols to score.

    Returns:
        A dictionary: `word_error_rate`, the share of answers that equal none of their references; `symbol_error_rate`,
        insertions, deletions and substitutions to the nearest reference (the first of the shortest among equally near
        ones), over the symbols of these references; `examples`.
    """
    nearest = [nearest_reference(known, answer) for known, answer in zip(references, answers, strict=True)]
    distances = [Levenshtein.distance(near, answer) for near, answer in zip(nearest, answers, strict=True)]
    return {
        "word_error_rate": float(np.mean(np.greater(distances, 0))) if distances else 0.0,
        "symbol_error_rate": sum(distances) / max(1, sum(map(len, nearest))),
        "examples": len(distances),
    }


def nearest_reference(references, answer):
    """Return the reference with the fewest edits to an answer; the first of the shortest among equally near ones."""
    return min(references, key=lambda reference: (Levenshtein.distance(reference, answer), len(reference)))


def confusions(references, answers):
    """Count which symbols stand in answers for which of the nearest references; an empty symbol means none."""
    counts = collections.Counter()
    for known, answer in zip(references, answers, strict=True):
        near = nearest_reference(known, answer)
        for edit in Levenshtein.editops(near, answer):
            right = "" if edit.tag == "insert" else near[edit.src_pos]
            said = "" if edit.tag == "delete" else answer[edit.dest_pos]
            counts[right, said] += 1
    return counts


@keras.saving.register_keras_serializable("keras_refs")
class SequenceAccuracy(keras.metrics.Mean):
    """Share of sequences of which every symbol is the likeliest one, given those before it.

    That is how often greedy decoding gives exactly the target. Targets are one-hot, `(batch, steps, symbols)`, all 0
    where there is padding; what is predicted there does not count.
    """

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count a batch."""
        same = ops.equal(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1))
        padding = ops.logical_not(ops.any(ops.cast(y_true, "bool"), axis=-1))
        super().update_state(ops.all(ops.logical_or(same, padding), axis=-1), sample_weight)
