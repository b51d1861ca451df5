import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_refs import export
from keras_refs.errors import UserError
from keras_refs.recipes import date_normalisation, g2p
from tests import checks


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The date recipe: it learns within seconds, and nothing in the shared code knows which of the two it is."""
    folder = tmp_path_factory.mktemp("dates")
    config = date_normalisation.Config(
        examples=3000, epochs=8, units=64, learning_rate=0.01, dropout=0.0, beam_width=3, longest_source=40
    )
    recipe = date_normalisation.Recipe(config)
    return recipe, recipe.train_and_evaluate(folder / "run", folder / "models"), folder


@pytest.fixture(scope="module")
def exported(trained):
    _, metrics, _ = trained
    return [export.SavedFunction(metrics["export"], name) for name in ("serving_default", "k_best")]


def test_learns_and_says_how_well(trained):
    recipe, metrics, folder = trained
    scores = metrics["test"]
    assert scores["symbol_error_rate"] < 0.2
    assert scores["word_error_rate"] <= scores["greedy"]["word_error_rate"] + 0.01
    assert scores["examples"] == len(recipe.data.test)
    card = (folder / "models/date_normalisation/1/model_card.md").read_text()
    assert f"beam: exact match {1 - scores['word_error_rate']:.4f}" in card
    figures = {path.name for path in (folder / "run/figures").iterdir()}
    assert figures == {"learning_curves.png", "attention.png", "error_by_length.png", "confusions.png"}


def test_export_agrees_with_the_keras_model_token_for_token(trained, tmp_path, monkeypatch):
    """After every symbol that greedy search answers, the whole model, given those before, has the same likeliest."""
    recipe, _, _ = trained
    model, dates = _random_model(recipe), recipe.data.test.sources[:100]
    monkeypatch.setattr(recipe, "half_precision", False)
    recipe.write_export(model, tmp_path)
    answer = export.SavedFunction(tmp_path).predict(dates=dates)
    source = recipe.source_symbols.tokens(tf.strings.lower(dates, "utf-8"))
    tokens = recipe.target_symbols.tokens(answer["iso"], boundary=True)
    # An answer that was cut off has no end.
    ended = np.array([len(iso) for iso in answer["iso"]]) < 2 * source.shape[1] + 10
    assert ended.sum() > 10
    inputs, _ = recipe._teach(source, tokens)
    probabilities = model(inputs).numpy()
    given = tokens > 0
    likeliest = probabilities[:, :, 1:].argmax(axis=2) + 1
    np.testing.assert_array_equal(likeliest[ended][given[ended]], tokens[ended][given[ended]])
    logs = np.where(given, np.log(probabilities[:, :, 1:].max(axis=2)), 0).sum(axis=1)
    np.testing.assert_allclose(answer["score"][ended], logs[ended], atol=1e-4)


def test_half_precision_takes_half_of_the_space_and_answers_nearly_the_same(trained, tmp_path, monkeypatch):
    recipe, _, _ = trained
    model, dates = _random_model(recipe), recipe.data.test.sources[:100]
    answers, sizes = {}, {}
    for half in (False, True):
        monkeypatch.setattr(recipe, "half_precision", half)
        recipe.write_export(model, tmp_path / str(half))
        answers[half] = export.SavedFunction(tmp_path / str(half)).predict(dates=dates)
        sizes[half] = (tmp_path / str(half) / "variables/variables.data-00000-of-00001").stat().st_size
    assert sizes[True] < 0.6 * sizes[False]
    same = answers[True]["iso"] == answers[False]["iso"]
    assert same.mean() > 0.8
    np.testing.assert_allclose(answers[True]["score"][same], answers[False]["score"][same], rtol=0.05)


def _random_model(recipe):
    """Return a model with three times the start's weights: answers of all lengths, which training would make equal."""
    keras.utils.set_random_seed(0)
    model = recipe.build_export_model()
    model.set_weights([3 * weight for weight in model.get_weights()])
    return model


def test_answers_are_strings_with_scores_and_attention(trained, exported):
    recipe, _, _ = trained
    dates = ["3 March 2026", "3 MARCH 2026", "3 March\N{SNOWMAN} 2026"]
    answer, best = exported[0].predict(dates=dates), exported[1].predict(dates=dates)
    assert answer["iso"][0] == answer["iso"][1] == answer["iso"][2], "upper case and unknown characters"
    steps = len(answer["iso"][0]) + 1
    np.testing.assert_allclose(answer["attention"].sum(axis=2)[:, :steps], 1, atol=1e-5)
    assert answer["attention"].shape == (3, steps, len(dates[0]))
    assert best["iso"].shape == best["score"].shape == (3, 3)
    assert (np.diff(best["score"], axis=1) <= 0).all()
    assert (best["score"][:, 0] >= answer["score"] - 1e-5).all()
    assert recipe.config.beam_width == 3


