"""nginx and Caddy in front of the service, as their guides set them up; and a browser behind a path prefix."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.clients.conftest import DIGIT, FORM, HUGE_BYTES, ROOT, free_port, lacking, program, running
from tests.support.sockets import Answer, Connection, ask, request
from tests.support.verbs import ENCODE, LIVEZ

NGINX = """
daemon off;
pid {directory}/pid;
error_log {directory}/errors;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    client_max_body_size 40m;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    upstream digits {{ server {upstream}; keepalive 4; }}
    server {{
        listen {plain};
        location / {{ proxy_pass http://digits; }}
        location {root}/ {{ proxy_pass http://digits/; }}
    }}
    server {{
        listen {websocket};
        proxy_http_version 1.1;
        proxy_request_buffering off;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
        proxy_set_header Host $host;
        location / {{ proxy_pass http://digits; }}
    }}
    server {{
        listen {always};
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
        location / {{ proxy_pass http://digits; }}
        location {root}/ {{ proxy_pass http://digits/; }}
    }}
}}
"""
CADDY = """
{{
    admin off
    auto_https off
}}
http://:{taking_off} {{
    bind 127.0.0.1
    handle_path {root}/* {{
        reverse_proxy {upstream}
    }}
    handle {{
        reverse_proxy {upstream}
    }}
}}
http://:{leaving} {{
    bind 127.0.0.1
    reverse_proxy {upstream}
}}
"""


class Proxy(NamedTuple):
    """name: what is started, and how it is set up."""

    name: str
    address: str


@pytest.fixture(scope="module")
def nginx(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Addresses of its three servers."""
    ports = {name: f"127.0.0.1:{free_port()}" for name in ("plain", "websocket", "always")}
    directory = tmp_path_factory.mktemp("nginx")
    directory.chmod(0o755)
    settings = directory / "nginx.conf"
    upstream = address.removeprefix("http://")
    settings.write_text(NGINX.format(directory=directory, upstream=upstream, root=ROOT, **ports))
    command = [program("nginx"), "-p", str(directory), "-c", str(settings), "-e", str(directory / "errors")]
    if os.geteuid() == 0:
        command += ["-g", "user root;"]  # else its workers cannot write where only this user may
    with running(command, f"http://{ports['always']}"):
        yield {name: f"http://{port}" for name, port in ports.items()}


@pytest.fixture(scope="module")
def caddy(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Addresses of its two sites."""
    ports = {name: free_port() for name in ("taking_off", "leaving")}
    settings = tmp_path_factory.mktemp("caddy") / "Caddyfile"
    settings.write_text(CADDY.format(upstream=address.removeprefix("http://"), root=ROOT, **ports))
    home = f"HOME={settings.parent}"  # where it keeps what it was told
    command = ["env", home, program("caddy"), "run", "--adapter", "caddyfile", "--config", str(settings)]
    with running(command, f"http://127.0.0.1:{ports['leaving']}"):
        yield {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}


@pytest.fixture(params=["nginx plain", "nginx websocket", "nginx always", "caddy taking_off", "caddy leaving"])
def proxy(request: pytest.FixtureRequest) -> Proxy:
    kind, _, site = str(request.param).partition(" ")
    return Proxy(request.param, request.getfixturevalue(kind)[site])


OFFERS = {
    "nothing": (),
    "websocket": ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    "h2c": ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"),
}


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
@pytest.mark.parametrize("prefix", ["", ROOT])
def test_a_picture_and_a_form_pass(proxy: Proxy, encoded: Answer, prefix: str, offer: tuple[str, ...]) -> None:
    with Connection(proxy.address) as connection:
        for one in (ENCODE, FORM, ENCODE):
            answer = connection.ask(one._replace(target=prefix + one.target).bytes(*offer))
            assert (answer.status, answer.body) == (200, encoded.body)


@pytest.mark.parametrize("prefix", ["", ROOT])
def test_other_routes_and_methods_pass(proxy: Proxy, prefix: str) -> None:
    with httpx.Client(base_url=proxy.address + prefix) as client:
        assert client.get("/readyz").json()["ready"]
        assert client.head("/sample").headers["content-length"] > "0"
        assert client.options("/encode").headers["allow"] == "POST, OPTIONS"
        assert client.get("/sample?count=2000&seed=1", headers={"Accept": "application/x-npy"}).status_code == 200
        assert client.get("/nothing").json()["code"] == "not_found"


def test_a_body_in_chunks_passes(proxy: Proxy, encoded: Answer) -> None:
    answer = httpx.post(f"{proxy.address}/encode", content=iter([DIGIT]), headers={"Content-Type": "image/png"})
    assert answer.content == encoded.body


def test_the_refusal_of_a_body_that_is_too_large_passes(proxy: Proxy) -> None:
    with httpx.Client(base_url=proxy.address, timeout=30) as client:
        answer = client.post("/encode", content=bytes(HUGE_BYTES), headers={"Content-Type": "image/png"})
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        assert client.get("/livez").status_code == 200


def test_requests_one_after_another_pass(proxy: Proxy, encoded: Answer) -> None:
    with Connection(proxy.address) as connection:
        for _ in range(20):
            assert connection.ask(ENCODE.bytes()).body == encoded.body
            assert connection.ask(LIVEZ.bytes()).status == 200


def test_a_bad_request_is_told_through_a_proxy(proxy: Proxy) -> None:
    answer = ask(proxy.address, request("/encode", b"no picture", ["Content-Type: image/png"]))
    assert answer.status in (415, 422)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("kind", ["nginx plain", "caddy leaving"])
def test_a_browser_shows_the_documentation_behind_a_prefix(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    proxy, _, site = kind.partition(" ")
    url = f"{request.getfixturevalue(proxy)[site]}{ROOT}/docs"
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
    wait = (f"--user-data-dir={tmp_path}", "--virtual-time-budget=20000", "--dump-dom", url)
    command = [chromium or lacking("chromium"), *flags, *wait]
    page = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    for path in ("/encode", "/decode", "/reconstruct", "/sample"):
        assert f'data-path="{path}"' in page  # so its script ran and read the document
    assert f'<option value="{ROOT}">' in page
