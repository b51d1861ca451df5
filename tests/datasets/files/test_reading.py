import gzip
import hashlib
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from sklearn.datasets import load_wine

from keras_refs.datasets.files import checksum, describe, numbers, place, read_table, strings
from keras_refs.errors import UserError

ROWS = "name,price\nbread,2.5\nmilk,1\n"


def written(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def wine_csv(path, separator=","):
    wine = load_wine()
    lines = [separator.join([*wine.feature_names, "class"])]
    lines += [
        separator.join(map(repr, [*row.tolist(), int(label)]))
        for row, label in zip(wine.data, wine.target, strict=True)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("text", [None, (), ("class",)])
@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t")])
def test_numbers_of_a_real_table_are_those_of_its_source(text, suffix, separator, tmp_path):
    table = read_table(wine_csv(tmp_path / f"wine{suffix}", separator), text)
    assert table.column_names == [*load_wine().feature_names, "class"]
    features = np.stack([numbers(table, name) for name in load_wine().feature_names], axis=1)
    assert features.dtype == np.float64
    np.testing.assert_array_equal(features, load_wine().data)
    assert strings(table, "class") == [str(label) for label in load_wine().target]


def test_parquet_and_gzip_have_what_the_csv_has(tmp_path):
    path = wine_csv(tmp_path / "wine.csv")
    table = read_table(path, text=("class",))
    pyarrow.parquet.write_table(table, tmp_path / "wine.parquet")
    (tmp_path / "wine.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    for name in ("wine.parquet", "wine.csv.gz"):
        other = read_table(tmp_path / name)
        np.testing.assert_array_equal(numbers(other, "hue"), numbers(table, "hue"))
        assert strings(other, "class") == strings(table, "class")


@pytest.mark.parametrize(
    "content",
    [
        ROWS,
        "\ufeff" + ROWS,
        ROWS.replace("\n", "\r\n"),
        ROWS.replace("\nmilk", "\n\n\nmilk"),
        ROWS.removesuffix("\n"),
        'name,price\n"bread", 2.5\nmilk,1 \n',
    ],
    ids=["plain", "byte order mark", "Windows", "blank lines", "no last line break", "quotes and spaces"],
)
def test_files_as_programs_write_them(content, tmp_path):
    table = read_table(written(tmp_path, "x.csv", content))
    assert strings(table, "name") == ["bread", "milk"]
    np.testing.assert_array_equal(numbers(table, "price"), [2.5, 1])


def test_texts_stay_as_they_are_written(tmp_path):
    table = read_table(written(tmp_path, "x.csv", 'code,said\n007,"yes, I\ndo"\n1.0,NA\n'))
    assert strings(table, "code") == ["007", "1.0"]
    assert strings(table, "said") == ["yes, I\ndo", "NA"]


def test_a_place_is_the_line_in_an_editor(tmp_path):
    table = read_table(written(tmp_path, "x.csv", 'a,b\n"one\ntwo",1\n\n\nthree,2\n'))
    assert place(table, 0).endswith("x.csv, line 2")
    assert place(table, 1, "b").endswith("x.csv, line 6, column 'b'")


def test_missing_numbers_are_kept_on_request(tmp_path):
    table = read_table(written(tmp_path, "x.csv", "a,b\n1,x\nNA,y\n,z\n"))
    np.testing.assert_array_equal(numbers(table, "a", missing="keep"), [1, np.nan, np.nan])
    with pytest.raises(UserError, match="line 3, column 'a': the number is missing"):
        numbers(table, "a")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("x.csv", "", r"x\.csv is empty\."),
        ("x.csv", "\n\n", r"x\.csv is empty\."),
        ("x.csv", "a,b\n", r"x\.csv has a line of column names and no rows: a, b\."),
        ("x.csv", "a,b\n1,é\n".encode("latin-1"), "line 2: the byte 0xE9 after '1,' is not UTF-8. Save the file as"),
        ("x.csv", "é,b\n1,2\n".encode("latin-1"), "line 1: the byte 0xE9 is not UTF-8"),
        ("x.csv", ROWS.encode("utf-16"), "line 1: the byte 0xFF is not UTF-8"),
        ("x.csv", "a,b\n1,2\n\n3,4,5\n", "line 4: every line must have 2 values, as the first has names. Received: 3"),
        ("x.csv", "a,b\n1\n", "line 2: every line must have 2 values, as the first has names. Received: 1"),
        ("x.csv", "a,b,a\n1,2,3\n", "line 1: columns 1 and 3 are both called 'a'"),
        ("x.csv", "a,,b\n1,2,3\n", "line 1: column 2 has no name"),
        ("x.csv", "a;b\n1;2\n", "has one column, 'a;b': its values must be separated by commas.* Received: ';'"),
        ("x.parquet", ROWS, "cannot be read as Parquet: "),
        ("x.csv.gz", ROWS, r"x\.csv\.gz cannot be read: "),
        ("x.xlsx", ROWS, r"its name must end in \.csv, \.tsv, \.parquet, \.csv\.gz, \.tsv\.gz"),
    ],
)
@pytest.mark.parametrize("text", [None, ()])
def test_a_file_that_is_refused(name, content, sentence, text, tmp_path):
    with pytest.raises(UserError, match=sentence):
        read_table(written(tmp_path, name, content), text)


def test_no_file(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere.csv"):
        with pytest.raises(UserError, match=f"{re.escape(str(path))} is no file. Name a table"):
            read_table(path)


@pytest.mark.parametrize("text", [None, ()])
@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ('"3,4"', "line 3, column 'a': '3,4' is not a number"),
        ("2016-07-01 00:00:00", "line 3, column 'a': '2016-07-01 00:00:00' is not a number"),
        ("inf", "line 3, column 'a': inf is not a finite number"),
        ("", "line 3, column 'a': the number is missing"),
        ("NA", "line 3, column 'a': the number is missing"),
    ],
)
def test_a_value_that_is_no_number(value, sentence, text, tmp_path):
    table = read_table(written(tmp_path, "x.csv", f"a,b\n1,x\n{value},y\n4,z\n"), text)
    with pytest.raises(UserError, match=sentence):
        numbers(table, "a")


