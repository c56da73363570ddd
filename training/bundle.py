"""A bundle on disk (models/README.md): how it is opened and believed, and how one appears whole or not at all."""

import hashlib
import io
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from models.manifest import GOLDEN_FILE, MANIFEST_FILE, FileRecord, Manifest
from training import graphs
from training.data import Digits, to_pixels
from training.errors import ExportError
from training.model import Model

GOLDEN_SEED = 8


def open_bundle(directory: Path) -> tuple[Manifest, Model]:
    """Manifest and model of a bundle, its digests and its golden vectors verified. Raises ExportError."""
    try:
        manifest = Manifest.model_validate_json((directory / MANIFEST_FILE).read_bytes())
        for name, record in manifest.files.items():
            if hashlib.sha256((directory / name).read_bytes()).hexdigest() != record.sha256:
                raise ExportError(f"{directory / name} is not the file that the manifest describes")
    except OSError as error:
        raise ExportError(f"{error.filename} can't be read: {error.strerror}") from error
    except ValidationError as error:
        raise ExportError(f"{directory / MANIFEST_FILE} is not a manifest: {error.errors()[0]['msg']}") from error
    model = graphs.of_files(directory, manifest.kind, manifest.latent_dim, manifest.class_weights)
    check_golden(model, directory / GOLDEN_FILE)
    return manifest, model


def check_golden(model: Model, path: Path) -> None:
    """Pass only if the model answers as golden.npz says: images to 1e-4, all else to 1e-3 and 1e-3 of the value.

    Raises ExportError.
    """
    with np.load(path, allow_pickle=False) as archive:
        golden = dict(archive)
    mean, log_var = model.encode(golden["image"])
    reconstruction, logit = model.decode(golden["mean"])
    answers = {
        "mean": mean,
        "log_var": log_var,
        "reconstruction": reconstruction,
        "logit": logit,
        "latent": model.prior(golden["noise"], golden["label"]),
        "sample": model.decode(golden["latent"])[0],
        "log_pz_y": model.density(golden["mean"]),
    }
    for name, answer in answers.items():
        tolerance = {"rtol": 0, "atol": 1e-4} if name in ("reconstruction", "sample") else {"rtol": 1e-3, "atol": 1e-3}
        if answer is not None and not np.allclose(answer, golden[name], **tolerance):
            raise ExportError(f"{path}: {name} does not come out")


def publish(target: Path, write: Callable[[Path], None], *, replace: bool = False) -> None:
    """Let `write` fill a hidden sibling of `target`, bring it to disk, and only then give it its name.

    A killed process may leave the hidden directory `.<version>-<pid>`, which no reader of bundles looks at. With
    `replace`, the old bundle is moved aside just before; a kill between the two renames leaves none of the name.
    Raises ExportError where `target` exists and is not to be replaced.
    """
    refusal = ExportError(f"{target} exists, and a bundle is never changed: raise bundle.version, or pass --replace")
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


def file_records(directory: Path) -> dict[str, FileRecord]:
    """Size and SHA-256 of every file below a bundle but its manifest, in alphabetical order."""
    records = {}
    for path in sorted(directory.rglob("*")):
        if path.is_file() and path.name != MANIFEST_FILE:
            content = path.read_bytes()
            record = FileRecord(size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
            records[path.relative_to(directory).as_posix()] = record
    return records


def golden(model: Model, test: Digits) -> dict[str, NDArray]:
    """The arrays of golden.npz: the first eight test digits of different labels, noise, and the model's answers."""
    firsts = {int(label): row for row, label in reversed(list(enumerate(test.labels)))}
    rows = sorted(firsts.values())[:8]
    image = to_pixels(test.images[rows]).numpy()  # (8, 1, 28, 28)
    label = test.labels[rows].numpy()
    noise = standard_normal(len(rows), model.latent_dim)
    mean, log_var = model.encode(image)
    reconstruction, logit = model.decode(mean)
    latent = model.prior(noise, label)
    arrays = {"image": image, "label": label, "noise": noise, "mean": mean, "log_var": log_var}
    arrays |= {"reconstruction": reconstruction, "logit": logit, "latent": latent}
    arrays |= {"sample": model.decode(latent)[0], "log_pz_y": model.density(mean)}
    return {name: array for name, array in arrays.items() if array is not None}


def standard_normal(rows: int, latent_dim: int) -> NDArray[np.float32]:
    """The standard normal noise (rows, latent_dim) of parity and golden vectors; always the same."""
    return np.random.Generator(np.random.Philox(GOLDEN_SEED)).standard_normal((rows, latent_dim), np.float32)


def npz(arrays: Mapping[str, NDArray]) -> bytes:
    """Arrays as the bytes of a NumPy archive: stored, not compressed, all dated 1980, so that equal is equal."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, np.ascontiguousarray(array), allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
    return archive.getvalue()


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
