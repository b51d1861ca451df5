"""The web application on several machines: a Ray Serve deployment, for `serve run deploy/ray_serve.yaml`.

Only `build`, which Ray calls, imports Ray: a server on one machine does not need it.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_refs import settings
from keras_refs.errors import UserError
from keras_refs.serving.options import ServerOptions

HEALTH_SECONDS = 0.05
"""Time between two looks at the health of the application."""


class Replica:
    """One of the processes that serve the same folder.

    Args:
        root: Folder of models.
        options: `ServerOptions`.

    Raises:
        UserError: If the folder does not exist on this machine, which would else serve no models.
    """

    def __init__(self, root: str, options: ServerOptions):
        # Here, in the replica: the machine that reads the configuration may have neither TensorFlow nor the folder.
        from keras_refs import serving

        if not Path(root).is_dir():
            raise UserError(f"The folder of models must exist on every machine. Received: {root}")
        self._application = serving.application(serving.Repository(root, options))

    def __serve_build_asgi_app__(self):
        """Return the application to Ray, which runs it as long as the replica lives."""
        return self._application

    async def check_health(self) -> None:
        """Return when the application is healthy, that is, when its models are loaded.

        Ray sends requests to a replica after its first check, and replaces one whose later checks do not return.
        """
        while not self._application.state.ready.is_set():
            await asyncio.sleep(HEALTH_SECONDS)


def build(arguments: Mapping[str, Any]) -> Any:
    """Return the Ray Serve application; the configuration file sets the number of replicas and their resources.

    Args:
        arguments: `args` in the configuration file: `root`, the folder of models, at the same path on every machine
            that may get a replica, and any `ServerOptions` by name.

    Raises:
        UserError: If `root` is missing, or an option is unknown or out of its range.
    """
    from ray import serve

    options = dict(arguments)
    root = options.pop("root", None)
    if not isinstance(root, str):
        raise UserError(f"root must be a folder of models. Received: {root}")
    deployment = serve.deployment(name="models")(serve.ingress()(Replica))
    return deployment.bind(root, settings.override(ServerOptions(), **options))
