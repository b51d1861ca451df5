"""From examples in memory to batches, which follow from the examples, the seed and the step."""

import tensorflow as tf


def shuffled_batches(arrays, batch_size, seed, first_step, last_step, prepare=None):
    """Return the `tf.data.Dataset` of shuffled batches of the steps `first_step <= step < last_step`.

    Every epoch of `examples // batch_size` steps visits the examples in a new order; what does not fill a batch is
    left out of that epoch.

    Args:
        arrays: Arrays with an entry for each example.
        batch_size: Examples per batch, at most as many as there are.
        seed: Integer from which, with the step, order and `prepare`'s randomness follow.
        first_step: First step, counted over all epochs.
        last_step: The step to stop before.
        prepare: Function of `((seed, step), *batches)` that returns what to train on, in a graph; by default the
            batches of the arrays themselves.
    """
    tensors, examples = tuple(map(tf.constant, arrays)), len(arrays[0])
    steps_per_epoch = examples // batch_size

    def batch(step):
        epoch, step_in_epoch = step // steps_per_epoch, step % steps_per_epoch
        order = shuffled_range(examples, batch_size, seed, epoch, first=step_in_epoch * batch_size)
        batches = tuple(tf.gather(tensor, order) for tensor in tensors)
        return prepare((seed, step), *batches) if prepare else batches

    return without_autotune(tf.data.Dataset.range(first_step, last_step).map(batch).prefetch(4))


def ordered_batches(arrays, batch_size, prepare=None):
    """Return batches of every example once, in order; the last may be smaller. `prepare` is of the batches alone."""
    dataset = tf.data.Dataset.from_tensor_slices(tuple(arrays)).batch(batch_size)
    return without_autotune((dataset.map(prepare) if prepare else dataset).prefetch(2))


def without_autotune(dataset):
    """Switch off tf.data's tuning: an iterator that ends within ten seconds would wait for its thread until then."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def shuffled_range(examples, count, seed, epoch, first=0):
    """Return the `count` indices from position `first` on of an epoch's random order of all examples."""
    positions = tf.range(count, dtype=tf.int64) + first
    seeds = tf.stack([tf.constant(seed, tf.int64), epoch])
    return tf.random.experimental.index_shuffle(positions, seed=seeds, max_index=examples - 1)
