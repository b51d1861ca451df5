"""Measure texts that are held on disk, and series of which windows are cut batch by batch; generates them, once.

`benchmarks/streaming.py --kinds texts series` calls this. Texts have words of four invented languages, about 1,000
bytes each. `rnn_text_classifier` trains on some of them with `--stream off` and `--stream on`, and for 2,000 steps on
a million; the first 500 batches are read of fewer, from memory and from disk. `lstm_regressor` trains for an epoch on
series of ten columns.
"""

import hashlib
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from hardware import where

TRAINED, READ, COMPARED = 1_000, (10_000, 30_000, 100_000), 10_000
LARGE, STEPS = 1_000_000, 2_000
HOURS = (100_000, 1_000_000)
BATCHES, BATCH_SIZE = 500, 128
TEXT_OPTIONS = {"units": (16,), "embedding_dim": 16, "epochs": 1, "batch_size": BATCH_SIZE, "precision": "float32"}
SERIES_OPTIONS = {"target": "0", "window": 168, "horizon": 24, "season": 24, "steps_per_reading": 24, "holidays": ""}
SERIES_OPTIONS |= {"units": (32,), "epochs": 1, "batch_size": BATCH_SIZE, "precision": "float32"}


class AnonymousMemory:
    """The most memory of this process that the system cannot take back, as it can that of files, within a `with`."""

    def __enter__(self):
        self.megabytes, self._ended = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _watch(self):
        while not self._ended.wait(0.05):
            (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if "RssAnon" in line)
            self.megabytes = max(self.megabytes, round(int(line.split()[1]) * 1024 / 1e6))


def runs():
    """Return what is measured: the kind, what is done, how many examples, and where they are held."""
    trained = [("texts", "train", TRAINED, stream) for stream in ("off", "on")] + [("texts", "train", LARGE, "on")]
    compared = [("texts", "read", COMPARED, "off")]
    read = [("texts", "read", count, "on") for count in READ]
    return [*trained, *compared, *read, *(("series", "train", hours, "on") for hours in HOURS)]


def measure(folder, kind, what, count, stream):
    """Measure in this process, whose peak memory is that of nothing else."""
    path = (write_texts if kind == "texts" else write_series)(Path(folder), count)
    with AnonymousMemory() as memory:
        if kind == "series":
            measured = train_on_series(path)
        else:
            measured = (train_on_texts if what == "train" else read_texts)(path, stream)
    return {**measured, "megabytes_of_file": round(path.stat().st_size / 1e6), "peak_megabytes": memory.megabytes}


