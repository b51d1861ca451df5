import json

import numpy as np
import pytest
from PIL import Image

from keras_refs import datasets, export, gan_generator
from keras_refs.errors import UserError
from keras_refs.recipes import conv_classifier, gan

EPOCHS = 3


@pytest.fixture(scope="module")
def classifier(digits_data_dir, tmp_path_factory):
    """A folder of a classifier of digits, trained just enough to tell them apart."""
    folder = tmp_path_factory.mktemp("classifier")
    config = conv_classifier.Config(
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
    metrics = conv_classifier.Recipe(config).train_and_evaluate(folder / "run", folder / "models")
    assert metrics["test"]["accuracy"] > 0.8
    return metrics["export"]


def settings(data_dir, classifier, **options):
    small = {
        "base_filters": 8,
        "generator_filters": (8,),
        "discriminator_filters": (8, 16),
        "kernel_size": 3,
        "epochs": EPOCHS,
        "batch_size": 32,
        "samples": 300,
    }
    return gan.Config(**{**small, "dataset": "digits", "data_dir": str(data_dir), "classifier": classifier, **options})


@pytest.fixture(scope="module")
def run(digits_data_dir, classifier, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gan")
    config = settings(digits_data_dir, classifier)
    return folder / "run", gan.Recipe(config).train_and_evaluate(folder / "run", folder / "models")


def test_scores_stand_beside_their_floor_and_ceiling(run):
    scores = run[1]["test"]
    assert set(scores["references"]) == {"training pictures", "noise"}
    distances = [found["frechet_distance"] for found in (*scores["references"].values(), scores)]
    floor, ceiling, made = distances
    assert 0 < floor < made
    assert floor < ceiling
    assert sum(scores["class_shares"].values()) == pytest.approx(1, abs=1e-3)
    assert 0 <= scores["class_evenness"] <= 1
    assert scores["references"]["training pictures"]["precision"] > 0.5
    assert all(distance > 0 for distance in scores["nearest_training_picture"].values())


def test_the_best_epoch_is_the_one_of_the_lowest_distance(run):
    history = run[1]["history"]
    distances = [epoch["val_classifier_fid"] for epoch in history]
    assert len(distances) == EPOCHS
    assert run[1]["best_epoch"] == 1 + int(np.argmin(distances))
    assert {"generator_loss", "discriminator_loss"} < set(history[0])


def test_pictures_of_every_epoch_are_kept(run):
    folder = run[0]
    sheets = sorted((folder / "samples").iterdir())
    assert [path.name for path in sheets] == [f"epoch-{number:04d}.png" for number in range(1, EPOCHS + 1)]
    assert len({path.read_bytes() for path in sheets}) == EPOCHS
    assert any((folder / "logs" / "pictures").rglob("events.out.tfevents.*"))


def test_figures(run):
    found = {path.name for path in (run[0] / "figures").iterdir()}
    assert found == {"players.png", "samples.png", "training.gif", "interpolation.png", "nearest.png"}
    with Image.open(run[0] / "figures" / "training.gif") as animation:
        assert animation.n_frames == EPOCHS


def test_the_export_holds_the_generator_alone(run):
    answer = export.SavedFunction(run[1]["export"]).predict(latents=np.zeros((2, 100)))["images"]
    assert answer.shape == (2, 8, 8, 1)
    card = json.loads((run[0].parent / "models" / "gan" / "1" / "model_card.json").read_text())
    expected = gan_generator(100, (8, 8, 1), (), 8, (8,), 3, num_classes=10).count_params()
    assert card["parameters"] == run[1]["parameters"] == expected


def test_a_classifier_that_does_not_fit_is_refused(digits_data_dir, classifier, tmp_path):
    def train(**options):
        config = settings(digits_data_dir, **{"classifier": classifier, **options})
        gan.Recipe(config).train_and_evaluate(tmp_path / "run", tmp_path / "models")

    with pytest.raises(UserError, match="--classifier must be a SavedModel of conv_classifier"):
        train(classifier=str(tmp_path))
    with pytest.raises(UserError, match=r"--classifier must take pictures of \(16, 16, 1\)"):
        train(image_size=16)
    assert not (tmp_path / "models" / "gan" / "1").exists()
    assert not (tmp_path / "run" / "config.json").exists()


def test_pictures_whose_sides_cannot_be_halved_are_refused(digits_data_dir, classifier, tmp_path):
    config = settings(digits_data_dir, classifier, generator_filters=(8, 8, 8, 8))
    with pytest.raises(UserError, match="height and a width divisible by 16"):
        gan.Recipe(config).train_and_evaluate(tmp_path / "run", tmp_path / "models")


def test_training_pictures_have_values_from_minus_one_to_one(digits_data_dir, classifier):
    recipe = gan.Recipe(settings(digits_data_dir, classifier))
    ((images, classes),) = recipe.training_batches(0, 1)
    assert images.shape == (32, 8, 8, 1)
    assert float(np.min(images)) == -1
    assert float(np.max(images)) == 1
    known = datasets.load_image_classification("digits", digits_data_dir).train
    pixels = known.images.reshape(-1, 64)
    for image, of in zip(images.numpy(), classes, strict=True):
        assert of in known.labels[(pixels == np.round((image.ravel() + 1) * 127.5)).all(axis=1)]
