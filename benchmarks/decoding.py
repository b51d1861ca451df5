"""Measure how fast an exported sequence-to-sequence model answers.

    python benchmarks/decoding.py saved_models/g2p/1

Answers the strings of a test split in batches, in the order of the data set and in that of their length, and one by
one, after a warm-up. An operation takes one thread, and as many batches are answered at the same time as there are
cores, or `--callers`. Where g2p-en is installed (`pip install g2p-en`; its neural network alone is asked, which needs
none of NLTK's data), it answers the same words.
"""

import argparse
import concurrent.futures
import contextlib
import os
import statistics
import time
import unittest.mock
from pathlib import Path

import tensorflow as tf
from hardware import hardware

from keras_refs import datasets, storage


def words_per_second(function, batches, callers):
    """Return the strings a second that so many callers have answered."""
    with concurrent.futures.ThreadPoolExecutor(callers) as threads:
        began = time.perf_counter()
        list(threads.map(function, batches))
        return sum(map(len, batches)) / (time.perf_counter() - began)


def milliseconds(function, strings):
    """Return the median time of one call with one string after the other."""
    times = []
    for string in strings:
        began = time.perf_counter()
        function(string)
        times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times)


def g2p_en():
    """Return the function of g2p-en that pronounces a word it does not know, or `None` if it is not installed."""
    with contextlib.suppress(ImportError):
        import nltk

        # The dictionary and the tagger, which are not asked here, would have to be downloaded.
        with (
            unittest.mock.patch.object(nltk.data, "find"),
            unittest.mock.patch("nltk.corpus.cmudict", unittest.mock.Mock()),
        ):
            import g2p_en

            return g2p_en.G2p().predict
    return None


def string_signatures(folder):
    """Return the signatures of an export that take strings, as functions of a tensor of them, by name."""
    found = {}
    for name, signature in tf.saved_model.load(str(folder)).signatures.items():
        ((key, specification),) = signature.structured_input_signature[1].items()
        if specification.dtype == tf.string:
            found[name] = lambda strings, signature=signature, key=key: signature(**{key: strings})
    return found


def throughput(function, sources, batch_size, callers, rounds):
    """Return the median strings a second, by their order: as they come and by length."""
    orders = {"as_they_come": sources, "by_length": sorted(sources, key=len)}
    batches = {
        order: [tf.constant(strings[first : first + batch_size]) for first in range(0, len(strings), batch_size)]
        for order, strings in orders.items()
    }
    for batch in batches["by_length"][::5]:
        function(batch)
    rates = {order: [] for order in orders}
    # In turns: a machine that slows down slows down both.
    for _ in range(rounds):
        for order, measured in rates.items():
            measured.append(words_per_second(function, batches[order], callers))
    return {order: round(statistics.median(measured)) for order, measured in rates.items()}


def main():
    """Measure the signatures of one export; with `--output`, write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="version folder of an export")
    parser.add_argument("--dataset", default="cmudict", help="TFDS data set whose test split is answered")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--single", type=int, default=500, help="strings to answer one by one")
    parser.add_argument("--callers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--output")
    arguments = parser.parse_args()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    sources = datasets.load_transcription_split(arguments.dataset).sources
    single, ways = sources[: arguments.single], string_signatures(arguments.folder)
    options = {name: getattr(arguments, name) for name in ("batch_size", "callers", "rounds")}
    rates = {name: throughput(answer, sources, **options) for name, answer in ways.items()}
    alone = {name: milliseconds(answer, [tf.constant([word]) for word in single]) for name, answer in ways.items()}
    if predict := g2p_en():
        alone["g2p-en"] = milliseconds(predict, single)
    for name, by_order in rates.items():
        told = ", ".join(f"{rate:,} answers/s {order.replace('_', ' ')}" for order, rate in by_order.items())
        print(f"{name}: in batches of {arguments.batch_size} {told}")
    for name, median in alone.items():
        print(f"{name}: {median:.2f} ms alone")
    if arguments.output:
        found = {
            **hardware(),
            "callers": arguments.callers,
            "batch_size": arguments.batch_size,
            "answers_per_second": rates,
            "milliseconds_alone": {name: round(median, 2) for name, median in alone.items()},
        }
        storage.write_json(arguments.output, found)


if __name__ == "__main__":
    main()
