import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tf2onnx import convert

from keras_refs import export, recipes, serving
from tests.conftest import REPOSITORY

TOLERANCE = 1e-4
MODELS = [REPOSITORY / "saved_models" / name / "1" for name in recipes.NAMES if name != "bert_classifier"]
STRINGS = {
    "words": ["rough", "Through", "xylophone", ""],
    "dates": ["3 March 2026", "03.03.26", "Dienstag, 3. März 2026", ""],
    "texts": ["All human beings are born free", "Alle Menschen sind frei", "Všichni lidé rodí se svobodní", ""],
    "time": ["1985-01-02", "1985-07-04", "2014-12-25T18:00", "2012-02-29T00:00"],
}
"""What is asked in place of the example that a model brings, by the name of the input."""


@pytest.fixture(scope="module", params=MODELS, ids=lambda folder: folder.parent.name)
def model(request):
    """A version folder, its signatures' definitions, and the inputs and outputs of each signature."""
    servable = serving.Servable(request.param)
    # Not through the servable, which cuts the padding that a whole batch has.
    signatures = tf.saved_model.load(request.param).signatures
    questions = {
        name: {key: several(key, array) for key, array in inputs.items()}
        for name, inputs in export.read_warm_up(request.param)
    }
    answers = {name: (inputs, call(signatures[name], inputs)) for name, inputs in questions.items()}
    assert sorted(answers) == servable.names
    return request.param, servable.metadata, answers


def call(signature, inputs):
    outputs = signature(**{name: tf.constant(array) for name, array in inputs.items()})
    return {name: output.numpy() for name, output in outputs.items()}


def several(name, array):
    """Return four examples for each: other strings, or the same numbers in other orders."""
    if name in STRINGS:
        return np.array([string.encode() for string in STRINGS[name]], object)
    if array.ndim < 2:
        return np.repeat(array, 4, axis=0) if array.ndim else array
    generator = np.random.default_rng(0)
    return np.concatenate([array, *(generator.permuted(array) for _ in range(3))])


def check_agrees(found, expected):
    assert set(found) == set(expected)
    for name, answer in expected.items():
        assert found[name].shape == answer.shape, name
        if answer.dtype == object:
            assert as_bytes(found[name]) == as_bytes(answer), name
        elif answer.dtype == np.uint8:
            # A pixel that lies between two levels is rounded to either.
            np.testing.assert_allclose(found[name].astype(int), answer.astype(int), atol=1, err_msg=name)
        else:
            # At most the tolerance, or, of numbers over 1, that share of them.
            np.testing.assert_allclose(found[name], answer, rtol=TOLERANCE / 2, atol=TOLERANCE / 2, err_msg=name)


def as_bytes(strings):
    return [string.encode() if isinstance(string, str) else string for string in strings.ravel()]


