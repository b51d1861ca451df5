import dataclasses
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_refs import datasets, export, models, settings, training
from keras_refs.errors import UserError
from keras_refs.recipes import images, logistic_regression
from keras_refs.train import main
from keras_refs.training import clipped_gradients, private

EXAMPLES = 40
"""More than the gradients that are computed at once."""


@pytest.fixture(params=["dense", "other layers, too"])
def model(request):
    """The first's sums come without the gradients of examples."""
    keras.utils.set_random_seed(0)
    between = [] if request.param == "dense" else [keras.layers.LayerNormalization()]
    layers = [keras.layers.Dense(4, "tanh"), *between, keras.layers.Dense(2, "softmax")]
    model = keras.Sequential([keras.Input((3,)), *layers])
    model.compile(keras.optimizers.SGD(1.0), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture
def batch():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(EXAMPLES, 3)).astype("float32")
    # One that is far from the others.
    features[7] *= 1000
    return tf.constant(features), tf.constant(generator.integers(0, 2, EXAMPLES))


def plan(**changes):
    values = {"noise_multiplier": 1.0, "clip": 1.0, "batch_size": 10, "sampling_rate": 0.1}
    return training.PrivacyPlan(**{**values, "steps_per_epoch": 10, "epochs": 2, **changes})


def gradients(model, inputs, targets):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(keras.losses.sparse_categorical_crossentropy(targets, model(inputs)))
    return tape.gradient(loss, [variable.value for variable in model.trainable_variables])


@pytest.mark.parametrize("numbers", [1, 3 * 34, 2**22], ids=["one", "three", "all"])
def test_without_clipping_the_sum_is_that_of_batches_of_one(model, batch, numbers, monkeypatch):
    """However many gradients are computed at once; the model with other layers has 34 parameters."""
    monkeypatch.setattr(clipped_gradients, "CHUNK_NUMBERS", numbers)
    expected = [gradients(model, *(part[row : row + 1] for part in batch)) for row in range(EXAMPLES)]
    found = training.clipped_sum(model, *batch, clip=1e9)
    for total, *parts in zip(found, *expected, strict=True):
        np.testing.assert_allclose(total, sum(parts), rtol=1e-4, atol=1e-5)
    right = np.argmax(model(batch[0]), axis=1) == batch[1].numpy()
    assert float(model.get_metrics_result()["accuracy"]) == pytest.approx(right.mean())


def test_no_example_moves_the_sum_by_more_than_the_clip_and_those_below_it_move_it_fully(model, batch):
    alone = [gradients(model, *(part[row : row + 1] for part in batch)) for row in range(EXAMPLES)]
    norms = [float(tf.linalg.global_norm(one)) for one in alone]
    clip = float(np.median(norms))
    signature = [tf.TensorSpec([None, 3], tf.float32), tf.TensorSpec([None], tf.int64)]
    summed = tf.function(lambda *some: training.clipped_sum(model, *some, clip), input_signature=signature)
    everyone = summed(*batch)
    for row in range(EXAMPLES):
        without = summed(*(np.delete(part, row, axis=0) for part in batch))
        moved = math.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(everyone, without, strict=True)))
        assert moved == pytest.approx(min(norms[row], clip), abs=1e-4)


@pytest.mark.parametrize(
    ("build", "loss"),
    [
        (lambda: models.mlp(3, 2, (4, 5)), "sparse_categorical_crossentropy"),
        (lambda: images.on_pixels(models.mlp(3, 2), (1, 3, 1), (3,), "mlp"), "sparse_categorical_crossentropy"),
        (lambda: models.logistic_regression(3), "binary_crossentropy"),
        (lambda: models.linear_regression(3), keras.losses.Huber()),
    ],
    ids=["mlp", "mlp on images", "one output for two classes", "loss object"],
)
def test_networks_of_dense_layers_need_no_gradients_of_examples(build, loss, batch, monkeypatch):
    keras.utils.set_random_seed(0)
    model = build()
    model.compile("sgd", loss)
    inputs = tf.reshape(batch[0], [EXAMPLES, *model.input_shape[1:]])
    with monkeypatch.context() as patch:
        patch.setattr(clipped_gradients, "_mapped", None)
        found = training.clipped_sum(model, inputs, batch[1], clip=0.05)
    monkeypatch.setattr(clipped_gradients, "_dense_layers", lambda _: [])
    for total, expected in zip(found, training.clipped_sum(model, inputs, batch[1], clip=0.05), strict=True):
        np.testing.assert_allclose(total, expected, rtol=1e-4, atol=1e-5)


