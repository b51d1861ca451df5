import keras
import numpy as np
import pytest

from keras_refs import bert_encoder, datasets, export
from keras_refs import sentence_embeddings as command
from keras_refs.pretrained import sentence_embeddings
from tests import checks

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "cat", "dog", "sleep", "##s", "!", "[", "]", "cl")


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    sizes = {"hidden_dim": 16, "blocks": 2, "num_heads": 2, "feed_forward_dim": 32, "max_steps": 300}
    model = bert_encoder(vocabulary_size=len(WORDS), **sizes)
    model.set_weights([10 * weight if weight.ndim > 1 else weight for weight in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sentence_embeddings")
    sentence_embeddings.write_sentence_embeddings(network, datasets.WordPiece(WORDS), folder)
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return export.SavedFunction(folder)


def embed(model, *texts):
    return model.predict(texts=list(texts))["embeddings"]


def test_is_the_mean_of_the_hidden_states_of_all_tokens(model, network):
    tokens = np.array([[2, 4, 5, 7, 8, 3], [2, 6, 3, 0, 0, 0]])
    states = network({"tokens": tokens, "segments": tokens * 0})["hidden_states"].numpy()
    means = np.stack([states[0].mean(axis=0), states[1, :3].mean(axis=0)])
    expected = means / np.linalg.norm(means, axis=1, keepdims=True)
    np.testing.assert_allclose(embed(model, "A cat sleeps", "dog"), expected, atol=1e-6)
    assert expected[0] @ expected[1] < 0.99


def test_an_answer_does_not_depend_on_the_other_texts_of_a_batch(folder, model):
    alone, beside = embed(model, "dog"), embed(model, "dog", "a cat sleeps " * 9)
    np.testing.assert_allclose(beside[:1], alone, atol=1e-6)
    tokens = export.SavedFunction(folder, "token_embeddings").predict(texts=["dog", "a cat sleeps"])
    assert tokens["token_embeddings"].shape == (2, 6, 16)
    np.testing.assert_array_equal(tokens["tokens"], [[2, 6, 3, 0, 0, 0], [2, 4, 5, 7, 8, 3]])
    np.testing.assert_array_equal(np.any(tokens["token_embeddings"] != 0, axis=2), tokens["tokens"] != 0)


def test_strange_texts_have_decided_answers(folder, model):
    assert embed(model).shape == (0, 16)
    huge = "cat " * 2_500_000
    answers = embed(model, "", huge, "cat " * 254, "cat " * 253, b"do\xffg \xc3", "dog", "[CLS]", "\0dog\n")
    np.testing.assert_allclose(np.linalg.norm(answers, axis=1), 1, atol=1e-6)
    empty, cut, exact, shorter, invalid, dog, special, controls = answers
    np.testing.assert_allclose(cut, exact, atol=1e-6)
    assert np.abs(exact - shorter).max() > 1e-6
    np.testing.assert_allclose([invalid, controls], [dog, dog], atol=1e-6)
    np.testing.assert_array_equal(
        export.SavedFunction(folder, "token_embeddings").predict(texts=["[CLS]"])["tokens"], [[2, 10, 12, 8, 11, 3]]
    )
    assert np.abs(empty - special).max() > 1e-3


def test_answers_where_only_tensorflow_is(folder, model, tmp_path):
    texts = np.array(["A cat sleeps", "dog!", ""], dtype=object)
    outputs = {"embeddings": embed(model, *texts)}
    checks.check_answers_in_a_clean_process(folder, "serving_default", {"texts": texts}, outputs, tmp_path)


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_smaller_files_give_nearly_the_same(precision, network, model, tmp_path):
    sentence_embeddings.write_sentence_embeddings(network, datasets.WordPiece(WORDS), tmp_path, precision)
    texts = ("a cat sleeps", "dog!", "")
    cosines = np.sum(embed(export.SavedFunction(tmp_path), *texts) * embed(model, *texts), axis=1)
    assert 0.99 < cosines.min() < 1 - 1e-9


def test_the_network_comes_back(folder, network):
    loaded = export.load_model(folder)
    for weight, expected in zip(loaded.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


@pytest.fixture
def exported(folder, tmp_path, monkeypatch):
    """A working directory with the model, as if the command had exported it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "saved_models" / "sentence_embeddings").mkdir(parents=True)
    (tmp_path / "saved_models" / "sentence_embeddings" / "1").symlink_to(folder)
    (tmp_path / "texts.txt").write_text("a cat sleeps\n\n  dog!  \ncat\n")


def test_search_prints_the_closest_lines_first(exported, capsys):
    assert command.main(["--search", "texts.txt", "Dog!", "a cat"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Dog!"
    assert lines[1] == "  1.0000  line 3: dog!"
    assert lines[4] == "a cat"
    assert len(lines) == 8


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--search", "texts.txt"], "--search needs a file and at least one query. Received: texts.txt"),
        (["--search", "nowhere.txt", "dog"], "--search nowhere.txt must be a text file: No such file"),
        (["--search", "empty.txt", "dog"], "--search empty.txt must hold a line that is not empty"),
        ([], "There is no pretrained/all-MiniLM-L6-v2: fetch it by python -m keras_refs.fetch"),
    ],
)
def test_mistakes_get_a_sentence(options, sentence, exported, tmp_path, capsys):
    (tmp_path / "empty.txt").write_text(" \n\n")
    assert command.main(options) == 2
    assert sentence in capsys.readouterr().err
