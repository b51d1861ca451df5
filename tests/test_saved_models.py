"""The committed models keep what their cards claim."""

import pytest

from keras_refs import datasets, evaluation, export
from tests.conftest import REPOSITORY

MODELS = sorted((REPOSITORY / "saved_models").glob("*/1"))


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.parent.name)
def test_reaches_the_score_it_claims(folder):
    model = export.SavedImageClassifier(folder)
    test, class_names = datasets.load_image_split(model.card["dataset"]["name"])
    assert len(test) == 10_000
    scores = evaluation.classification_metrics(test.labels, model.predict(test.images), class_names)
    # One image in ten thousand may fall the other way on other hardware.
    assert scores["accuracy"] == pytest.approx(model.card["test"]["accuracy"], abs=1.5e-4)
    assert f"accuracy {model.card['test']['accuracy']:.4f}, loss" in (folder / "model_card.md").read_text()


def test_the_conv_classifier_is_committed():
    assert REPOSITORY / "saved_models" / "conv_classifier" / "1" in MODELS
