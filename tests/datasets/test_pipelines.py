import numpy as np
import pytest

from keras_refs import datasets

SPLIT = datasets.Split(np.arange(50 * 4 * 5, dtype=np.uint8).reshape(50, 4, 5, 1), np.arange(50) % 3)


def batches(first_step, last_step, seed=0, **arguments):
    dataset = datasets.training_batches(SPLIT, 3, 8, seed, first_step, last_step, **arguments)
    return [(images.numpy(), targets.numpy()) for images, targets in dataset]


def examples(some_batches):
    """Return a key for each image; without augmentation its first pixel tells which it is."""
    return [int(image[0, 0, 0]) for images, _ in some_batches for image in images]


def test_an_epoch_visits_examples_once_and_every_epoch_in_another_order():
    first, second = examples(batches(0, 6)), examples(batches(6, 12))
    assert len(set(first)) == len(set(second)) == 48
    assert first != second


def test_labels_stay_with_their_images():
    label_of = {int(image[0, 0, 0]): label for image, label in zip(SPLIT.images, SPLIT.labels, strict=True)}
    for images, targets in batches(0, 6):
        assert targets.shape == (8, 3)
        np.testing.assert_array_equal(targets.argmax(axis=1), [label_of[int(image[0, 0, 0])] for image in images])


@pytest.mark.parametrize("augmentation", [{}, {"horizontal_flip": True, "shift": 1}])
def test_a_stopped_run_goes_on_with_the_same_batches(augmentation):
    unbroken, resumed = batches(0, 12, **augmentation), batches(4, 12, **augmentation)
    for one, other in zip(unbroken[4:], resumed, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_seeds_differ():
    assert examples(batches(0, 6, seed=0)) != examples(batches(0, 6, seed=1))


def test_augmentation_mirrors_and_moves_by_whole_pixels():
    """Every augmented image is one of the 2 x 3 x 3 that a flip and a move by one pixel can make of it."""
    originals = np.concatenate([images for images, _ in batches(0, 60)])
    augmented = np.concatenate([images for images, _ in batches(0, 60, horizontal_flip=True, shift=1)])
    seen = set()
    for original, image in zip(originals, augmented, strict=True):
        variants = {}
        for flip in (False, True):
            mirrored = original[:, ::-1] if flip else original
            padded = np.pad(mirrored, ((1, 1), (1, 1), (0, 0)))
            for row in range(3):
                for column in range(3):
                    variants[flip, row, column] = padded[row : row + 4, column : column + 5]
        matches = [key for key, variant in variants.items() if np.array_equal(variant, image)]
        assert matches
        seen.update(matches)
    assert len(seen) == 18


def test_evaluation_covers_every_example_in_order():
    parts = list(datasets.evaluation_batches(SPLIT, 3, batch_size=16))
    assert [len(images) for images, _ in parts] == [16, 16, 16, 2]
    np.testing.assert_array_equal(np.concatenate([images for images, _ in parts]), SPLIT.images)
    np.testing.assert_array_equal(np.concatenate([targets for _, targets in parts]).argmax(axis=1), SPLIT.labels)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_parts_of_all_processes_are_the_batches_of_one(count):
    """Order, flips and translations are drawn for the whole batch."""
    augmentation = {"horizontal_flip": True, "shift": 1}
    parts = [batches(0, 12, shard=datasets.Shard(index, count), **augmentation) for index in range(count)]
    for whole, *shards in zip(batches(0, 12, **augmentation), *parts, strict=True):
        for values, *of_shards in zip(whole, *shards, strict=True):
            assert {len(part) for part in of_shards} == {8 // count}
            np.testing.assert_array_equal(values, np.concatenate(of_shards))


def test_a_batch_that_cannot_be_divided_is_refused():
    with pytest.raises(ValueError, match="A batch must be divisible by the number of parts, 3. Received: 8 rows"):
        batches(0, 1, shard=datasets.Shard(0, 3))
