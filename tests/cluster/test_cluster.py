import asyncio
import functools
import http.client
import inspect
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pydantic
import pytest
import ray
import tensorflow as tf
import yaml
from ray import serve
from ray.serve.schema import ServeDeploySchema

from keras_refs import export
from keras_refs import serve as command_line
from keras_refs.serving import Repository, cluster
from tests.conftest import REPOSITORY
from tests.serving import servers

CONFIGURATION = REPOSITORY / "deploy" / "ray_serve.yaml"
CLIENTS = 4
# Ray takes its time, and the core that every question takes.
wait_until = functools.partial(servers.wait_until, seconds=300, every=0.2)
# Between questions, so that the replica that is starting finds a core.
PAUSE_SECONDS = 0.05
# What a client may try again: the answer of a server that could not, or none at all.
NO_ANSWER = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)


@pytest.fixture(scope="module")
def ray_address():
    """A Ray cluster of two cores, to which the tests are connected."""
    # Ray's sockets lie in this folder, and their names must be short. Some of its processes write there to the end.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            started = ray.init(
                num_cpus=2, include_dashboard=False, object_store_memory=2**27, log_to_driver=False, _temp_dir=folder
            )
            yield started.address_info["gcs_address"]
        finally:
            ray.shutdown()


@pytest.fixture(scope="module")
def gate(tmp_path_factory):
    """As long as this file exists, the model does not answer."""
    return tmp_path_factory.mktemp("gate") / "closed"


@pytest.fixture(scope="module")
def address(ray_address, gate, tmp_path_factory):
    """Two replicas, started by the documented command with the documented file; only folder and port are others."""
    root = tmp_path_factory.mktemp("models")
    write_doubling(root / "doubling" / "1", gate)
    port = servers.free_port()
    command = [str(Path(sys.executable).with_name("serve")), "run", str(write_configuration(root, port))]
    log = root.with_suffix(".log")
    with log.open("w") as output:
        environment = {**os.environ, "RAY_ADDRESS": ray_address}
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            wait_until(lambda: running() == 2 or process.poll() is not None, explain=log.read_text)
            assert process.poll() is None, log.read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            serve.shutdown()
            process.terminate()
            process.wait(60)


def write_doubling(folder, gate):
    """Write a version that doubles two numbers, and waits before it does as long as there is the file."""
    folder.mkdir(parents=True)

    def doubled(numbers):
        def closed(looked):
            # By two names in turn, so that looking once is not taken for enough.
            name = tf.strings.join([str(gate), tf.gather(["", "*"], looked % 2)])
            return tf.size(tf.io.matching_files(name)) > 0

        with tf.control_dependencies(tf.while_loop(closed, lambda looked: [looked + 1], [0])):
            return {"products": 2 * numbers, "sum": tf.reduce_sum(numbers, axis=1)}

    export.write_function(doubled, {"numbers": (tf.float32, (2,))}, folder)


def write_configuration(root, port):
    configuration = yaml.safe_load(CONFIGURATION.read_text())
    configuration["http_options"]["port"] = port
    (application,) = configuration["applications"]
    application["args"]["root"] = str(root)
    # No third, for which there is no core.
    application["deployments"][0]["autoscaling_config"]["max_replicas"] = 2
    path = root.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(configuration))
    return path


def running():
    """Return how many replicas may be asked."""
    try:
        deployments = serve.status().applications["keras_refs"].deployments
        return deployments["models"].replica_states.get("RUNNING", 0)
    except (KeyError, serve.exceptions.RayServeException):
        return 0


def replicas():
    """Return the names of the replicas that live or are starting."""
    names = {actor["name"] for actor in ray.util.list_named_actors(all_namespaces=True)}
    return {name for name in names if name.startswith("SERVE_REPLICA::keras_refs#")}


def on(replica, function):
    """Return what a function of a replica, which is called in the replica's process, returns."""
    return ray.get(ray.get_actor(replica, namespace="serve").__ray_call__.remote(function))


def has_accepted(replica):
    """Tell whether the replica is computing an answer, or has a request that waits for it."""
    return on(replica, lambda replica: replica.get_num_ongoing_requests()) > 0


class Client(threading.Thread):
    """Asks one question after another, each until it is answered, and knows every answer."""

    def __init__(self, address, number):
        super().__init__(daemon=True)
        self.answered = 0
        self.retried = 0
        self.wrong = []
        self.stop = threading.Event()
        self._url = f"{address}/v1/models/doubling:predict"
        self._number = number

    def run(self):
        for question in itertools.count():
            if self.stop.wait(PAUSE_SECONDS):
                return
            numbers = [float(self._number), float(question)]
            answer = self._ask(numbers)
            right = {"products": [2 * number for number in numbers], "sum": sum(numbers)}
            if answer != {"predictions": [right]}:
                self.wrong.append((numbers, answer))
            self.answered += 1

    def _ask(self, numbers):
        body = json.dumps({"instances": [numbers]}).encode()
        while True:
            try:
                with urllib.request.urlopen(self._url, body, timeout=100) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    return error.code, error.read()
            except NO_ANSWER:
                pass
            self.retried += 1
            time.sleep(PAUSE_SECONDS)


