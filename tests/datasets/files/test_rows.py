import numpy as np
import pytest
from sklearn.datasets import load_iris

from keras_refs import datasets
from keras_refs.datasets.files import read_numbers, read_pairs, read_texts
from keras_refs.errors import UserError

MAILS = [("win money", "spam"), ("see you, Ann", "ham"), ("cheap money", "spam"), ("the minutes", "ham")]


def csv(path, rows):
    quoted = [",".join('"' + str(value).replace('"', '""') + '"' for value in row) for row in rows]
    path.write_text("\n".join(quoted) + "\n", encoding="utf-8")
    return path


def mails(tmp_path, names=("text", "label", "split"), splits=("train", "train", "validation", "test"), rows=MAILS):
    return csv(tmp_path / "mails.csv", [names, *((*row, split) for row, split in zip(rows, splits, strict=True))])


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (("text", "label"), {}),
        (("Text", "kind"), {}),
        (("mail", "Label"), {}),
        (("mail", "kind"), {}),
        (("mail", "kind"), {"text": "mail", "label": "kind"}),
        (("label", "text"), {"text": "label", "label": "text"}),
    ],
)
def test_columns_of_texts_are_found_or_named(names, options, tmp_path):
    class_names, splits = read_texts(mails(tmp_path, (*names, "split")), **options)
    assert class_names == ("ham", "spam")
    train, validation, test = splits
    assert tuple(train[0]) == ("win money", "see you, Ann")
    assert train[1].tolist() == [1, 0]
    assert (*validation[0], *test[0]) == ("cheap money", "the minutes")


def test_columns_that_cannot_be_found(tmp_path):
    path = csv(tmp_path / "x.csv", [("a", "b", "c"), *[("1", "2", "3")] * 3])
    with pytest.raises(UserError, match="Name with --text the column of .* that has the text: a, b, c"):
        read_texts(path)
    with pytest.raises(UserError, match="Name with --label the column"):
        read_texts(path, text="a")
    with pytest.raises(UserError, match="--text must be a column of .*: 'a', 'b', 'c'. Received: d"):
        read_texts(path, text="d")


def test_classes_that_are_refused(tmp_path):
    with pytest.raises(
        UserError, match="line 5, column 'label': the class 'eggs' is in the test split and has no exam"
    ):
        read_texts(mails(tmp_path, rows=[*MAILS[:3], ("the minutes", "eggs")]))
    with pytest.raises(UserError, match="mails.csv must have examples of at least two classes. Received: ham"):
        read_texts(mails(tmp_path, rows=[(text, "ham") for text, _ in MAILS]))
    many = csv(
        tmp_path / "many.csv", [("text", "label"), *((f"text {row}", f"label {row % 80}") for row in range(160))]
    )
    with pytest.raises(UserError, match="classes and .* examples to train on, too few to learn"):
        read_texts(many)
    with pytest.raises(
        UserError, match="line 2, column 'label': 'spam' is no class of the model, which has: ham, eggs"
    ):
        read_texts(mails(tmp_path), class_names=("ham", "eggs"))


def test_a_test_split_alone_is_scored_with_the_classes_of_the_model(tmp_path):
    path = mails(tmp_path, splits=["test"] * 4)
    with pytest.raises(UserError, match="has no examples in its train split"):
        read_texts(path)
    class_names, splits = read_texts(path, class_names=("eggs", "spam", "ham"), needed=("test",))
    assert class_names == ("eggs", "spam", "ham")
    assert [len(labels) for _, labels in splits] == [0, 0, 4]
    assert splits[2][1].tolist() == [1, 2, 1, 2]


def test_classes_with_numbers_for_names_are_in_the_order_of_the_numbers(tmp_path):
    rows = [(f"text {row}", row % 12) for row in range(120)]
    class_names, _ = read_texts(csv(tmp_path / "x.csv", [("text", "label"), *rows]))
    assert class_names == tuple(map(str, range(12)))


