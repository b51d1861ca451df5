import functools
import json

import numpy as np
import pytest
import tensorflow as tf

from keras_refs import datasets, decoding, export, serving
from keras_refs.errors import UserError
from tests import checks
from tests.models.seq2seq import fresh

SOURCES = datasets.Symbols.of(["abcdé"], lower_case=True)
TARGETS = datasets.Symbols.of(["XX Y Z"], " ")
LONGEST, WIDTH = 8, 3
STRINGS = ["aaa", "acccccca", "aac", "aaéa", "adba", "aacacaca", "aaaaa"]
"""In no order of length; all outputs come to an end."""


def network():
    """Untrained, but with outputs of all lengths."""
    sizes = {"num_source_symbols": SOURCES.size, "num_target_symbols": TARGETS.size, "embedding_dim": 8, "units": 32}
    return fresh("everything", seed=2, **sizes, use_cudnn=False)


def write(model, folder, **options):
    decoding = {"longest_source": LONGEST, "beam_width": WIDTH, "length_penalty": 0.5}
    return export.write_transcriber(
        model, ("source", SOURCES), ("target", TARGETS), folder, examples=["ab", "c"], **{**decoding, **options}
    )


@pytest.fixture(scope="module")
def model():
    return network()


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    return folder, write(model, folder)


@pytest.fixture(scope="module")
def folder(exported):
    return exported[0]


@pytest.fixture(scope="module")
def predict(folder):
    """Return the outputs of a signature for strings."""
    function = functools.cache(functools.partial(export.SavedFunction, folder))
    return lambda strings, signature="serving_default": function(signature).predict(source=strings)


def test_agrees_with_the_keras_model_symbol_for_symbol(model, predict):
    """The network predicts, given the symbols before it, each symbol that greedy search outputs."""
    strings = ["".join(letters) for letters in np.random.default_rng(0).choice(list("abcdé"), (100, 5))]
    outputs = predict(strings)
    tokens = TARGETS.tokens(outputs["target"], boundary=True)
    # A truncated output has no end.
    ended = np.count_nonzero(tokens, axis=1) <= 2 * 5 + 10
    assert ended.sum() > 10
    inputs, _ = datasets.teacher_forcing(SOURCES.tokens(strings), tokens, num_target_symbols=TARGETS.size)
    # Padding is no symbol to predict.
    probabilities = model(inputs).numpy()[:, :, 1:]
    is_token = tokens.numpy() > 0
    expected = np.where(is_token, probabilities.argmax(axis=2) + 1, 0)
    np.testing.assert_array_equal(tokens[ended], expected[ended])
    logs = np.where(is_token, np.log(probabilities.max(axis=2)), 0).sum(axis=1)
    np.testing.assert_allclose(outputs["score"][ended], logs[ended], atol=1e-4)


def test_half_precision_halves_the_file_and_predicts_as_the_rounded_model(model, tmp_path):
    write(model, tmp_path, half_precision=True)
    rounded = network()
    rounded.set_weights([weight.astype("float16").astype("float32") for weight in model.get_weights()])
    parts, tokens = decoding.FastParts(rounded), SOURCES.tokens(STRINGS)
    expected = {
        "serving_default": decoding.greedy_decode(parts(), tokens, 1, LONGEST),
        "bfloat16": decoding.greedy_decode(parts(tf.bfloat16), tokens, 1, LONGEST),
        "k_best": decoding.beam_decode(parts(), tokens, 1, LONGEST, WIDTH, 0.5),
    }
    for signature, outputs in expected.items():
        half = export.SavedFunction(tmp_path, signature).predict(source=STRINGS)
        np.testing.assert_array_equal(half["target"], TARGETS.strings(outputs["symbols"]), err_msg=signature)
        # Processors that know bfloat16 round otherwise in a graph than out of it.
        rtol = 0.02 if signature == "bfloat16" else 1e-4
        np.testing.assert_allclose(half["score"], outputs["score"], rtol=rtol, err_msg=signature)
    assert sum(path.stat().st_size for path in tmp_path.glob("variables/*.data*")) < 1.1 * 2 * model.count_params()


def test_outputs_are_strings_with_scores_and_attention(predict):
    strings = ["aac", "AAC", "a\N{SNOWMAN}ac"]
    greedy, best = predict(strings), predict(strings, "k_best")
    assert set(greedy) == {"target", "score", "attention"}
    assert set(best) == {"target", "score"}
    assert greedy["target"][0] == greedy["target"][1] == greedy["target"][2], "upper case and unknown characters"
    steps = len(greedy["target"][0].split()) + 1
    assert greedy["attention"].shape[0::2] == (3, 3)
    np.testing.assert_allclose(greedy["attention"].sum(axis=2)[:, :steps], 1, atol=1e-5)
    assert best["target"].shape == best["score"].shape == (3, WIDTH)
    assert (np.diff(best["score"], axis=1) <= 0).all()
    # That of beam search is divided by the length to the power of a half.
    assert (best["score"][:, 0] >= greedy["score"] / steps**0.5 - 1e-5).all()


