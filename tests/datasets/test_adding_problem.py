import numpy as np
import pytest

from keras_refs import datasets


@pytest.mark.parametrize("length", [2, 7, 100])
def test_one_value_of_each_half_is_marked(length):
    sequences, sums = (tensor.numpy() for tensor in datasets.make_sequences(500, length, (0, 1)))
    values, marks = sequences[..., 0], sequences[..., 1]
    assert sequences.shape == (500, length, 2)
    assert (values >= 0).all()
    assert (values < 1).all()
    assert set(np.unique(marks)) <= {0, 1}
    assert (marks[:, : length // 2].sum(axis=1) == 1).all()
    assert (marks.sum(axis=1) == 2).all()
    np.testing.assert_allclose(sums[:, 0], (values * marks).sum(axis=1), atol=1e-6)
    # Every step of each half is chosen at some time.
    assert (marks[:, :7].sum(axis=0) > 0).all()
    assert np.mean((sums - 1) ** 2) == pytest.approx(1 / 6, rel=0.2)


def test_batches_follow_from_seed_and_step():
    whole = list(datasets.adding_problem_batches(10, 4, seed=3, first_step=0, last_step=3))
    resumed = next(iter(datasets.adding_problem_batches(10, 4, seed=3, first_step=2, last_step=3)))
    np.testing.assert_array_equal(whole[2][0], resumed[0])
    assert not np.array_equal(whole[0][0], whole[1][0])
    shard = datasets.Shard(1, 2)
    (sequences, sums), *_ = datasets.adding_problem_batches(10, 4, seed=3, first_step=2, last_step=3, shard=shard)
    np.testing.assert_array_equal(sequences, whole[2][0][2:])
    np.testing.assert_array_equal(sums, whole[2][1][2:])


def test_held_out_sequences_are_the_same_for_every_training_and_seen_by_none():
    problem = datasets.AddingProblem.of(10, examples_per_epoch=100, test_examples=50)
    again = datasets.AddingProblem.of(10, examples_per_epoch=999, test_examples=50)
    np.testing.assert_array_equal(problem.test.sequences, again.test.sequences)
    assert not np.isin(problem.test.sums, problem.validation.sums).any()
    assert len(problem.train) == 100
