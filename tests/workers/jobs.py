"""Trainings by several processes on this machine."""

import json
import os
import subprocess

import tensorflow as tf

from tests.serving.servers import free_port


def start(command, folder, count, environment=None):
    """Start so many workers of a command in a folder; return their processes, the chief's first."""
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(count)]
    processes = []
    for index in range(count):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        variables = {**os.environ, "TF_CONFIG": json.dumps(config), **(environment or {})}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen(command, cwd=folder, env=variables, **pipes))
    return processes


def finish(processes, seconds=1200):
    """Wait for the end of all; return the exit code, the output and the messages of each."""
    try:
        outputs = [process.communicate(timeout=seconds) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(process.returncode, *output) for process, output in zip(processes, outputs, strict=True)]


def run(command, folder, count):
    """Run workers to the end, which must be a good one."""
    finished = finish(start(command, folder, count))
    for code, output, messages in finished:
        assert code == 0, output + messages
    return finished


def final_weights(workdir):
    """Return the weights of the last checkpoint of a run by their names."""
    newest = max((workdir / "checkpoints").glob("*.index")).with_suffix("")
    reader = tf.train.load_checkpoint(str(newest))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if name.startswith("model/")}


def largest_difference(weights, others):
    """Return the largest absolute difference of any two weights of the same name."""
    assert weights.keys() == others.keys()
    return max(float(abs(weights[name] - others[name]).max()) for name in weights)
