import gzip

import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_refs.datasets import catalogue, prepare
from keras_refs.datasets.udhr_languages import udhr_languages_dataset_builder as udhr


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def examples(tmp_path, source):
    """Return a function that prepares a data set from `source` and returns its splits, as lists of examples."""

    def prepare_and_read(name):
        prepare.main([name, str(source), str(tmp_path / "data")])
        builder = tfds.builder_from_directory(tmp_path / "data" / name / "1.0.0")
        return {split: list(tfds.as_numpy(builder.as_dataset(split=split))) for split in builder.info.splits}

    return prepare_and_read


def test_diabetes(source, examples):
    features = np.arange(30).reshape(3, 10) / 4
    with gzip.open(source / "diabetes_data_raw.csv.gz", "wt") as file:
        np.savetxt(file, features)
    with gzip.open(source / "diabetes_target.csv.gz", "wt") as file:
        np.savetxt(file, [7, 8, 9])
    train = sorted(examples("diabetes")["train"], key=lambda example: example["target"])
    assert [example["target"] for example in train] == [7, 8, 9]
    np.testing.assert_array_equal([example["features"] for example in train], features)


def test_breast_cancer_reads_its_classes_from_the_header(source, examples):
    rows = [",".join(str(row + column / 4) for column in range(30)) + f",{row % 2}" for row in range(3)]
    (source / "breast_cancer.csv").write_text("\n".join(["3,30,benign,malignant", *rows, ""]))
    train = sorted(examples("breast_cancer")["train"], key=lambda example: example["features"][0])
    assert [example["label"] for example in train] == [1, 0, 1]
    np.testing.assert_array_equal(
        [example["features"][[0, 29]] for example in train], [[0, 7.25], [1, 8.25], [2, 9.25]]
    )


def test_nyse_splits_by_its_flag_and_keeps_the_order(source, examples):
    rows = [
        '"date","day_of_week","DJ_return","log_volume","log_volatility","train"',
        *(f'"1979-12-{day}","thur",0.5,{day},-2,TRUE' for day in range(11, 31)),
        '"1980-01-02","wed",0.25,1.5,-3,FALSE',
    ]
    (source / "NYSE.csv").write_text("\n".join([*rows, ""]))
    splits = examples("nyse")
    assert [example["values"][1] for example in splits["train"]] == list(range(11, 31))
    assert {example["day_of_week"] for example in splits["train"]} == {3}
    (last,) = splits["test"]
    assert (last["date"], last["day_of_week"]) == (b"1980-01-02", 2)
    np.testing.assert_array_equal(last["values"], [0.25, 1.5, -3])


def test_electricity_gives_the_last_fifth_to_test(source, examples):
    hours = [f"2012-01-01 {hour:02}:00:00,{hour}.5" for hour in range(24)]
    (source / "hourly_electricity.csv").write_text("\n".join(["ts,y", *hours, ""]))
    splits = examples("hourly_electricity")
    assert [example["load"] for example in splits["train"]] == [hour + 0.5 for hour in range(19)]
    assert [example["time"] for example in splits["test"]] == [b"2012-01-01T%02d:00" % hour for hour in range(19, 24)]


def test_udhr_takes_paragraphs_of_preamble_and_articles(source, examples):
    (source / "declaration").mkdir()
    for language, (file_name, _) in udhr.LANGUAGES.items():
        (source / "declaration" / f"{file_name}.html").write_text(
            f"""<!doctype html>
            <html><head><title>{language}</title></head><body><h1>Declaration</h1><p>{language} outside</p>
            <header><h2>Preamble</h2><p>{language}\N{RIGHT SINGLE QUOTATION MARK}s
              preamble &amp; more</p></header>
            <article data-number="1"><h2>Article 1</h2><p>What all languages have.</p></article>
            <article data-number="3"><ol><li><p>(1) {language} third</p></li></ol></article>
            <article data-number="5"><p>{language} co\N{HYPHEN}fifth</p><p> </p></article>
            </body></html>""",
            encoding="utf-8",
        )
    splits = examples("udhr_languages")
    languages = list(udhr.LANGUAGES)
    found = {
        split: {
            (example["text"].decode(), languages[example["label"]], example["article"]) for example in split_examples
        }
        for split, split_examples in splits.items()
    }
    assert found == {
        "train": {(f"{language}'s preamble & more", language, 0) for language in languages},
        "validation": {(f"{language} third", language, 3) for language in languages},
        "test": {(f"{language} co-fifth", language, 5) for language in languages},
    }


