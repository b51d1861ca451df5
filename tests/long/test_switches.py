"""Versions that are replaced again and again leave nothing behind in memory."""

import shutil
import threading

import psutil
import pytest
from starlette.testclient import TestClient

from keras_refs.serving import Repository, ServerOptions, application
from tests.conftest import REPOSITORY
from tests.serving.servers import wait_until

SWITCHES = 80
"""A thousand take over an hour."""
VERSION = REPOSITORY / "saved_models" / "linear_regression" / "1"


@pytest.mark.timeout(3600)
def test_memory_after_many_switches_under_load(tmp_path):
    root, model = tmp_path, tmp_path / "linear_regression"
    shutil.copytree(VERSION, model / "1")
    repository, ended, statuses = Repository(root, ServerOptions(poll_seconds=0.02)), threading.Event(), set()
    with TestClient(application(repository)) as client:
        wait_until(lambda: client.get("/health").status_code == 200, 300)

        def send():
            while not ended.is_set():
                body = {"instances": [[0.0] * 10]}
                statuses.add(client.post("/v1/models/linear_regression:predict", json=body).status_code)

        senders = [threading.Thread(target=send) for _ in range(2)]
        for sender in senders:
            sender.start()
        megabytes = []
        try:
            for number in range(2, SWITCHES + 2):
                shutil.copytree(VERSION, root / "copying")
                (root / "copying").rename(model / str(number))
                wait_until(lambda number=number: repository.find("linear_regression")[0] == number, 300, 0.005)
                shutil.rmtree(model / str(number - 1))
                wait_until(lambda: len(repository.status("linear_regression")) == 1, 300, 0.005)
                megabytes.append(psutil.Process().memory_info().rss / 2**20)
        finally:
            ended.set()
            for sender in senders:
                sender.join()
    assert statuses == {200}
    assert megabytes[-1] < 1.05 * megabytes[39]
