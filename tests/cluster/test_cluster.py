import asyncio
import functools
import http.client
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

import pytest
import ray
import tensorflow as tf
import yaml
from ray import serve
from ray.serve.schema import ServeDeploySchema

from keras_refs.errors import UserError
from keras_refs.serving import Repository, ServerOptions, cluster
from tests.conftest import REPOSITORY
from tests.serving import models, servers

CONFIGURATION = REPOSITORY / "deploy" / "ray_serve.yaml"
CLIENTS = 4
# Ray is slow to start, and shares the cores with the clients.
wait_until = functools.partial(servers.wait_until, seconds=300, every=0.2)
# Between requests, so that a starting replica gets a core.
PAUSE_SECONDS = 0.05
# Without a response, a client may send the request again.
NO_RESPONSE = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)


@pytest.fixture(scope="module")
def ray_address():
    """A Ray cluster of two cores, to which the tests are connected."""
    # For Ray's sockets, whose paths must be short. Some of its processes write there to the end.
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
    """As long as this file exists, the model computes nothing."""
    return tmp_path_factory.mktemp("gate") / "closed"


@pytest.fixture(scope="module")
def address(ray_address, gate, tmp_path_factory):
    """Two replicas, started by the documented command with the documented file; only folder and port differ."""
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
    """Write a version that doubles two numbers, and waits before it does as long as the file exists."""

    def double(numbers):
        def closed(step):
            # By two names in turn, so that no optimization of the graph looks only once.
            name = tf.strings.join([str(gate), tf.gather(["", "*"], step % 2)])
            return tf.size(tf.io.matching_files(name)) > 0

        with tf.control_dependencies(tf.while_loop(closed, lambda step: [step + 1], [0])):
            return {"products": 2 * numbers, "sum": tf.reduce_sum(numbers, axis=1)}

    models.save(folder, {"numbers": (tf.float32, (2,))}, serving_default=double)


def write_configuration(root, port):
    configuration = yaml.safe_load(CONFIGURATION.read_text())
    configuration["http_options"]["port"] = port
    (application,) = configuration["applications"]
    application["args"]["root"] = str(root)
    # There is no core for a third.
    application["deployments"][0]["autoscaling_config"]["max_replicas"] = 2
    path = root.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(configuration))
    return path


def running():
    """Return the number of replicas that get requests."""
    try:
        deployments = serve.status().applications["keras_refs"].deployments
        return deployments["models"].replica_states.get("RUNNING", 0)
    except (KeyError, serve.exceptions.RayServeException):
        return 0


def replicas():
    """Return the names of the replicas that run or are starting."""
    names = {actor["name"] for actor in ray.util.list_named_actors(all_namespaces=True)}
    return {name for name in names if name.startswith("SERVE_REPLICA::keras_refs#")}


def on(replica, function):
    """Call a function of a replica in the replica's process, and return its result."""
    return ray.get(ray.get_actor(replica, namespace="serve").__ray_call__.remote(function))


def has_accepted(replica):
    """Return whether the replica computes a request, or has one in its queue."""
    return on(replica, lambda replica: replica.get_num_ongoing_requests()) > 0


class Client(threading.Thread):
    """Sends one request after another, each until it gets a response, which must be correct."""

    def __init__(self, address, number):
        super().__init__(daemon=True)
        self.responses = 0
        self.retried = 0
        self.wrong = []
        self.stop = threading.Event()
        self._url = f"{address}/v1/models/doubling:predict"
        self._number = number

    def run(self):
        for index in itertools.count():
            if self.stop.wait(PAUSE_SECONDS):
                return
            numbers = [float(self._number), float(index)]
            response = self._predict(numbers)
            expected = {"products": [2 * number for number in numbers], "sum": sum(numbers)}
            if response != {"predictions": [expected]}:
                self.wrong.append((numbers, response))
            self.responses += 1

    def _predict(self, numbers):
        body = json.dumps({"instances": [numbers]}).encode()
        while True:
            try:
                with urllib.request.urlopen(self._url, body, timeout=100) as response:
                    return json.load(response)
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    return error.code, error.read()
            except NO_RESPONSE:
                pass
            self.retried += 1
            time.sleep(PAUSE_SECONDS)


