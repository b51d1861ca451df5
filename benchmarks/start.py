"""Measure what it takes to start: a command's help, the package, its first builder, and the server.

    python benchmarks/start.py

Of each the wall time and the time of all processors together, which other work on them changes less; medians of
processes of their own. The server has started when all models in `saved_models` answer.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time

from serving import server

COMMANDS = {
    "python -m keras_refs.train --help": ("-m", "keras_refs.train", "--help"),
    "import keras_refs": ("-c", "import keras_refs"),
    "import tensorflow": ("-c", "import tensorflow"),
    "keras_refs.build('mlp')": ("-c", "import keras_refs; keras_refs.build('mlp')"),
}
SERVER = "python -m keras_refs.serve saved_models, until all models answer"


def start_and_stop_a_server():
    """Start a server of the trained models, and stop it when all answer."""
    with server():
        pass


def seconds(start):
    """Return wall and CPU seconds of a function that starts a process and waits for its end."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    start()
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measure(rounds):
    """Return by what is started the medians of both times."""
    starts = {
        name: lambda options=options: subprocess.run([sys.executable, *options], check=True, capture_output=True)
        for name, options in COMMANDS.items()
    } | {SERVER: start_and_stop_a_server}
    times = {name: [] for name in starts}
    for number in range(rounds + 1):
        for name, start in starts.items():
            taken = seconds(start)
            # The first round reads the files into memory.
            if number:
                times[name].append(taken)
    return {name: [statistics.median(each) for each in zip(*taken, strict=True)] for name, taken in times.items()}


def main():
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    for name, (wall, cpu) in measure(parser.parse_args().rounds).items():
        print(f"{name}: {wall:.2f} s, {cpu:.2f} s of all processors")


if __name__ == "__main__":
    main()
