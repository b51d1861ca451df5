"""What the others do when a worker ends, is not like them, or is not there."""

import json
import random
import re
import signal
import time

import pytest

from keras_refs.training import roll_call
from keras_refs.training.peers import LOST
from tests.conftest import command_line
from tests.test_train import on_digits
from tests.workers import jobs

KILLS = 10
NOTICED_SECONDS = 60
"""A killed process is noticed at once; the rest is for a machine that has other work."""


def command(data_dir, *options):
    options = on_digits(data_dir, "--distribute", "workers", "--deterministic", "--workdir", "run", *options)
    return command_line("train", *options)


def wait_for(condition, processes):
    while not condition():
        codes = [process.poll() for process in processes]
        assert codes == [None] * len(codes), [process.communicate() for process in processes]
        time.sleep(0.05)


def last_step(folder):
    return max((int(path.stem[5:]) for path in (folder / "run" / "checkpoints").glob("step-*.index")), default=0)


@pytest.mark.timeout(3600)
def test_killed_ten_times_and_resumed_ends_as_an_unbroken_run(tmp_path, digits_data_dir):
    """Any worker at a random moment of the training; all others end with a sentence, and can go on."""
    arguments = command(digits_data_dir, "--resume", "--dropout", "0.5", "--epochs", "100", "--patience", "99")
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    unbroken.mkdir()
    broken.mkdir()
    jobs.run(arguments, unbroken, 2)
    draw = random.Random(0)
    for _ in range(KILLS):
        processes = jobs.start(arguments, broken, 2)
        began = last_step(broken)
        wait_for(lambda began=began: last_step(broken) > began, processes)
        time.sleep(draw.uniform(0, 0.5))
        killed = draw.randrange(2)
        processes[killed].kill()
        ended = time.monotonic()
        code, _, messages = jobs.finish(processes, NOTICED_SECONDS)[1 - killed]
        assert time.monotonic() - ended < NOTICED_SECONDS
        name = "The chief" if killed == 0 else "Worker 1"
        sentence = rf"keras_refs: {name} \(127.0.0.1:\d+\) is gone. To go on, start all workers again with --resume."
        assert re.search(sentence, messages), messages
        assert code == LOST
        assert not (broken / "run" / "metrics.json").exists()
    jobs.run(arguments, broken, 2)
    assert jobs.largest_difference(*(jobs.final_weights(folder / "run") for folder in (unbroken, broken))) == 0
    # Started once more, as a launcher may, the finished run stays as it is.
    finished = jobs.run(arguments, broken, 2)
    assert ["This run is finished." in output for _, output, _ in finished] == [True, True]


@pytest.mark.parametrize("index", [0, 1])
def test_one_worker_that_is_asked_to_stop_stops_all_at_the_same_step(index, tmp_path, digits_data_dir):
    arguments = command(digits_data_dir, "--epochs", "1000")
    processes = jobs.start(arguments, tmp_path, 2)
    wait_for(lambda: last_step(tmp_path) > 0, processes)
    processes[index].send_signal(signal.SIGTERM)
    for code, _, messages in jobs.finish(processes, 60):
        assert code == 128 + signal.SIGTERM, messages
        assert "keras_refs: Stopped by SIGTERM. To go on: python -m keras_refs.train" in messages


def test_a_worker_that_hangs_is_noticed(tmp_path, digits_data_dir):
    processes = jobs.start(command(digits_data_dir, "--epochs", "1000"), tmp_path, 2)
    wait_for(lambda: last_step(tmp_path) > 0, processes)
    processes[1].send_signal(signal.SIGSTOP)
    try:
        _, messages = processes[0].communicate(timeout=roll_call.SILENCE_SECONDS + NOTICED_SECONDS)
    finally:
        processes[1].kill()
    assert "keras_refs: Nothing was heard of worker 1 (127.0.0.1:" in messages
    assert processes[0].returncode == LOST


def each_with(folder, commands):
    """Run a worker of each command; return exit codes and what they said."""
    addresses = [f"127.0.0.1:{jobs.free_port()}" for _ in commands]
    processes = []
    for index, arguments in enumerate(commands):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        processes += jobs.start(arguments, folder, 1, {"TF_CONFIG": json.dumps(config)})
    return [(code, messages.strip().splitlines()[-1]) for code, _, messages in jobs.finish(processes)]


def test_other_settings_are_a_sentence_on_every_worker(tmp_path, digits_data_dir):
    said = each_with(tmp_path, [command(digits_data_dir, "--seed", str(seed)) for seed in (0, 1)])
    assert said[0] == said[1]
    assert said[0][0] == 2
    assert re.fullmatch(
        r"keras_refs: The workers are not alike: seed is 1 on worker 1 \(.*\) and 0 on the chief.", said[0][1]
    )
    assert list(tmp_path.iterdir()) == []


def test_other_data_are_a_sentence_on_every_worker(tmp_path):
    commands = []
    for index in range(2):
        table = tmp_path / str(index) / "table.csv"
        table.parent.mkdir()
        table.write_text("x,y\n" + "".join(f"{number},{2 * number + index}\n" for number in range(100)))
        options = ["--data", "table.csv", "--workdir", "run", "--distribute", "workers"]
        commands.append(["env", "-C", str(table.parent), *command_line("train", "linear_regression", *options)])
    said = each_with(tmp_path, commands)
    assert said[0] == said[1]
    assert "The workers are not alike: the checksum of the data is" in said[0][1]


def test_a_mistake_of_the_chief_alone_is_a_sentence_on_every_worker(tmp_path, digits_data_dir):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("somebody's")
    finished = jobs.finish(jobs.start(command(digits_data_dir), tmp_path, 2))
    assert [code for code, _, _ in finished] == [2, 2]
    for _, _, messages in finished:
        assert "--workdir run is not empty and holds no run. Choose a new folder or an empty one." in messages


def test_a_batch_that_workers_cannot_share_is_a_sentence(tmp_path, digits_data_dir):
    finished = jobs.finish(jobs.start(command(digits_data_dir, "--batch-size", "33"), tmp_path, 2))
    for code, _, messages in finished:
        assert code == 2
        assert "--batch-size must be divisible by the 2 workers. Received: 33" in messages
