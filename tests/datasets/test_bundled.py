import functools
import hashlib

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes
from tensorflow_datasets.core import read_only_builder

from keras_refs.datasets import catalogue

PACKAGE = catalogue.BUNDLED_DATA_DIR.parent
EXAMPLES = {
    "breast_cancer": {"train": 569},
    "cmudict": {"train": 99_700, "validation": 5_924, "test": 11_869},
    "diabetes": {"train": 442},
    "hourly_electricity": {"train": 21_043, "test": 5_261},
    "nyse": {"train": 4_281, "test": 1_770},
    "spam_assassin": {"train": 4_481, "validation": 668, "test": 637},
    "udhr_languages": {"train": 1_733, "validation": 280, "test": 360},
}
FEATURES = {
    "breast_cancer": {"features": ((30,), "float32"), "label": ((), "int64")},
    "cmudict": {"word": ((), "object"), "pronunciations": ((), "object")},
    "diabetes": {"features": ((10,), "float32"), "target": ((), "float32")},
    "hourly_electricity": {"time": ((), "object"), "load": ((), "float32")},
    "nyse": {"date": ((), "object"), "day_of_week": ((), "int64"), "values": ((3,), "float32")},
    "spam_assassin": {"text": ((), "object"), "label": ((), "int64")},
    "udhr_languages": {"text": ((), "object"), "label": ((), "int64"), "article": ((), "int32")},
}
LICENCES = {
    "breast_cancer": ["creativecommons.org/licenses/by/4.0", "BSD 3-Clause License"],
    "cmudict": ["Carnegie Mellon University"],
    "diabetes": ["BSD 3-Clause License"],
    "hourly_electricity": ["creativecommons.org/licenses/by/4.0", "LinkedIn Corporation"],
    "nyse": ["Redistribution and use in source and binary forms"],
    "spam_assassin": ["Creative Commons Zero v1.0 Universal", "Open Data Commons Public Domain Dedication"],
    "udhr_languages": ["Permission is hereby granted"],
}
each_name = pytest.mark.parametrize("name", EXAMPLES)


@functools.cache
def info(name):
    # What a process that has never imported our builders gets, whichever tests ran before this one.
    return read_only_builder.builder_from_files(name, data_dir=str(catalogue.BUNDLED_DATA_DIR)).info


@functools.cache
def read(name, split):
    builder = read_only_builder.builder_from_files(name, data_dir=str(catalogue.BUNDLED_DATA_DIR))
    batch = catalogue.open_split(builder, split).ragged_batch(100_000).get_single_element()
    return {key: value.numpy() for key, value in batch.items()}


def whole(name, feature):
    return np.concatenate([read(name, split)[feature] for split in EXAMPLES[name]])


@each_name
def test_splits_are_whole(name):
    assert {split: found.num_examples for split, found in info(name).splits.items()} == EXAMPLES[name]
    for split, count in EXAMPLES[name].items():
        assert {len(values) for values in read(name, split).values()} == {count}


@each_name
def test_features_are_whole_and_of_the_right_kind(name):
    for split in EXAMPLES[name]:
        values_of = read(name, split)
        assert {key: (values.shape[1:], values.dtype.name) for key, values in values_of.items()} == FEATURES[name]
        for values in values_of.values():
            assert all(map(len, values)) if values.dtype == object else np.isfinite(values).all()


@each_name
def test_licence_and_citation_lie_beside_the_data(name):
    licence = (catalogue.BUNDLED_DATA_DIR / name / "LICENSE").read_text()
    assert all(phrase in licence for phrase in LICENCES[name])
    citation = (catalogue.BUNDLED_DATA_DIR / name / "CITATION.bib").read_text()
    assert citation.startswith("@")
    assert citation.strip() == info(name).citation


@each_name
def test_prepared_form_says_what_the_builder_says(name):
    assert info(name).description == (PACKAGE / name / "README.md").read_text().strip()
    assert info(name).citation == (PACKAGE / name / "CITATIONS.bib").read_text().strip()
    assert info(name).module_name == f"keras_refs.datasets.{name}.{name}_dataset_builder"


def test_class_names():
    assert info("breast_cancer").features["label"].names == ["malignant", "benign"]
    assert info("nyse").features["day_of_week"].names == ["mon", "tues", "wed", "thur", "fri"]
    assert info("spam_assassin").features["label"].names == ["ham", "spam"]
    languages = info("udhr_languages").features["label"].names
    assert len(set(languages)) == 40
    assert languages == sorted(languages)
    tag_of = dict(zip(languages, info("udhr_languages").metadata["language_tags"], strict=True))
    assert (tag_of["Afrikaans"], tag_of["Norwegian Bokmål"], tag_of["Zulu"]) == ("af", "nb", "zu")


