"""all-MiniLM-L6-v2 as the command exports it, beside the same weights in PyTorch."""

import os

import numpy as np
import pytest
import tensorflow as tf
import torch
from tokenizers import Tokenizer
from transformers import BertModel

from keras_refs import datasets, export, pretrained
from keras_refs import sentence_embeddings as command
from keras_refs.pretrained import sentence_embeddings
from tests.conftest import REPOSITORY

WEIGHTS = REPOSITORY / pretrained.FOLDER
SENTENCES = (
    "The cat is sleeping on the sofa.",
    "Reset your password under Settings, then Account.",
    "The stock market fell by three percent today.",
    "A dog chased its ball across the lawn.",
    "Quantum computers use qubits.",
    "Bake the bread for forty minutes.",
    "Café Zürich, 12 Straße: 北京 naïve!",
    "unbelievably tokenised hyperparameters",
    "Hi",
    "thanks!",
)


@pytest.fixture(scope="module")
def texts():
    """Sentences, and a line of the Universal Declaration in each of forty languages."""
    data = datasets.load_texts("udhr_languages").test
    _, first = np.unique(data.labels, return_index=True)
    return [*SENTENCES, *(data.texts[index] for index in first)]


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    """By precision the version folder; the weights are fetched where they are missing."""
    pretrained.fetch(WEIGHTS)
    folder = tmp_path_factory.mktemp("saved_models")
    precisions = ("float32", "float16", "int8")
    return {
        precision: sentence_embeddings.export_sentence_embeddings(WEIGHTS, folder / precision, precision)
        for precision in precisions
    }


@pytest.fixture(scope="module")
def expected(exports, texts):
    """Hugging Face's tokens and hidden states, and their mean as sentence-transformers computes it."""
    tokenizer = Tokenizer.from_file(str(WEIGHTS / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.no_padding()
    twin = BertModel.from_pretrained(WEIGHTS).eval()
    tokens, states = [tokenizer.encode(text).ids for text in texts], []
    with torch.no_grad():
        states = [twin(torch.tensor([numbers])).last_hidden_state[0].numpy() for numbers in tokens]
    means = np.stack([state.mean(axis=0) for state in states])
    return tokens, states, means / np.linalg.norm(means, axis=1, keepdims=True)


def size(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("precision", "cosine", "megabytes"), [("float32", 0.99999, 95), ("float16", 0.9999, 50), ("int8", 0.9986, 28)]
)
def test_embeddings(precision, cosine, megabytes, exports, expected, texts):
    embeddings = sentence_embeddings.embed(export.SavedFunction(exports[precision]), texts)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    cosines = np.sum(embeddings * expected[2], axis=1)
    print(f"{precision}: least cosine {cosines.min():.7f}, mean {cosines.mean():.7f}")
    assert cosines.min() >= cosine
    assert size(exports[precision]) < megabytes * 1e6


def test_token_embeddings(exports, expected, texts):
    outputs = export.SavedFunction(exports["float32"], "token_embeddings").predict(texts=texts)
    for index, (tokens, states) in enumerate(zip(*expected[:2], strict=True)):
        assert outputs["tokens"][index, : len(tokens)].tolist() == tokens
        np.testing.assert_allclose(outputs["token_embeddings"][index, : len(tokens)], states, atol=2e-5)
        assert not outputs["token_embeddings"][index, len(tokens) :].any()


def test_plain_tensorflow_loads_it_and_answers_to_any_text(exports):
    signature = tf.saved_model.load(str(exports["int8"])).signatures["serving_default"]
    long = "word " * 300
    texts = ["", long, "word " * 254, "x" * 10_000_000, b"\xff\xfe\x00", "[CLS] [SEP]"]
    embeddings = signature(texts=tf.constant(texts))["embeddings"].numpy()
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(embeddings[1], embeddings[2], atol=1e-5)
    # No character is left of the bytes.
    np.testing.assert_allclose(embeddings[4], embeddings[0], atol=1e-5)
    assert signature(texts=tf.constant([], tf.string))["embeddings"].shape == (0, 384)


def test_the_network_comes_back(exports):
    network = pretrained.read_bert(WEIGHTS)
    table = network.get_layer("word_embedding").get_weights()[0]
    loaded = export.load_model(exports["int8"]).get_layer("word_embedding").get_weights()[0]
    assert 0 < np.abs(loaded - table).max() < 0.02


def test_search_finds_the_obvious(exports, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sentences.txt").write_text("\n".join(SENTENCES), encoding="utf-8")
    queries = {"I forgot my login": 1, "shares lost value": 2, "an animal takes a nap": 0, "cooking": 5}
    folder = os.fspath(exports["int8"].parents[1])
    assert command.main(["--export-dir", folder, "--search", "sentences.txt", *queries]) == 0
    lines = capsys.readouterr().out.splitlines()
    for query, index in queries.items():
        assert lines[lines.index(query) + 1].endswith(f"line {index + 1}: {SENTENCES[index]}")


def test_a_vocabulary_that_does_not_fit_is_refused(exports, tmp_path, capsys):
    for name in ("model.safetensors", "config.json"):
        (tmp_path / name).symlink_to(WEIGHTS / name)
    tokens = (WEIGHTS / "vocab.txt").read_text(encoding="utf-8").split("\n")
    (tmp_path / "vocab.txt").write_text("\n".join(tokens[:30_000]), encoding="utf-8")
    options = ["--weights", os.fspath(tmp_path), "--export-dir", os.fspath(tmp_path / "models")]
    assert command.main(options) == 2
    assert "does not fit the weights, which are for 30,522 tokens. Received: 30,000" in capsys.readouterr().err
    assert not list((tmp_path / "models").glob("*/1"))
