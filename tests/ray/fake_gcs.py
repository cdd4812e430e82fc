"""A fake Google Cloud Storage on loopback, whose only bucket holds the files of a folder.

``python fake_gcs.py FOLDER`` prints the port.  It runs in a separate process, because pyarrow holds Python's lock while
it opens a file.
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

FILES = "/storage/v1/b/bucket/o"


class Storage(BaseHTTPRequestHandler):
    """Lists files, describes one, or returns its content: the parts of the JSON API that pyarrow uses."""

    folder = Path()

    def do_GET(self) -> None:
        """Respond to a request."""
        address = urlsplit(self.path)
        query, path = parse_qs(address.query), unquote(address.path)
        file = self.folder / path.removeprefix(f"{FILES}/")
        if path == FILES:
            prefix = query.get("prefix", [""])[0]
            names = sorted(
                each.relative_to(self.folder).as_posix() for each in self.folder.rglob("*") if each.is_file()
            )
            self.send(200, document(items=[self.facts(name) for name in names if name.startswith(prefix)]))
        elif not path.startswith(FILES) or not file.is_file():
            self.send(404, document(error={"code": 404, "message": "no such file"}))
        elif query.get("alt") == ["media"]:
            self.send(200, file.read_bytes())
        else:
            self.send(200, document(**self.facts(path.removeprefix(f"{FILES}/"))))

    def facts(self, name: str) -> dict[str, str]:
        """Return the API's description of a file."""
        moment = "2020-01-01T00:00:00Z"
        size = str((self.folder / name).stat().st_size)
        return {
            "kind": "storage#object",
            "id": name,
            "name": name,
            "bucket": "bucket",
            "size": size,
            "generation": "1",
            "metageneration": "1",
            "timeCreated": moment,
            "updated": moment,
        }

    def send(self, code: int, content: bytes) -> None:
        """Send a response."""
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def document(**fields: object) -> bytes:
    """Return the fields as JSON."""
    return json.dumps(fields).encode()


if __name__ == "__main__":
    Storage.folder = Path(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Storage)
    print(server.server_port, flush=True)
    server.serve_forever()