def run(*arguments):
    finished = subprocess.run([str(argument) for argument in arguments], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr[-2000:]
    return finished.stdout


def test_saved_model_cli_runs_every_signature(model, tmp_path):
    folder, _, answers = model
    for signature, (inputs, expected) in answers.items():
        out = tmp_path / signature
        out.mkdir()
        files, expressions = [], []
        for name, array in inputs.items():
            if array.dtype == object:
                # A semicolon would end the expression.
                expressions.append(f"{name}={array.tolist()!r}".replace(";", r"\x3b"))
            else:
                np.save(out / f"input_{name}.npy", array)
                files.append(f"{name}={out / f'input_{name}.npy'}")
        command = ["run", "--dir", folder, "--tag_set", "serve", "--signature_def", signature, "--outdir", out]
        given = ["--inputs", ";".join(files), "--input_exprs", ";".join(expressions)]
        run(Path(sys.executable).with_name("saved_model_cli"), *command, *given)
        # The files of strings are pickled.
        found = {name: np.load(out / f"{name}.npy", allow_pickle=True) for name in expected}
        check_agrees(found, expected)


@pytest.fixture(scope="module")
def c_program(tmp_path_factory):
    """`run_signature.c`, compiled against what TensorFlow's wheel brings."""
    program, library = tmp_path_factory.mktemp("c") / "run_signature", Path(tf.sysconfig.get_lib())
    libraries = [library / f"libtensorflow_{name}.so.2" for name in ("cc", "framework")]
    source = Path(__file__).with_name("run_signature.c")
    options = ["-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{tf.sysconfig.get_include()}", f"-Wl,-rpath,{library}"]
    run("cc", *options, source, *libraries, "-o", program)
    return program


def test_c_program_runs_every_signature(model, c_program, tmp_path):
    folder, definitions, answers = model
    for signature, (inputs, expected) in answers.items():
        feeds, fetches = [], []
        for name, array in inputs.items():
            path = tmp_path / f"{signature}_{name}"
            path.write_bytes(to_bytes(array))
            shape = ",".join(map(str, array.shape))
            tensor = definitions[signature]["inputs"][name]["name"].split(":")
            feeds += ["feed", *tensor, tf.as_dtype(array.dtype).as_datatype_enum, shape, path]
        for name in expected:
            tensor = definitions[signature]["outputs"][name]["name"].split(":")
            fetches += ["fetch", *tensor, tmp_path / f"{signature}_{name}_answer"]
        lines = run(c_program, folder, *feeds, *fetches).splitlines()
        found = {
            name: to_array((tmp_path / f"{signature}_{name}_answer").read_bytes(), *line.split(" "))
            for name, line in zip(expected, lines, strict=True)
        }
        check_agrees(found, expected)


def to_bytes(array):
    if array.dtype == object:
        return b"".join(struct.pack("=Q", len(string)) + string for string in array.ravel())
    return array.tobytes()


def to_array(data, number, shape):
    dtype = tf.as_dtype(int(number)).as_numpy_dtype
    shape = [int(size) for size in shape.split(",") if size]
    if dtype is not object:
        return np.frombuffer(data, dtype).reshape(shape)
    strings = []
    while data:
        (length,) = struct.unpack("=Q", data[:8])
        strings.append(data[8 : 8 + length])
        data = data[8 + length :]
    return np.array(strings, object).reshape(shape)


def signature_to_convert(answers):
    """Return the name of the signature that takes no strings, its inputs and its outputs."""
    name = "numeric" if "numeric" in answers else "serving_default"
    return name, *answers[name]


def test_openvino_reads_the_saved_model(model, tmp_path):
    folder, _, answers = model
    signature, inputs, expected = signature_to_convert(answers)
    if signature != "serving_default":
        folder = with_one_signature(folder, signature, tmp_path / "model")
    core = openvino.Core()
    # On a CPU that has bfloat16 it would compute in that.
    compiled = core.compile_model(core.read_model(folder), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = compiled(inputs)
    check_agrees({name: found[name] for name in expected}, expected)


def with_one_signature(folder, signature, copy):
    """Copy a SavedModel without its other signatures: of several OpenVINO reads `serving_default`, and no other."""
    shutil.copytree(folder, copy)
    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    definitions = saved.meta_graphs[0].signature_def
    for name in set(definitions) - {signature}:
        del definitions[name]
    (copy / "saved_model.pb").write_bytes(saved.SerializeToString())
    return copy


def test_onnxruntime_answers_after_tf2onnx(model, tmp_path, monkeypatch):
    folder, _, answers = model
    signature, inputs, expected = signature_to_convert(answers)
    path = tmp_path / "model.onnx"
    command = ["--saved-model", folder, "--tag", "serve", "--signature_def", signature, "--output", path]
    monkeypatch.setattr(sys, "argv", ["tf2onnx.convert", *map(str, command)])
    convert.main()
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    check_agrees(dict(zip(names, session.run(names, inputs), strict=True)), expected)
