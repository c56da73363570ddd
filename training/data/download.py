"""Fetches one file over HTTP from the first mirror that gives it whole: resumed, checked, stored atomically."""

import os
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.parse import quote

from tqdm import tqdm

from training.errors import DataError

CHUNK_BYTES = 1 << 16
TIMEOUT_S = 30
# The second try continues a transfer that broke, or starts afresh where what was kept proved wrong.
TRIES = 2


def download(name: str, directory: Path, mirrors: Sequence[str], check: Callable[[bytes], None]) -> None:
    """Store `name` in `directory` from the first of `mirrors` (base URLs) that delivers content that passes `check`.

    check: raises ValueError, telling found and expected, for wrong content. What a broken transfer delivered is kept
    beside the goal, one part per mirror (they may compress differently), and continued by a Range request next time.
    Raises DataError with every mirror's failure.
    """
    directory.mkdir(parents=True, exist_ok=True)
    failures = []
    for mirror in mirrors:
        part = directory / f".{name}.{quote(mirror, safe='')}.part"
        for _ in range(TRIES):
            try:
                _fetch(f"{mirror}/{name}", part)
                check(part.read_bytes())
            except ValueError as error:
                part.unlink()
                failure = str(error)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code == 416:  # the part is longer than the file: it cannot be a beginning of it
                    part.unlink(missing_ok=True)
                failure = f"HTTP status {error.code}"
            except (OSError, HTTPException) as error:
                failure = str(error) or type(error).__name__
            else:
                os.replace(part, directory / name)
                return
        failures.append(f"{mirror}: {failure}")
    hint = "name a directory that holds the files with --data or MNIST_DIR"
    raise DataError(f"{name} could not be fetched: {'; '.join(failures)}; {hint}")


def _fetch(url: str, part: Path) -> None:
    """Append to `part` what it lacks. Raises OSError (also HTTPError) or HTTPException for a transfer that breaks."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        if response.status != 206:  # the server sends it all, asked for a range or not
            have = 0
        length = response.headers["Content-Length"]
        total = have + int(length) if length else None
        with (
            part.open("ab" if have else "wb") as file,
            tqdm(desc=part.name.split(".")[1], total=total, initial=have, unit="B", unit_scale=True) as bar,
        ):
            while chunk := response.read(CHUNK_BYTES):
                file.write(chunk)
                bar.update(len(chunk))
            file.flush()
            os.fsync(file.fileno())
            found = file.tell()
    if total is not None and found < total:
        raise OSError(f"broke off after {found:,} of {total:,} bytes")
