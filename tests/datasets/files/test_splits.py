import numpy as np
import pytest

from keras_refs.datasets.catalogue import split_of
from keras_refs.datasets.files import assign_splits, read_tables
from keras_refs.errors import UserError

WORDS = [f"word {number}" for number in range(200)]


def assigned(keys, codes=None, **options):
    codes = np.full(len(keys), -1, np.int8) if codes is None else np.array(codes, np.int8)
    return assign_splits("words.csv", codes, keys.__getitem__, lambda index: f"line {index + 2}", **options)


def test_made_splits_depend_on_the_example_alone():
    codes = dict(zip(WORDS, assigned(WORDS), strict=True))
    names = ("train", "validation", "test")
    assert {word: names[code] for word, code in codes.items()} == {
        word: split_of(f"file {word}", 10, 10) for word in WORDS
    }
    shuffled = [*list(np.random.default_rng(0).permutation(WORDS)), "another"]
    assert all(codes.get(word, code) == code for word, code in zip(shuffled, assigned(shuffled), strict=True))
    repeated = assigned(WORDS * 2)
    np.testing.assert_array_equal(repeated[:200], repeated[200:])


def test_a_missing_split_is_cut_off_training(capsys):
    given = [0] * 150 + [2] * 50
    codes = assigned(WORDS, given, validation=20)
    np.testing.assert_array_equal(codes == 2, np.array(given) == 2)
    assert 15 < (codes == 1).sum() < 45
    assert "50 to score on (validation by a hash of each example)." in capsys.readouterr().out


def test_what_is_scored_is_not_trained_on(capsys):
    keys = ["a", "b", "c", "b", "d", "c", "e", "c"]
    codes = assigned(keys, [0, 0, 0, 1, 1, 1, 2, 2])
    assert codes.tolist() == [0, -2, -2, 1, 1, -2, 2, 2]
    assert "left out because the split to score or to validate on has them, too: 3, the first is line 3." in (
        capsys.readouterr().out
    )


def test_an_empty_split():
    with pytest.raises(UserError, match=r"words.csv has 1 examples, too few: none of them falls into the \w+ split"):
        assigned(["a"])
    with pytest.raises(UserError, match="words.csv has no examples in its train split"):
        assigned(["a", "b"], [2, 2])
    assert assigned(["a", "b"], [2, 2], needed=("test",)).tolist() == [2, 2]


def test_splits_of_a_column_and_of_files(tmp_path):
    (tmp_path / "x.csv").write_text("text,split\na,train\nb,test\nc,validation\n")
    tables, codes = read_tables(tmp_path / "x.csv")
    assert len(tables) == 1
    assert codes.tolist() == [0, 2, 1]
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "test.csv").write_text("text,label\na,x\n")
    (folder / "train.tsv").write_text("label\ttext\nx\tb\ny\tc\n")
    tables, codes = read_tables(folder)
    assert [len(table) for table in tables] == [2, 1]
    assert codes.tolist() == [0, 0, 2]


def test_splits_that_are_refused(tmp_path):
    (tmp_path / "x.csv").write_text("text,split\na,train\nb,dev\n")
    with pytest.raises(UserError, match="line 3, column 'split': 'dev' is not one of train, validation, test"):
        read_tables(tmp_path / "x.csv")
    with pytest.raises(UserError, match="must have a table called train, validation or test, .* Received: x.csv"):
        read_tables(tmp_path)
    (tmp_path / "train.csv").write_text("text,label\na,x\n")
    (tmp_path / "test.csv").write_text("text\nb\n")
    with pytest.raises(UserError, match="must have the same columns. Received: text, label and text"):
        read_tables(tmp_path)
    (tmp_path / "test.tsv").write_text("text\tlabel\nb\tx\n")
    with pytest.raises(UserError, match="must have one table for each split. Received: test.csv and test.tsv"):
        read_tables(tmp_path)
