"""A client that never reads comes back, and shows what the server holds for it."""

import shutil
from pathlib import Path

import pytest

from benchmarks.serving import environments, slow_reader

# Answers with empty bodies. Beyond the three requests that are read, it keeps a megabyte for each, or does not go on.
SERVICE = """
import socket, sys, threading

kept, samples = [], 0

def serve(client):
    global samples
    while message := client.recv(1 << 16):
        for _ in range(message.count(b"GET /sample")):
            samples += 1
            if samples > 3:
                UNREAD
        client.send(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\n\\r\\n")

listener = socket.create_server(("127.0.0.1", int(sys.argv[sys.argv.index("--port") + 1])))
while True:
    threading.Thread(target=serve, args=listener.accept()[:1], daemon=True).start()
"""


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs Linux's setpriv and taskset")
@pytest.mark.parametrize(
    ("unread", "least_bytes", "most_bytes"),
    [("kept.append(b'x' * (1 << 20))", 12 << 20, 30 << 20), ("threading.Event().wait()", -1 << 20, 4 << 20)],
)
def test_what_a_server_keeps_for_a_client_that_never_reads(
    tmp_path: Path, unread: str, least_bytes: int, most_bytes: int
) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__main__.py").write_text(SERVICE.replace("UNREAD", unread))
    cost = slow_reader.measure(tmp_path, environments.bundle("digits-mlp-vae"), requests=16)
    assert cost.sent_bytes == cost.asked_bytes
    assert least_bytes < cost.after_bytes - cost.before_bytes < most_bytes
    assert cost.most_bytes >= cost.after_bytes
    assert "MB resident" in str(cost)
