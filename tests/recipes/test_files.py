"""Training, scoring and explaining by command on files of each kind, and what is refused before anything is written."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_diabetes, load_digits, load_iris

from keras_refs import commands, datasets, evaluate, explain, export, train
from keras_refs.datasets.files import checksum
from keras_refs.errors import UserError
from tests.conftest import REPOSITORY


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(path, rows):
    text = "\n".join(",".join('"' + str(value).replace('"', '""') + '"' for value in row) for row in rows)
    Path(path).write_text(text + "\n", encoding="utf-8")
    return path


def flowers(path="flowers.csv"):
    iris = load_iris()
    rows = [[*row, iris.target_names[label]] for row, label in zip(iris.data, iris.target, strict=True)]
    return write(path, [("a", "b", "c", "d", "species"), *rows])


def patients(path="patients.csv"):
    data = load_diabetes(scaled=False)
    rows = [[*row, target] for row, target in zip(data.data, data.target, strict=True)]
    return write(path, [(*data.feature_names, "target"), *rows])


def digits(folder="digits", count=600):
    data = load_digits()
    for index in range(count):
        path = Path(folder) / str(data.target[index]) / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((data.images[index] * 15).astype(np.uint8)).save(path)
    return folder


def mails(folder="mails"):
    """Mails of SpamAssassin, in files by split."""
    Path(folder).mkdir()
    data = datasets.load_texts("spam_assassin")
    for split in ("train", "validation", "test"):
        part = getattr(data, split).per_class(40, seed=0)
        rows = [(text[:80], data.class_names[label]) for text, label in zip(part.texts, part.labels, strict=True)]
        write(f"{folder}/{split}.csv", [("mail", "kind"), *rows])
    return folder


def words(path="words.csv"):
    train = datasets.load_transcription_split("cmudict", split="train[:300]")
    return write(path, [("word", "phonemes"), *zip(*train.pairs(), strict=True)])


def weather(path="weather.csv"):
    """An excerpt of JFK's weather with gaps and an hour that a change of the clock doubled."""
    shutil.copy(Path(datasets.__file__).parents[2] / "tests" / "datasets" / "files" / "jfk_weather.csv", path)
    return path