def write_texts(folder, count):
    """Return a Parquet file of texts, a thousandth of them to validate on and as many to score on."""
    path = folder / f"texts_{count}.parquet"
    if path.exists():
        return path
    rng = np.random.default_rng(0)
    syllables = [rng.permutation([a + b for a in "bdfgklmnprstv" for b in "aeiouy"])[:40] for _ in range(4)]
    words = [["".join(rng.choice(own, rng.integers(1, 5))) for _ in range(5000)] for own in syllables]
    held_out = max(100, count // 1000)
    schema = pa.schema({"text": pa.string(), "label": pa.string(), "split": pa.string()})
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for first in range(0, count, 1000):
            labels = rng.integers(4, size=1000)
            texts = [" ".join(words[label][word] for word in rng.integers(5000, size=155)) for label in labels]
            splits = [
                "test" if row < held_out else "validation" if row < 2 * held_out else "train"
                for row in range(first, first + 1000)
            ]
            writer.write_table(pa.table([texts, [f"language {label}" for label in labels], splits], schema=schema))
    return path


def write_series(folder, hours):
    """Return a Parquet file of a series of ten columns, each a day's and a week's season with noise."""
    path = folder / f"series_{hours}.parquet"
    if path.exists():
        return path
    rng = np.random.default_rng(0)
    schema = pa.schema({"time": pa.timestamp("s"), **{str(column): pa.float32() for column in range(10)}})
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for first in range(0, hours, 100_000):
            steps = np.arange(first, first + 100_000)
            seasons = np.sin(steps * 2 * np.pi / 24) + np.sin(steps * 2 * np.pi / 168)
            columns = [(seasons + rng.normal(0, 0.3, len(steps))).astype("float32") for _ in range(10)]
            writer.write_table(pa.table([pa.array(3600 * steps, pa.timestamp("s")), *columns], schema=schema))
    return path


def train_on_texts(path, stream):
    """Train by the recipe for an epoch, or `STEPS` steps if it has more."""
    import keras

    from keras_refs import export, settings
    from keras_refs.recipes import rnn_text_classifier

    def stop(batch, logs):  # noqa: ARG001
        stopping.model.stop_training = batch + 1 >= STEPS

    stopping = keras.callbacks.LambdaCallback(on_train_batch_end=stop)
    config = settings.override(rnn_text_classifier.Config(), data=str(path), stream=stream, **TEXT_OPTIONS)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folders = Path(temporary) / "run", Path(temporary) / "models"
        metrics = rnn_text_classifier.train_and_evaluate(config, *folders, callbacks=[stopping])
        weights = export.load_model(metrics["export"]).get_weights()
    digest = hashlib.sha256(b"".join(array.tobytes() for array in weights)).hexdigest()
    seconds = {"seconds": metrics["seconds"], "seconds_before_and_after": time.monotonic() - began - metrics["seconds"]}
    return {**{name: round(value, 1) for name, value in seconds.items()}, "weights": digest}


def read_texts(path, stream):
    """Read the first batches that are trained on, after what a training does before them."""
    from keras_refs import datasets, settings
    from keras_refs.recipes import rnn_text_classifier, text_classification

    config = settings.override(rnn_text_classifier.Config(), data=str(path), stream=stream)
    began = time.monotonic()
    data = text_classification.load_pieces(config, lambda texts: datasets.NgramTokens.of(texts, 3, 20_000))
    examples = data.train.encoded(data.tokens, config.tokens.length)
    ready = time.monotonic()
    for _ in datasets.text_batches(*examples, BATCH_SIZE, 0, 0, BATCHES):
        pass
    seconds = time.monotonic() - ready
    rate = round(BATCHES * BATCH_SIZE / seconds)
    return {"seconds_before": round(ready - began, 1), "words": len(data.train), "examples_per_second": rate}


def train_on_series(path):
    """Train for an epoch by the recipe."""
    from keras_refs import settings
    from keras_refs.recipes import lstm_regressor

    config = settings.override(lstm_regressor.Config(), data=str(path), **SERIES_OPTIONS)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        metrics = lstm_regressor.train_and_evaluate(config, Path(temporary) / "run", Path(temporary) / "models")
    seconds = metrics["seconds"]
    return {"seconds": seconds, "seconds_before_and_after": round(time.monotonic() - began - seconds, 1)}


def tables(measured):
    """Return the figures as Markdown; empty before there are any."""
    read = sorted((run for run in measured if run["what"] == "read"), key=lambda run: (run["count"], run["stream"]))
    trained = [run for run in measured if run["what"] == "train"]
    places, units = {"off": "memory", "on": "disk"}, {"texts": "texts", "series": "hours of ten columns"}
    lines = [
        "",
        "| texts | words | from | until the first batch | batches alone | peak memory |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {run['count']:,}, {run['megabytes_of_file']:,} MB | {run['words']:,} | {places[run['stream']]} "
        f"| {run['seconds_before']:.0f} s | {run['examples_per_second']:,} examples/s | {run['peak_megabytes']:,} MB |"
        for run in read
    ]
    lines += [
        "",
        "| trained for an epoch | from | training | before and after | peak memory |",
        "|---|---|---|---|---|",
    ]
    for run in trained:
        of_texts = run["kind"] == "texts"
        steps = f", {STEPS:,} steps" if of_texts and run["count"] == LARGE else ""
        lines.append(
            f"| {run['count']:,} {units[run['kind']]}{steps} | {places[run['stream']] if of_texts else 'memory'} "
            f"| {run['seconds']:.0f} s | {run['seconds_before_and_after']:.0f} s | {run['peak_megabytes']:,} MB |"
        )
    weights = {run["weights"] for run in trained if run["count"] == TRAINED}
    same = "the same bits" if len(weights) == 1 else "other bits"
    told = f"From disk and from memory the texts' training ends with {same}."
    return "\n".join(
        [*lines, "", f"{told} {where(measured[0])}, which much other work shared: times are upper bounds."]
    )
