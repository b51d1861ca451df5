import json
import queue
import socket
import threading

import pytest

from keras_refs.errors import UserError
from keras_refs.training import roll_call
from keras_refs.training.peers import LOST, Peers
from keras_refs.training.tf_config import Task, read_tf_config
from tests.serving.servers import free_port

FACTS = {"learning_rate": 0.1, "the version of keras": "3.15.1"}


def tf_config(**changes):
    content = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}
    return json.dumps({**content, **changes})


@pytest.mark.parametrize(
    ("cluster", "task", "addresses", "index"),
    [
        ({"worker": ["a:1", "b:2"]}, {"type": "worker", "index": 1}, ("a:1", "b:2"), 1),
        ({"worker": ["b:2"], "chief": ["a:1"]}, {"type": "worker", "index": 0}, ("a:1", "b:2"), 1),
        ({"worker": ["b:2"], "chief": ["a:1"]}, {"type": "chief", "index": "0"}, ("a:1", "b:2"), 0),
        ({"worker": ["[::1]:1"], "evaluator": ["c:3"]}, {"type": "worker", "index": 0}, ("[::1]:1",), 0),
    ],
)
def test_reads_the_chief_first(cluster, task, addresses, index):
    assert read_tf_config(tf_config(cluster=cluster, task=task)) == Task(addresses, index)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "--distribute workers needs the environment variable TF_CONFIG, such as {"),
        ("{", "TF_CONFIG must be such as {.*. Received: {"),
        ("[]", "TF_CONFIG must be such as"),
        (tf_config(cluster={"worker": 1}), "TF_CONFIG must be such as"),
        (tf_config(task={"type": "worker"}), "TF_CONFIG must be such as"),
        (tf_config(task={"type": "worker", "index": 2}), "one of its chief and workers. Received: worker 2"),
        (tf_config(task={"type": "evaluator", "index": 0}), "one of its chief and workers. Received: evaluator 0"),
        (tf_config(cluster={"worker": ["a:1"], "ps": ["b:2"]}), "the jobs chief and worker alone. Received: ps"),
        (tf_config(cluster={"worker": ["a:1", "b"]}), "addresses host:port, each once. Received: b"),
        (tf_config(cluster={"worker": ["a:1", "a:1"]}), "each once. Received: one of them twice"),
    ],
)
def test_a_wrong_tf_config_is_a_sentence(text, message):
    with pytest.raises(UserError, match=message):
        read_tf_config(text)


class Job:
    """Workers in threads of this process; what each of them returns or raises, and what it loses."""

    def __init__(self, facts, seconds=20):
        self.addresses = tuple(f"127.0.0.1:{free_port()}" for _ in facts)
        self.found, self.lost = [None] * len(facts), queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._join, args=(Task(self.addresses, index), each, seconds))
            for index, each in enumerate(facts)
            if each is not None
        ]
        for thread in self._threads:
            thread.start()

    def _join(self, task, facts, seconds):
        def lost(sentence, code):
            self.lost.put((task.index, sentence, code))

        try:
            self.found[task.index] = Peers(task, facts, seconds, lost)
        except UserError as error:
            self.found[task.index] = str(error)

    def wait(self):
        for thread in self._threads:
            thread.join(60)
        return self.found