def test_empty_and_long_strings_get_a_defined_answer(exported):
    long, dates = "9" * 40, ["", "\N{SNOWMAN}", "9" * 40, "9" * 5000, "3"]
    answer, best = exported[0].predict(dates=dates), exported[1].predict(dates=dates)
    assert list(answer["iso"][:2]) == list(best["iso"][:2, 0]) == [b"", b""]
    assert (answer["score"][:2] == 0).all()
    assert (answer["attention"][:2] == 0).all()
    assert list(best["score"][0]) == [0, -np.inf, -np.inf]
    assert answer["iso"][2] == answer["iso"][3] == exported[0].predict(dates=[long])["iso"][0], "40 are read"
    for function, shape in zip(exported, [(0,), (0, 3)], strict=True):
        assert function.predict(dates=[])["iso"].shape == shape


@pytest.mark.parametrize("signature", ["serving_default", "k_best"])
def test_answers_in_a_clean_process(trained, tmp_path, signature):
    _, metrics, _ = trained
    dates = np.array([b"3 March 2026", b"", b"Mittwoch, 4. M\xc3\xa4rz 26"])
    outputs = export.SavedFunction(metrics["export"], signature).predict(dates=dates)
    checks.check_answers_in_a_clean_process(
        metrics["export"], signature, {"dates": dates}, outputs, tmp_path, rtol=1e-5
    )


def test_g2p_learns_words_with_all_their_pronunciations(tmp_path):
    """A few steps on a few words: that the parts fit. What it learns in an hour stands in `saved_models`."""
    config = g2p.Config(
        train_split="validation[:20%]",
        validation_split="validation[98%:]",
        test_split="test[:1%]",
        epochs=2,
        units=32,
        embedding_dim=8,
        batch_size=128,
        beam_width=2,
    )
    recipe = g2p.Recipe(config)
    assert recipe.source_symbols.size == 26 + 2
    assert recipe.target_symbols.size == 39 + 2
    pairs = recipe.data.train.pairs()[0]
    assert recipe.steps_per_epoch == len(pairs) // 128
    assert len(pairs) > len(recipe.data.train) == 1185
    for inputs, targets in recipe.training_batches(0, 2):
        # What is read at a step is what is to be answered one step before; the first reads the boundary.
        answered = np.argmax(targets, axis=2)
        read = inputs["target"].numpy()
        np.testing.assert_array_equal(read[:, 0], 1)
        np.testing.assert_array_equal(read[:, 1:], np.where(answered[:, 1:] > 0, answered[:, :-1], 0))
        assert ((answered == 1).sum(axis=1) == 1).all()
    metrics = recipe.train_and_evaluate(tmp_path / "run", tmp_path / "models")
    assert metrics["history"][1]["loss"] < metrics["history"][0]["loss"]
    answers = export.SavedFunction(metrics["export"]).predict(words=["Rough", ""])
    assert answers["phonemes"][1] == b""


def test_few_of_the_positions_that_are_processed_are_padding():
    """Counted on a fifth of the data; the more there are, the more alike are those of a batch."""
    recipe = g2p.Recipe(g2p.Config(train_split="train[:20%]", validation_split="test[:1%]", test_split="test[:1%]"))
    arrays = [
        tokens.numpy()
        for inputs, _ in recipe.training_batches(0, recipe.steps_per_epoch)
        for tokens in (inputs["source"], inputs["target"])
    ]
    padding = 1 - sum(map(np.count_nonzero, arrays)) / sum(array.size for array in arrays)
    assert padding < 0.1, padding


def test_settings_that_no_network_fits_leave_no_run(tmp_path):
    """So that the command can be given again, with the same folder and other settings."""
    recipe = date_normalisation.Recipe(date_normalisation.Config(examples=200, units=33))
    with pytest.raises(UserError, match="`units` must be even"):
        recipe.train_and_evaluate(tmp_path / "run", tmp_path / "models")
    assert not list(tmp_path.rglob("*.json"))