def test_spam_assassin_keeps_threads_together_and_drops_duplicates(source, examples):
    # By the SHA-256 of their letters modulo 100 "a question" (58) is for training, with its reply, "lunch" (12) for
    # validation, "offer" (5) for the test. The last text has no letters.
    mails_of = {
        "easy-ham-1": {
            "1": ("a question", "how does one write a builder"),
            "2": ("Re: a question", "as the others are"),
        },
        "easy-ham-2": {"3": ("a question", "how does one write a builder!")},
        "hard-ham-1": {"1": ("lunch", "see you at six")},
        "spam-1": {"4": ("offer", "buy this now at http://offer.com/1 or mail us@offer.com")},
        "spam-2": {"5": ("1", "$2")},
    }
    for folder, mails in mails_of.items():
        (source / "data" / folder).mkdir(parents=True)
        for name, (subject, body) in mails.items():
            (source / "data" / folder / f"{name}.txt").write_text(f"From: a@b.org\nSubject: {subject}\n\n{body}\n")
            (source / "data" / folder / f"{name}.json").write_text("{}")
    found = {
        split: {(example["text"].decode(), int(example["label"])) for example in split_examples}
        for split, split_examples in examples("spam_assassin").items()
    }
    assert found == {
        "train": {("a question\nhow does one write a builder", 0), ("Re: a question\nas the others are", 0)},
        "validation": {("lunch\nsee you at six", 0)},
        "test": {("offer\nbuy this now at <url> or mail <email>", 1)},
    }


def test_cmudict_takes_words_of_letters_with_all_their_pronunciations(source, examples):
    # By their SHA-256 modulo 100 "eat" (37) is for training, "come" (13) for validation, "read" (5) for the test.
    lines = ["'bout B AW1 T", "a. EY1", "eat IY1 T", "come K AH1 M", "read R EH1 D", "read(2) R IY1 D # comment"]
    (source / "cmudict.dict").write_text("\n".join([*lines, ""]))
    found = {
        split: {example["word"].decode(): list(example["pronunciations"]) for example in split_examples}
        for split, split_examples in examples("cmudict").items()
    }
    assert found == {
        "train": {"eat": [b"IY1 T"]},
        "validation": {"come": [b"K AH1 M"]},
        "test": {"read": [b"R EH1 D", b"R IY1 D"]},
    }


def test_knows_its_data_sets():
    assert catalogue.bundled_names() == prepare.NAMES


def test_says_what_is_missing_and_where_it_comes_from(tmp_path, source, capsys):
    (source / "something_else.csv").touch()
    for folder, complaint in ((source, "NYSE.csv"), (tmp_path / "nowhere", "nowhere is not a folder")):
        with pytest.raises(SystemExit):
            prepare.main(["nyse", str(folder), str(tmp_path / "data")])
        message = capsys.readouterr().err
        assert complaint in message
        assert "`NYSE.csv` of the PyPI package `ISLP` 0.6.0" in message


def test_says_what_fashion_mnist_is_made_of(tmp_path, source, capsys):
    with pytest.raises(SystemExit):
        prepare.main(["fashion_mnist", str(source), str(tmp_path / "data")])
    message = capsys.readouterr().err
    assert "ubyte.gz; No such file" in message
    assert "Debian's `dataset-fashion-mnist`" in message


def test_leaves_a_prepared_data_set_alone(source, examples, capsys):
    (source / "hourly_electricity.csv").write_text("ts,y\n" + "2012-01-01 00:00:00,1\n" * 5)
    examples("hourly_electricity")
    with pytest.raises(SystemExit):
        examples("hourly_electricity")
    assert "1.0.0 exists already" in capsys.readouterr().err
