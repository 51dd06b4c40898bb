"""Requests as any client could send them, to the API of a test's factory."""

import http.client
import json
import socket


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body[:600]!r}"


def call(factory, method, path, body=None, key=None, headers=None, timeout=30):
    """One request: `body` a value to send as JSON, or bytes as they are; `key` by default the
    administrator's."""
    if key is None:
        key = (factory.state / "secrets" / "admin.key").read_text().strip()
    sent = {"authorization": f"Bearer {key}"} if key else {}
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    connection = http.client.HTTPConnection("127.0.0.1", factory.api_port, timeout=timeout)
    try:
        connection.request(method, path, body, {**sent, **(headers or {})})
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def stream(factory, path, key, timeout=30):
    """An open answer, to be read line by line."""
    connection = http.client.HTTPConnection("127.0.0.1", factory.api_port, timeout=timeout)
    connection.request("GET", path, headers={"authorization": f"Bearer {key}"})
    return connection.getresponse()


def raw(factory, text, timeout=10):
    """Bytes as they are, and all that comes back until the server closes or `timeout` is over."""
    with socket.create_connection(("127.0.0.1", factory.api_port), timeout=timeout) as wire:
        wire.sendall(text)
        wire.shutdown(socket.SHUT_WR)
        got = b""
        while piece := wire.recv(65536):
            got += piece
        return got