def test_recurrent_layers_have_the_gradients_of_batches_of_one():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Embedding(9, 3), keras.layers.SimpleRNN(3), keras.layers.Dense(2, "softmax")]
    model = keras.Sequential([keras.Input((5,), dtype="int32"), *layers])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    generator = np.random.default_rng(0)
    batch = tf.constant(generator.integers(1, 9, (3, 5)), tf.int32), tf.constant([0, 1, 1])
    expected = [gradients(model, *(part[row : row + 1] for part in batch)) for row in range(3)]
    for total, *parts in zip(tf.function(training.clipped_sum)(model, *batch, 1e9), *expected, strict=True):
        np.testing.assert_allclose(total, sum(map(tf.convert_to_tensor, parts)), rtol=1e-4, atol=1e-5)


def test_a_step_adds_noise_of_the_clip_times_the_multiplier():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((100,)), keras.layers.Dense(100, kernel_initializer="zeros")])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    training.make_private(model, plan(noise_multiplier=3.0, clip=2.0, batch_size=10), seed=1)
    nobody = tf.zeros([0, 100]), tf.zeros([0, 100])
    kernels = [model.layers[0].kernel.numpy()]
    for _ in range(2):
        model.train_step(nobody)
        kernels.append(model.layers[0].kernel.numpy())
    first, second = np.diff(kernels, axis=0)
    for change in (first, second):
        assert np.std(change) == pytest.approx(3.0 * 2.0 / 10, rel=0.03)
        assert np.mean(change) == pytest.approx(0, abs=0.03)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] == pytest.approx(0, abs=0.05)


def test_noise_is_another_in_every_process_unless_a_test_asks_otherwise(model, batch):
    changes = []
    for seed in (None, None, 5, 5):
        model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])
        model.optimizer.iterations.assign(0)
        training.make_private(model, plan(), seed)
        model.train_step(batch)
        changes.append(model.layers[0].kernel.numpy())
    assert not np.array_equal(changes[0], changes[1])
    np.testing.assert_array_equal(changes[2], changes[3])


def test_masks_of_dropout_change_from_step_to_step():
    model = keras.Sequential([keras.Input((50,)), keras.layers.Dropout(0.5, seed=1), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    training.make_private(model, plan(), seed=1)
    batch, sums = (tf.ones([3, 50]), tf.ones([3, 1])), []
    for _ in range(2):
        sums.append(training.clipped_sum(model, *batch, clip=1e9)[0].numpy())
        model.train_step(batch)
    assert not np.array_equal(sums[0] == 0, sums[1] == 0)


# McMahan et al. 2018 and TensorFlow Privacy's tutorial on MNIST, of 60,000 images in batches of 256, at delta 1e-5.
@pytest.mark.parametrize(("noise", "epochs", "published"), [(1.3, 15, 1.19), (1.1, 60, 3.01), (0.7, 45, 7.10)])
def test_epsilon_is_the_published_one(noise, epochs, published):
    from dp_accounting.rdp import RdpAccountant

    steps, rate = epochs * 60_000 // 256, 256 / 60_000
    accountant = RdpAccountant()
    accountant.compose(private._event(noise, rate, steps))
    # By the conversion from Renyi divergences of the time (Mironov 2017).
    by_order = np.array(accountant._rdp) + math.log(1 / private.DELTA) / (np.array(accountant._orders) - 1)
    assert np.min(by_order) == pytest.approx(published, abs=0.03)
    # Ours follows from the whole distribution of the privacy loss, which spends less for the same noise.
    assert 0.7 * published < training.epsilon(noise, rate, steps) < published


def test_epsilon_of_one_step_with_all_examples_is_that_of_the_gaussian_mechanism():
    # Balle & Wang 2018, theorem 8: delta of the mechanism with this epsilon.
    noise = 2.0
    found = training.epsilon(noise, 1.0, 1)

    def normal(x):
        return math.erfc(-x / math.sqrt(2)) / 2

    half = 1 / (2 * noise)
    delta = normal(half - found * noise) - math.exp(found) * normal(-half - found * noise)
    assert delta == pytest.approx(private.DELTA, rel=0.02)


def config(**changes):
    base = settings.override(logistic_regression.Config(), folds=1, batch_size=57, epochs=2, passes_per_epoch=3)
    return settings.override(base, **{"private": True, **changes})


DENSE = pytest.mark.parametrize("model", ["dense"], indirect=True)
"""For what does not depend on the network."""


@DENSE
def test_noise_is_chosen_for_a_budget_and_spends_no_more(model):
    chosen = training.plan_privacy(config(epsilon=3.0), model, examples=569, steps_per_epoch=27)
    assert 2.9 < chosen.epsilon(2 * 27) <= 3.0
    assert chosen.epochs == 2


@DENSE
def test_with_given_noise_a_budget_limits_the_epochs(model):
    wanted = config(noise_multiplier=2.0, epsilon=2.0, epochs=50)
    chosen = training.plan_privacy(wanted, model, examples=569, steps_per_epoch=27)
    assert 1 <= chosen.epochs < 50
    assert chosen.epsilon(chosen.epochs * 27) <= 2.0 < chosen.epsilon((chosen.epochs + 1) * 27)


@DENSE
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"noise_multiplier": 0.5, "epsilon": 0.1}, "The first epoch spends an epsilon of .*, more than --epsilon 0.1"),
        ({}, "--private needs --noise-multiplier or --epsilon"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message, model):
    with pytest.raises(UserError, match=message):
        training.plan_privacy(config(**changes), model, examples=569, steps_per_epoch=27)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"deterministic": True}, "--deterministic makes the noise of --private guessable"),
        ({"distribute": "mirrored"}, "--private trains on one device, in one process. Received: --distribute mirrored"),
        ({"distribute": "workers"}, "--private trains on one device, in one process. Received: --distribute workers"),
        ({"private": False}, "--noise-multiplier, --clip and --epsilon are only for a training with --private"),
        ({"private": False, "noise_multiplier": 0.0, "clip": 0.5}, "are only for a training with --private"),
    ],
)
def test_a_run_refuses_what_rules_privacy_out_before_it_waits_for_others_or_writes(changes, message, tmp_path):
    wanted = config(**{"noise_multiplier": 1.0, **changes})
    with pytest.raises(UserError, match=message):
        logistic_regression.train_and_evaluate(wanted, tmp_path / "run", tmp_path / "models")
    assert not list(tmp_path.iterdir())