def test_a_killed_replica_costs_no_response(address, gate):
    before = replicas()
    assert len(before) == 2
    clients = [Client(address, number) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    wait_for_responses(clients, 20)

    gate.touch()
    wait_until(lambda: any(has_accepted(replica) for replica in before))
    killed = max(before, key=has_accepted)
    os.kill(on(killed, lambda _: os.getpid()), signal.SIGKILL)
    # Ray itself retries requests that the replica had not accepted; the client retries those that it had.
    wait_until(lambda: any(client.retried for client in clients))
    gate.unlink()

    wait_until(lambda: killed not in replicas() and len(replicas()) == 2 and running() == 2)
    assert len(replicas() - before) == 1
    wait_for_responses(clients, 20)
    for client in clients:
        client.stop.set()
    for client in clients:
        client.join(120)
    assert not any(client.is_alive() for client in clients), "a request got no response"
    assert [client.wrong for client in clients] == [[]] * CLIENTS


def increase(clients, counts):
    """Return how many responses each client has received since these counts."""
    return [client.responses - count for client, count in zip(clients, counts, strict=True)]


def wait_for_responses(clients, count):
    """Wait until every client has received so many more responses."""
    counts = [client.responses for client in clients]
    wait_until(lambda: min(increase(clients, counts)) >= count)


def test_responses_are_those_of_the_server_on_one_machine(address):
    with urllib.request.urlopen(f"{address}/health") as response:
        assert json.load(response) == {"models": ["doubling"]}
    body = json.dumps({"instances": [[1]]}).encode()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{address}/v1/models/doubling:predict", body)
    assert refused.value.code == 400
    assert "must have the shape" in json.load(refused.value)["error"]


def test_configuration_file_is_valid_for_ray_and_the_application():
    configuration = ServeDeploySchema.model_validate(yaml.safe_load(CONFIGURATION.read_text()))
    (application,) = configuration.applications
    assert ray._common.utils.import_attr(application.import_path) is cluster.build
    built = cluster.build(application.args)._bound_deployment
    root, options = built.init_args
    assert (REPOSITORY / root).is_dir()
    (deployment,) = application.deployments
    assert deployment.name == built.name
    assert deployment.max_ongoing_requests <= options.concurrency
    assert options.request_seconds < configuration.http_options.request_timeout_s
    assert options.request_seconds <= deployment.graceful_shutdown_timeout_s
    assert configuration.http_options.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "root must be a folder of models. Received: None"),
        ({"root": ".", "batchsize": 2}, "There is no setting batchsize"),
        ({"root": ".", "port": 8501}, "There is no setting port"),
        ({"root": ".", "models": "g2p"}, "--models must be a tuple. Received: g2p"),
        ({"root": ".", "concurrency": 0}, "--concurrency must be at least 1. Received: 0"),
        ({"root": ".", "poll_seconds": 0.0009}, "--poll-seconds must be at least 0.001"),
        ({"root": ".", "request_seconds": float("inf")}, "--request-seconds must be finite and at least 0.001"),
        ({"root": ".", "max_memory": float("nan")}, "--max-memory must be finite and at least 0"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        cluster.build(arguments)


def test_arguments_of_the_configuration_file_are_the_options():
    built = cluster.build({"root": "models", "models": ["g2p", "gan"], "body_megabytes": 1})
    assert built._bound_deployment.init_args == ("models", ServerOptions(models=("g2p", "gan"), body_megabytes=1))


def test_replica_needs_the_folder(tmp_path):
    with pytest.raises(UserError, match="must exist on every machine. Received: .*nowhere"):
        cluster.Replica(tmp_path / "nowhere", ServerOptions())


def test_replica_is_healthy_when_its_models_are_loaded(tmp_path, monkeypatch):
    loaded = threading.Event()
    monkeypatch.setattr(Repository, "update", lambda *_: loaded.wait(60))
    replica = cluster.Replica(tmp_path, ServerOptions())
    application = replica.__serve_build_asgi_app__()

    async def check():
        async with application.router.lifespan_context(application):
            checked = asyncio.create_task(replica.check_health())
            await asyncio.sleep(3 * cluster.HEALTH_SECONDS)
            assert not checked.done()
            loaded.set()
            await asyncio.wait_for(checked, 60)

    asyncio.run(check())


def test_reading_the_configuration_loads_neither_ray_nor_tensorflow():
    program = "import sys; from keras_refs.serving import cluster; print({'ray', 'tensorflow'} & {*sys.modules})"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout == "set()\n"


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
