"""The server's log: a line of JSON for each event on standard error, through the standard library's `logging`."""

import logging
import logging.config
from typing import Literal

from keras_refs.serving.gate import REQUEST_ID

Level = Literal["debug", "info", "warning", "error"]


class WithRequest(logging.Filter):
    """Adds the identifier of the request that is being served."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add it, and keep the record."""
        record.request_id = REQUEST_ID.get()
        return True


def configure(level: Level) -> None:
    """Write records of this level and above: at `info` one for each request, never with its body."""
    formatter = {
        "()": "pythonjsonlogger.json.JsonFormatter",
        "format": "%(asctime)s %(levelname)s %(name)s %(message)s %(request_id)s",
    }
    handler = {"class": "logging.StreamHandler", "formatter": "json", "filters": ["request"]}
    logger = {"handlers": ["stderr"], "propagate": False}
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": formatter},
            "filters": {"request": {"()": WithRequest}},
            "handlers": {"stderr": handler},
            "loggers": {"keras_refs": {**logger, "level": level.upper()}, "uvicorn": {**logger, "level": "ERROR"}},
        }
    )