@pytest.mark.parametrize("signature", ["serving_default", "k_best", "bfloat16"])
def test_empty_and_long_strings_have_defined_outputs(predict, signature):
    outputs = predict(["", "\N{SNOWMAN}", "a" * LONGEST, "a" * 5000, "b"], signature)
    best = {name: values[:, 0] if signature == "k_best" else values for name, values in outputs.items()}
    assert list(best["target"][:2]) == [b"", b""]
    assert list(best["score"][:2]) == [0, 0]
    if signature == "k_best":
        np.testing.assert_array_equal(outputs["score"][0, 1:], -np.inf)
    else:
        assert not outputs["attention"][:2].any()
    assert best["target"][2] == best["target"][3] == np.ravel(predict(["a" * LONGEST], signature)["target"])[0]
    assert predict([], signature)["target"].shape == ((0, WIDTH) if signature == "k_best" else (0,))


def test_numeric_takes_and_returns_indices_into_the_symbols_that_are_written(folder, predict):
    symbols = json.loads((folder / "assets.extra/symbols.json").read_text(encoding="utf-8"))
    characters, names = symbols["source"]["symbols"], symbols["target"]["symbols"]
    tokens = np.zeros((len(STRINGS), max(map(len, STRINGS))), "int32")
    for row, string in zip(tokens, STRINGS, strict=True):
        row[: len(string)] = [2 + characters.index(character) for character in string]
    numeric, greedy = export.SavedFunction(folder, "numeric").predict(tokens=tokens), predict(STRINGS)
    strings = [
        symbols["target"]["separator"].join(names[token - 2] for token in row if token) for row in numeric["symbols"]
    ]
    assert strings == [string.decode() for string in greedy["target"]]
    np.testing.assert_array_equal(numeric["score"], greedy["score"])
    np.testing.assert_array_equal(numeric["attention"], greedy["attention"])


def test_strings_are_postprocessed_and_nothing_else_is(model, folder, predict, tmp_path):
    write(model, tmp_path, postprocess=lambda strings: tf.strings.join(["<", strings, ">"]))
    for signature in ("serving_default", "k_best", "bfloat16"):
        outputs = export.SavedFunction(tmp_path, signature).predict(source=STRINGS)
        plain = predict(STRINGS, signature)
        np.testing.assert_array_equal(outputs.pop("target"), b"<" + plain.pop("target") + b">")
        for name, values in plain.items():
            np.testing.assert_array_equal(outputs[name], values)
    numeric = [export.SavedFunction(path, "numeric").predict(tokens=[[2, 3]])["symbols"] for path in (folder, tmp_path)]
    np.testing.assert_array_equal(*numeric)


@pytest.mark.parametrize("signature", ["serving_default", "k_best"])
def test_transcribe_returns_symbols_in_the_order_of_the_sources(folder, predict, signature):
    outputs = export.SavedTranscriber(folder, signature).transcribe(STRINGS, batch_size=2)
    strings = predict(STRINGS, signature)["target"].reshape(len(STRINGS), -1)[:, 0]
    assert outputs == [tuple(string.decode().split()) for string in strings]
    assert len(set(outputs)) > 3


def test_another_export_is_refused(folder, tmp_path):
    (folder / "assets.extra/symbols.json").rename(tmp_path / "symbols.json")
    try:
        with pytest.raises(UserError, match=r"not hold an exported transcriber: it has no assets.extra/symbols.json"):
            export.SavedTranscriber(folder)
    finally:
        (tmp_path / "symbols.json").rename(folder / "assets.extra/symbols.json")


@pytest.mark.parametrize("signature", ["serving_default", "k_best", "bfloat16"])
def test_predicts_the_same_in_a_clean_process(folder, predict, signature, tmp_path):
    strings = np.array([b"abc", b"", b"d\xc3\xa9\xff"])
    outputs = predict(strings, signature)
    checks.check_answers_in_a_clean_process(folder, signature, {"source": strings}, outputs, tmp_path, rtol=1e-5)


def test_the_card_names_signatures_and_symbols(exported):
    folder, described = exported
    signatures = tf.saved_model.load(str(folder)).signatures
    assert all(f"`{name}`" in described for name in ("source", "target", "abcdé", "XX Y Z", *signatures))
    assert {name for name, _ in export.read_warm_up(folder)} == set(signatures)


def test_a_server_returns_to_each_its_own_length(folder, predict):
    """It knows which outputs are padded to the longest in a batch."""
    assert export.read_padded_outputs(folder) == ["attention", "symbols"]
    signature = serving.Servable(folder).signature()
    together = signature({"source": np.array([string.encode() for string in STRINGS], object)})["attention"]
    for string, padded in zip(STRINGS, together, strict=True):
        (alone,) = predict([string])["attention"]
        assert signature({"source": np.array([string.encode()], object)})["attention"].shape[1:] == alone.shape
        steps, characters = alone.shape
        np.testing.assert_allclose(padded[:steps, :characters], alone, atol=1e-5)
        assert not padded[steps:].any()
        assert not padded[:, characters:].any()
