"""Time the committed models' signatures beside ONNX Runtime and OpenVINO, which compute the same from the same file.

    python benchmarks/prediction.py conv_classifier g2p

measures these, by default all models in `saved_models`; `results/prediction.json` keeps what it has of the others.
Each runtime answers single requests, and batches of 256, by the signature that takes no strings, in float32, in turns
in one process. Each has one thread, and the time is that of the processor, which other work on it changes less. The
inputs are those of the warm-up request, repeated.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import numpy as np
from hardware import cores, hardware

from keras_refs import commands, recipes, storage

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "results" / "prediction.json"
NAMES = [name for name in recipes.NAMES if name != "bert_classifier"]
RUNTIMES = {"saved_model": "TensorFlow", "onnx": "ONNX Runtime", "openvino": "OpenVINO"}
CALLS = {1: 100, 256: 3}
"""Calls of a round by the number of examples in each."""


def signature_without_strings(folder):
    """Return the name of a signature that all runtimes know, and one example of its inputs, arrays by name."""
    from keras_refs import export

    requests = dict(export.read_warm_up(folder))
    name = "numeric" if "numeric" in requests else "serving_default"
    return name, {key: array[:1] for key, array in requests[name].items()}


def load(folder, signature):
    """Return by runtime the function from inputs to outputs, arrays by name, of a signature of an export."""
    import onnxruntime
    import openvino
    import tensorflow as tf

    from keras_refs import export

    saved = export.SavedFunction(folder, signature)

    def call(inputs):
        tensors = {name: tf.constant(array) for name, array in inputs.items()}
        return {name: output.numpy() for name, output in saved.signature(**tensors).items()}

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        export.to_onnx(folder, signature).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    # On a CPU that has bfloat16 it would compute in that.
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = openvino.compile_model(openvino.convert_model(saved.signature), "CPU", options)
    return {
        "saved_model": call,
        "onnx": lambda inputs: dict(zip(names, session.run(names, inputs), strict=True)),
        "openvino": lambda inputs: compiled(inputs).to_dict(),
    }


def seconds(function, inputs, calls):
    """Return the processor time of a call."""
    began = time.process_time()
    for _ in range(calls):
        function(inputs)
    return (time.process_time() - began) / calls


def measure(name, rounds):
    """Return the seconds of a call of a trained model, of every round, by the number of examples and the runtime."""
    folder = REPOSITORY / "saved_models" / name / "1"
    signature, example = signature_without_strings(folder)
    functions = load(folder, signature)
    times = {size: {runtime: [] for runtime in functions} for size in CALLS}
    for number in range(rounds + 1):
        for size, calls in CALLS.items():
            inputs = {key: np.repeat(array, size, axis=0) for key, array in example.items()}
            for runtime, function in functions.items():
                taken = seconds(function, inputs, calls)
                # The first round prepares.
                if number:
                    times[size][runtime].append(round(taken, 7))
    return {"signature": signature, "seconds": {str(size): by_runtime for size, by_runtime in times.items()}}


def cells(by_runtime, text):
    """Return the median of each runtime as text, and of the others how many times as fast as the first it is."""
    first, *others = by_runtime
    told = [text(statistics.median(by_runtime[first]))]
    for other in others:
        # Of each round, as a machine that slows down slows down both.
        ratios = [one / another for one, another in zip(by_runtime[first], by_runtime[other], strict=True)]
        told.append(f"{text(statistics.median(by_runtime[other]))} (**{statistics.median(ratios):.2f}**)")
    return told


def table(models):
    """Return the figures by the name of the model as Markdown."""
    batch = max(CALLS)
    header = [*(f"one example: {label}" if not place else label for place, label in enumerate(RUNTIMES.values()))]
    header += [f"batches of {batch}: {label}" if not place else label for place, label in enumerate(RUNTIMES.values())]
    lines = [f"| model | {' | '.join(header)} |", "|---|" + "---|" * len(header)]
    for name, found in models.items():
        told = cells(found["seconds"]["1"], lambda taken: f"{1e3 * taken:.2f} ms")
        told += cells(found["seconds"][str(batch)], lambda taken: f"{batch / taken:,.0f}/s")
        lines.append(f"| `{name}` | {' | '.join(told)} |")
    machines = sorted({f"{cores([found['cores']])} of {found['device']}" for found in models.values()})
    rounds = len(next(iter(models.values()))["seconds"]["1"]["onnx"])
    return "\n".join([*lines, "", f"Medians of {rounds} rounds on {' and '.join(machines)}, which other work shared."])


def main():
    """Measure the models named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    commands.import_tensorflow_quietly()
    import tensorflow as tf

    # Before the first operation, after which the number is fixed.
    tf.config.threading.set_intra_op_parallelism_threads(1)
    for name in arguments.names:
        found = {**measure(name, arguments.rounds), **hardware()}
        print(name, {size: cells(times, "{:.6f}".format) for size, times in found["seconds"].items()}, flush=True)
        measured = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {"models": {}}
        storage.write_json(RESULTS, {"models": dict(sorted({**measured["models"], name: found}.items()))})


if __name__ == "__main__":
    main()
