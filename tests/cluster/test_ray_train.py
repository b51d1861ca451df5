import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

import pytest
import ray
import yaml

from keras_refs import train
from keras_refs.errors import UserError
from keras_refs.training.peers import LOST
from tests.conftest import REPOSITORY
from tests.test_train import on_digits

SCRIPT = REPOSITORY / "deploy" / "ray_train.py"


@pytest.fixture(scope="module")
def script():
    specification = importlib.util.spec_from_file_location("ray_train", SCRIPT)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def ray_address():
    """A Ray cluster of its own, with a core for each worker."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            started = ray.init(num_cpus=3, include_dashboard=False, object_store_memory=2**27, _temp_dir=folder)
            yield started.address_info["gcs_address"]
        finally:
            ray.shutdown()


@pytest.mark.timeout(3600)
def test_a_killed_worker_is_started_again_and_the_training_goes_on(ray_address, tmp_path, digits_data_dir):
    options = on_digits(digits_data_dir, "--epochs", "60", "--patience", "99", "--workdir", tmp_path / "run")
    options += ["--export-dir", tmp_path / "models"]
    command = [sys.executable, SCRIPT, "--address", ray_address, "--workers", "2", *options]
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(list(map(str, command)), stdout=output, stderr=output, cwd=tmp_path)
        try:
            checkpoints = tmp_path / "run" / "checkpoints"
            wait_for(lambda: any(checkpoints.glob("*.index")), process, log)
            # Ray writes the process before each line of a worker's output.
            workers = {int(number) for number in re.findall(r"RayTrainWorker pid=(\d+)", log.read_text())}
            os.kill(max(workers), signal.SIGKILL)
            assert process.wait(1800) == 0, log.read_text()
        finally:
            process.kill()
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert [epoch["epoch"] for epoch in metrics["history"]] == list(range(1, 61))
    assert metrics["test"]["accuracy"] > 0.8
    # Two at the start, and two others after the kill.
    assert len(set(re.findall(r"RayTrainWorker pid=(\d+)", log.read_text()))) >= 4


def wait_for(condition, process, log):
    ends = time.monotonic() + 900
    while not condition():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < ends, log.read_text()
        time.sleep(0.1)


def test_a_worker_uses_keras_3_whatever_ray_says(script, monkeypatch):
    seen = []

    def main(arguments):
        seen.append((arguments, os.environ.get("TF_USE_LEGACY_KERAS")))
        return len(seen) - 1

    monkeypatch.setattr(train, "main", main)
    monkeypatch.setenv("TF_USE_LEGACY_KERAS", "1")
    script.train({"arguments": ["mlp", "--epochs", "1"]})
    assert seen == [(["mlp", "--epochs", "1", "--distribute", "workers", "--resume"], None)]
    with pytest.raises(RuntimeError, match="exit code 1"):
        script.train({"arguments": ["mlp"]})


def test_a_worker_has_one_gpu(script):
    with pytest.raises(UserError, match="A worker trains on one GPU. Received: 2"):
        script.trainer(["mlp"], 2, {"GPU": 2}, 0, "storage")


def test_tfjob_manifest_starts_a_training_that_can_be_resumed():
    job = yaml.safe_load((REPOSITORY / "deploy" / "tfjob.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("kubeflow.org/v1", "TFJob")
    workers = job["spec"]["tfReplicaSpecs"]["Worker"]
    # With this policy, a lost worker has to be an exit code that is tried again.
    assert workers["restartPolicy"] == "ExitCode"
    assert 127 < LOST < 256
    (container,) = workers["template"]["spec"]["containers"]
    assert container["name"] == "tensorflow"
    python, module, package, name, *options = container["command"]
    assert (python, module, package) == ("python", "-m", "keras_refs.train")
    recipe = train.recipes.load(name)
    config, folders = train._parse(recipe, name, options)
    assert config.compute.distribute == "workers"
    assert config.training.batch_size % workers["replicas"] == 0
    assert folders.resume
    (mount,) = container["volumeMounts"]
    assert all(str(folder).startswith(mount["mountPath"]) for folder in (folders.workdir, folders.export_dir))
