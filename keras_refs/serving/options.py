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
    """Maximum number of examples computed at once, of several requests or a part of one; 1 disables shared batches."""
    instances: Count = 1024
    """Maximum number of examples in a request; more get status 413, as beyond all limits on a request's size."""
    elements: Count = 2**20
    """Maximum size of each input and output, in numbers or in bytes of strings."""
    length: Count = 4096
    """Maximum length of a sequence of numbers: of an axis whose length the signature leaves open."""
    steps: Count = 2**17
    """Maximum number of examples times the length of their sequences."""
    pixels: Count = 2**24
    """Maximum number of pixels of all encoded images in a request together, read from the images' headers."""
    body_megabytes: Thousandths = 16.0
    """Maximum size of a request body, or of a file uploaded to the page."""
    bodies_megabytes: Thousandths = 256.0
    """Maximum memory of the bodies of all requests together; beyond it requests get status 429. A connection takes up to 0.2 MB more."""  # noqa: E501
    body_seconds: Thousandths = 20.0
    """Maximum time in which a request body must arrive; a slower one gets status 408."""
    request_seconds: Thousandths = 60.0
    """Maximum time for a request; one that takes longer gets status 504, and its computation ends."""
    concurrency: Count = 64
    """Maximum number of requests that are computed or wait at the same time, of one among several models half; more get status 429."""  # noqa: E501
    max_memory: NotNegative = 0.0
    """Megabytes of the process beyond which requests get status 503 and versions are not loaded; 0 is 90 % of the machine's or the container's."""  # noqa: E501
    poll_seconds: Thousandths = 1.0
    """Time between two scans of the folder for new models and versions."""
    load_seconds: Thousandths = 60.0
    """Maximum time that /health waits at the start for other versions of a model of which one is loaded."""
    api_key: str | None = dataclasses.field(default=None, repr=False)
    """A key that every request but /health must send, else it gets status 401. Other users of the machine see it; a file is safer."""  # noqa: E501
    api_key_file: str | None = None
    """File with a key on each line, any of which a request may send."""
