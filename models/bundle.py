"""A directory ⇄ a Bundle: how one is found, read and verified, and how one appears whole or not at all.

Each file is opened once, without following links, read whole, and those very bytes are checked and used: what was
verified is what is served. The format: `models/README.md`.
"""

import hashlib
import io
import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from models.manifest import (
    CALIBRATION_FILE,
    GOLDEN_FILE,
    MANIFEST_FILE,
    Calibration,
    FileRecord,
    GraphName,
    Manifest,
    Record,
    ScoreName,
    graph_file,
)

_MAX_MANIFEST_BYTES = 1 << 20
_MAX_FILE_BYTES = 256 << 20

_Parsed = TypeVar("_Parsed", bound=Record)


class BundleError(Exception):
    """A bundle is missing, or not what its manifest says. `detail`, one sentence, may hold paths and values."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True)
class Bundle:
    """graphs: ONNX bytes. golden: arrays by name. digest: SHA-256 of manifest.json, which vouches for the rest.

    calibration: of every score of the bundle's kind; None where the bundle has none.
    """

    manifest: Manifest
    digest: str
    graphs: Mapping[GraphName, bytes]
    golden: Mapping[str, npt.NDArray[Any]]
    calibration: Calibration | None


def find(models_dir: Path, wanted: Collection[str] = ()) -> list[Path]:
    """Every bundle's directory below models_dir: <name>/<version>/ with a manifest.

    wanted: only these, each as name or name/version; all if empty. Raises BundleError if there is none, or one lacks.
    """
    found = sorted(path.parent for path in models_dir.glob(f"*/*/{MANIFEST_FILE}"))
    if not found:
        raise BundleError(f"No bundle was found in {models_dir}: expected <name>/<version>/{MANIFEST_FILE}.")
    if not wanted:
        return found
    names = {path: {path.parent.name, f"{path.parent.name}/{path.name}"} for path in found}
    if missing := sorted(set(wanted) - set().union(*names.values())):
        raise BundleError(f"{models_dir} holds no model {', '.join(missing)}.")
    return [path for path in found if not names[path].isdisjoint(wanted)]


def load(directory: Path) -> Bundle:
    """The bundle in a directory; of its files those that a program uses. Raises BundleError, which names the file."""
    text = _read(directory / MANIFEST_FILE, _MAX_MANIFEST_BYTES)
    manifest = _parsed(directory / MANIFEST_FILE, text, Manifest)
    place = directory.absolute()
    if (manifest.name, str(manifest.version)) != (place.parent.name, place.name):
        raise BundleError(f"{directory}: its manifest is that of {manifest.name}/{manifest.version}.")
    files = {name: _verified(directory / name, record) for name, record in manifest.files.items() if _is_used(name)}
    return Bundle(
        manifest=manifest,
        digest=hashlib.sha256(text).hexdigest(),
        graphs={graph: files[graph_file(graph)] for graph in manifest.graphs},
        golden=_arrays(directory / GOLDEN_FILE, files[GOLDEN_FILE]),
        calibration=_calibration(directory / CALIBRATION_FILE, files.get(CALIBRATION_FILE), manifest),
    )


def verify(directory: Path) -> Bundle:
    """As `load`, but every file is checked, also those for people: card, report and pictures. Raises BundleError."""
    bundle = load(directory)
    for name, record in bundle.manifest.files.items():
        if not _is_used(name):
            _verified(directory / name, record)
    return bundle


def file_records(directory: Path) -> dict[str, FileRecord]:
    """Size and digest of every file below a directory but its manifest, by path, in alphabetical order."""
    records = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.name != MANIFEST_FILE:
            content = path.read_bytes()
            record = FileRecord(size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
            records[path.relative_to(directory).as_posix()] = record
    return records


def publish(target: Path, write: Callable[[Path], object], *, replace: bool = False) -> None:
    """Let `write` fill a hidden sibling of `target`, bring it to disk, and only then give it its name.

    A killed process may leave the hidden directory `.<version>-<pid>`, which no reader of bundles looks at. With
    `replace`, the old bundle is moved aside just before; a kill between the two renames leaves none of the name.
    Raises BundleError where `target` exists and is not to be replaced.
    """
    refusal = BundleError(f"{target} exists, and a bundle is never changed.")
    if target.exists() and not replace:
        raise refusal
    partial = target.with_name(f".{target.name}-{os.getpid()}")
    aside = target.with_name(f"{partial.name}-old")
    try:
        partial.mkdir(parents=True)
        write(partial)
        for path in (*partial.rglob("*"), partial):
            _fsync(path)
        if replace and target.exists():
            target.rename(aside)
        try:
            partial.rename(target)
        except OSError as error:  # somebody else was faster
            raise refusal from error
        _fsync(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)


def _is_used(name: str) -> bool:
    """Card, report and pictures are for people: no program needs them."""
    return name == CALIBRATION_FILE or name.endswith((".onnx", ".npz"))


def _verified(path: Path, record: FileRecord) -> bytes:
    data = _read(path, min(record.size_bytes, _MAX_FILE_BYTES))
    digest = hashlib.sha256(data).hexdigest()
    if len(data) != record.size_bytes or digest != record.sha256:
        raise BundleError(
            f"{path}: {len(data)} bytes with SHA-256 {digest[:12]}…, "
            f"the manifest states {record.size_bytes} and {record.sha256[:12]}…"
        )
    return data


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise BundleError(f"{path}: {error.strerror}.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BundleError(f"{path}: not a regular file.")
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise BundleError(f"{path}: larger than {max_bytes} bytes.")
    return data


def _parsed(path: Path, text: bytes, kind: type[_Parsed]) -> _Parsed:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise BundleError(f"{path}: {where}: {first['msg']}.") from error


def _calibration(path: Path, text: bytes | None, manifest: Manifest) -> Calibration | None:
    if text is None:
        return None
    calibration = _parsed(path, text, Calibration)
    wanted = set(get_args(ScoreName)) if manifest.kind == "vae" else {"mse"}
    if calibration.scores.keys() != wanted:
        raise BundleError(f"{path}: scores: expected {', '.join(sorted(wanted))}, the scores of kind {manifest.kind}.")
    return calibration


def _arrays(path: Path, data: bytes) -> dict[str, npt.NDArray[Any]]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            return dict(archive)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise BundleError(f"{path}: not a readable npz archive.") from error


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
