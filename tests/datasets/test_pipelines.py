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


@pytest.fixture(scope="module")
def sequences():
    """Numbers that tell example and step, padded, and how many there are of each; two arrays of similar lengths."""
    rng = np.random.default_rng(0)
    first = rng.integers(2, 20, 1003)
    lengths = [first.astype("int32"), (first + rng.integers(-1, 2, 1003)).astype("int32")]
    numbers = np.arange(1003)[:, None] * 100 + np.arange(20) + 1
    return [numbers * (np.arange(20) < length[:, None]) for length in lengths], lengths


def bucketed(sequences, first, last, seed=0):
    made = datasets.bucketed_batches(*sequences, 16, seed, first, last)
    return [[part.numpy() for part in batch] for batch in made]


def test_an_epoch_of_buckets_visits_every_example_once_and_whole(sequences):
    steps, orders = 1003 // 16, []
    batches = bucketed(sequences, 0, 2 * steps)
    for epoch in (batches[:steps], batches[steps:]):
        rows = np.concatenate([batch[0][:, 0] // 100 for batch in epoch])
        assert len(set(rows)) == steps * 16
        orders.append(rows)
        for arrays in epoch:
            for array, length in zip(arrays, sequences[1], strict=True):
                expected = length[arrays[0][:, 0] // 100]
                assert array.shape[1] == expected.max()
                np.testing.assert_array_equal(np.count_nonzero(array, axis=1), expected)
    assert not np.array_equal(*orders)


def test_few_positions_of_buckets_are_padding(sequences):
    arrays = [array for batch in bucketed(sequences, 0, 1003 // 16) for array in batch]
    assert sum(map(np.count_nonzero, arrays)) > 0.9 * sum(array.size for array in arrays)


def test_buckets_follow_from_seed_and_step_alone(sequences):
    whole = bucketed(sequences, 0, 130)
    for first, last in ((5, 9), (60, 70), (62, 130), (129, 130)):
        for batch, expected in zip(bucketed(sequences, first, last), whole[first:last], strict=True):
            for part, expected_part in zip(batch, expected, strict=True):
                np.testing.assert_array_equal(part, expected_part)
    assert not np.array_equal(bucketed(sequences, 0, 1, seed=1)[0][0], whole[0][0])


def test_buckets_come_in_any_order(sequences):
    """Not short ones first: the steps of an epoch should not drift."""
    longest = [batch[1].shape[1] for batch in bucketed(sequences, 0, 1003 // 16)]
    assert abs(np.corrcoef(longest, range(len(longest)))[0, 1]) < 0.5
