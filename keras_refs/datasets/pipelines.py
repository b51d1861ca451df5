"""From a split in memory to batches: a pure function of the split, the seed and the step.

Because batch number `step` can be made without making those before it, a run that was stopped goes on with
exactly the batches an unbroken run would have seen.
"""

import tensorflow as tf


def shuffled_batches(arrays, batch_size, seed, first_step, last_step, prepare=None):
    """Return the shuffled batches of the steps `first_step <= step < last_step`.

    Every epoch of `examples // batch_size` steps visits the examples in a new order; what does not fill a batch is
    left out of that epoch.

    Args:
        arrays: Arrays with an entry for each example.
        batch_size: Examples a batch, at most as many as there are.
        seed: Integer from which, with the step, order and `prepare`'s randomness follow.
        first_step: First step, counted over all epochs.
        last_step: The step to stop before.
        prepare: Function of `((seed, step), *batches)` that returns what to train on, in a graph; by default the
            batches of the arrays themselves.

    Returns:
        A `tf.data.Dataset`.
    """
    tensors, examples = tuple(map(tf.constant, arrays)), len(arrays[0])

    def batch(step):
        order = _shuffled(step, examples, batch_size, seed)
        taken = tuple(tf.gather(tensor, order) for tensor in tensors)
        return prepare((seed, step), *taken) if prepare else taken

    return without_autotune(tf.data.Dataset.range(first_step, last_step).map(batch).prefetch(4))


def bucketed_batches(arrays, lengths, batch_size, seed, first_step, last_step, prepare=None):
    """Return shuffled batches of sequences of about the same length, cut to the longest of the batch.

    As with `shuffled_batches` an epoch visits the examples in a new order, and leaves out what does not fill a batch.
    They are sorted by length first, the order among equal lengths being random, and the batches are shuffled then.

    Args:
        arrays: Arrays `(examples, steps, ...)`, padded at the end.
        lengths: For each array the int32 steps of its examples that are no padding. The last array's come first in
            sorting.
        batch_size: Examples a batch, at most as many as there are.
        seed: Integer from which, with the step, order and `prepare`'s randomness follow.
        first_step: First step, counted over all epochs.
        last_step: The step to stop before.
        prepare: Function of the batches that returns what to train on, in a graph; by default the batches themselves.

    Returns:
        A `tf.data.Dataset`.
    """
    tensors, steps = tuple(map(tf.constant, arrays)), tuple(map(tf.constant, lengths))
    examples = len(arrays[0])
    steps_per_epoch = examples // batch_size

    def batches_of(epoch):
        order = _shuffled_range(examples, steps_per_epoch * batch_size, seed, epoch)
        for length in steps:
            order = tf.gather(order, tf.argsort(tf.gather(length, order), stable=True))
        batches = tf.reshape(order, [steps_per_epoch, batch_size])
        return tf.data.Dataset.from_tensor_slices(
            tf.gather(batches, _shuffled_range(steps_per_epoch, steps_per_epoch, seed + 1, epoch))
        )

    def batch(order):
        taken = tuple(
            tf.gather(tensor, order)[:, : tf.reduce_max(tf.gather(length, order))]
            for tensor, length in zip(tensors, steps, strict=True)
        )
        return prepare(*taken) if prepare else taken

    epochs = tf.data.Dataset.range(first_step // steps_per_epoch, -(-last_step // steps_per_epoch))
    batches = epochs.flat_map(batches_of).skip(first_step % steps_per_epoch).take(last_step - first_step)
    return without_autotune(batches.map(batch).prefetch(4))


def ordered_batches(arrays, batch_size, prepare=None):
    """Return batches of every example once, in order; the last may be smaller. `prepare` is of the batches alone."""
    dataset = tf.data.Dataset.from_tensor_slices(tuple(arrays)).batch(batch_size)
    return without_autotune((dataset.map(prepare) if prepare else dataset).prefetch(2))


def training_batches(split, num_classes, batch_size, seed, first_step, last_step, horizontal_flip=False, shift=0):
    """Return the shuffled, augmented batches of the steps `first_step <= step < last_step`, as `shuffled_batches` does.

    Args:
        split: A `Split`.
        num_classes: Number of classes.
        batch_size: Examples a batch, at most `len(split)`.
        seed: Integer from which, with the step, order and augmentation follow.
        first_step: First step, counted over all epochs.
        last_step: The step to stop before.
        horizontal_flip: Whether to mirror every other image.
        shift: Largest number of pixels to move an image by, in either direction of both axes; what comes in at
            the border is black.

    Returns:
        A `tf.data.Dataset` of `(images, targets)`: uint8 `(batch_size, height, width, channels)` and float32
        one-hot `(batch_size, num_classes)`.
    """

    def augment(seeds, images, labels):
        if horizontal_flip or shift:
            images = _flip_and_shift(images, seeds, horizontal_flip, shift)
        return images, tf.one_hot(labels, num_classes)

    return shuffled_batches((split.images, split.labels), batch_size, seed, first_step, last_step, augment)


def evaluation_batches(split, num_classes, batch_size):
    """Return `(images, targets)` of every example once, in order; the last batch may be smaller."""
    return ordered_batches(
        (split.images, split.labels), batch_size, lambda images, labels: (images, tf.one_hot(labels, num_classes))
    )


def without_autotune(dataset):
    """Switch off tf.data's tuning: an iterator that ends within ten seconds would wait for its thread until then."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def _shuffled(step, examples, batch_size, seed):
    """Return the indices of the examples of a step: every epoch, counted in steps, has an order of its own."""
    steps_per_epoch = examples // batch_size
    epoch, step_in_epoch = step // steps_per_epoch, step % steps_per_epoch
    return _shuffled_range(examples, batch_size, seed, epoch, step_in_epoch * batch_size)


def _shuffled_range(examples, count, seed, epoch, first=0):
    """Return what stands in `count` places from the first on, after the indices of all examples are shuffled."""
    positions = tf.range(count, dtype=tf.int64) + first
    seeds = tf.stack([tf.constant(seed, tf.int64), epoch])
    return tf.random.experimental.index_shuffle(positions, seed=seeds, max_index=examples - 1)


def _flip_and_shift(images, seed, horizontal_flip, shift):
    """Mirror and move every image by its own draw, in one projective transform for the whole batch."""
    batch_size, (height, width) = tf.shape(images)[0], images.shape[1:3]
    flip_seed, row_seed, column_seed = tf.unstack(tf.random.experimental.stateless_split(seed, 3))
    mirrored = tf.random.stateless_uniform([batch_size], flip_seed) < (0.5 if horizontal_flip else 0.0)
    moves = [
        tf.random.stateless_uniform([batch_size], key, -shift, shift + 1, tf.int32) for key in (row_seed, column_seed)
    ]
    rows, columns = (tf.cast(move, tf.float32) for move in moves)
    zeros, ones = tf.zeros([batch_size]), tf.ones([batch_size])
    # The transform maps output to input coordinates: column -> scale * column + offset.
    scale = tf.where(mirrored, -ones, ones)
    offset = tf.where(mirrored, width - 1.0, 0.0) + columns
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([scale, zeros, offset, zeros, ones, rows, zeros, zeros], axis=1),
        output_shape=[height, width],
        fill_value=0.0,
        interpolation="NEAREST",
        fill_mode="CONSTANT",
    )
