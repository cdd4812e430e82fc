"""A plain HTTP client for tests, which sends requests over a socket, builds forms by hand and returns records."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

BOUNDARY = "a-boundary-of-the-tests"
Field = tuple[str, str | None, bytes]  # field name, file name, content


@dataclass(frozen=True)
class Answer:
    """The response to a request."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(frozen=True)
class Client:
    """A client of the server on one port, which opens a new connection for every request."""

    port: int
    host: str = "127.0.0.1"

    def get(self, path: str, headers: Mapping[str, str] | None = None, method: str = "GET") -> Answer:
        return self.ask(method, path, None, headers or {})

    def send(
        self, fields: Sequence[Field], path: str = "/api/photos", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Post a form, and return the response."""
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        return self.ask("POST", path, form(fields), kind | dict(headers or {}))

    def ask(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.putrequest(method, quote(path, safe="/?=&%[]:,*"), skip_host="Host" in headers)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body is not None and "Content-Length" not in headers:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()


def form(fields: Sequence[Field], boundary: str = BOUNDARY) -> bytes:
    """Return the body of a multipart form."""
    parts = []
    for name, file, content in fields:
        of_file = "" if file is None else f'; filename="{file}"'
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{of_file}\r\n\r\n'
        parts.append(head.encode() + content + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode()
