import numpy as np
import pytest

from keras_refs import evaluation


@pytest.mark.parametrize("metric", ["accuracy", "sequence_accuracy"])
def test_learning_curves_mark_the_best_epoch(figures, texts, history, tmp_path, metric):
    rows = [{"loss": 1.0, metric: 0.5, "val_loss": 1.1, f"val_{metric}": value} for value in (0.4, 0.6, 0.5)]
    labels = {"loss": "cross-entropy", metric: "fraction correct"}
    evaluation.save_learning_curves(history(f"val_{metric}", 1, rows), tmp_path / "curves.png", labels)
    loss, accuracy = figures[0].axes
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("cross-entropy", "fraction correct")
    np.testing.assert_array_equal(accuracy.lines[1].get_xydata(), [[1, 0.4], [2, 0.6], [3, 0.5]])
    assert texts(accuracy.get_legend().get_texts()) == ["training", "validation", "best epoch (2)"]


def test_gan_losses_stand_beside_the_distance(figures, texts, history, tmp_path):
    rows = [
        {"generator_loss": 1.0, "discriminator_loss": 0.7, "val_frechet_distance": 9.0},
        {"generator_loss": 2.0, "discriminator_loss": 0.6, "val_frechet_distance": 4.0},
    ]
    evaluation.save_gan_losses(history("val_frechet_distance", 1, rows), tmp_path / "losses.png")
    losses, distance = figures[0].axes
    np.testing.assert_array_equal([line.get_ydata() for line in losses.lines], [[1, 2], [0.7, 0.6]])
    assert texts(losses.get_legend().get_texts()) == ["generator", "discriminator"]
    np.testing.assert_array_equal(distance.lines[0].get_xydata(), [[1, 9], [2, 4]])
    assert distance.get_ylabel() == "validation Fréchet distance"
    assert texts(distance.get_legend().get_texts())[-1] == "best epoch (2)"


def test_memory_reaches_back_from_the_last_step(figures, texts, tmp_path):
    curves = {"lstm": [0.2, 0.1, 0.01], "rnn": [0.2, 0.17, 0.16]}
    norms = {"lstm": np.array([0.5, 1.0]), "rnn": np.array([1e-30, 1.0])}
    evaluation.save_memory(curves, 0.167, {"before": norms, "after": norms}, tmp_path / "memory.png")
    errors, gradients = figures[0].axes
    assert texts(errors.get_legend().get_texts()) == ["lstm", "rnn", "constant prediction (0.167)"]
    np.testing.assert_array_equal(errors.lines[0].get_xydata(), [[1, 0.2], [2, 0.1], [3, 0.01]])
    np.testing.assert_array_equal(gradients.lines[0].get_xydata(), [[1, 0.5], [0, 1]])
    assert texts(gradients.get_legend().get_texts()) == ["lstm, before", "rnn, before", "lstm, after", "rnn, after"]
    assert gradients.get_ylim()[0] == 1e-12