LINEAR = ["--epochs", "2", "--passes-per-epoch", "20"]
TEXTS = ["--epochs", "1", "--batch-size", "16", "--embedding-dim", "4", "--length", "20"]
SERIES = ["--target", "temp", "--fill-gaps", "5", "--window", "24", "--horizon", "3", "--epochs", "1"]
SERIES += ["--batch-size", "16"]
KINDS = {
    "logistic_regression": (flowers, ["--target", "species", *LINEAR]),
    "linear_regression": (patients, LINEAR),
    "mlp": (digits, ["--hidden-units", "16", "--epochs", "1", "--batch-size", "32"]),
    "rnn_text_classifier": (mails, ["--units", "4", *TEXTS]),
    "lstm_regressor": (weather, ["--inputs", "humid", "--units", "4", *SERIES]),
    "g2p": (words, ["--units", "8", "--embedding-dim", "4", "--epochs", "1", "--batch-size", "32"]),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_model_of_a_file(name, tmp_path, capsys):
    make, options = KINDS[name]
    data = make()
    assert train.main([name, "--data", str(tmp_path / data), *options]) == 0
    printed = capsys.readouterr().out
    assert "examples to train on" in printed
    # Its defaults depend on the number of words, and it is read once.
    assert name != "g2p" or printed.count("examples to train on") == 1
    folder, card = commands.read_export(f"saved_models/{name}")
    assert card["dataset"]["sha256"] == checksum(data)
    assert card["dataset"]["name"] == card["settings"]["data"] == data
    text = (folder / "model_card.md").read_text()
    assert checksum(data) in text
    # Not where it lay, and not what was said of the recipe's own data.
    assert str(tmp_path) not in text + json.dumps(card)
    assert "dataset" not in card["settings"]
    assert card["summary"] == f"The model that the recipe {name} of keras_refs trained on {data}."

    assert evaluate.main([str(folder)]) == 2
    sentence = f"was trained on the file or folder {data}: name it, or another, with --data."
    assert sentence in capsys.readouterr().err
    shutil.move(data, "moved")
    shutil.copytree("moved", data) if Path("moved").is_dir() else shutil.copy("moved", data)
    assert evaluate.main([str(folder), "--data", data, "--output", "scores.json"]) == 0
    assert json.loads(Path("scores.json").read_text()) == card["test"]
    assert "Its model card claims" in capsys.readouterr().out
    assert explain.main([str(folder), "--data", data]) == 0
    assert ".png" in capsys.readouterr().out
    if make is mails:
        assert explain.main([str(folder), "--words", "available"]) == 0


def test_another_file_than_that_of_the_training(capsys):
    """Of two of the three classes and with the columns in another order."""
    assert train.main(["logistic_regression", "--data", flowers(), "--target", "species", "--folds", "1", *LINEAR]) == 0
    folder = Path("saved_models/logistic_regression/1")
    iris = load_iris()
    chosen = iris.target != 1
    rows = [
        ("test", iris.target_names[label], *row[::-1])
        for row, label in zip(iris.data[chosen], iris.target[chosen], strict=True)
    ]
    write("two.csv", [("split", "species", "d", "c", "b", "a"), *rows])
    assert evaluate.main([str(folder), "--data", "two.csv", "--output", "scores.json"]) == 0
    printed = capsys.readouterr().out
    assert "two.csv is not the flowers.csv that the model was trained on: it has another content." in printed
    labels = export.SavedFunction(folder).predict(features=iris.data[chosen].astype("float32"))["label"]
    accuracy = json.loads(Path("scores.json").read_text())["accuracy"]
    assert accuracy == pytest.approx((labels == iris.target[chosen]).mean())
    write("other.csv", [("split", "species", "a", "b", "c"), ("test", "setosa", 1, 2, 3)])
    assert evaluate.main([str(folder), "--data", "other.csv"]) == 2
    assert "--inputs must be a column of other.csv: 'split', 'species', 'a', 'b', 'c'. Received: d" in (
        capsys.readouterr().err
    )


def test_a_model_of_a_data_set_is_scored_on_a_file(capsys):
    """The bundled model has seen these patients: the columns are theirs."""
    model = REPOSITORY / "saved_models" / "linear_regression"
    assert evaluate.main([str(model), "--data", patients(), "--output", "scores.json"]) == 0
    printed = capsys.readouterr().out
    assert "patients.csv, on the test split:" in printed
    assert "Its model card claims" not in printed
    assert json.loads(Path("scores.json").read_text())["r2"] > 0.3
    assert explain.main([str(model), "--data", "patients.csv"]) == 0
    assert evaluate.main([str(model), "--data", "patients.csv", "--dataset", "diabetes"]) == 2
    assert "--data takes the place of --dataset and --data-dir" in capsys.readouterr().err


def test_a_series_with_a_test_part_alone(capsys):
    """Its first window is no forecast; the others are those that were scored in the whole series."""
    hours = np.arange("2024-01-01T00", "2024-01-11T00", dtype="datetime64[h]")
    values = np.sin(np.arange(len(hours)) / 4) + np.random.default_rng(0).normal(0, 0.1, len(hours))
    rows = list(zip(hours, values, strict=True))
    write("load.csv", [("when", "load"), *rows])
    options = ["--window", "24", "--horizon", "3", "--epochs", "1", "--units", "4", "--batch-size", "16"]
    assert train.main(["lstm_regressor", "--data", "load.csv", "--target", "load", *options]) == 0
    folder, card = commands.read_export("saved_models/lstm_regressor")
    # The last 36 hours are the test part.
    Path("alone").mkdir()
    write("alone/test.csv", [("when", "load"), *rows[-36 - 24 :]])
    write("column.csv", [("when", "load", "split"), *((*row, "test") for row in rows[-36 - 24 :])])
    for data in ("alone", "column.csv"):
        capsys.readouterr()
        assert evaluate.main([str(folder), "--data", data, "--output", f"{data}.json"]) == 0
        assert f"{data}: 0 examples to train on, 0 to validate on, 34 to score on, by time." in capsys.readouterr().out
        scores = json.loads(Path(f"{data}.json").read_text())
        assert scores["rmse"] == pytest.approx(card["test"]["rmse"], rel=1e-6)
        assert scores["references"].keys() == {"persistence", "24 steps before"}
        for name, reference in scores["references"].items():
            assert reference == pytest.approx(card["test"]["references"][name], rel=1e-6)
        assert explain.main([str(folder), "--data", data]) == 0
    assert train.main(["lstm_regressor", "--data", "alone", "--target", "load", *options]) == 2
    assert "The training part of alone has 0 steps; --window 24 and --horizon 3 need 27 there." in (
        capsys.readouterr().err
    )
    write("alone/test.csv", [("when", "load"), *rows[-26:]])
    assert evaluate.main([str(folder), "--data", "alone"]) == 2
    assert "The test part of alone has 26 steps; --window 24 and --horizon 3 need 27 there." in capsys.readouterr().err


def test_a_run_is_not_resumed_on_another_content(capsys):
    options = ["linear_regression", "--data", patients(), "--workdir", "run", *LINEAR]
    assert train.main(options) == 0
    assert train.main([*options, "--resume"]) == 0
    with Path("patients.csv").open("a") as file:
        file.write("1,2,3,4,5,6,7,8,9,10,11\n")
    assert train.main([*options, "--resume"]) == 2
    assert "holds a run on other data: patients.csv has another content than when the run" in capsys.readouterr().err


NUMBERS = "a,target\n1,2\n"
ONE_CLASS = "text,label\n" + "".join(f"text {row},spam\n" for row in range(100))
TEST_ALONE = "text,label,split\na,x,train\nb,y,train\nc,x,validation\nd,z,test\n"
HOURS = "when,a,b\n" + "".join(f"2016-07-01 {hour:02}:00,{hour},{hour % 3}\n" for hour in range(10) if hour != 3)
LINES = ["--target", "a", "--fill-gaps", "1"]
MISTAKES = [
    ("linear_regression", "x.csv", "", [], "x.csv is empty."),
    ("linear_regression", "x.csv", NUMBERS, [], "x.csv has 1 examples, too few: none of them falls into the"),
    ("linear_regression", "x.csv", "a,target\n1,2\n3,x\n", [], "x.csv, line 3, column 'target': 'x' is not a number."),
    ("linear_regression", "x.csv", 'a,target\n"1,5",2\n', [], "x.csv, line 2, column 'a': '1,5' is not a number. Name"),
    (
        "logistic_regression",
        "x.csv",
        "a,b\n1,2\n",
        [],
        "x.csv has no column 'target' to predict: call it so, or train with --target NAME.",
    ),
    ("logistic_regression", "x.csv", NUMBERS, ["--target", "c"], "--target must be a column of x.csv: 'a', 'target'."),
    ("rnn_text_classifier", "x.csv", ONE_CLASS, [], "x.csv must have examples of at least two classes. Received: spam"),
    ("rnn_text_classifier", "x.csv", TEST_ALONE, [], "line 5, column 'label': the class 'z' is in the test split"),
    ("rnn_text_classifier", "x.csv", b"text,label\n\xe9,a\n", [], "line 2: the byte 0xE9 is not UTF-8. Save the file"),
    ("bert_classifier", "x.csv", ONE_CLASS, ["--text", "mail"], "--text must be a column of x.csv: 'text', 'label'."),
    ("g2p", "x.csv", "word,phonemes\nkeras,KERAS\n", [], "must be separated by ' ', as in 'A B C'. Received: 'KERAS'"),
    ("lstm_regressor", "x.csv", HOURS, ["--target", "x"], "--target must be a column of x.csv: 'when', 'a', 'b'. Rece"),
    (
        "lstm_regressor",
        "x.csv",
        HOURS,
        ["--target", "a"],
        "x.csv, line 5: 2016-07-01T04:00 comes after 2016-07-01T02:00",
    ),
    ("lstm_regressor", "x.csv", HOURS, LINES, "The training part of x.csv has 7 steps; --window 168 and --horizon 24"),
    (
        "lstm_regressor",
        "x.csv",
        HOURS,
        [*LINES, "--window", "2", "--horizon", "1", "--holidays", "X"],
        "--holidays must",
    ),
    (
        "simple_rnn_regressor",
        "x.csv",
        HOURS,
        ["--target", "b"],
        "x.csv, line 5: 2016-07-01T04:00 comes after 2016-07-01T",
    ),
    (
        "simple_rnn_regressor",
        "x.csv",
        NUMBERS,
        ["--target", "a"],
        "No column has times. A time is a date that exists",
    ),
    ("mlp", "x.csv", NUMBERS, [], "x.csv must be a folder with a folder of images for each class."),
    ("gan", "x.png", NUMBERS, [], "x.png must be a folder with a folder of images for each class."),
    ("mlp", "x/a/1.png", NUMBERS, [], "x/a/1.png is no image that can be read: "),
    ("mlp", "x.csv", NUMBERS, ["--data", "nowhere"], "--data must be an existing file or folder. Received: nowhere"),
    ("mlp", "x.csv", NUMBERS, ["--dataset", "cifar10"], "--data takes the place of --dataset: leave one of them out."),
    ("mlp", "x.csv", NUMBERS, ["--test-split", "train"], "--test-split is for a TFDS data set, --data for a file"),
]


@pytest.mark.parametrize(("name", "file", "content", "options", "sentence"), MISTAKES)
def test_mistakes_leave_nothing_behind(name, file, content, options, sentence, tmp_path, capsys):
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = sorted(tmp_path.rglob("*"))
    assert train.main([name, "--data", file.split("/")[0], *options]) == 2
    printed = capsys.readouterr().err
    assert sentence in printed
    assert printed.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_columns_without_a_file(capsys):
    for name, option in (("rnn_text_classifier", "--label"), ("g2p", "--source")):
        assert train.main([name, option, "x"]) == 2
        assert f"{option} names a column of a file: name the file with --data." in capsys.readouterr().err


def test_a_recipe_that_makes_its_own_data_reads_no_file():
    with pytest.raises(UserError, match="adding_problem makes its own data; --dataset, --data-dir and --data are not"):
        commands.recipe_of({"name": "adding_problem", "settings": {}}, data="x.csv")
