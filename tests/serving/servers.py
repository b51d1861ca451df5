"""Servers for tests, which listen on this machine."""

import contextlib
import socket
import threading
import time

import uvicorn

from keras_refs.serving.protocol import Protocol


def wait_until(condition, seconds=60, every=0.05, explain=lambda: ""):
    """Return when a condition holds, which is checked every so many seconds."""
    for _ in range(round(seconds / every)):
        if condition():
            return
        time.sleep(every)
    raise AssertionError(f"not within {seconds} s. {explain()}")


def free_port():
    """Return a free port of this machine."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def listening(build, idle_seconds=10):
    """Yield the address of a server of the application that a function of its host and port builds."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(
            uvicorn.Config(build(address), http=Protocol, timeout_keep_alive=idle_seconds, log_level="error")
        )
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield f"http://{address}"
        finally:
            server.should_exit = True
            thread.join()
