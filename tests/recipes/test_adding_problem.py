import numpy as np
import pytest

from keras_refs import evaluate, export
from keras_refs.recipes import adding_problem
from tests import checks


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adding")
    config = adding_problem.Config(length=6, units=24, epochs=12, examples_per_epoch=3200, learning_rate=0.02)
    recipe = adding_problem.Recipe(config)
    return recipe, recipe.train_and_evaluate(folder / "run", folder / "models"), folder


def test_both_networks_add_over_a_short_time(trained):
    _, metrics, folder = trained
    mse = metrics["test"]["mse"]
    assert mse["always 1"] == pytest.approx(1 / 6, rel=0.1)
    assert mse["lstm"] < 0.01
    assert mse["simple_rnn"] < 0.03
    assert {path.name for path in (folder / "run" / "figures").iterdir()} == {"memory.png"}
    assert {"lstm_loss", "val_simple_rnn_loss"} < set(metrics["history"][0])


def test_export_takes_sequences_of_any_length_in_a_clean_process(trained, tmp_path):
    recipe, metrics, _ = trained
    sequence = recipe.data.test.sequences[:50]
    outputs = export.SavedFunction(metrics["export"]).predict(sequence=sequence)
    assert np.mean((outputs["lstm"] - recipe.data.test.sums[:50]) ** 2) < 0.02
    checks.check_answers_in_a_clean_process(
        metrics["export"], "serving_default", {"sequence": sequence}, outputs, tmp_path, rtol=1e-5
    )
    assert export.SavedFunction(metrics["export"]).predict(sequence=np.zeros((1, 9, 2)))["lstm"].shape == (1, 1)


def test_one_loss_does_not_train_the_other_network(trained):
    recipe, _, _ = trained
    model = recipe.build_model()
    inputs, sums = recipe.data.test.sequences[:8], recipe.data.test.sums[:8]
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(inputs)["simple_rnn"] - sums) ** 2)
    lstm = model.get_layer("lstm").trainable_variables
    assert all(gradient is None for gradient in tape.gradient(loss, [variable.value for variable in lstm]))


def test_other_data_are_refused(trained, capsys):
    _, metrics, _ = trained
    assert evaluate.main([metrics["export"], "--dataset", "nyse"]) == 2
    assert "adding_problem makes its own data; --dataset and --data-dir are not for it." in capsys.readouterr().err
