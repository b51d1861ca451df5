"""Measure good requests while other clients only hold connections, and the memory that these take.

    python benchmarks/slow_clients.py

Half minutes of good requests alone and half minutes with 300 clients that send one byte and wait, 1,000 idle ones
and 64 uploads of 16 MB at a byte a second follow each other, three times. A process of its own holds the connections;
what the server closes is opened again.
"""

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time

import psutil
from chaos import IDLE, ONE_BYTE, UPLOADS, Client, answer, hold_connections, percentiles, run_clients, same
from endurance import INVALID, requests
from hardware import hardware, report
from serving import server

from keras_refs import commands
from keras_refs.serving.options import ServerOptions

ROUNDS, SECONDS = 3, 30
MEGABYTES_A_CONNECTION = 0.2
"""What the help says that a connection takes at most, beside its body."""


def connected(process):
    """Return how many connections a process has."""
    return sum(each.status == psutil.CONN_ESTABLISHED for each in process.net_connections())


@contextlib.contextmanager
def held(port, process):
    """Have another process hold connections; begin when most of them are there, all at no time."""
    holder = subprocess.Popen([sys.executable, __file__, "--hold", str(port)])
    try:
        while connected(process) < 0.8 * (IDLE + ONE_BYTE + UPLOADS):
            time.sleep(1)
        yield
    finally:
        holder.terminate()
        holder.wait()


def phase(port, process, good, answers):
    """Return the times of good requests in half a minute, the failures, the server's memory and its connections."""

    def judge(index, status, body):
        return "right" if status == 200 and same(answers[index], json.loads(body)) else "failed"

    clients = [Client(port, good, judge) for _ in range(2)]
    megabytes = run_clients(clients, SECONDS, process)
    failed = sum(client.counts["failed"] for client in clients)
    return [time for client in clients for time in client.times], failed, max(megabytes), connected(process)


def measure(port, process):
    """Return the figures of the server on a port."""
    good = [request for request in requests() if request[1] not in INVALID]
    answers = [answer(port, *request) for request in good]
    # The first requests of all are slower.
    phase(port, process, good, answers)
    alone, beside = [], []
    for _ in range(ROUNDS):
        alone.append(phase(port, process, good, answers))
        with held(port, process):
            beside.append(phase(port, process, good, answers))
    connections = max(each[3] for each in beside)
    bound = ServerOptions().bodies_megabytes + connections * MEGABYTES_A_CONNECTION
    return {
        "milliseconds": {
            name: percentiles([time for each in phases for time in each[0]])
            for name, phases in (("alone", alone), ("beside", beside))
        },
        "good": {name: sum(len(each[0]) for each in phases) for name, phases in (("alone", alone), ("beside", beside))},
        "failed": sum(each[1] for each in alone + beside),
        "connections": connections,
        "megabytes_more": round(max(each[2] for each in beside) - max(each[2] for each in alone), 1),
        "megabytes_more_at_most": round(bound, 1),
    }


def main():
    """Measure and print; with `--output`, write the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hold", type=int, metavar="PORT", help="only hold connections, until the process is ended")
    parser.add_argument("--output")
    arguments = parser.parse_args()
    if arguments.hold:
        asyncio.run(hold_connections(arguments.hold, threading.Event()))
    commands.import_tensorflow_quietly()
    with server("--log-level", "warning") as (port, _, pid):
        result = {**hardware(), "clients": {"idle": IDLE, "one byte": ONE_BYTE, "uploads": UPLOADS}}
        result |= measure(port, psutil.Process(pid))
    report(result, arguments.output)


if __name__ == "__main__":
    main()
