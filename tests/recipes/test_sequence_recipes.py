"""The recipes that turn strings into strings, beside what the contract asks of every recipe."""

import datetime

import numpy as np
import pytest

from keras_refs import datasets, export, settings
from keras_refs.errors import UserError
from keras_refs.recipes import date_normalisation, g2p, sequences
from tests.conftest import REPOSITORY

PHONEMES = "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"
FEW_WORDS = settings.override(
    g2p.Config(),
    train_split="validation[:20%]",
    validation_split="validation[98%:]",
    test_split="test[:1%]",
    epochs=2,
    units=32,
    embedding_dim=8,
    batch_size=128,
    beam_width=2,
)
TEACHER = str(REPOSITORY / "saved_models" / "g2p" / "1")


@pytest.fixture(scope="module")
def dates(tmp_path_factory):
    """The metrics and the folder of a recipe that learns within seconds."""
    folder = tmp_path_factory.mktemp("dates")
    config = settings.override(
        date_normalisation.Config(),
        examples=3000,
        epochs=8,
        units=64,
        learning_rate=0.01,
        dropout=0.0,
        beam_width=3,
        longest_source=40,
    )
    return date_normalisation.train_and_evaluate(config, folder / "run", folder / "models"), folder


def test_dates_are_learned_and_scored(dates):
    metrics, folder = dates
    scores = metrics["test"]
    assert scores["symbol_error_rate"] < 0.2
    assert scores["word_error_rate"] <= scores["greedy"]["word_error_rate"] + 0.01
    assert scores["examples"] == 5000
    card = (folder / "models/date_normalisation/1/model_card.md").read_text()
    assert f"beam: exact match {1 - scores['word_error_rate']:.4f}" in card
    assert "no date of the calendar" in card
    figures = {path.name for path in (folder / "run/figures").iterdir()}
    assert figures == {"learning_curves.png", "attention.png", "error_by_length.png", "confusions.png"}


def test_settings_reach_the_export(dates):
    metrics, _ = dates
    best = export.SavedFunction(metrics["export"], "k_best").predict(dates=["9" * 40, "9" * 50])
    assert best["iso"].shape == (2, 3)
    np.testing.assert_array_equal(best["score"][0], best["score"][1], err_msg="40 characters are read")


@pytest.mark.parametrize("signature", ["serving_default", "k_best", "bfloat16"])
def test_what_is_no_date_is_an_empty_string(dates, signature):
    metrics, _ = dates
    impossible = [f"{day}/{month}/99" for month in range(1, 13) for day in range(29, 33)]
    outputs = export.SavedFunction(metrics["export"], signature).predict(dates=["31/12/99", "nonsense", *impossible])
    strings = [string.decode() for string in np.ravel(outputs["iso"])]
    assert "" in strings
    assert all(datetime.date.fromisoformat(string).isoformat() == string for string in strings if string)
    scores = np.ravel(outputs["score"])
    assert np.isfinite(scores).all(), "what was found keeps its score"


def test_existing_dates():
    strings = [["1999-11-32", "2023-02-29", "nonsense"], ["2024-02-29", "1999-12-31", ""]]
    np.testing.assert_array_equal(
        date_normalisation.existing_dates(strings), [[b"", b"", b""], [b"2024-02-29", b"1999-12-31", b""]]
    )


def test_attention_is_drawn_for_any_text_that_can_be_read(dates, tmp_path):
    metrics, _ = dates
    for texts in ((), ("3 \N{SNOWMAN} MARCH", "1" * 100, "31/12/99", "nonsense", "4")):
        date_normalisation.explain(metrics["export"], date_normalisation.Config(), tmp_path, texts=texts)
        (tmp_path / "attention.png").unlink()
    with pytest.raises(UserError, match="at least one of the characters ' ,-./0.*'. Received: '\N{SNOWMAN}'"):
        date_normalisation.explain(metrics["export"], date_normalisation.Config(), tmp_path, texts=("1", "\N{SNOWMAN}"))