@pytest.mark.parametrize(
    ("name", "target", "load"),
    [
        ("diabetes", "target", functools.partial(load_diabetes, scaled=False)),
        ("breast_cancer", "label", load_breast_cancer),
    ],
)
def test_tables_are_those_of_scikit_learn(name, target, load):
    expected = load()
    assert info(name).metadata["feature_names"] == list(expected.feature_names)
    rows = np.column_stack([read(name, "train")["features"], read(name, "train")[target]])
    expected_rows = np.column_stack([expected.data, expected.target]).astype(np.float32)
    # Every row differs in its features, so sorted rows can be compared one by one.
    np.testing.assert_array_equal(*(table[np.lexsort(table.T)] for table in (rows, expected_rows)))


def test_nyse_runs_on_in_time():
    days = whole("nyse", "date").astype("U").astype("datetime64[D]")
    assert (str(days[0]), str(days[-1])) == ("1962-12-03", "1986-12-31")
    assert (np.diff(days) > np.timedelta64(0)).all()
    assert read("nyse", "test")["date"][0] == b"1980-01-02"
    # 1 January 1970 was a Thursday.
    np.testing.assert_array_equal(whole("nyse", "day_of_week"), (days.astype(int) + 3) % 7)


def test_nyse_values_are_in_the_order_of_their_names():
    assert info("nyse").metadata["value_names"] == ["DJ_return", "log_volume", "log_volatility"]
    np.testing.assert_allclose(read("nyse", "train")["values"][0], [-0.004461, 0.032573, -13.1274025], rtol=1e-6)


def test_electricity_has_every_hour_once():
    hours = whole("hourly_electricity", "time").astype("U").astype("datetime64[h]")
    expected = np.arange("2012-01-01T00", "2015-01-01T00", dtype="datetime64[h]")
    np.testing.assert_array_equal(hours, expected)


def test_electricity_gives_the_known_errors_of_naive_forecasts():
    load, first = whole("hourly_electricity", "load"), EXAMPLES["hourly_electricity"]["train"]
    errors = [np.sqrt(np.mean((load[first:] - load[first - lag : -lag]) ** 2)) for lag in (1, 24)]
    np.testing.assert_allclose(errors, [319.3, 164.4], atol=0.05)


def test_cmudict_splits_go_by_the_hash_of_the_word():
    words = {split: set(read("cmudict", split)["word"]) for split in EXAMPLES["cmudict"]}
    assert {len(words[split]) for split in words} == set(EXAMPLES["cmudict"].values())
    for split, allowed in (("test", range(10)), ("validation", range(10, 15)), ("train", range(15, 100))):
        assert {int(hashlib.sha256(word).hexdigest(), 16) % 100 for word in words[split]} == set(allowed)


def test_cmudict_has_its_pronunciations_in_order():
    known = dict(zip(read("cmudict", "train")["word"], read("cmudict", "train")["pronunciations"], strict=True))
    assert list(known[b"tomato"]) == [b"T AH0 M EY1 T OW2", b"T AH0 M AA1 T OW2"]
    phonemes = {phoneme for several in known.values() for one in several for phoneme in one.decode().split()}
    assert len({phoneme.rstrip("012") for phoneme in phonemes}) == 39


def test_no_text_of_udhr_is_in_two_splits_or_twice_in_one():
    assert len(set(whole("udhr_languages", "text"))) == sum(EXAMPLES["udhr_languages"].values())


def test_udhr_splits_go_by_article():
    articles = {split: set(read("udhr_languages", split)["article"]) for split in EXAMPLES["udhr_languages"]}
    assert articles["test"] == {5, 10, 15, 20, 25, 30}
    assert articles["validation"] == {3, 13, 23}
    assert articles["train"] == set(range(31)) - articles["test"] - articles["validation"]


def test_every_language_has_the_articles_that_are_scored():
    for split, paragraphs in (("validation", 7), ("test", 9)):
        np.testing.assert_array_equal(np.bincount(read("udhr_languages", split)["label"]), [paragraphs] * 40)


def test_udhr_texts_stand_by_their_languages():
    languages = info("udhr_languages").features["label"].names
    test = read("udhr_languages", "test")
    of_article_5 = {
        languages[label]: text.decode()
        for text, label, article in zip(test["text"], test["label"], test["article"], strict=True)
        if article == 5
    }
    assert of_article_5["English"].startswith("No one shall be subjected to torture")
    assert of_article_5["German"].startswith("Niemand darf der Folter")
    assert of_article_5["Spanish"].startswith("Nadie será sometido a torturas")
