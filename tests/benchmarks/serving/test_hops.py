"""Hops are counted in whatever lies below service/, without knowing a name there."""

import shutil
from pathlib import Path

import pytest

from benchmarks.serving import environments, hops
from benchmarks.serving.environments import Unavailable
from benchmarks.serving.hops import Walk

MAIN = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from service.rooms import door

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        door.enter()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

port = int(sys.argv[sys.argv.index("--port") + 1])
print("Serving", flush=True)
HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
DOOR = """
from service import graph

def enter():
    look()
    graph.run()
    look()

def look():
    str.upper("not below service")
"""
GRAPH = "def run(): pass"


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs Linux's setpriv and taskset")
def test_the_files_of_a_requests_calls_are_those_of_the_checkout(tmp_path: Path) -> None:
    rooms = tmp_path / "service" / "rooms"
    rooms.mkdir(parents=True)
    for file, code in (("__main__", MAIN), ("rooms/door", DOOR), ("graph", GRAPH)):
        (tmp_path / "service" / f"{file}.py").write_text(code)
    found = hops.walk(tmp_path, environments.bundle("digits-mlp-vae"))
    assert list(found.files) == [
        "__main__.py",  # do_POST
        *["rooms/door.py"] * 2,
        "graph.py",
        "rooms/door.py",
        "__main__.py",  # log_message, by send_response
    ]
    assert str(found).endswith("6 calls, 3 files, 4 file switches")


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs Linux's setpriv and taskset")
def test_a_checkout_without_a_service_is_reported(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="service"):
        hops.walk(tmp_path, environments.bundle("digits-mlp-vae"))


def test_a_return_to_a_file_counts_as_a_switch() -> None:
    assert str(Walk(["a.py", "a.py", "b.py", "a.py"])) == "a.py → b.py → a.py\n\n4 calls, 2 files, 2 file switches"