def test_a_text_that_is_missing_and_a_column_that_is_not_there(tmp_path):
    table = read_table(written(tmp_path, "x.csv", "a,b\n1,x\n2,\n"))
    with pytest.raises(UserError, match="line 3, column 'b': the value is missing"):
        strings(table, "b")
    for read in (strings, numbers):
        with pytest.raises(UserError, match=r"x\.csv has no column 'c'. Its columns are: 'a', 'b'\."):
            read(table, "c")


def test_values_of_parquet_have_rows(tmp_path):
    pyarrow.parquet.write_table(pa.table({"a": ["1", "x"], "b": [[1], [2]]}), tmp_path / "x.parquet")
    table = read_table(tmp_path / "x.parquet")
    with pytest.raises(UserError, match="row 2, column 'a': 'x' is not a number"):
        numbers(table, "a")
    with pytest.raises(UserError, match="column 'b', has values of the type list"):
        strings(table, "b")
    with pytest.raises(UserError, match=r"row 1, column 'b': '\[1\]' is not a number"):
        numbers(table, "b")


def test_checksum_of_a_file_and_of_a_folder(tmp_path):
    folder = tmp_path / "first"
    (folder / "a").mkdir(parents=True)
    written(folder, "a/1.txt", "one")
    written(folder, "2.txt", "two")
    assert checksum(folder / "2.txt") == hashlib.sha256(b"two").hexdigest()
    before = describe(folder)
    assert before == {"name": "first", "sha256": checksum(folder), "bytes": 6, "files": 2}
    written(folder, ".hidden", "passed over")
    folder.rename(tmp_path / "second")
    assert describe(tmp_path / "second") == {**before, "name": "second"}
    written(tmp_path / "second", "2.txt", "owt")
    assert checksum(tmp_path / "second") != before["sha256"]
    (tmp_path / "second" / "2.txt").rename(tmp_path / "second" / "3.txt")
    written(tmp_path / "second", "3.txt", "two")
    assert checksum(tmp_path / "second") != before["sha256"]