@pytest.fixture
def irises(tmp_path):
    iris = load_iris()
    rows = [(*row, iris.target_names[label]) for row, label in zip(iris.data, iris.target, strict=True)]
    return csv(tmp_path / "iris.csv", [("a", "b", "c", "d", "species"), *rows])


def test_rows_of_numbers_and_classes(irises):
    names, classes, splits = read_numbers(irises, "species", with_classes=True)
    assert (names, classes) == (("a", "b", "c", "d"), ("setosa", "versicolor", "virginica"))
    features, labels = (np.concatenate(parts) for parts in zip(*splits, strict=True))
    assert (features.dtype, labels.dtype, labels.shape) == (np.float32, np.float32, (150, 1))
    rows = np.concatenate([features, labels], axis=1)
    expected = np.concatenate([load_iris().data, load_iris().target[:, np.newaxis]], axis=1).astype("float32")
    np.testing.assert_array_equal(rows[np.lexsort(rows.T)], expected[np.lexsort(expected.T)])
    keys = [{row.tobytes() for row in np.concatenate(split, axis=1)} for split in splits]
    assert not keys[0] & keys[1] and not keys[0] & keys[2] and not keys[1] & keys[2]


def test_a_number_to_predict_from_named_columns(irises):
    names, classes, splits = read_numbers(irises, "d", inputs=("c", "a"))
    assert (names, classes) == (("c", "a"), ())
    features, targets = splits[0]
    original = load_iris().data[:, [2, 0, 3]].astype("float32")
    rows = {tuple(row) for row in original.tolist()}
    assert {tuple(row) for row in np.concatenate([features, targets], axis=1).tolist()} <= rows


def test_tables_that_are_refused(irises, tmp_path):
    with pytest.raises(
        UserError, match="no column 'target' to predict: .*--target.* Its columns are: a, b, c, d, species"
    ):
        read_numbers(irises)
    with pytest.raises(UserError, match="--target must be a column of .*: 'a', 'b', 'c', 'd', 'species'. Received: e"):
        read_numbers(irises, "e")
    with pytest.raises(UserError, match="column 'species': 'setosa' is not a number. Name the columns .* --inputs"):
        read_numbers(irises, "a")
    with pytest.raises(
        UserError, match="column 'species': 'setosa' is not a number. To predict a class, train logistic_"
    ):
        read_numbers(irises, "species")
    with pytest.raises(UserError, match="--inputs must be a column of .* Received: e"):
        read_numbers(irises, "a", inputs=("e",))
    with pytest.raises(UserError, match="has no column beside 'target' to predict it from"):
        read_numbers(csv(tmp_path / "x.csv", [("target",), (1,), (2,)]))


@pytest.fixture
def words(tmp_path):
    """Pronunciations of the CMU Pronouncing Dictionary, a row for each."""
    train = datasets.load_transcription_split("cmudict", split="train[:100]")
    rows = list(zip(*train.pairs(), strict=True))
    return csv(tmp_path / "words.csv", [("word", "phonemes"), *rows]), train


def test_pairs_with_alternatives(words):
    path, train = words
    splits = read_pairs(path, separator=" ")
    together = {word: tuple(targets) for split in splits for word, targets in split.items()}
    assert together == dict(zip(train.sources, train.targets, strict=True))
    assert sum(map(len, splits)) == 100
    assert any(len(targets) > 1 for targets in together.values())
    data = datasets.load_transcriptions("", data=str(path), separator=" ")
    assert data.name == "words.csv"
    assert data.train.sources == tuple(splits[0])
    swapped = read_pairs(path, source="phonemes")
    assert set(swapped[0].values().__iter__().__next__()) <= set(train.sources)


def test_pairs_that_are_refused(words, tmp_path):
    path, _ = words
    with pytest.raises(UserError, match="the symbols of a transcription must be separated by ' ', as in 'A B C'. Rec"):
        read_pairs(path, "phonemes", "word", separator=" ")
    with pytest.raises(
        UserError, match="must have two columns, of strings and of their transcriptions. Received: word"
    ):
        read_pairs(csv(tmp_path / "x.csv", [("word",), ("a",)]))
