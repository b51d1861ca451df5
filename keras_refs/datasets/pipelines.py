"""Data sets in memory, and batches of their examples, which follow from the examples, the seed and the step."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    import tensorflow_datasets as tfds


@dataclasses.dataclass(frozen=True)
class Examples:
    """Base of dataclasses whose fields are arrays or tuples with an entry for each example."""

    def __len__(self) -> int:
        return len(self.arrays[0])

    @property
    def arrays(self) -> tuple[Any, ...]:
        """All fields, in order."""
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    def take(self, indices: slice | np.ndarray) -> Self:
        """Return the examples at a slice or, of arrays, at an array of indices; what is on disk stays there."""
        arrays = (array.take(indices) if gathers(array) else array[indices] for array in self.arrays)
        return type(self)(*arrays)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """Examples by split, of which each tells its number by `len`, and what a data set's metadata say of them."""

    name: str
    train: Any
    validation: Any
    test: Any
    citation: str
    homepage: str

    @classmethod
    def from_builder(cls, name: str, builder: tfds.core.DatasetBuilder, splits: Iterable[Any], **fields: Any) -> Self:
        """Return a data set of a name, with what a TFDS builder says of it, three splits and fields of its own kind."""
        train, validation, test = splits
        about = {"name": name, "citation": builder.info.citation, "homepage": builder.info.homepage}
        return cls(train=train, validation=validation, test=test, **about, **fields)

    @classmethod
    def from_file(cls, path: str | Path, splits: Iterable[Any], **fields: Any) -> Self:
        """Return a data set of a user's file or folder, whose name it has, three splits and fields of its own kind."""
        train, validation, test = splits
        about = {"name": Path(path).resolve().name, "citation": "", "homepage": ""}
        return cls(train=train, validation=validation, test=test, **about, **fields)


@dataclasses.dataclass(frozen=True)
class Computed:
    """An array whose rows are computed when they are needed.

    Attributes:
        gather: Function from positions, an int64 tensor `(batch,)`, to the rows there, in a graph.
        shape: `(examples, ...)`.
    """

    gather: Callable[[tf.Tensor], tf.Tensor]
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return self.shape[0]


class Shard(NamedTuple):
    """The part of every training batch that one process reads: the one of a number, from 0, of so many equal ones."""

    index: int = 0
    count: int = 1

    def of(self, batch: Any) -> Any:
        """Return the part of a tensor that has a row for each example of the whole batch, whose number is static.

        Raises:
            ValueError: If the rows cannot be divided equally.
        """
        if self.count == 1:
            return batch
        rows = batch.shape[0]
        if rows % self.count:
            raise ValueError(f"A batch must be divisible by the number of parts, {self.count}. Received: {rows} rows")
        size = rows // self.count
        return batch[self.index * size : (self.index + 1) * size]


WHOLE = Shard()


def shuffled_batches(
    arrays: Sequence[Any],
    batch_size: int,
    seed: int,
    first_step: int,
    last_step: int,
    prepare: Callable[..., Any] | None = None,
    shard: Shard = WHOLE,
    sampled: bool = False,
) -> tf.data.Dataset:
    """Return the `tf.data.Dataset` of shuffled batches of the steps `first_step <= step < last_step`.

    Every epoch visits the examples in a new order; what does not fill a batch is left out of that epoch.

    Args:
        arrays: Arrays with an entry for each example.
        batch_size: Examples per batch, at most as many as there are.
        seed: Integer from which, with the step, order and `prepare`'s randomness follow.
        first_step: First step, counted over all epochs.
        last_step: The step to stop before.
        prepare: Function of `((seed, step), *batches)` that returns what to train on, in a graph; by default batches.
        shard: The `Shard` of each batch to read. What `prepare` draws, it draws for the whole batch.
        sampled: Poisson sampling in place of an order: every example is in a batch with the same probability, whatever
            else is in it. Batches then have `batch_size` examples on average.
    """
    gather, examples = _gather(arrays), len(arrays[0])
    steps_per_epoch = examples // batch_size

    def batch(step):
        epoch, step_in_epoch = step // steps_per_epoch, step % steps_per_epoch
        if sampled:
            chances = tf.random.stateless_uniform([examples], tf.stack([tf.constant(seed, tf.int64), step]))
            order = tf.where(chances < batch_size / examples)[:, 0]
        else:
            order = shuffled_range(examples, batch_size, seed, epoch, first=step_in_epoch * batch_size)
        batches = gather(shard.of(order))
        return prepare((seed, step), *batches) if prepare else batches

    return _map_in_order(tf.data.Dataset.range(first_step, last_step), batch, arrays)


def ordered_batches(
    arrays: Sequence[Any], batch_size: int, prepare: Callable[..., Any] | None = None
) -> tf.data.Dataset:
    """Return batches of every example once, in order; the last may be smaller. `prepare` is of the batches alone."""
    gather, examples = _gather(arrays), len(arrays[0])

    def batch(first):
        batches = gather(tf.range(first, tf.minimum(first + batch_size, examples)))
        return prepare(*batches) if prepare else batches

    return _map_in_order(tf.data.Dataset.range(0, examples, batch_size), batch, arrays)


def _gather(arrays):
    """Return a function from int64 positions to the examples of all arrays there."""
    functions = [
        array.gather if gathers(array) else functools.partial(tf.gather, tf.constant(array)) for array in arrays
    ]
    return lambda positions: tuple(function(positions) for function in functions)


def gathers(array: Any) -> bool:
    """Return whether an array has no examples in memory, as that of `StreamedImages`, and gathers them itself."""
    return hasattr(array, "gather")


def _map_in_order(numbers, batch, arrays):
    # One thread is enough to index memory, and several take time from the network.
    batches = numbers.map(batch, num_parallel_calls=os.cpu_count() if any(map(gathers, arrays)) else None)
    return without_autotune(batches.prefetch(4))


def without_autotune(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Switch off tf.data's tuning: an iterator that ends within ten seconds would wait for its thread until then."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def shuffled_range(
    examples: int, count: int | tf.Tensor, seed: int | tf.Tensor, epoch: int | tf.Tensor, first: int | tf.Tensor = 0
) -> tf.Tensor:
    """Return the `count` indices from position `first` on of an epoch's random order of all examples."""
    positions = tf.range(count, dtype=tf.int64) + first
    seeds = tf.stack([tf.constant(seed, tf.int64), epoch])
    return tf.random.experimental.index_shuffle(positions, seed=seeds, max_index=examples - 1)


def one_in(step: int, count: int) -> np.ndarray:
    """Return the indices of one in `step` of `count` examples, integers in ascending order.

    They are chosen at random, always the same ones, so that every hour of the day is among those of a series.
    """
    if step == 1:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, -(-count // step), replace=False))
