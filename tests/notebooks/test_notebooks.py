"""The notebooks run from a clean start, and what they show is of the code they show."""

import ast
import re

import nbformat
import pytest

import keras_refs
from tests.notebooks import execution

# What must hold after the last cell, so that the text is true.
CLAIMS = {
    "conv_classifier": 'scores["accuracy"] > 0.8',
    "dense_and_linear": 'difference < 1e-3 and scores["accuracy"] > 0.95 and loss < 0.05',
    "gan": 'history.epochs[-1]["val_frechet_distance"] < 1',
    "recurrent": 'metrics["test"]["mse"]["lstm"] < 0.02 and abs(prediction["lstm"][0] - 0.85) < 0.2',
    "seq2seq": 'scores["word_error_rate"] < 0.2',
    "small_and_private": (
        'report["files"][2]["kept"] and scores["with privacy"]["accuracy"] > 0.7 and '
        'attacks["without privacy"]["advantage"] > 0.1 > attacks["with privacy"]["advantage"]'
    ),
    "transformers": 'np.abs(outputs_of_keras[0] - ours).max() < 1e-5 and metrics["test"]["accuracy"] > 0.85',
}
BUILDERS = {
    "conv_classifier": {"conv_classifier"},
    "dense_and_linear": {"linear_regression", "logistic_regression", "mlp"},
    "gan": {"gan_discriminator", "gan_generator"},
    "recurrent": {"lstm_regressor", "simple_rnn_regressor"},
    "seq2seq": {"attention_seq2seq"},
    "small_and_private": {"conv_classifier"},
    "transformers": {"self_attention_classifier"},
}
MOST_BYTES = 150_000
# As in /home/somebody, C:\Users, a folder for temporary files, or an address in memory.
LOCAL = re.compile(r"/(home|root|Users|tmp|var|work|private)/|[A-Z]:\\|0x[0-9a-f]{6}")


def kinds(notebook):
    """Return the kinds of outputs of each cell."""
    return [
        [sorted(output.get("data", [output.get("name")])) for output in cell.outputs]
        for cell in execution.code_cells(notebook)
    ]


def texts(notebook):
    """Return everything a reader sees but images."""
    for cell in notebook.cells:
        yield cell.source
        for output in cell.get("outputs", []):
            yield output.get("text", "")
            yield from (str(value) for kind, value in output.get("data", {}).items() if kind.startswith("text/"))


def test_every_family_has_its_notebook():
    assert {path.stem for path in execution.FOLDER.glob("*.ipynb")} == CLAIMS.keys() == BUILDERS.keys()


@pytest.mark.parametrize("name", CLAIMS)
def test_runs_from_a_clean_start(name, tmp_path):
    notebook = execution.read(name)
    expected = kinds(notebook)
    notebook.cells.append(nbformat.v4.new_code_cell(f"assert {CLAIMS[name]}"))
    execution.execute(notebook, tmp_path)
    assert kinds(notebook) == [*expected, []]
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("name", CLAIMS)
def test_stored_outputs_are_those_of_the_code(name):
    notebook = execution.read(name)
    nbformat.validate(notebook)
    message = f"run `python -m tests.notebooks.execution {name}`"
    assert notebook.metadata.get("executed") == execution.digest(notebook), message
    cells = execution.code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert {output.output_type for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert {output.name for output in outputs if output.output_type == "stream"} == {"stdout"}
    assert any("image/png" in output.get("data", {}) for output in outputs)
    # Of the package the digest knows nothing.
    assert ast.literal_eval(outputs[0]["data"]["text/plain"]) == keras_refs.list_models()


@pytest.mark.parametrize("name", CLAIMS)
def test_can_be_read_on_a_code_host(name):
    notebook = execution.read(name)
    assert (execution.FOLDER / f"{name}.ipynb").stat().st_size <= MOST_BYTES
    assert [text for text in texts(notebook) if LOCAL.search(text)] == []
    assert max(len(line) for text in texts(notebook) for line in text.splitlines()) <= 200


@pytest.mark.parametrize("name", CLAIMS)
def test_goes_from_the_data_to_a_served_prediction(name):
    cells = execution.code_cells(execution.read(name))
    assert "import keras_refs\n" in cells[0].source
    code = "\n".join(cell.source for cell in cells)
    assert set(re.findall(r"keras_refs\.(\w+)", code)) >= BUILDERS[name]
    steps = (r"data(sets)?\.", rf"keras_refs\.{min(BUILDERS[name])}", r"serving\.application", ":predict")
    positions = [re.search(step, code).start() for step in steps]
    assert positions == sorted(positions)