def in_turn(workers, call):
    """Call a method of every worker at the same time; return the results."""
    results = [None] * len(workers)

    def one(index):
        results[index] = call(workers[index])

    threads = [threading.Thread(target=one, args=(index,)) for index in range(len(workers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_workers_exchange_values_and_close():
    job = Job([FACTS] * 3)
    workers = job.wait()
    assert [worker.is_chief for worker in workers] == [True, False, False]
    assert (
        in_turn(workers, lambda worker: worker.exchange({"index": worker.index}))
        == [[{"index": 0}, {"index": 1}, {"index": 2}]] * 3
    )
    in_turn(workers, Peers.close)
    # Whoever has ended is not lost.
    workers[1]._links[0].close()
    with pytest.raises(queue.Empty):
        job.lost.get(timeout=0.5)


def test_workers_that_are_not_alike_all_get_the_sentence():
    found = Job([FACTS, FACTS, {**FACTS, "learning_rate": 0.2}]).wait()
    assert len(set(found)) == 1
    assert found[0].startswith("The workers are not alike: learning_rate is 0.2 on worker 2 (127.0.0.1:")
    assert found[0].endswith(") and 0.1 on the chief.")


def test_values_that_are_not_the_same_are_refused_on_all_workers():
    def refused(worker):
        with pytest.raises(
            UserError, match=r"the precision is 0 on the chief \(.*\) and 1 on worker 1 \(.*\)"
        ) as error:
            worker.require_same("the precision", worker.index)
        return str(error.value)

    assert len(set(in_turn(Job([FACTS] * 2).wait(), refused))) == 1


def test_a_worker_that_does_not_come_is_named_on_all_others():
    found = Job([FACTS, FACTS, None], seconds=3).wait()
    assert found[0] == found[1]
    assert found[0].startswith("In 3 s worker 2 (127.0.0.1:")
    assert "did not connect to the chief" in found[0]


def test_a_chief_that_does_not_come():
    found = Job([None, FACTS], seconds=2).wait()[1]
    assert found.startswith("Worker 1 (127.0.0.1:")
    assert "could not reach the chief" in found
    assert "Connection refused. The addresses are those of TF_CONFIG." in found


def test_a_chief_with_another_tf_config():
    port, found = free_port(), {}
    tasks = Task((f"127.0.0.1:{port}", "127.0.0.1:2"), 0), Task((f"127.0.0.1:{port}", "127.0.0.1:3"), 1)

    def join(task):
        with pytest.raises(UserError) as error:
            Peers(task, FACTS, 20)
        found[task.index] = str(error.value)

    in_turn(tasks, join)
    assert found[0] == found[1]
    assert found[0].startswith("TF_CONFIG is not the same on all workers: ")


def test_who_is_no_worker_is_ignored():
    port = free_port()
    tasks = [Task((f"127.0.0.1:{port}", "127.0.0.1:1"), index) for index in (0, 1)]

    def join(task):
        if task.index == 1:
            while True:
                try:
                    stranger = socket.create_connection(("127.0.0.1", port))
                except ConnectionRefusedError:
                    continue
                with stranger:
                    stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
                break
        return Peers(task, FACTS, 20)

    workers = in_turn(tasks, join)
    assert [worker.index for worker in workers] == [0, 1]
    in_turn(workers, Peers.close)


def test_a_port_that_is_taken():
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            UserError, match=f"The chief cannot listen at 127.0.0.1:{port}, as TF_CONFIG says: .*in use"
        ):
            Peers(Task((f"127.0.0.1:{port}", "127.0.0.1:1"), 0), FACTS, 1)


@pytest.mark.parametrize("gone", [0, 1])
def test_a_worker_that_is_gone_is_noticed_by_all_others(gone):
    job = Job([FACTS] * 3)
    workers = job.wait()
    # What the end of a process does to its sockets.
    workers[gone]._ended = True
    for link in workers[gone]._links.values():
        link._socket.shutdown(socket.SHUT_RDWR)
    noticed = sorted(job.lost.get(timeout=20) for _ in range(2))
    assert [index for index, _, _ in noticed] == [index for index in range(3) if index != gone]
    name = "The chief" if gone == 0 else "Worker 1"
    for _, sentence, code in noticed:
        assert sentence.startswith(f"{name} (127.0.0.1:")
        assert sentence.endswith("is gone. To go on, start all workers again with --resume.")
        assert code == LOST
    for worker in workers:
        worker._ended = True


def test_a_silent_worker_is_taken_for_dead(monkeypatch):
    monkeypatch.setattr(roll_call, "SILENCE_SECONDS", 1)
    job = Job([FACTS] * 2)
    workers = job.wait()
    # A machine without power sends nothing, not even that it ends.
    workers[1]._ended = True
    index, sentence, _ = job.lost.get(timeout=20)
    assert (index, sentence.partition(".")[0]) == (0, "Nothing was heard of worker 1 (127")
    assert "for 1 s. To go on, start all workers again with --resume." in sentence
    workers[0]._ended = True


def test_a_worker_that_stops_says_why():
    job = Job([FACTS] * 3)
    workers = job.wait()
    workers[1].stop("loss became nan at step 5", 1)
    noticed = sorted(job.lost.get(timeout=20) for _ in range(2))
    assert [(index, code) for index, _, code in noticed] == [(0, 1), (2, 1)]
    assert {sentence.partition(" ")[2].partition(") ")[2] for _, sentence, _ in noticed} == {
        "stopped: loss became nan at step 5"
    }
    for worker in workers:
        worker._ended = True
