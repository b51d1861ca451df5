"""The adding problem: sequences are generated as they are needed, so that none is seen twice.

Source: Hochreiter & Schmidhuber 1997, "Long short-term memory", experiment 4, in the form of Martens & Sutskever 2011.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
import tensorflow as tf

from keras_refs.datasets.pipelines import WHOLE, Dataset, Examples, without_autotune

if TYPE_CHECKING:
    from keras_refs.datasets.pipelines import Shard

CITATION = """@article{hochreiter1997long,
  title={Long short-term memory},
  author={Hochreiter, Sepp and Schmidhuber, J{\\"u}rgen},
  journal={Neural computation},
  volume={9},
  number={8},
  pages={1735--1780},
  year={1997}
}"""

# Greater than any seed of a training run.
_HELD_OUT_SEED = 2**31


@dataclasses.dataclass(frozen=True)
class Sequences(Examples):
    """Sequences float32 `(examples, length, 2)`, and the sums to predict, float32 `(examples, 1)`."""

    sequences: np.ndarray
    sums: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class AddingProblem(Dataset):
    """The sequences of one length; `train` has a length and no examples: `adding_problem_batches` generates them."""

    length: int
    name: str = "adding_problem"
    homepage: str = "https://doi.org/10.1162/neco.1997.9.8.1735"
    citation: str = CITATION

    @classmethod
    def of(cls, length: int, examples_per_epoch: int, test_examples: int = 2000) -> Self:
        """Generate sequences to validate on, and as many others to score on, the same for every seed of a training run.

        A sequence has `length` steps, at least 2; `train` has the length `examples_per_epoch`.
        """

        def held_out(part):
            sequences, sums = make_sequences(test_examples, length, (_HELD_OUT_SEED, part))
            return Sequences(sequences.numpy(), sums.numpy())

        return cls(length=length, train=range(examples_per_epoch), validation=held_out(0), test=held_out(1))


def make_sequences(examples: int, length: int, seeds: Sequence[int]) -> tuple[tf.Tensor, tf.Tensor]:
    """Return sequences and the sum of the two values that are marked in each.

    Args:
        examples: Number of sequences.
        length: Steps per sequence, at least 2.
        seeds: Two integers, from which the sequences follow.

    Returns:
        `(sequences, sums)`: float32 `(examples, length, 2)`, a value in [0, 1) and a mark, 1 at one step of each half
        and 0 elsewhere; and float32 `(examples, 1)`. The best constant prediction, 1, has a mean squared error of 1/6.
    """
    value_seed, first_seed, second_seed = tf.unstack(tf.random.experimental.stateless_split(seeds, 3))
    values = tf.random.stateless_uniform([examples, length], value_seed)
    first = tf.random.stateless_uniform([examples], first_seed, 0, length // 2, tf.int32)
    second = tf.random.stateless_uniform([examples], second_seed, length // 2, length, tf.int32)
    marks = tf.one_hot(first, length) + tf.one_hot(second, length)
    return tf.stack([values, marks], axis=2), tf.reduce_sum(values * marks, axis=1, keepdims=True)


def adding_problem_batches(
    length: int, batch_size: int, seed: int, first_step: int, last_step: int, shard: Shard = WHOLE
) -> tf.data.Dataset:
    """Return the `tf.data.Dataset` of `(sequences, sums)` of the steps `first_step <= step < last_step`, or a shard.

    Each is what `make_sequences` returns for `batch_size` examples of `length` steps, from an integer `seed` and the
    step.
    """

    def batch(step):
        sequences, sums = make_sequences(batch_size, length, (seed, step))
        return shard.of(sequences), shard.of(sums)

    return without_autotune(tf.data.Dataset.range(first_step, last_step).map(batch).prefetch(4))
