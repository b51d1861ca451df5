"""Measure how fast an exported sequence-to-sequence model answers.

    python benchmarks/decoding.py saved_models/g2p/1

Takes the strings of a test split in the order of the data set, in batches of 256 and one by one, and prints for each
signature the answers a second, and the median time of a single one, after a warm-up.
"""

import argparse
import statistics
import time
from pathlib import Path

import tensorflow as tf

from keras_refs import datasets


def seconds_of(function, name, batches):
    """Return the seconds of every call."""
    times = []
    for batch in batches:
        began = time.perf_counter()
        function(**{name: batch})
        times.append(time.perf_counter() - began)
    return times


def main():
    """Measure the signatures of one export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="version folder of an export")
    parser.add_argument("--dataset", default="cmudict", help="TFDS data set whose test split is answered")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--single", type=int, default=500, help="strings to answer one by one")
    arguments = parser.parse_args()
    sources = datasets.load_transcriptions(arguments.dataset, splits=("test",) * 3).test.sources
    size = arguments.batch_size
    batches = [tf.constant(sources[i : i + size]) for i in range(0, min(len(sources), size * arguments.batches), size)]
    single = [tf.constant([source]) for source in sources[: arguments.single]]
    loaded = tf.saved_model.load(str(arguments.folder))
    for signature, function in loaded.signatures.items():
        (name,) = function.structured_input_signature[1]
        seconds_of(function, name, batches[:3] + single[:20])
        in_batches, alone = seconds_of(function, name, batches), seconds_of(function, name, single)
        rate = sum(map(len, batches)) / sum(in_batches)
        print(f"{signature}: {rate:,.0f} answers/s in batches of {size}; {1e3 * statistics.median(alone):.1f} ms alone")


if __name__ == "__main__":
    main()
