"""The command, in a process of its own: how it serves, and how it ends."""

import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from tests.conftest import REPOSITORY
from tests.serving import models
from tests.serving.servers import free_port, wait_until


def test_a_server_stopped_while_models_load_ends_at_once(tmp_path):
    """Several without end, so that some are in C++ then."""
    for number in "12345678":
        models.write(tmp_path / "doubling" / number)
    program = (
        "import itertools, sys\n"
        "import tensorflow as tf\n"
        "from keras_refs import serve\n"
        "from keras_refs.serving import repository\n"
        "def load(folder, options):\n"
        "    for _ in itertools.count():\n"
        "        tf.saved_model.load(str(folder))\n"
        "repository.Servable = load\n"
        "sys.exit(serve.main(sys.argv[1:]))"
    )
    port = free_port()
    command = [sys.executable, "-c", program, str(tmp_path), "--port", str(port), "--no-playground"]
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: listens(port))
        process.send_signal(signal.SIGTERM)
        message = process.communicate(timeout=30)[1]
    assert process.returncode == 0, message
    assert "terminate called" not in message


def listens(port):
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def test_a_signal_is_not_lost_where_exceptions_are(tmp_path):
    """Python ignores what a destructor raises."""
    program = (
        "import os, signal, sys\n"
        "from keras_refs import commands, serve\n"
        "class Interrupting:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        print('was stopped too late')\n"
        "commands.import_tensorflow_quietly = Interrupting\n"
        "sys.exit(serve.main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, str(tmp_path), "--port", str(free_port())]
    finished = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True)
    assert finished.stdout == finished.stderr == ""


def certificate(folder):
    """Write a certificate for this machine, signed by itself, and return the arguments that name it and its key."""
    files = [str(folder / name) for name in ("certificate.pem", "key.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *names, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return ["--tls-cert", files[0], "--tls-key", files[1]]


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
def test_the_command_serves_switches_versions_and_stops(tmp_path):
    """By HTTPS, with a key: a new version takes over while clients send requests, and SIGTERM ends the process."""
    root, port = tmp_path / "models", free_port()
    models.write(root / "doubling" / "1")
    command = [sys.executable, "-m", "keras_refs.serve", str(root), "--port", str(port), "--poll-seconds", "0.1"]
    (tmp_path / "keys").write_text("a key\n")
    command += ["--log-level", "warning", "--api-key-file", str(tmp_path / "keys"), *certificate(tmp_path)]
    tls = ssl.create_default_context(cafile=tmp_path / "certificate.pem")
    process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
    address = f"https://127.0.0.1:{port}"

    def predict(key="a key"):
        body = json.dumps({"instances": [[1, 2]]}).encode()
        headers = {"Authorization": f"Bearer {key}"}
        request = urllib.request.Request(f"{address}/v1/models/doubling:predict", body, headers)
        with urllib.request.urlopen(request, context=tls) as response:
            return json.load(response)["predictions"][0]["products"][0]

    def healthy():
        assert process.poll() is None
        try:
            return urllib.request.urlopen(f"{address}/health", context=tls).status == 200
        except urllib.error.URLError:
            return False

    wait_until(healthy)
    assert predict() == 2
    with pytest.raises(urllib.error.HTTPError, match="401"):
        predict("another key")
    models.write(tmp_path / "new", factor=7.0).rename(root / "doubling" / "2")
    products = []
    wait_until(lambda: products.append(predict()) or products[-1] == 7)
    assert set(products) <= {2, 7}
    process.send_signal(signal.SIGTERM)
    message = process.communicate(timeout=30)[1]
    assert process.returncode == 0, message
    assert "Traceback" not in message
