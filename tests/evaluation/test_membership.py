import numpy as np
import pytest

from keras_refs import evaluation


def test_losses_that_do_not_overlap_give_every_member_away():
    attack = evaluation.membership_attack([0.1, 0.2, 0.3], [0.4, 0.5])
    assert (attack["advantage"], attack["area"]) == (1.0, 1.0)
    assert attack["threshold"] == pytest.approx(0.3)


def test_equal_losses_give_nothing_away():
    assert evaluation.membership_attack([0.0] * 5, [0.0] * 3)["advantage"] == 0
    # Higher losses of members are no reason to take others for them.
    assert evaluation.membership_attack([2.0, 3.0], [0.0, 1.0])["advantage"] == 0


def test_the_advantage_of_two_normal_distributions_is_their_distance():
    """Of means that are one standard deviation apart it is 2 Phi(1/2) - 1, at the threshold in the middle."""
    rng = np.random.default_rng(0)
    attack = evaluation.membership_attack(rng.normal(3, 1, 50_000), rng.normal(4, 1, 50_000))
    assert attack["advantage"] == pytest.approx(0.3829, abs=0.01)
    assert attack["threshold"] == pytest.approx(3.5, abs=0.1)
    # P(member < other) = Phi(1 / sqrt(2)).
    assert attack["area"] == pytest.approx(0.7602, abs=0.01)


def test_by_chance_the_advantage_is_as_small_as_it_says():
    rng = np.random.default_rng(0)
    found = [evaluation.membership_attack(*rng.normal(size=(2, 400)))["advantage"] for _ in range(100)]
    assert np.mean(found) == pytest.approx(0.9 / np.sqrt(400), rel=0.15)


@pytest.mark.parametrize("losses", [([], [1.0]), ([1.0], []), ([1.0, np.inf], [1.0]), ([np.nan], [1.0])])
def test_losses_that_tell_nothing_are_refused(losses):
    with pytest.raises(ValueError, match="all of them finite. Received: "):
        evaluation.membership_attack(*losses)


def test_attacks_are_drawn_with_their_advantages(figures, texts, tmp_path):
    found = evaluation.membership_attack([0.1, 0.2, 0.9], [0.3, 0.4, 0.5])
    evaluation.save_membership_attacks({"a model": found}, tmp_path / "attacks.png")
    curve, advantage, _ = figures[0].axes[0].lines
    assert [tuple(curve.get_xydata()[end]) for end in (0, -1)] == [(0, 0), (1, 1)]
    np.testing.assert_allclose(advantage.get_xydata(), [[0, 0], [0, 2 / 3]])
    names = ["a model (advantage 0.667)", "a guess (advantage 0)"]
    assert texts(figures[0].axes[0].get_legend().get_texts()) == names
