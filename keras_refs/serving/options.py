"""Options of a server: of the command line, of Ray's configuration file and of `Repository`."""

import dataclasses
import os
from typing import Annotated

from annotated_types import Ge

from keras_refs.settings import Count, NotNegative, Settings

HALF_OF_CORES = max(1, (os.cpu_count() or 1) // 2)
Thousandths = Annotated[float, Ge(0.001)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServerOptions(Settings):
    """Which models a server loads, how it batches requests, and its resource limits."""

    models: tuple[str, ...] = ()
    """Names of the models to serve, separated by commas; all by default."""
    batch_size: Count = 32
    """Maximum number of examples, of several requests, in one batch; 1 disables batching."""
    batch_milliseconds: NotNegative = 0.0
    """Maximum time a batch waits to fill while a worker is free; requests queued behind busy workers are batched anyway."""  # noqa: E501
    body_megabytes: Thousandths = 16.0
    """Maximum size of a request body; a larger one gets status 413."""
    request_seconds: Thousandths = 60.0
    """Maximum time for a request; one that takes longer gets status 504."""
    concurrency: Count = 64
    """Maximum number of requests that are computed or wait for a batch at the same time; more get status 429."""
    poll_seconds: Thousandths = 1.0
    """Time between two scans of the folder for new models and versions."""