def test_g2p_learns_words_with_all_their_pronunciations(tmp_path):
    """A few steps on a few words: that the parts fit. `saved_models` has what it learns in an hour."""
    config = FEW_WORDS
    metrics = g2p.train_and_evaluate(config, tmp_path / "run", tmp_path / "models")
    assert metrics["history"][1]["loss"] < metrics["history"][0]["loss"]
    assert export.SavedFunction(metrics["export"]).predict(words=["Rough", ""])["phonemes"][1] == b""
    assert g2p.evaluate(metrics["export"], config) == metrics["test"]
    lines = g2p.format_scores(metrics["test"]).splitlines()
    assert [line.split(":")[0] for line in lines] == ["greedy", "bfloat16", "beam"]
    assert f"phoneme error rate {metrics['test']['symbol_error_rate']:.4f}" in lines[-1]


def test_what_is_learned_of_teachers_is_the_mean_of_their_probabilities():
    data = datasets.load_transcriptions(**vars(FEW_WORDS.data), separator=" ", simplify=g2p.without_stress)
    networks = [g2p.build(FEW_WORDS, data) for _ in range(2)]
    sources, targets = data.token_pairs(data.train)
    learned = sequences._teach(networks, sources, targets, data)
    assert learned.shape == (*targets.shape, data.target_symbols.size)
    for row in (0, 7, len(sources) - 1):
        pair = sources[row : row + 1], targets[row : row + 1]
        inputs, _ = datasets.teacher_forcing(*pair, num_target_symbols=data.target_symbols.size)
        expected = np.mean([network(inputs) for network in networks], axis=0)
        steps = np.count_nonzero(targets[row])
        np.testing.assert_allclose(learned[row, :steps], expected[0, :steps], atol=1e-4)


def test_a_student_learns_from_a_teacher_without_label_smoothing(tmp_path):
    config = settings.override(FEW_WORDS, teachers=(TEACHER,))
    metrics = g2p.train_and_evaluate(config, tmp_path / "run", tmp_path / "models")
    assert metrics["history"][1]["loss"] < metrics["history"][0]["loss"]
    given = np.array([[[0.7, 0.2, 0.1]]], "float32")
    entropy = -np.sum(given * np.log(given))
    assert float(sequences.cross_entropy(config)(given, given)) == pytest.approx(entropy)
    assert float(sequences.cross_entropy(g2p.Config())(given, given)) > entropy


def test_strings_are_sampled_and_transcribed_by_the_first_teacher():
    config = settings.override(FEW_WORDS, teachers=(TEACHER,), sampled=1)
    data = datasets.load_transcriptions(**vars(config.data), separator=" ", simplify=g2p.without_stress)
    sources, targets, learned = sequences.training_examples(config, data)
    given = len(data.train.pairs()[0])
    assert len(sources) == len(targets) == len(learned) > 1.2 * given
    for found, expected in zip((sources, targets), data.token_pairs(data.train), strict=True):
        np.testing.assert_array_equal(datasets.without_padding(found[:given]), expected)
    words = ["".join(data.source_symbols.lookup(row)) for row in sources[given:]]
    assert not set(words) & set(data.train.sources)
    transcribed = export.SavedTranscriber(export.newest_version(TEACHER)).transcribe(words[:50])
    assert [data.target_symbols.lookup(row) for row in targets[given : given + 50]] == transcribed


def test_sampled_strings_need_a_teacher(tmp_path):
    config = settings.override(FEW_WORDS, sampled=1)
    with pytest.raises(UserError, match="--sampled needs --teachers, which transcribe. Received: --sampled 1"):
        g2p.train_and_evaluate(config, tmp_path / "run", tmp_path / "models")


