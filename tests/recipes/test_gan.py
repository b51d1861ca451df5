import json
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image
from scipy.stats import entropy

from keras_refs import datasets, export, gan_generator, settings
from keras_refs.errors import UserError
from keras_refs.recipes import conv_classifier, gan, image_comparison
from tests.conftest import REPOSITORY

EPOCHS = 3


@pytest.fixture(scope="module")
def classifier(digits_data_dir, tmp_path_factory):
    """The folder of a classifier of digits, trained just enough to distinguish them."""
    folder = tmp_path_factory.mktemp("classifier")
    config = settings.override(
        conv_classifier.Config(),
        epochs=8,
        batch_size=32,
        learning_rate=0.01,
        filters=(8,),
        hidden_units=16,
        dataset="digits",
        data_dir=str(digits_data_dir),
        horizontal_flip=False,
        shift=0,
    )
    metrics = conv_classifier.train_and_evaluate(config, folder / "run", folder / "models")
    assert metrics["test"]["accuracy"] > 0.8
    return metrics["export"]


@pytest.fixture(scope="module")
def config(digits_data_dir, classifier):
    """Settings of small networks for digits."""
    return settings.override(
        gan.Config(),
        base_filters=8,
        generator_filters=(8,),
        discriminator_filters=(8, 16),
        kernel_size=3,
        epochs=EPOCHS,
        batch_size=32,
        samples=300,
        dataset="digits",
        data_dir=str(digits_data_dir),
        classifier=classifier,
    )


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
    """The folder of a run, and its metrics."""
    folder = tmp_path_factory.mktemp("gan")
    return folder / "run", gan.train_and_evaluate(config, folder / "run", folder / "models")


def test_scores_stand_beside_those_of_training_images_and_of_noise(run):
    scores = run[1]["test"]
    references = scores["references"]
    assert set(references) == {"training pictures", "noise"}
    assert 0 < references["training pictures"]["frechet_distance"] < scores["frechet_distance"]
    assert references["training pictures"]["frechet_distance"] < references["noise"]["frechet_distance"]
    assert references["training pictures"]["precision"] > 0.5
    assert all(distance > 0 for distance in scores["nearest_training_picture"].values())


def test_fractions_of_classes_are_those_of_the_exports_images(run, classifier):
    scores = run[1]["test"]
    latents = np.random.default_rng(1).normal(size=(300, 100)).astype("float32")
    images = export.SavedFunction(run[1]["export"]).predict(latents=latents)["images"]
    labels = export.SavedFunction(classifier).predict(images=images)["label"]
    fractions = np.bincount(labels, minlength=10) / 300
    np.testing.assert_allclose(list(scores["class_shares"].values()), fractions, atol=1e-4)
    assert list(scores["class_shares"]) == [str(digit) for digit in range(10)]
    assert scores["class_evenness"] == pytest.approx(entropy(fractions) / np.log(10))