def test_a_killed_replica_costs_no_answer(address, gate):
    before = replicas()
    assert len(before) == 2
    clients = [Client(address, number) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    wait_for_answers(clients, 20)

    gate.touch()
    wait_until(lambda: any(has_accepted(replica) for replica in before))
    killed = max(before, key=has_accepted)
    os.kill(on(killed, lambda _: os.getpid()), signal.SIGKILL)
    # Ray tries again itself what a replica had not accepted, and leaves it to the client to try again what it had.
    wait_until(lambda: any(client.retried for client in clients))
    gate.unlink()

    wait_until(lambda: killed not in replicas() and len(replicas()) == 2 and running() == 2)
    assert len(replicas() - before) == 1
    wait_for_answers(clients, 20)
    for client in clients:
        client.stop.set()
    for client in clients:
        client.join(120)
    assert not any(client.is_alive() for client in clients), "a request was never answered"
    assert [client.wrong for client in clients] == [[]] * CLIENTS


def gained(clients, seen):
    """Return how many answers each client has got since it had so many."""
    return [client.answered - count for client, count in zip(clients, seen, strict=True)]


def wait_for_answers(clients, count):
    """Wait until every client has got as many more answers."""
    seen = [client.answered for client in clients]
    wait_until(lambda: min(gained(clients, seen)) >= count)


def test_says_what_the_server_of_one_machine_says(address):
    with urllib.request.urlopen(f"{address}/health") as response:
        assert json.load(response) == {"models": ["doubling"]}
    body = json.dumps({"instances": [[1]]}).encode()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{address}/v1/models/doubling:predict", body)
    assert refused.value.code == 400
    assert "must have the shape" in json.load(refused.value)["error"]


def test_configuration_file_is_what_ray_and_the_application_take():
    configuration = ServeDeploySchema.model_validate(yaml.safe_load(CONFIGURATION.read_text()))
    (application,) = configuration.applications
    assert ray._common.utils.import_attr(application.import_path) is cluster.build
    arguments = cluster.Arguments.model_validate(application.args)
    assert (REPOSITORY / arguments.root).is_dir()
    built = cluster.build(arguments)
    (deployment,) = application.deployments
    assert deployment.name == built._bound_deployment.name
    assert deployment.max_ongoing_requests <= arguments.concurrency
    assert arguments.request_seconds < configuration.http_options.request_timeout_s
    assert arguments.request_seconds <= deployment.graceful_shutdown_timeout_s
    assert configuration.http_options.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "root"),
        ({"root": ".", "batchsize": 2}, "batchsize"),
        ({"root": ".", "concurrency": 0}, "concurrency"),
        ({"root": ".", "poll_seconds": 0.0009}, "poll_seconds"),
        ({"root": ".", "request_seconds": float("inf")}, "request_seconds"),
        ({"root": ".", "batch_milliseconds": float("nan")}, "batch_milliseconds"),
    ],
)
def test_names_a_wrong_argument(arguments, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        cluster.Arguments.model_validate(arguments)


def test_defaults_are_those_of_the_command():
    command = inspect.signature(command_line._prepare).parameters
    for name, field in cluster.Arguments.model_fields.items():
        assert field.is_required() if name == "root" else field.default == command[name].default


def test_replica_needs_the_folder(tmp_path):
    with pytest.raises(ValueError, match="must exist on every machine. Received: .*nowhere"):
        cluster.Replica(cluster.Arguments(root=tmp_path / "nowhere"))


def test_replica_is_healthy_when_its_models_are_loaded(tmp_path, monkeypatch):
    loaded = threading.Event()
    monkeypatch.setattr(Repository, "update", lambda _: loaded.wait(60))
    replica = cluster.Replica(cluster.Arguments(root=tmp_path))
    application = replica.__serve_build_asgi_app__()

    async def check():
        async with application.router.lifespan_context(application):
            checked = asyncio.create_task(replica.check_health())
            await asyncio.sleep(3 * cluster.READ_AGAIN_SECONDS)
            assert not checked.done()
            loaded.set()
            await asyncio.wait_for(checked, 60)

    asyncio.run(check())


def test_reading_the_configuration_loads_neither_ray_nor_tensorflow():
    program = "import sys; from keras_refs.serving import cluster; print({'ray', 'tensorflow'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "set()\n"


def test_kserve_manifest_serves_a_committed_model():
    service = yaml.safe_load((REPOSITORY / "deploy" / "kserve.yaml").read_text())
    assert (service["apiVersion"], service["kind"]) == ("serving.kserve.io/v1beta1", "InferenceService")
    predictor = service["spec"]["predictor"]
    assert 1 <= predictor["minReplicas"] <= predictor["maxReplicas"]
    assert predictor["model"]["modelFormat"] == {"name": "tensorflow", "version": "2"}
    assert isinstance(predictor["model"]["runtimeVersion"], str)
    folder = re.fullmatch("pvc://models/(saved_models/.*)", predictor["model"]["storageUri"])[1]
    assert (REPOSITORY / folder / "1" / "saved_model.pb").exists()
    # A DNS label, and still the model's name.
    assert re.fullmatch("[a-z][a-z0-9-]{,62}", service["metadata"]["name"])
    assert service["metadata"]["name"].replace("-", "_") == Path(folder).name
