"""The committed models keep what their cards claim."""

import datetime

import pytest

from keras_refs import export, recipes, serving
from keras_refs.commands import recipe_of
from tests.conftest import REPOSITORY

# BERT is too large; its adapters are committed.
COMMITTED = set(recipes.NAMES) - {"bert_classifier"}
# Beside them may lie exports of one's own.
MODELS = [path for path in sorted((REPOSITORY / "saved_models").glob("*/1")) if path.parent.name in COMMITTED]


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.parent.name)
def test_reaches_the_score_it_claims(folder):
    card = export.read_model_card(folder)
    recipe, config = recipe_of(card)
    scores = recipe.evaluate(folder, config)
    # One image in ten thousand may fall the other way on other hardware.
    tolerance = {
        "accuracy": {"abs": 1.5e-4},
        "rmse": {"rel": 1e-5},
        "word_error_rate": {"abs": 1.5e-4},
        "frechet_distance": {"rel": 1e-3},
    }
    compared = [name for name in tolerance if name in scores]
    assert compared
    for name in compared:
        assert scores[name] == pytest.approx(card["test"][name], **tolerance[name])
    assert recipe.format_scores(card["test"]) in (folder / "model_card.md").read_text()


def test_models_are_committed():
    committed = {folder.parent.name for folder in MODELS}
    assert committed == COMMITTED


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.parent.name)
def test_brings_a_request_for_every_signature_to_warm_up_with(folder):
    servable = serving.Servable(folder)
    requests = export.read_warm_up(folder)
    assert sorted(name for name, _ in requests) == servable.names
    for name, inputs in requests:
        assert servable.signature(name)(inputs)


@pytest.mark.parametrize("folder", MODELS, ids=lambda folder: folder.parent.name)
def test_comes_back_as_a_keras_model(folder):
    card = export.read_model_card(folder)
    model = export.load_model(folder)
    assert model.count_params() == card["parameters"]
    assert {weight.dtype for weight in model.weights if weight.trainable} == {"float32"}


@pytest.mark.parametrize("string", ["31/12/99", "2014-02-31", "99", ""])
def test_what_is_no_date_gets_no_date_that_does_not_exist(string):
    function = export.SavedFunction(REPOSITORY / "saved_models" / "date_normalisation" / "1")
    (output,) = function.predict(dates=[string])["iso"]
    if output:
        datetime.date.fromisoformat(output.decode())
    if string in ("31/12/99", ""):
        assert output == b""
