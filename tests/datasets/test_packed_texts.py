"""Texts on disk are the same as in memory, and so is what is cut from them."""

import gzip

import keras
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from keras_refs import datasets, export, settings
from keras_refs.datasets import files
from keras_refs.recipes import bert_classifier, rnn_text_classifier, self_attention_classifier

TEXTS = ("one  two\nthree", "", "\N{LATIN SMALL LETTER E WITH ACUTE}\N{GRINNING FACE} \N{CJK UNIFIED IDEOGRAPH-4E2D}x")


def packed(on_disk, texts=TEXTS):
    return datasets.Texts(datasets.PackedTexts.of(texts, on_disk), np.arange(len(texts)))


@pytest.mark.parametrize("on_disk", [False, True])
def test_texts_are_read_however_they_are_asked_for(on_disk):
    texts = packed(on_disk).texts
    assert tuple(texts) == TEXTS
    assert (len(texts), texts[-1], texts[np.int64(0)]) == (3, TEXTS[2], TEXTS[0])
    assert texts[1:] == list(TEXTS[1:])
    assert texts[np.array([2, 0, 2])] == [TEXTS[2], TEXTS[0], TEXTS[2]]
    assert list(texts.take(np.array([2, 1]))) == [TEXTS[2], TEXTS[1]]
    assert [text.decode() for text in texts.gather(np.array([2, 0])).numpy()] == [TEXTS[2], TEXTS[0]]
    with pytest.raises(IndexError):
        texts[3]


@pytest.mark.parametrize("on_disk", [False, True])
def test_parts_are_those_of_the_characters_not_of_the_bytes(on_disk):
    pieces, words = packed(on_disk).pieces(4), packed(on_disk).from_every_word(4)
    assert list(pieces.texts) == ["one", "two", "three", TEXTS[2][:2], TEXTS[2][3:]]
    assert list(words.texts) == ["one ", "two ", "thre", TEXTS[2][:4], TEXTS[2][3:]]
    assert words.labels.tolist() == [0, 0, 0, 2, 2]
    assert words.texts.on_disk == on_disk
    assert len(packed(on_disk, ("", "")).pieces(4)) == 0