@pytest.mark.parametrize(
    ("teacher", "changes", "sentence"),
    [
        ("saved_models/date_normalisation/1", {}, "symbols of these data.*Received: --teachers .*date_normalisation"),
        ("saved_models/g2p", {"attention": "hard"}, "with hard attention where it is asked for"),
        ("saved_models/mlp", {}, "does not hold an exported transcriber"),
        ("saved_models", {}, "is no SavedModel"),
    ],
)
def test_teachers_that_teach_nothing(teacher, changes, sentence, tmp_path):
    config = settings.override(FEW_WORDS, teachers=(TEACHER, str(REPOSITORY / teacher)), **changes)
    with pytest.raises(UserError, match=sentence):
        g2p.train_and_evaluate(config, tmp_path / "run", tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_hard_attention_learns_from_few_words_and_pairs_spliced_from_them(tmp_path):
    data = settings.TranscriptionData(
        dataset="cmudict",
        train_split="validation[:1000]",
        validation_split="validation[98%:]",
        test_split="test[:1%]",
    )
    sizes = {"epochs": 3, "units": 48, "embedding_dim": 16, "learning_rate": 0.01, "average_epochs": 0.0}
    config = settings.override(g2p.config_for(data), beam_width=2, spliced=2, **sizes)
    assert config.network.attention == "hard"
    metrics = g2p.train_and_evaluate(config, tmp_path / "run", tmp_path / "models")
    assert metrics["test"]["symbol_error_rate"] < 0.6
    exported = export.SavedFunction(metrics["export"])
    (phonemes,) = exported.predict(words=["sensitively"])["phonemes"]
    assert set(phonemes.decode().split(" ")) <= set(PHONEMES.split()), "one blank between two"
    assert len(phonemes.split()) > 4
    g2p.explain(metrics["export"], config, tmp_path, texts=("rough",))


def test_more_words_choose_another_network():
    def config_for(words):
        return g2p.config_for(settings.TranscriptionData(dataset="cmudict", train_split=f"train[:{words}]"))

    widths = [config_for(words).network.units for words in (500, 8000, 99_700)]
    assert widths == sorted(widths)
    assert config_for(99_700) == g2p.Config(
        data=settings.TranscriptionData(dataset="cmudict", train_split="train[:99700]")
    ), "what the committed model was trained with"


def test_only_hard_attention_has_pairs_to_splice(tmp_path):
    config = settings.override(date_normalisation.Config(), examples=200, spliced=1)
    with pytest.raises(UserError, match="--spliced needs --attention hard.* Received: --attention dot"):
        date_normalisation.train_and_evaluate(config, tmp_path / "run", tmp_path / "models")
    assert not list(tmp_path.rglob("*.json"))


def test_stress_is_not_learned():
    assert g2p.without_stress("IH2 N S AY1 D") == "IH N S AY D"


def test_few_of_the_positions_that_g2p_processes_are_padding():
    """Measured on a fifth of the data; the more there are, the more alike are those of a batch."""
    splits = {"train_split": "train[:20%]", "validation_split": "test[:1%]", "test_split": "test[:1%]"}
    data = datasets.load_transcriptions("cmudict", **splits, separator=" ", simplify=g2p.without_stress)
    pairs, batch_size = data.token_pairs(data.train), g2p.Config().training.batch_size
    batches = datasets.bucketed_batches(pairs, batch_size, 0, 0, len(pairs[0]) // batch_size)
    arrays = [part.numpy() for batch in batches for part in batch]
    padding = 1 - sum(map(np.count_nonzero, arrays)) / sum(array.size for array in arrays)
    assert padding < 0.1


def test_settings_that_no_network_fits_leave_no_run(tmp_path):
    """So that the command can be given again, with the same folder and other settings."""
    config = settings.override(date_normalisation.Config(), examples=200, units=33)
    with pytest.raises(UserError, match="`units` must be even"):
        date_normalisation.train_and_evaluate(config, tmp_path / "run", tmp_path / "models")
    assert not list(tmp_path.rglob("*.json"))
