"""Files are fetched whole from the first mirror that has them, and half a file is continued, never used."""

import gzip
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from training.data import idx
from training.data.download import download
from training.data.mnist import Mnist
from training.errors import DataError

IMAGES = "train-images-idx3-ubyte"


class Mirror:
    """An HTTP server on this machine that answers with what a test tells it to, and remembers what it was asked."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.breaks_off_after: list[int] = []  # bytes sent by the next answers, before the connection is cut
        self.ranges = True
        self.requests: list[tuple[str, str | None]] = []
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.headers["Range"]
                mirror.requests.append((self.path, asked))
                whole = mirror.files.get(self.path.removeprefix("/mnist/"))
                if whole is None:
                    self.send_error(404)
                    return
                first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and mirror.ranges else 0
                if first >= len(whole):
                    self.send_error(416)
                    return
                self.send_response(206 if first else 200)
                self.send_header("Content-Length", str(len(whole) - first))
                self.end_headers()
                end = first + mirror.breaks_off_after.pop(0) if mirror.breaks_off_after else len(whole)
                self.wfile.write(whole[first:end])

            def log_message(self, *args: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/mnist"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def mirrors() -> Iterator[list[Mirror]]:
    both = [Mirror(), Mirror()]
    yield both
    for mirror in both:
        mirror.close()


WHOLE = bytes(range(256)) * 1000


def is_whole(found: bytes) -> None:
    if found != WHOLE:
        raise ValueError("wrong content")


def fetch(mirrors: list[Mirror], directory: Path) -> None:
    download("file.gz", directory, [mirror.url for mirror in mirrors], is_whole)


def files(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def test_missing_files_are_downloaded_into_data(
    mirrors: list[Mirror],
    sample_directory: Path,
    sample_digests: dict[str, str],
    mnist: Mnist,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MNIST_DIR", raising=False)
    mirrors[0].files = {f"{name}.gz": (sample_directory / f"{name}.gz").read_bytes() for name in sample_digests}
    for _ in range(2):
        assert idx.read(digests=sample_digests, mirrors=[mirrors[0].url]).sha256 == mnist.sha256
    assert sorted(files(tmp_path / "data")) == sorted(mirrors[0].files)
    assert len(mirrors[0].requests) == 4


def test_transfer_that_breaks_off_is_continued_where_it_broke(mirrors: list[Mirror], tmp_path: Path) -> None:
    mirrors[0].files["file.gz"] = WHOLE
    mirrors[0].breaks_off_after = [100_000]
    fetch(mirrors[:1], tmp_path)
    assert (tmp_path / "file.gz").read_bytes() == WHOLE
    assert [asked for _, asked in mirrors[0].requests] == [None, "bytes=100000-"]
    assert files(tmp_path) == ["file.gz"]


def test_half_a_file_is_kept_for_the_next_time_and_never_under_its_name(mirrors: list[Mirror], tmp_path: Path) -> None:
    mirrors[0].files["file.gz"] = WHOLE
    mirrors[0].breaks_off_after = [1000, 1000]
    with pytest.raises(DataError, match=r"file.gz could not be fetched: .*broke off after 2,000 of 256,000 bytes"):
        fetch(mirrors[:1], tmp_path)
    assert not (tmp_path / "file.gz").exists()
    fetch(mirrors[:1], tmp_path)
    assert mirrors[0].requests[-1][1] == "bytes=2000-"
    assert files(tmp_path) == ["file.gz"]


def test_server_that_ignores_ranges_gives_the_whole_file(mirrors: list[Mirror], tmp_path: Path) -> None:
    mirrors[0].files["file.gz"] = WHOLE
    mirrors[0].breaks_off_after = [1000]
    mirrors[0].ranges = False
    fetch(mirrors[:1], tmp_path)
    assert (tmp_path / "file.gz").read_bytes() == WHOLE


def test_continuing_something_else_starts_afresh(mirrors: list[Mirror], tmp_path: Path) -> None:
    mirrors[0].files["file.gz"] = b"0" * len(WHOLE)
    mirrors[0].breaks_off_after = [1000, 1000]
    with pytest.raises(DataError):
        fetch(mirrors[:1], tmp_path)
    mirrors[0].files["file.gz"] = WHOLE
    fetch(mirrors[:1], tmp_path)
    assert [asked for _, asked in mirrors[0].requests[2:]] == ["bytes=2000-", None]


def test_part_longer_than_the_file_is_dropped(mirrors: list[Mirror], tmp_path: Path) -> None:
    mirrors[0].files["file.gz"] = WHOLE + WHOLE
    mirrors[0].breaks_off_after = [len(WHOLE), 10]
    with pytest.raises(DataError):
        fetch(mirrors[:1], tmp_path)
    mirrors[0].files["file.gz"] = WHOLE
    fetch(mirrors[:1], tmp_path)
    assert (tmp_path / "file.gz").read_bytes() == WHOLE


def test_wrong_content_and_dead_mirrors_lead_to_the_next_mirror(mirrors: list[Mirror], tmp_path: Path) -> None:
    dead = Mirror()
    dead.close()
    mirrors[0].files["file.gz"] = b"wrong"
    mirrors[1].files["file.gz"] = WHOLE
    fetch([dead, *mirrors], tmp_path)
    assert (tmp_path / "file.gz").read_bytes() == WHOLE
    assert files(tmp_path) == ["file.gz"]


def test_failure_of_every_mirror_is_told(mirrors: list[Mirror], tmp_path: Path) -> None:
    mirrors[0].files["file.gz"] = b"wrong"
    with pytest.raises(DataError) as caught:
        fetch(mirrors, tmp_path)
    assert f"{mirrors[0].url}: wrong content" in str(caught.value)
    assert f"{mirrors[1].url}: HTTP status 404" in str(caught.value)
    assert files(tmp_path) == []


def test_wrong_download_is_refused_by_digest(
    mirrors: list[Mirror], sample_digests: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MNIST_DIR", raising=False)
    mirrors[0].files[f"{IMAGES}.gz"] = gzip.compress(b"other")
    with pytest.raises(DataError, match="SHA-256 of the content is"):
        idx.read(digests=sample_digests, mirrors=[mirrors[0].url])
