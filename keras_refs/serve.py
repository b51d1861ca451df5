"""Serve exported models over HTTP: `python -m keras_refs.serve saved_models`."""

import importlib.util
import os
import sys
import typing
from pathlib import Path
from typing import Annotated

import tyro
from annotated_types import Ge, Interval

from keras_refs import commands
from keras_refs.errors import UserError
from keras_refs.recipes import settings

Thousandths = Annotated[float, Ge(0.001)]
HALF_OF_CORES = max(1, (os.cpu_count() or 1) // 2)


def main(arguments=None):
    """Parse, check and serve; return the exit code."""
    command = tyro.cli(_prepare, prog="python -m keras_refs.serve", description=__doc__, args=arguments)
    return commands.run(_serve, command)


def _prepare(
    root: tyro.conf.Positional[Path],
    host: str = "127.0.0.1",
    port: Annotated[int, Interval(ge=0, le=65535)] = 8501,
    models: str | None = None,
    batch_size: settings.Count = 32,
    batch_milliseconds: settings.NotNegative = 0.0,
    body_megabytes: Thousandths = 16.0,
    request_seconds: Thousandths = 60.0,
    concurrency: settings.Count = 64,
    operation_threads: settings.Count = HALF_OF_CORES,
    poll_seconds: Thousandths = 1.0,
    playground: bool = True,
):
    """Take the command line apart.

    Args:
        root: Folder of models, each with its versions in folders named by numbers.
        host: Address to listen on; by default this machine alone can ask.
        port: Port to listen on.
        models: Names of the models to serve, separated by commas; all by default.
        batch_size: Examples of several requests that are computed together at most; 1 computes every request alone.
        batch_milliseconds: How long the first request of a batch waits for others though it could be computed; what
            comes while other batches are computed is joined without it.
        body_megabytes: Largest body of a request.
        request_seconds: How long a request may take.
        concurrency: Requests that are computed or wait for a batch at the same time.
        operation_threads: Threads that one operation of a model may take; half of the cores by default, so that
            operations of other requests, and the requests themselves, need not wait for it.
        poll_seconds: How often to look for new models and versions.
        playground: Have a page at / to try the models on, if its packages are installed.
    """
    options = {
        "root": root,
        "models": models.split(",") if models else None,
        "batch_size": batch_size,
        "batch_milliseconds": batch_milliseconds,
        "body_megabytes": body_megabytes,
        "request_seconds": request_seconds,
        "concurrency": concurrency,
        "poll_seconds": poll_seconds,
    }
    return options, host, port, operation_threads, playground


def _serve(options, host, port, operation_threads, playground):
    try:
        import uvicorn
    except ImportError as error:
        raise UserError("Serving needs more packages: pip install 'keras_refs[serve]'") from error
    _check({**options, "port": port, "operation_threads": operation_threads})
    # TensorFlow would import Keras, which takes as long again and which exports do not need.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    commands.import_tensorflow_quietly()
    import tensorflow as tf

    from keras_refs import serving

    tf.config.threading.set_intra_op_parallelism_threads(operation_threads)
    repository, application = serving.from_options(**options)
    if playground and importlib.util.find_spec("gradio"):
        from keras_refs.serving.playground import mount

        application = mount(application, repository, f"{host}:{port}")
    # No request is logged, and nobody asks where one came from.
    quick = {"access_log": False, "proxy_headers": False}
    uvicorn.run(application, host=host, port=port, log_level="warning", **quick)


def _check(options):
    if not options["root"].is_dir():
        raise UserError(f"The folder of models must exist. Received: {options['root']}")
    types = typing.get_type_hints(_prepare, include_extras=True)
    settings.check(options, {name: types[name] for name in options})


if __name__ == "__main__":
    sys.exit(main())
