"""Serve exported models over HTTP: `python -m keras_refs.serve saved_models`."""

import contextlib
import dataclasses
import functools
import importlib.util
import logging
import math
import os
import socket
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import tyro
from annotated_types import Interval

from keras_refs import commands, trained
from keras_refs.errors import UserError
from keras_refs.serving.options import HALF_OF_CORES, ServerOptions
from keras_refs.settings import Count
from keras_refs.training import interruption

log = logging.getLogger("keras_refs.serve")
IDLE_SECONDS = 10
"""Time after which a connection is closed that has sent no whole headers, or of which nothing more is read."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Command(ServerOptions):
    """The command's arguments: the options of every server, and those of its process."""

    root: tyro.conf.Positional[Path] = Path(trained.SAVED_MODELS)
    """Folder of models, each with its versions in folders named by numbers; without it here, the package's own."""
    host: str = "127.0.0.1"
    """Address to listen on; by default only this machine can connect."""
    port: Annotated[int, Interval(ge=0, le=65535)] = 8501
    """Port to listen on."""
    operation_threads: Count = HALF_OF_CORES
    """Maximum number of threads for one operation of a model; half of the cores by default."""
    playground: bool = True
    """Serve a page at / to try the models on, if its packages are installed."""
    tls_cert: str | None = None
    """File of the certificate, with its chain, to serve HTTPS."""
    tls_key: str | None = None
    """File of the certificate's private key."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level of the log, lines of JSON on standard error; each request is a line of level info."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, check and serve; return the exit code."""
    return commands.run(_serve, (arguments,))


def _serve(arguments):
    command = _parse(arguments)
    is_default = command.root == Path(trained.SAVED_MODELS)
    root = trained.folder_of_models() if is_default else command.root
    _require_certificate(command)
    if not root.is_dir():
        raise UserError(f"The folder of models must exist. Received: {root}")
    _require_address(command)
    if not importlib.util.find_spec("uvicorn"):
        raise UserError("Serving needs more packages: pip install 'keras_refs[serve]'")
    # An exception would be lost where an import or a destructor catches it.
    with interruption.handled_by(lambda *_: _end(0)):
        _listen(_application(command, root), command)


def _application(command, root):
    """Return the application, with the page to try models on if there is to be one, and log its address."""
    # TensorFlow would import Keras, which takes as long again and which exports do not need.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    commands.import_tensorflow_quietly()
    import tensorflow as tf

    from keras_refs import serving
    from keras_refs.serving import logs

    tf.config.threading.set_intra_op_parallelism_threads(command.operation_threads)
    logs.configure(command.log_level)
    repository = serving.Repository(root, command)
    application = serving.application(repository)
    address = f"{'https' if command.tls_cert else 'http'}://{command.host}:{command.port}"
    if command.playground and importlib.util.find_spec("gradio"):
        from keras_refs.serving.playground import mount

        application = mount(application, repository, address)
    log.info("Serving %s on %s", root, address)
    return application


def _listen(application, command):
    """Serve until a signal, which uvicorn raises again when the last request has its response."""
    import uvicorn

    from keras_refs.serving.protocol import Protocol

    _allow_connections()
    try:
        uvicorn.run(
            application,
            host=command.host,
            port=command.port,
            http=Protocol,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=math.ceil(command.request_seconds),
            ssl_certfile=command.tls_cert,
            ssl_keyfile=command.tls_key,
            log_config=None,
            # Both take time on every request, and nothing reads what they yield.
            access_log=False,
            proxy_headers=False,
        )
    except SystemExit as failed:
        _end(failed.code)


def _end(code):
    """End the process at once: on Python's own way out, a thread that loads a model in C++ aborts it."""
    for handler in logging.getLogger("keras_refs").handlers:
        handler.flush()
    os._exit(code)


def _require_certificate(command):
    if (command.tls_cert is None) != (command.tls_key is None):
        raise UserError("HTTPS needs both --tls-cert and --tls-key.")
    if command.tls_cert:
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(command.tls_cert, command.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise UserError(f"--tls-cert and --tls-key cannot be used: {error}") from error


def _require_address(command):
    family = socket.AF_INET6 if ":" in command.host else socket.AF_INET
    try:
        socket.create_server((command.host, command.port), family=family).close()
    except OSError as error:
        raise UserError(
            f"--host {command.host} and --port {command.port} cannot be listened on: {error.strerror}."
        ) from error


def _allow_connections():
    """Let the process open as many connections as it may."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _parse(arguments):
    """Parse the command-line arguments."""
    names = tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="NAME,NAME",
        instance_from_str=lambda texts: tuple(filter(None, texts[0].split(","))),
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=lambda value: [",".join(value)],
    )
    registry = tyro.constructors.ConstructorRegistry()
    registry.primitive_rule(lambda info: names if info.type == tuple[str, ...] else None)
    return tyro.cli(
        # tyro prints the errors of a class itself; those of any other function are left to `commands.run`.
        functools.partial(Command),
        prog="python -m keras_refs.serve",
        description=__doc__,
        args=arguments,
        config=(tyro.conf.PositionalRequiredArgs,),
        registry=registry,
    )


if __name__ == "__main__":
    sys.exit(main())
