"""The adding problem: made as it is needed, so that no example comes twice.

Source: Hochreiter & Schmidhuber 1997, "Long short-term memory", experiment 4, in the form that Martens & Sutskever 2011
and others use: values in [0, 1], one marked in each half.
"""

import dataclasses

import numpy as np
import tensorflow as tf

from keras_refs.datasets.pipelines import without_autotune

CITATION = """@article{hochreiter1997long,
  title={Long short-term memory},
  author={Hochreiter, Sepp and Schmidhuber, J{\\"u}rgen},
  journal={Neural computation},
  volume={9},
  number={8},
  pages={1735--1780},
  year={1997}
}"""

# No seed of a training reaches it.
_HELD_OUT_SEED = 2**31


@dataclasses.dataclass(frozen=True)
class Sequences:
    """Sequences float32 `(examples, length, 2)`, and the sums to tell, float32 `(examples, 1)`."""

    sequences: np.ndarray
    sums: np.ndarray

    def __len__(self):
        return len(self.sums)


@dataclasses.dataclass(frozen=True)
class AddingProblem:
    """The sequences of one length; `train` has a length and no examples."""

    length: int
    train: range
    validation: Sequences
    test: Sequences
    name: str = "adding_problem"
    homepage: str = "https://doi.org/10.1162/neco.1997.9.8.1735"
    citation: str = CITATION

    @classmethod
    def of(cls, length, train_examples, test_examples=2000):
        """Make the validation and test sequences, the same for every seed of a training."""
        held_out = [
            Sequences(*(tensor.numpy() for tensor in make_sequences(test_examples, length, (_HELD_OUT_SEED, part))))
            for part in range(2)
        ]
        return cls(length, range(train_examples), *held_out)


def make_sequences(examples, length, seeds):
    """Return sequences and the sum of the two values that are marked in each.

    Args:
        examples: How many.
        length: Steps of each, at least 2.
        seeds: Two integers; the same ones make the same sequences.

    Returns:
        `(sequences, sums)`: float32 `(examples, length, 2)`, a value in [0, 1) and a mark, 1 at one step of each half
        and 0 elsewhere; and float32 `(examples, 1)`. Whoever always answers 1 has a mean squared error of 1/6.
    """
    value_seed, first_seed, second_seed = tf.unstack(tf.random.experimental.stateless_split(seeds, 3))
    values = tf.random.stateless_uniform([examples, length], value_seed)
    first = tf.random.stateless_uniform([examples], first_seed, 0, length // 2, tf.int32)
    second = tf.random.stateless_uniform([examples], second_seed, length // 2, length, tf.int32)
    marks = tf.one_hot(first, length) + tf.one_hot(second, length)
    return tf.stack([values, marks], axis=2), tf.reduce_sum(values * marks, axis=1, keepdims=True)


def adding_problem_batches(length, batch_size, seed, first_step, last_step):
    """Return the `tf.data.Dataset` of `(sequences, sums)` of the steps `first_step <= step < last_step`."""
    steps = tf.data.Dataset.range(first_step, last_step)
    return without_autotune(steps.map(lambda step: make_sequences(batch_size, length, (seed, step))).prefetch(4))
