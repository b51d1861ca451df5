"""The recipe on phrases, with a tiny BERT in place of a trained one."""

import shutil

import numpy as np
import pytest
from transformers import BertConfig, BertModel

from keras_refs import apply_adapters, evaluation, export, settings
from keras_refs.errors import UserError
from keras_refs.recipes import bert_classifier
from tests import checks
from tests.conftest import prepare

GREETINGS, FAREWELLS = ("good morning", "hello there", "good day"), ("see you again", "bye then", "farewell you")
WORDS = sorted({word for text in (*GREETINGS, *FAREWELLS) for word in text.split()})
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS]
STRANGE = ("", "good " * 600, "x" * 10_000_000, b"\xff\xfe\x00", "[CLS] [SEP]")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(VOCABULARY), initializer_range=0.3, **sizes)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    return folder


def prepare_phrases(folder, names=("greeting", "farewell")):
    import tensorflow_datasets as tfds

    features = {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(names=names)}
    labelled = enumerate((GREETINGS, FAREWELLS)[: len(names)])
    examples = [{"text": text, "label": label} for label, texts in labelled for text in texts]
    return str(prepare(folder, "phrases", features, examples * 4, examples))


@pytest.fixture(scope="module")
def config(weights, tmp_path_factory):
    return settings.override(
        bert_classifier.Config(),
        dataset="phrases",
        data_dir=prepare_phrases(tmp_path_factory.mktemp("data")),
        validation_split="test",
        weights=str(weights),
        epochs=30,
        batch_size=8,
        learning_rate=0.02,
        dropout=0.0,
        length=12,
    )