def test_an_export_is_scored_alike_from_any_folder(run, config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert gan.evaluate(run[1]["export"], config) == run[1]["test"]


def test_the_best_epoch_is_the_one_of_the_lowest_distance(run):
    history = run[1]["history"]
    distances = [epoch["val_classifier_fid"] for epoch in history]
    assert len(distances) == EPOCHS
    assert run[1]["best_epoch"] == 1 + int(np.argmin(distances))
    assert {"generator_loss", "discriminator_loss", "real_accuracy", "generated_accuracy"} < set(history[0])


def test_images_of_every_epoch_are_kept(run):
    folder = run[0]
    grids = sorted((folder / "samples").iterdir())
    assert [path.name for path in grids] == [f"epoch-{number:04d}.png" for number in range(1, EPOCHS + 1)]
    assert len({path.read_bytes() for path in grids}) == EPOCHS
    assert len(list((folder / "logs" / "images").glob("events.out.tfevents.*"))) == EPOCHS


def test_figures(run):
    names = {path.name for path in (run[0] / "figures").iterdir()}
    assert names == {"losses.png", "samples.png", "training.gif", "interpolation.png", "nearest.png"}
    with Image.open(run[0] / "figures" / "training.gif") as animation:
        assert animation.n_frames == EPOCHS


def test_the_export_holds_the_generator_alone(run):
    images = export.SavedFunction(run[1]["export"]).predict(latents=np.zeros((2, 100)))["images"]
    assert images.shape == (2, 8, 8, 1)
    card = json.loads((run[0].parent / "models" / "gan" / "1" / "model_card.json").read_text())
    expected = gan_generator(100, (8, 8, 1), (), 8, (8,), 3, num_classes=10).count_params()
    assert card["parameters"] == run[1]["parameters"] == expected
    assert export.load_model(run[1]["export"]).count_params() == expected


def test_other_optimizers_networks_and_callbacks_take_the_place_of_the_recipes_own(config, tmp_path):
    """With learning rates of 0 the weights of a generator stay those that it was built with."""
    initial = []

    def build(config, data):
        model = gan.build(config, data)
        if not initial:
            initial.append(model.generator.get_weights())
        return model

    epochs = []
    metrics = gan.train_and_evaluate(
        settings.override(config, epochs=1, samples=50),
        tmp_path / "run",
        tmp_path / "models",
        build=build,
        generator_optimizer=keras.optimizers.SGD(0.0),
        discriminator_optimizer=keras.optimizers.SGD(0.0),
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(dict(logs)))],
    )
    exported = export.load_model(metrics["export"])
    for variable, weight in zip(exported.weights, initial[0], strict=True):
        if variable.trainable:
            np.testing.assert_allclose(variable, weight, rtol=1e-3, atol=1e-6)
    assert [set(logs) for logs in epochs] == [set(metrics["history"][0]) - {"epoch", "seconds"}]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classifier": "nowhere"}, "--classifier must be a SavedModel of conv_classifier"),
        ({"image_size": 16}, r"--classifier must take images of \(16, 16, 1\). Received: .*which takes .*\(8, 8, 1\)"),
        ({"generator_filters": (8, 8, 8, 8)}, "height and a width divisible by 16"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_anything_is_written(config, tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        gan.train_and_evaluate(settings.override(config, **options), tmp_path / "run", tmp_path / "models")
    assert not (tmp_path / "models" / "gan" / "1").exists()
    assert not (tmp_path / "run" / "config.json").exists()


def dataset(shape, classes):
    return SimpleNamespace(
        name="blank",
        image_shape=shape,
        class_names=range(classes),
        test=SimpleNamespace(images=np.zeros((1, *shape), np.uint8)),
    )


def test_a_classifier_is_looked_for_here_then_beside_the_package(classifier, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = gan.Config().scoring.classifier
    fashion, digits = dataset((28, 28, 1), 10), dataset((8, 8, 1), 10)
    assert image_comparison.FeatureClassifier(folder, fashion).features(fashion.test.images).shape == (1, 64)
    shutil.copytree(classifier, tmp_path / folder)
    assert image_comparison.FeatureClassifier(folder, digits).features(digits.test.images).shape == (1, 16)


def test_a_classifier_that_is_nowhere_is_refused():
    with pytest.raises(UserError, match="--classifier must be .* There is no model or folder 'some/classifier'"):
        image_comparison.FeatureClassifier("some/classifier", dataset((8, 8, 1), 10))


def test_a_classifier_of_other_classes_is_refused(classifier):
    with pytest.raises(UserError, match="--classifier must have the 7 classes of blank. Received: .*, which has 10"):
        image_comparison.FeatureClassifier(classifier, dataset((8, 8, 1), 7))


def test_training_images_have_values_from_minus_one_to_one(config):
    split = datasets.load_image_classification(**vars(config.data)).train
    ((images, classes),) = gan.training_batches(split, 32, 0, 0, 1)
    assert images.shape == (32, 8, 8, 1)
    assert float(np.min(images)) == -1
    assert float(np.max(images)) == 1
    pixels = split.images.reshape(-1, 64)
    for image, label in zip(images.numpy(), classes, strict=True):
        assert label in split.labels[(pixels == np.round((image.ravel() + 1) * 127.5)).all(axis=1)]


def test_scores_on_the_published_model_card_can_be_read():
    card = json.loads((REPOSITORY / "saved_models" / "gan" / "1" / "model_card.json").read_text())
    lines = gan.format_scores(card["test"]).splitlines()
    assert lines[0].startswith("Training images: kernel distance -0.0048, precision 0.837, recall 0.844")
    assert lines[-1] == "kernel distance 2.1205, precision 0.803, recall 0.630, classifier-FID 4.980"


def test_there_is_nothing_to_explain(tmp_path):
    with pytest.raises(UserError, match="There is nothing to explain for a generator"):
        gan.explain(tmp_path, gan.Config(), tmp_path)
