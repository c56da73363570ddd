"""A bundle is opened only if every file is what the manifest says, and its golden vectors come out."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.bundle import load
from models.golden import npz
from tests.training import tiny
from training.bundle.files import open_bundle, publish
from training.errors import ExportError


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the tiny VAE's bundle, to be altered."""
    return shutil.copytree(tiny.bundle("vae"), tmp_path / "tiny-vae" / "1")


def rewrite(bundle: Path, change: Callable[[Any], Any]) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    change(manifest)
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def test_damaged_file_is_refused(bundle: Path) -> None:
    content = bytearray((bundle / "decoder.onnx").read_bytes())
    content[-10] ^= 1
    (bundle / "decoder.onnx").write_bytes(content)
    with pytest.raises(ExportError, match=r"decoder.onnx: .* the manifest states"):
        open_bundle(bundle)


def test_damaged_picture_is_refused(bundle: Path) -> None:
    (bundle / "figures" / "samples.png").write_bytes(b"other")
    with pytest.raises(ExportError, match=r"samples.png: .* the manifest states"):
        open_bundle(bundle)


def test_missing_file_is_refused(bundle: Path) -> None:
    (bundle / "prior.onnx").unlink()
    with pytest.raises(ExportError, match=r"prior.onnx: No such file"):
        open_bundle(bundle)


def test_file_that_is_a_link_is_refused(bundle: Path) -> None:
    (bundle / "prior.onnx").rename(bundle / "elsewhere.onnx")
    (bundle / "prior.onnx").symlink_to("elsewhere.onnx")
    with pytest.raises(ExportError, match=r"prior.onnx: Too many levels of symbolic links"):
        open_bundle(bundle)


def test_unknown_manifest_is_refused(bundle: Path) -> None:
    rewrite(bundle, lambda manifest: manifest.update(schema_version=2))
    with pytest.raises(ExportError, match=r"manifest.json: schema_version"):
        open_bundle(bundle)


def test_directory_without_a_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"manifest.json: No such file"):
        open_bundle(tmp_path)


def test_golden_vectors_that_do_not_come_out_are_refused(bundle: Path) -> None:
    golden = load(bundle).golden
    content = npz({**golden, "sample": golden["sample"] + np.float32(2e-4)})
    (bundle / "golden.npz").write_bytes(content)
    record = {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    rewrite(bundle, lambda manifest: manifest["files"].update({"golden.npz": record}))
    with pytest.raises(ExportError, match="decoder does not reproduce the golden sample"):
        open_bundle(bundle)


def test_bundle_that_exists_is_kept_and_what_to_do_is_said(tmp_path: Path) -> None:
    target = tmp_path / "tiny" / "1"
    publish(target, lambda directory: (directory / "a").write_text("old"))
    with pytest.raises(ExportError, match=r"1 exists, and .* never changed. raise bundle.version, or pass --"):
        publish(target, lambda directory: (directory / "a").write_text("new"))
    assert contents(target) == {"a": b"old"}
    publish(target, lambda directory: (directory / "b").write_text("new"), replace=True)
    assert contents(target.parent) == {"1/b": b"new"}


def contents(bundle: Path) -> dict[str, bytes]:
    paths = (path for path in bundle.rglob("*") if path.is_file())
    return {path.relative_to(bundle).as_posix(): path.read_bytes() for path in paths}
