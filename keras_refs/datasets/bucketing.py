"""Batches of sequences of about the same length, and what a sequence-to-sequence network is trained on of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_refs.datasets.alignment import BOUNDARY
from keras_refs.datasets.pipelines import WHOLE, shuffled_range, without_autotune
from keras_refs.datasets.symbols import PADDING

if TYPE_CHECKING:
    from keras_refs.datasets.pipelines import Shard


def teacher_forcing(
    sources: tf.Tensor, targets: tf.Tensor, probabilities: tf.Tensor | None = None, *, num_target_symbols: int
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    """Return what `models.attention_seq2seq` is trained on; runs in a graph.

    At each step the decoder reads the target up to the step before; first it reads the boundary.

    Args:
        sources: int32 tokens `(batch, source steps)`, padded at the end.
        targets: int32 tokens `(batch, target steps)`, each ending with the boundary, padded at the end.
        probabilities: Those of each symbol at each step, `(batch, target steps, num_target_symbols)`, to learn in place
            of the symbols; `None` for the symbols.
        num_target_symbols: Number of different target tokens.

    Returns:
        The inputs, a dictionary of int32 `source` and `target`, and the probabilities or one-hot targets, float32
        `(batch, target steps, num_target_symbols)`, all 0 where there is padding.
    """
    previous = tf.pad(targets[:, :-1], [[0, 0], [1, 0]], constant_values=BOUNDARY)
    is_token = targets != PADDING
    learned = tf.one_hot(targets, num_target_symbols) if probabilities is None else tf.cast(probabilities, tf.float32)
    learned *= tf.cast(is_token[:, :, tf.newaxis], tf.float32)
    return {"source": tf.convert_to_tensor(sources), "target": tf.where(is_token, previous, PADDING)}, learned


def bucketed_batches(
    arrays: Sequence[Any],
    batch_size: int,
    seed: int,
    first_step: int,
    last_step: int,
    prepare: Callable[..., Any] | None = None,
    shard: Shard = WHOLE,
) -> tf.data.Dataset:
    """Return shuffled batches of sequences of about the same length, truncated to the longest of the batch.

    As with `shuffled_batches`, whose arguments these are, an epoch leaves out what does not fill a batch. Examples are
    sorted by length, those of equal length in random order, and the batches shuffled. The arrays are tokens `(examples,
    steps)`, padded at the end, of which the length in the last one counts first; or they have one axis, as labels do;
    or three, `(examples, steps, ...)`, and the lengths of the tokens before them.
    `prepare` is a function of the batches alone. A shard has as many steps as the whole batch. If its targets are
    sequences, weights come with what `prepare` returns, float32 `(examples, steps)`: a loss is the mean over the tokens
    of a shard, and shards have different numbers of them. With the weights, the mean of their losses is the whole's.
    """
    tensors = tuple(map(tf.constant, arrays))
    tokens = [tensor for tensor in tensors if tensor.shape.rank == 2]
    lengths = [tf.math.count_nonzero(each, axis=1, dtype=tf.int32) for each in tokens]
    examples = len(arrays[0])
    steps_per_epoch = examples // batch_size

    def batches_of(epoch):
        order = shuffled_range(examples, steps_per_epoch * batch_size, seed, epoch)
        for length in lengths:
            order = tf.gather(order, tf.argsort(tf.gather(length, order), stable=True))
        batches = tf.reshape(order, [steps_per_epoch, batch_size])
        order_of_batches = shuffled_range(steps_per_epoch, steps_per_epoch, seed + 1, epoch)
        return tf.data.Dataset.from_tensor_slices(tf.gather(batches, order_of_batches))

    def batch(order):
        longest = iter([tf.reduce_max(tf.gather(length, order)) for length in lengths])
        batches, steps = [tf.gather(tensor, shard.of(order)) for tensor in tensors], None
        for number, batch in enumerate(batches):
            steps = next(longest) if batch.shape.rank == 2 else steps
            batches[number] = batch[:, :steps] if batch.shape.rank > 1 else batch
        prepared = prepare(*batches) if prepare else batches
        if shard.count == 1 or batches[-1].shape.rank == 1:
            return prepared
        counts = tf.cast(tf.gather(lengths[-1], order), tf.float32)
        weight = shard.count * tf.reduce_sum(shard.of(counts)) / tf.reduce_sum(counts)
        return *prepared, tf.fill(tf.shape(batches[-1])[:2], weight)

    epochs = tf.data.Dataset.range(first_step // steps_per_epoch, -(-last_step // steps_per_epoch))
    batches = epochs.flat_map(batches_of).skip(first_step % steps_per_epoch).take(last_step - first_step)
    return without_autotune(batches.map(batch).prefetch(4))


def without_padding(tokens: Any) -> Any:
    """Return tokens `(batch, steps)` up to the end of the longest sequence, without the padding that none needs."""
    return tokens[:, : tf.reduce_max(tf.math.count_nonzero(tokens, axis=1))]
