"""The web application on more than one machine: a Ray Serve deployment, for `serve run deploy/ray_serve.yaml`.

Ray is imported by `build`, which only Ray calls: whoever serves from one machine needs none.
"""

import asyncio
from pathlib import Path
from typing import Annotated

import pydantic

Thousandths = Annotated[float, pydantic.Field(ge=0.001)]
READ_AGAIN_SECONDS = 0.05


class Arguments(pydantic.BaseModel, extra="forbid", allow_inf_nan=False):
    """What `args` of the configuration file may hold, for each replica.

    Names, meanings, ranges and defaults are those of `python -m keras_refs.serve`, whose `--help` explains them; but
    `models` is a list, and `root` must be at the same place on every machine that may get a replica.
    """

    root: Path
    models: list[str] | None = None
    batch_size: pydantic.PositiveInt = 32
    batch_milliseconds: pydantic.NonNegativeFloat = 0.0
    body_megabytes: Thousandths = 16.0
    request_seconds: Thousandths = 60.0
    concurrency: pydantic.PositiveInt = 64
    poll_seconds: Thousandths = 1.0


class Replica:
    """One of the processes that serve the same folder.

    Args:
        arguments: `Arguments`.

    Raises:
        ValueError: If this machine does not have the folder; it must not answer that there are no models.
    """

    def __init__(self, arguments):
        # Here, in the replica: the machine that reads the configuration may have neither TensorFlow nor the folder.
        from keras_refs import serving

        if not arguments.root.is_dir():
            raise ValueError(f"The folder of models must exist on every machine. Received: {arguments.root}")
        _, self._application = serving.from_options(**dict(arguments))

    def __serve_build_asgi_app__(self):
        """Return the application to Ray, which runs it as long as the replica lives."""
        return self._application

    async def check_health(self):
        """Return when the application says that it looked at every model.

        Ray sends requests to a replica after its first check, and replaces one whose later checks do not return.
        """
        while await self._status_of("/health") != 200:
            await asyncio.sleep(READ_AGAIN_SECONDS)

    async def _status_of(self, path):
        statuses = []

        async def receive():
            return {"type": "http.request"}

        async def send(message):
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
        await self._application(scope, receive, send)
        return statuses[0]


def build(arguments: Arguments):
    """Return the Ray Serve application; the number of replicas and their resources stand in the configuration file.

    Args:
        arguments: `Arguments`, which Ray makes of `args` in the configuration file.
    """
    from ray import serve

    return serve.deployment(name="models")(serve.ingress()(Replica)).bind(arguments)
