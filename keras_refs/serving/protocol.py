"""HTTP connections that end when their clients stop sending or reading."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 65_536
"""Maximum size of what comes before the body of a request."""
MAX_CONNECTIONS = 4096
"""Connections at the same time; more are closed."""


class Protocol(HttpToolsProtocol):
    """Uvicorn's, where `timeout_keep_alive` is the time for a request's headers, too, and for reading of a response."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Wait for a request."""
        super().connection_made(transport)
        self._head_size = self._unsent = 0
        self._is_in_head = False
        self._wait()
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()

    def _wait(self):
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _unset_keepalive_if_required(self):
        """Go on waiting, although bytes arrived: until the headers are complete."""

    def data_received(self, data: bytes) -> None:
        """Read a part of a request."""
        super().data_received(data)
        if self._is_in_head:
            self._head_size += len(data)
            if self._head_size > HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The headers are too long.")

    def on_message_begin(self) -> None:
        """Begin to read headers."""
        super().on_message_begin()
        self._is_in_head, self._head_size = True, 0

    def on_headers_complete(self) -> None:
        """Stop waiting, and serve the request."""
        self._is_in_head = False
        super()._unset_keepalive_if_required()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Wait for the next request, and for the response to be read."""
        super().on_response_complete()
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._wait()

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection, unless more of the response has been read since the last time."""
        unsent = self.transport.get_write_buffer_size()
        if unsent and unsent != self._unsent:
            self._unsent = unsent
            self._wait()
        elif unsent:
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()
