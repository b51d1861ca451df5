import itertools

import numpy as np
import pytest
import tensorflow as tf

from keras_refs import datasets, evaluate, evaluation, export, settings
from keras_refs.recipes import adding_problem
from tests import checks

CONFIG = settings.override(
    adding_problem.Config(), length=6, units=24, epochs=16, examples_per_epoch=3200, learning_rate=0.02
)


@pytest.fixture(scope="module")
def data():
    return datasets.AddingProblem.of(**vars(CONFIG.problem))


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return tmp_path_factory.mktemp("adding") / "run"


@pytest.fixture(scope="module")
def metrics(workdir):
    return adding_problem.train_and_evaluate(CONFIG, workdir, workdir.parent / "models")


def test_all_networks_add_over_a_short_time(metrics, workdir):
    mse = metrics["test"]["mse"]
    assert mse["always 1"] == pytest.approx(1 / 6, rel=0.1)
    assert mse["self_attention"] < 0.01
    assert mse["lstm"] < 0.01
    assert mse["simple_rnn"] < 0.03
    assert {path.name for path in (workdir / "figures").iterdir()} == {"memory.png"}
    assert {"lstm_loss", "val_self_attention_loss", "val_simple_rnn_loss"} < set(metrics["history"][0])
    assert adding_problem.evaluate(metrics["export"], CONFIG) == metrics["test"]


def test_export_takes_sequences_of_any_length_in_a_clean_process(metrics, data, tmp_path):
    sequence = data.test.sequences[:50]
    outputs = export.SavedFunction(metrics["export"]).predict(sequence=sequence)
    assert np.mean((outputs["lstm"] - data.test.sums[:50]) ** 2) < 0.02
    checks.check_answers_in_a_clean_process(
        metrics["export"], "serving_default", {"sequence": sequence}, outputs, tmp_path, rtol=1e-5
    )
    assert export.SavedFunction(metrics["export"]).predict(sequence=np.zeros((1, 9, 2)))["lstm"].shape == (1, 1)


def test_the_export_is_read_back_with_all_networks(metrics, data):
    network = export.load_model(metrics["export"])
    names = [name for name, _ in export.named_weights(network)]
    assert len(set(names)) == len(names) == len(network.trainable_variables)
    assert {name.split("/")[0] for name in names} == set(adding_problem.NETWORKS)
    outputs = export.SavedFunction(metrics["export"]).predict(sequence=data.test.sequences[:9])
    for name, values in network(data.test.sequences[:9]).items():
        np.testing.assert_allclose(values, outputs[name], atol=1e-6)


@pytest.mark.parametrize(("name", "other"), list(itertools.permutations(adding_problem.NETWORKS, 2)))
def test_one_loss_does_not_train_the_other_network(name, other, data):
    model = adding_problem.build(CONFIG, data)
    inputs, sums = data.test.sequences[:8], data.test.sums[:8]
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(inputs)[name] - sums) ** 2)
    weights = {part: [v.value for v in model.get_layer(part).trainable_variables] for part in (name, other)}
    gradients = tape.gradient(loss, weights)
    assert all(gradient is None for gradient in gradients[other])
    assert all(np.any(gradient) for gradient in gradients[name])


def test_explains_by_the_values_that_are_marked(metrics, data, tmp_path, monkeypatch):
    drawn = {}
    draw = evaluation.save_marked_values

    def save_marked_values(values, marks, gradients, path):
        drawn.update(gradients, marks=marks)
        draw(values, marks, gradients, path)

    monkeypatch.setattr(evaluation, "save_marked_values", save_marked_values)
    adding_problem.explain(metrics["export"], CONFIG, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["marked_values.png"]
    # The sum changes as much as each of the marked values, and not with the others.
    for name in ("lstm", "self_attention"):
        np.testing.assert_array_equal(drawn[name] > 0.5, drawn["marks"] == 1)


def test_other_data_are_refused(metrics, capsys):
    assert evaluate.main([metrics["export"], "--dataset", "nyse"]) == 2
    assert (
        "adding_problem makes its own data; --dataset, --data-dir and --data are not for it." in capsys.readouterr().err
    )
