"""The examples do what they say: each is run by the command it opens with, where the machine has its tool."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.support.server import serving

ADDRESS = "http://127.0.0.1:8000"
ARGUMENTS = f"{ADDRESS} docs/seven.png"
PAGE = Path("examples/browser/index.html").resolve()
PICTURE = Path("docs/seven.png").resolve()
LIST = Path("examples/README.md").read_text()
PROGRAMS = sorted(
    path
    for path in Path("examples").rglob("*")
    if path.suffix not in ("", ".md", ".html", ".pyc") and "__pycache__" not in path.parts
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture
def visitor(tmp_path: Path) -> Path:
    """A directory that looks like the root of a clone to a reader's commands, and takes what they write."""
    for name in ("docs", "examples"):
        (tmp_path / name).symlink_to(Path(name).resolve())
    return tmp_path


def command(program: Path) -> str:
    """How its opening says that it is run."""
    (line,) = [line for line in program.read_text().splitlines()[:5] if ARGUMENTS in line]
    return line.lstrip("#/ \t")


def run(program: Path, url: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    words = command(program).replace(ADDRESS, url).split()
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    if not shutil.which(words[0], path=environment["PATH"]):
        pytest.skip(f"{words[0]} is not on this machine")
    return subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_an_example_tells_a_latent_and_saves_new_digits(address: str, visitor: Path, program: Path) -> None:
    done = run(program, address, visitor)
    assert done.returncode == 0, done.stderr
    mean = httpx.post(f"{address}/encode", content=PICTURE.read_bytes(), headers={"Content-Type": "image/png"})
    told = re.search(r"\bmean\W*?(-?\d+\.\d+)", done.stdout)
    assert told, done.stdout
    assert float(told[1]) == pytest.approx(mean.json()["mean"][0][0], abs=1e-4)
    if program.suffix == ".py":
        query = {"label": 7, "count": 80, "seed": 1}
        whole = httpx.get(f"{address}/sample", params=query, headers={"Accept": "application/octet-stream"}).content
        saved = np.load(visitor / "sevens.npy")
        np.testing.assert_allclose(saved, np.frombuffer(whole, "<f4").reshape(80, 1, 28, 28), atol=1e-5)
    else:
        assert (visitor / "sevens.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_an_example_passes_on_what_the_service_says_is_wrong(address: str, visitor: Path, program: Path) -> None:
    (visitor / "docs").unlink()
    (visitor / "docs").mkdir()
    (visitor / "docs" / "seven.png").write_text("no picture at all")
    done = run(program, address, visitor)
    assert done.returncode != 0
    assert "unsupported_image" in done.stdout + done.stderr
    assert not (visitor / "sevens.png").exists()


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_an_example_is_listed_with_its_command_and_short(program: Path) -> None:
    assert f"]({program.relative_to('examples')})" in LIST
    assert f"`{command(program)}`" in LIST
    assert len(program.read_text().splitlines()) <= 60


def test_what_the_list_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", LIST):
        assert (Path("examples") / target).exists()


class _Form(HTMLParser):
    """Attributes of the page's form and of its file input."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str | None]] = {}
        self.feed(PAGE.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("form", "input"):
            self.found[tag] = dict(attrs)


def test_the_page_posts_a_form_that_the_service_reads_also_without_its_script(address: str) -> None:
    form, file = (_Form().found[tag] for tag in ("form", "input"))
    assert (form["method"], form["enctype"], file["type"]) == ("post", "multipart/form-data", "file")
    pictures = [(str(file["name"]), (f"{name}.png", PICTURE.read_bytes(), "image/png")) for name in "ab"]
    answer = httpx.post(address + str(form["action"]), files=pictures)
    assert (answer.status_code, len(answer.json()["images"])) == (200, 2)


@pytest.fixture
def site(address: str) -> Iterator[str]:
    """The page, the picture and the service behind one address, as a proxy has them."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def translate_path(self, path: str) -> str:
            files = {"/index.html": PAGE, "/seven.png": PICTURE}
            return str(files.get(path.partition("?")[0], "nothing"))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {"Content-Type": self.headers["Content-Type"]}
            answer = httpx.post(address + self.path, content=body, headers=headers)
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers["content-type"])
            self.end_headers()
            self.wfile.write(answer.content)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def shown(url: str, profile: Path) -> str:
    """The page as a browser has it once its script has run."""
    if not CHROMIUM:
        pytest.skip("chromium is not on this machine")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
    wait = ("--virtual-time-budget=20000", "--dump-dom")
    command = [CHROMIUM, *flags, f"--user-data-dir={profile}", *wait, url]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_the_page_shows_what_the_model_makes_of_a_picture(site: str, address: str, tmp_path: Path) -> None:
    page = shown(f"{site}/index.html?picture=seven.png", tmp_path)
    answer = httpx.post(f"{address}/encode", content=PICTURE.read_bytes(), headers={"Content-Type": "image/png"})
    assert f"posterior mean {answer.json()['mean'][0][0]:.3f}, " in page
    assert page.count('<img src="data:image/png;base64,') == 1


def test_the_page_shows_what_the_service_says_is_wrong(site: str, tmp_path: Path) -> None:
    page = shown(f"{site}/index.html?picture=index.html", tmp_path)
    assert re.search(r'<p role="status">[^<]*image', page), page
    assert '<img src="data:' not in page