def test_several_machines_are_refused_with_a_sentence(capsys):
    assert main(["mlp", "--private", "--epsilon", "3", "--distribute", "workers"]) == 2
    assert capsys.readouterr().err == (
        "keras_refs: --private trains on one device, in one process. Received: --distribute workers\n"
    )


def test_a_layer_that_mixes_examples_is_refused_before_the_noise_is_chosen(monkeypatch):
    monkeypatch.setattr(private, "_smallest_noise", lambda *_: pytest.fail("The noise was chosen."))
    model = keras.Sequential([keras.Input((3,)), keras.layers.BatchNormalization(name="normalized")])
    model.compile("sgd", "mse")
    refused = "The layer normalized mixes the examples of a batch.*leave BatchNormalization out with --private"
    with pytest.raises(UserError, match=refused):
        training.make_private(model, plan())
    with pytest.raises(UserError, match=refused):
        training.plan_privacy(config(epsilon=3.0), model, 100, 10)


def test_batch_normalization_is_refused_with_the_option_that_leaves_it_out(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["mlp", "--private", "--epsilon", "3"]) == 2
    said = capsys.readouterr()
    assert said.err.endswith("which --private rules out: add --no-batch-normalization.\n")
    assert said.out == ""
    assert not list(tmp_path.iterdir())


def test_a_run_counts_what_it_spends_over_a_resume(tmp_path):
    wanted = config(noise_multiplier=4.0, epochs=3, passes_per_epoch=1)

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    folders = {"workdir": tmp_path / "run", "export_dir": tmp_path / "models"}
    with pytest.raises(KeyboardInterrupt):
        logistic_regression.train_and_evaluate(wanted, **folders, callbacks=[Stop()])
    metrics = logistic_regression.train_and_evaluate(wanted, **folders, resume=True)
    steps = 569 // 57
    spent = [training.epsilon(4.0, 57 / 569, number * steps) for number in (1, 2, 3)]
    assert [epoch["epsilon"] for epoch in metrics["history"]] == pytest.approx(spent)
    card = export.read_model_card(metrics["export"])
    assert card["privacy"]["epsilon"] == pytest.approx(spent[-1])
    assert f"epsilon {spent[-1]:.3f} at delta 1e-05" in card["limits"]


def test_cross_validation_is_refused_because_it_is_not_counted(tmp_path):
    wanted = dataclasses.replace(config(noise_multiplier=4.0), cross_validation=logistic_regression.CrossValidation())
    with pytest.raises(UserError, match="--private needs --folds 1"):
        logistic_regression.train_and_evaluate(wanted, tmp_path / "run", tmp_path / "models")


def test_sampled_batches_have_each_example_by_chance():
    arrays = [np.arange(1000)]
    batches = [batch[0].numpy() for batch in datasets.shuffled_batches(arrays, 100, 2**61, 0, 200, sampled=True)]
    sizes = [len(batch) for batch in batches]
    # Binomial: mean 100, standard deviation 9.5.
    assert np.mean(sizes) == pytest.approx(100, abs=3)
    assert np.std(sizes) == pytest.approx(9.5, abs=2)
    assert all(len(set(batch)) == len(batch) for batch in batches)
    counts = np.bincount(np.concatenate(batches), minlength=1000)
    assert np.std(counts) == pytest.approx(math.sqrt(200 * 0.1 * 0.9), rel=0.1)
