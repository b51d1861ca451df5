import socket
import subprocess
import sys

import pytest

from keras_refs import serve
from keras_refs.errors import UserError
from keras_refs.serving import ServerOptions


def test_the_command_line_has_the_same_defaults_as_python(tmp_path):
    command = serve._parse([str(tmp_path)])
    assert command == serve.Command(root=tmp_path)
    assert (command.host, command.port, command.playground) == ("127.0.0.1", 8501, True)


@pytest.mark.parametrize(
    ("arguments", "changes"),
    [
        (["--models", "g2p,gan"], {"models": ("g2p", "gan")}),
        (["--models", "g2p"], {"models": ("g2p",)}),
        (["--models", ""], {}),
        (["--batch-size", "1", "--max-memory", "500"], {"batch_size": 1, "max_memory": 500.0}),
        (["--no-playground", "--port", "0"], {"playground": False, "port": 0}),
    ],
)
def test_arguments_of_the_command(tmp_path, arguments, changes):
    """Also before the folder, which no option swallows."""
    assert serve._parse([*arguments, str(tmp_path)]) == serve.Command(root=tmp_path, **changes)


def test_mistakes_on_the_command_line(tmp_path, capsys):
    assert serve.main([str(tmp_path / "nowhere")]) == 2
    assert "The folder of models must exist" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        serve.main(["--port", "many"])


def test_an_address_that_is_taken_or_unknown_is_an_error_before_anything_is_loaded(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert serve.main([str(tmp_path), "--port", port]) == 2
    message = f"keras_refs: --host 127.0.0.1 and --port {port} cannot be listened on: Address already in use"
    assert capsys.readouterr().err.startswith(message)
    assert serve.main([str(tmp_path), "--host", "nowhere.invalid", "--port", "0"]) == 2
    assert "--host nowhere.invalid and --port 0 cannot be listened on: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tls-cert", "a"], "HTTPS needs both --tls-cert and --tls-key"),
        (["--tls-key", "a"], "HTTPS needs both --tls-cert and --tls-key"),
        (["--tls-cert", "nowhere", "--tls-key", "nowhere"], "cannot be used: [Errno 2] No such file or directory"),
        (["--tls-cert", __file__, "--tls-key", __file__], "--tls-cert and --tls-key cannot be used"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_an_error(tmp_path, capsys, options, message):
    assert serve.main([str(tmp_path), *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "allowed"),
    [
        (("--port", "99999"), "at least 0 and at most 65535"),
        (("--batch-size", "0"), "at least 1"),
        (("--operation-threads", "0"), "at least 1"),
        (("--request-seconds", "nan"), "finite and at least 0.001"),
        (("--poll-seconds", "inf"), "finite and at least 0.001"),
        (("--poll-seconds", "0.0001"), "at least 0.001"),
    ],
)
def test_numbers_on_the_command_line_have_a_range(tmp_path, capsys, option, allowed):
    assert serve.main([str(tmp_path), *option]) == 2
    assert f"{option[0]} must be {allowed}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 2.5}, "--batch-size must be an integer. Received: 2.5"),
        ({"models": "g2p"}, "--models must be a tuple. Received: g2p"),
        ({"max_memory": -1.0}, "--max-memory must be at least 0. Received: -1.0"),
    ],
)
def test_options_in_python_have_the_same_ranges(options, message):
    with pytest.raises(UserError, match=message):
        ServerOptions(**options)


@pytest.mark.parametrize("arguments", [["--help"], ["nowhere"], [".", "--port", "99999"]])
def test_help_and_errors_need_neither_tensorflow_nor_recipes(arguments):
    program = f"""
import sys
from keras_refs import serve
try:
    serve.main({arguments!r})
except SystemExit:
    pass
print([name for name in sys.modules if name.startswith(("tensorflow", "keras.", "fastapi", "keras_refs.recipes."))])
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.splitlines()[-1] == "[]"
