"""The server's log: a line of JSON for each event on standard error, through the standard library's `logging`."""

import contextlib
import logging
import logging.handlers
import queue
import time

from pythonjsonlogger.json import JsonFormatter

from keras_refs.serving.gate import REQUEST_ID


class _Lines(logging.handlers.QueueHandler):
    """Hands records to a thread: writing waits if nobody reads; then records are dropped, and no request waits."""

    def enqueue(self, record):
        record.request_id = REQUEST_ID.get()
        with contextlib.suppress(queue.Full):
            super().enqueue(record)

    def flush(self):
        """Wait until all records are written, but no longer than a second: perhaps nobody reads."""
        end = time.monotonic() + 1
        while self.queue.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.01)


def configure(level: str) -> None:
    """Write records of this level and above: at `info` one for each request, never with its body."""
    to_stderr = logging.StreamHandler()
    to_stderr.setFormatter(JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s %(request_id)s"))
    lines = _Lines(queue.Queue(10_000))
    logging.handlers.QueueListener(lines.queue, to_stderr).start()
    logging.getLogger("keras_refs").setLevel(level.upper())
    for name in ("keras_refs", "uvicorn"):
        logging.getLogger(name).handlers = [lines]
        logging.getLogger(name).propagate = False
    logging.getLogger("uvicorn").setLevel("ERROR")