def test_what_is_on_disk_has_no_name(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pieces = packed(on_disk=True).pieces(4)
    assert isinstance(pieces.texts.starts.base, np.memmap)
    assert pieces.texts[0] == "one"
    assert list(tmp_path.iterdir()) == []


def spam(folder, suffix):
    """Some mails of SpamAssassin in a table."""
    data, rows = datasets.load_texts("spam_assassin"), []
    for split in ("train", "validation", "test"):
        part = getattr(data, split).per_class(20, seed=0)
        rows += [(text, data.class_names[label], split) for text, label in zip(part.texts, part.labels, strict=True)]
    table = pa.table(dict(zip(("text", "label", "split"), map(list, zip(*rows, strict=True)), strict=True)))
    path = folder / f"mails{suffix}"
    if suffix == ".parquet":
        labels = table["label"].dictionary_encode()
        pyarrow.parquet.write_table(table.set_column(1, "label", labels), path, row_group_size=50)
    else:
        pyarrow.csv.write_csv(table, path)
    if suffix == ".csv.gz":
        path.write_bytes(gzip.compress(path.read_bytes()))
    return path


@pytest.mark.parametrize("suffix", ["", ".csv", ".csv.gz", ".parquet"])
def test_sets_and_tables_on_disk_hold_the_same(tmp_path, suffix):
    where = {"dataset": "udhr_languages", "data": spam(tmp_path, suffix) if suffix else None}
    memory, disk = (datasets.load_texts(**where, stream=stream) for stream in ("off", "on"))
    assert memory.class_names == disk.class_names
    for split in ("train", "validation", "test"):
        expected, actual = getattr(memory, split), getattr(disk, split)
        assert isinstance(actual.texts, datasets.PackedTexts)
        assert tuple(actual.texts) == expected.texts
        np.testing.assert_array_equal(actual.labels, expected.labels)


def test_a_table_on_disk_is_refused_with_the_same_sentence(tmp_path):
    path = tmp_path / "x.csv"
    for content, sentence in (
        ("text,label\na,b\n,b\n", "line 3, column 'text': the value is missing."),
        ("text,label\na,b\nc\n", "line 3: every line must have 2 values"),
    ):
        path.write_text(content)
        for on_disk in (False, True):
            with pytest.raises(files.reading.UserError, match=sentence):
                files.read_texts(path, on_disk=on_disk)


def test_texts_that_need_too_much_memory_are_held_on_disk(tmp_path, monkeypatch):
    path = spam(tmp_path, ".csv")
    assert isinstance(datasets.load_texts("", data=path, stream="auto").train.texts, tuple)
    monkeypatch.setattr("keras_refs.datasets.streaming.MEMORY_FRACTION", 1e-12)
    assert datasets.load_texts("", data=path, stream="auto").train.texts.on_disk
    assert datasets.load_texts("udhr_languages", stream="auto").train.texts.on_disk


@pytest.mark.parametrize("tokens", [datasets.NgramTokens, datasets.NgramChannels])
def test_batches_are_the_same(tokens, monkeypatch):
    def batches(on_disk):
        texts = packed(on_disk, TEXTS * 5).from_every_word(4)
        arrays = texts.encoded(tokens.of(packed(on_disk).texts, 2, 100), 4)
        training = datasets.text_batches(*arrays, 8, 0, 1, 7, token_dropout=0.5)
        return [*training.as_numpy_iterator(), *datasets.ordered_batches(arrays, 9).as_numpy_iterator()]

    memory, disk = batches(False), batches(True)
    # Tokens that need too much memory are not held, either.
    monkeypatch.setattr("keras_refs.datasets.streaming.MEMORY_FRACTION", 1e-12)
    assert len(memory) == 6 + 3
    for expected, *others in zip(memory, disk, batches(False), strict=True):
        for actual in others:
            np.testing.assert_array_equal(actual[0], expected[0])
            np.testing.assert_array_equal(actual[1], expected[1])


def test_ngrams_are_counted_block_by_block(monkeypatch):
    whole = datasets.NgramChannels.of(TEXTS * 3, 3, 12)
    monkeypatch.setattr("keras_refs.datasets.ngrams.MOST_AT_ONCE", 1)
    np.testing.assert_array_equal(datasets.NgramChannels.of(TEXTS * 3, 3, 12).vocabulary, whole.vocabulary)


@pytest.mark.parametrize("recipe", [rnn_text_classifier, self_attention_classifier])
def test_a_run_resumed_from_disk_ends_as_an_unbroken_one_in_memory(recipe, tmp_path):
    small = {"epochs": 2, "length": 12, "vocabulary_size": 500, "embedding_dim": 4, "deterministic": True, "ngram": 2}
    small |= {"train_split": "train[:3%]", "validation_split": "validation[:10%]", "test_split": "test[:5%]"}
    name = recipe.__name__.rpartition(".")[2]
    small |= {"units": (4,)} if recipe is rnn_text_classifier else {"hidden_dim": 4, "num_heads": 1}

    def train(stream, resume=False, callbacks=()):
        config = settings.override(recipe.Config(), stream=stream, **small)
        folders = tmp_path / name / stream / "run", tmp_path / name / stream / "models"
        metrics = recipe.train_and_evaluate(config, *folders, resume, callbacks=callbacks)
        return metrics["test"], export.load_model(metrics["export"]).get_weights()

    def stop(epoch, logs):
        # In the second epoch, after the first one's checkpoint.
        if epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train("on", callbacks=[keras.callbacks.LambdaCallback(on_epoch_begin=stop)])
    (expected_scores, memory), (scores, disk) = train("off"), train("on", resume=True)
    assert scores == expected_scores
    for expected, actual in zip(memory, disk, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_bert_reads_the_beginnings_alone():
    config = settings.override(bert_classifier.Config(), stream="on", characters=30)
    memory = bert_classifier.load(settings.override(config, stream="off"))
    assert bert_classifier.load(config).train.texts == memory.train.texts