@pytest.fixture(scope="module")
def metrics(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return bert_classifier.train_and_evaluate(config, folder / "run", folder / "models")


def test_learns_by_adapters_and_is_compared_with_a_linear_model(metrics, config):
    assert metrics["test"]["accuracy"] == 1
    assert metrics["test"]["references"]["character n-grams, linear"]["accuracy"] == 1
    assert bert_classifier.evaluate(metrics["export"], config) == metrics["test"]


@pytest.mark.parametrize("trained", ["head", "last_two", "all"])
def test_trains_what_it_says_and_nothing_else(trained, config, tmp_path):
    config = settings.override(config, trained=trained, examples_per_class=8, epochs=2)
    metrics = bert_classifier.train_and_evaluate(config, tmp_path / "run", tmp_path / "models")
    network, before = export.load_model(metrics["export"]), bert_classifier.build(config, bert_classifier.load(config))
    # They are stored as float16.
    changed = {
        layer.name
        for layer in network.layers
        for weight, old in zip(layer.get_weights(), before.get_layer(layer.name).get_weights(), strict=True)
        if np.abs(weight - old).max() > 2e-3
    }
    assert "classifier" in changed
    assert ("block3_feed_forward" in changed) == (trained != "head")
    assert ("block1_feed_forward" in changed) == (trained == "all")
    assert ("word_embedding" in changed) == (trained == "all")


def test_adapters_and_checkpoint_make_the_export_again(metrics, weights, tmp_path, capsys):
    adapters = tmp_path / "adapters"
    adapters.mkdir()
    for name in (str(bert_classifier.ADAPTERS), "model_card.json", "model_card.md"):
        shutil.copy(f"{metrics['export']}/{name}", adapters)
    options = [str(adapters), "--weights", str(weights), "--export-dir", str(tmp_path / "models")]
    assert apply_adapters.main(options) == 0
    folder = tmp_path / "models" / "bert_classifier" / "1"
    assert capsys.readouterr().out == f"Exported to {folder}\n"
    texts = [*GREETINGS, "bye"]
    outputs, expected = (export.SavedFunction(path).predict(texts=texts) for path in (folder, metrics["export"]))
    np.testing.assert_allclose(outputs["probabilities"], expected["probabilities"], atol=1e-3)
    assert export.read_model_card(folder) == export.read_model_card(metrics["export"])


def test_adapters_that_do_not_fit_get_a_sentence(metrics, weights, tmp_path, capsys):
    options = ["--weights", str(weights), "--export-dir", str(tmp_path / "models")]
    assert apply_adapters.main([str(tmp_path), *options]) == 2
    assert "must be a folder with adapters.npz and the model_card.json" in capsys.readouterr().err
    shutil.copy(f"{metrics['export']}/model_card.json", tmp_path)
    np.savez(tmp_path / "adapters.npz", other=np.zeros(3))
    assert apply_adapters.main([str(tmp_path), *options]) == 2
    assert "holds no adapters for this network" in capsys.readouterr().err
    assert not list((tmp_path / "models").glob("*/1"))


def test_export_takes_any_text_in_a_clean_process(metrics, tmp_path):
    saved = export.SavedFunction(metrics["export"])
    outputs = saved.predict(texts=list(STRANGE))
    np.testing.assert_allclose(outputs["probabilities"].sum(axis=1), 1, atol=1e-5)
    # No character is left of the bytes; a long text is cut.
    np.testing.assert_allclose(outputs["probabilities"][3], outputs["probabilities"][0], atol=1e-6)
    cut = saved.predict(texts=["good " * 10])["probabilities"]
    np.testing.assert_allclose(outputs["probabilities"][1:2], cut, atol=1e-6)
    assert saved.predict(texts=[])["label"].shape == (0,)
    texts = np.array(["good day", ""], dtype=object)
    answers = saved.predict(texts=texts)
    checks.check_answers_in_a_clean_process(
        metrics["export"], "serving_default", {"texts": texts}, answers, tmp_path, rtol=1e-4
    )


def test_texts_of_a_file(config, tmp_path):
    labelled = [(text, "greeting") for text in GREETINGS] + [(text, "farewell") for text in FAREWELLS]
    rows = [f"{text},{label},{split}" for text, label in labelled for split in ("train", "test")]
    # Texts to score on must not be those that are trained on.
    rows = [row.replace(",train", " you,train") if row.endswith("train") else row for row in rows]
    rows += ["good morning bye,greeting,validation", "bye good,farewell,validation"]
    path = tmp_path / "phrases.csv"
    path.write_text("\n".join(["text,label,split", *rows]), encoding="utf-8")
    values = {"data": str(path), "data_dir": None, "validation_split": "validation", "batch_size": 2, "epochs": 2}
    config = settings.override(config, **values)
    metrics = bert_classifier.train_and_evaluate(config, tmp_path / "run", tmp_path / "models")
    assert bert_classifier.evaluate(metrics["export"], config) == metrics["test"]
    card = export.read_model_card(metrics["export"])
    assert card["dataset"]["examples"] == {"train": 6, "validation": 2, "test": 6}
    bert_classifier.explain(metrics["export"], config, tmp_path)
    assert (tmp_path / "characters.png").exists()


def test_one_class_cannot_be_learned(config, tmp_path):
    data_dir = prepare_phrases(tmp_path, names=["greeting"])
    with pytest.raises(UserError, match="'phrases' must have texts of at least two classes. Received: greeting"):
        bert_classifier.train_and_evaluate(settings.override(config, data_dir=data_dir), tmp_path / "run", tmp_path)


def test_a_vocabulary_that_does_not_fit_is_refused(config, weights, tmp_path):
    shutil.copytree(weights, tmp_path / "weights")
    (tmp_path / "weights" / "vocab.txt").write_text("\n".join(VOCABULARY[:-1]), encoding="utf-8")
    wrong = settings.override(config, weights=str(tmp_path / "weights"))
    with pytest.raises(UserError, match="does not fit the weights"):
        bert_classifier.train_and_evaluate(wrong, tmp_path / "run", tmp_path / "models")


def test_explains_by_words(metrics, config, tmp_path, monkeypatch):
    drawn = []
    draw = evaluation.save_characters

    def save_characters(*arguments):
        drawn.append(arguments)
        draw(*arguments)

    monkeypatch.setattr(evaluation, "save_characters", save_characters)
    bert_classifier.explain(metrics["export"], config, tmp_path, texts=("Good day",))
    bert_classifier.explain(metrics["export"], config, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["characters.png"]
    (texts, (title,), (strengths,), *_), (of_data, *_) = drawn
    assert texts == ["[CLS] good day [SEP]"]
    assert title.startswith(("greeting", "farewell"))
    assert len(set(strengths[6:10])) == 1
    assert strengths[6] > 0
    assert strengths[5] == strengths[10] == 0
    assert len(of_data) == 6
    with pytest.raises(UserError, match="Every text must hold a character"):
        bert_classifier.explain(metrics["export"], config, tmp_path, texts=("a", ""))
