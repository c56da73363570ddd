"""A bundle is read whole and true, or not at all; and it appears whole, or not at all."""

import hashlib
import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models import bundle
from models.bundle import BundleError
from tests.support import bundles


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return bundles.write(tmp_path)


@pytest.mark.parametrize(
    "name", ["encoder.onnx", "decoder.onnx", "prior.onnx", "density.onnx", "golden.npz", "calibration.json"]
)
def test_one_flipped_bit_is_found(directory: Path, name: str) -> None:
    content = (directory / name).read_bytes()
    rng = np.random.default_rng(len(content))
    for position in rng.integers(0, len(content), 20):
        flipped = bytearray(content)
        flipped[position] ^= 1 << int(rng.integers(8))
        (directory / name).write_bytes(flipped)
        with pytest.raises(BundleError, match=name):
            bundle.load(directory)


def truncate(directory: Path) -> None:
    path = directory / "decoder.onnx"
    path.write_bytes(path.read_bytes()[:-1])


def append(directory: Path) -> None:
    with (directory / "decoder.onnx").open("ab") as file:
        file.write(b"\0")


def swap(directory: Path) -> None:
    (directory / "encoder.onnx").rename(directory / "kept")
    (directory / "decoder.onnx").rename(directory / "encoder.onnx")
    (directory / "kept").rename(directory / "decoder.onnx")


def remove(directory: Path) -> None:
    (directory / "prior.onnx").unlink()


def link(directory: Path) -> None:
    (directory / "prior.onnx").rename(directory / "elsewhere.onnx")
    (directory / "prior.onnx").symlink_to(directory / "elsewhere.onnx")


def make_directory(directory: Path) -> None:
    (directory / "prior.onnx").unlink()
    (directory / "prior.onnx").mkdir()


def make_pipe(directory: Path) -> None:
    (directory / "prior.onnx").unlink()
    os.mkfifo(directory / "prior.onnx")


def test_a_sound_bundle_is_read_whole(directory: Path) -> None:
    found = bundle.load(directory)
    assert found.manifest.name == "tiny-vae"
    assert found.graphs.keys() == {"encoder", "decoder", "prior", "density"}
    assert found.graphs["prior"] == (directory / "prior.onnx").read_bytes()
    assert found.golden["image"].shape == (8, 1, 28, 28)
    assert found.calibration == bundles.calibration("vae")
    assert found.digest == hashlib.sha256((directory / "manifest.json").read_bytes()).hexdigest()


@pytest.mark.parametrize("damage", [truncate, append, swap, remove, link, make_directory, make_pipe])
def test_a_damaged_file_is_refused_by_name(directory: Path, damage: Callable[[Path], None]) -> None:
    damage(directory)
    with pytest.raises(BundleError, match=r"(encoder|decoder|prior)\.onnx"):
        bundle.load(directory)


def rewrite(directory: Path, **changes: object) -> None:
    path = directory / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    "changes",
    [
        {"schema_version": 2},
        {"surprise": 1},
        {"name": "../escape"},
        {"kind": "gan"},
        {"latent_dim": 3},
        {"classes": ["0", "1"]},
        {"class_weights": [0.5, 0.5, 0.5]},
        {"likelihood": None},
        {"files": {}},
        {"files": {"../../secret": {"size_bytes": 1, "sha256": "0" * 64}}},
        {"version": 2},
    ],
)
def test_a_manifest_that_does_not_hold_together_is_refused(directory: Path, changes: dict[str, object]) -> None:
    rewrite(directory, **changes)
    with pytest.raises(BundleError):
        bundle.load(directory)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, " " * (2 << 20)])
def test_a_manifest_that_is_no_manifest_is_refused(directory: Path, text: str) -> None:
    (directory / "manifest.json").write_text(text)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        bundle.load(directory)


def calibrate(directory: Path, text: str) -> None:
    """Puts another calibration in place and lets the manifest vouch for it."""
    (directory / "calibration.json").write_text(text)
    bundles.write_manifest(directory, bundles.manifest(directory, "tiny-vae", 1, "vae"))


def with_scores(**changes: object) -> str:
    """The tiny bundle's calibration with other scores; one that is None is left out."""
    document = bundles.calibration("vae").model_dump()
    document["scores"] = {name: value for name, value in {**document["scores"], **changes}.items() if value is not None}
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "the whole"),
        ("[1]", "the whole"),
        ('{"scores": {}}', "images"),
        (with_scores().replace("1000", "0", 1), "images"),
        (with_scores(mse=[0.0] * 100), "scores.mse"),
        (with_scores(elbo=[*range(100), 98]), "scores.elbo"),
        (with_scores(kl=[0.0] * 100 + [math.inf]), "scores.kl.100"),
        (with_scores(kl=[math.nan] + [0.0] * 100), "scores.kl.0"),
        (with_scores(beauty=[0.0] * 101), "scores.beauty"),
        (with_scores(elbo=None), "scores: expected elbo, kl, log_likelihood, mse"),
    ],
)
def test_a_calibration_that_is_no_calibration_is_refused_by_name(directory: Path, text: str, fault: str) -> None:
    calibrate(directory, text)
    with pytest.raises(BundleError, match=r"calibration\.json: " + re.escape(fault)):
        bundle.load(directory)


def test_an_autoencoder_is_calibrated_by_its_mse_alone(tmp_path: Path) -> None:
    directory = bundles.write(tmp_path, "tiny-ae", kind="ae")
    found = bundle.load(directory).calibration
    assert found
    assert found.scores.keys() == {"mse"}
    (directory / "calibration.json").write_text(with_scores())
    bundles.write_manifest(directory, bundles.manifest(directory, "tiny-ae", 1, "ae"))
    with pytest.raises(BundleError, match=r"calibration\.json: scores: expected mse"):
        bundle.load(directory)


def test_a_calibration_that_the_manifest_does_not_vouch_for_is_not_read(tmp_path: Path) -> None:
    directory = bundles.write(tmp_path, calibrated=False)
    (directory / "calibration.json").write_text(bundles.calibration("vae").model_dump_json())
    assert bundle.load(directory).calibration is None


def test_a_calibration_that_is_missing_is_refused_by_name(directory: Path) -> None:
    (directory / "calibration.json").unlink()
    with pytest.raises(BundleError, match=r"calibration\.json"):
        bundle.load(directory)


def test_a_bundle_in_another_models_place_is_refused(tmp_path: Path) -> None:
    directory = bundles.write(tmp_path)
    moved = tmp_path / "other" / "1"
    moved.parent.mkdir()
    directory.rename(moved)
    with pytest.raises(BundleError, match="tiny-vae/1"):
        bundle.load(moved)


def test_only_the_models_that_are_wanted_are_found(tmp_path: Path) -> None:
    for name, version in (("tiny-a", "1"), ("tiny-a", "2"), ("tiny-b", "1")):
        (tmp_path / name / version).mkdir(parents=True)
        (tmp_path / name / version / "manifest.json").touch()

    def found(*wanted: str) -> list[str]:
        return [str(path.relative_to(tmp_path)) for path in bundle.find(tmp_path, wanted)]

    assert found() == ["tiny-a/1", "tiny-a/2", "tiny-b/1"]
    assert found("tiny-a") == ["tiny-a/1", "tiny-a/2"]
    assert found("tiny-a/2", "tiny-b") == ["tiny-a/2", "tiny-b/1"]
    with pytest.raises(BundleError, match="holds no model tiny-a/3, tiny-c"):
        found("tiny-a/3", "tiny-b", "tiny-c")


@pytest.fixture
def with_picture(directory: Path) -> Path:
    """A bundle with a picture, which no program needs."""
    (directory / "figures").mkdir()
    (directory / "figures" / "samples.png").write_bytes(b"ink")
    bundles.write_manifest(directory, bundles.manifest(directory, "tiny-vae", 1, "vae"))
    return directory


def other_picture(path: Path) -> None:
    path.write_bytes(b"inc")


def longer_picture(path: Path) -> None:
    path.write_bytes(b"ink" + bytes(1 << 20))


def linked_picture(path: Path) -> None:
    path.rename(path.with_name("kept.png"))
    path.symlink_to("kept.png")


@pytest.mark.parametrize("damage", [other_picture, longer_picture, linked_picture, Path.unlink])
def test_files_for_people_are_checked_where_all_is_verified(with_picture: Path, damage: Callable[[Path], None]) -> None:
    bundle.verify(with_picture)
    damage(with_picture / "figures" / "samples.png")
    bundle.load(with_picture)
    with pytest.raises(BundleError, match=r"figures/samples\.png"):
        bundle.verify(with_picture)


def test_a_bundle_may_be_named_from_inside(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(directory)
    assert bundle.load(Path()).manifest.name == "tiny-vae"


def contents(directory: Path) -> dict[str, bytes]:
    paths = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths}


KILLED = """
import os, signal, sys
from pathlib import Path
from models import bundle

def write(directory):
    (directory / "encoder.onnx").write_bytes(b"1" * 100_000)
    (directory / "figures").mkdir()
    die("write")
    (directory / "manifest.json").write_text("{}")

def die(point):
    if point == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

fsync, rename = os.fsync, Path.rename
os.fsync = lambda descriptor: (die("fsync"), fsync(descriptor))
Path.rename = lambda path, target: (die("rename"), rename(path, target))
bundle.publish(Path(sys.argv[1]), write)
"""


@pytest.mark.parametrize("point", ["write", "fsync", "rename"])
def test_a_killed_writer_leaves_nothing_under_the_name_and_the_next_one_succeeds(point: str, tmp_path: Path) -> None:
    target = tmp_path / "tiny" / "1"
    process = subprocess.run([sys.executable, "-c", KILLED, str(target), point], check=False)
    assert process.returncode == -signal.SIGKILL
    assert not target.exists()
    assert all(path.name.startswith(".") for path in target.parent.iterdir())
    bundle.publish(target, lambda directory: (directory / "manifest.json").write_text("{}"))
    assert contents(target) == {"manifest.json": b"{}"}


def test_a_disk_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        bundle.publish(tmp_path / "tiny" / "1", lambda directory: (directory / "a").write_text("new"))
    assert list((tmp_path / "tiny").iterdir()) == []


def test_a_bundle_is_never_changed_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    target = tmp_path / "tiny" / "1"
    bundle.publish(target, lambda directory: (directory / "a").write_text("old"))
    with pytest.raises(BundleError, match=r"1 exists, and a bundle is never changed"):
        bundle.publish(target, lambda directory: (directory / "a").write_text("new"))
    assert contents(target) == {"a": b"old"}
    bundle.publish(target, lambda directory: (directory / "b").write_text("new"), replace=True)
    assert contents(target.parent) == {"1/b": b"new"}


def test_a_failed_replacement_keeps_the_old_bundle(tmp_path: Path) -> None:
    target = tmp_path / "tiny" / "1"
    bundle.publish(target, lambda directory: (directory / "a").write_text("old"))
    with pytest.raises(ZeroDivisionError):
        bundle.publish(target, lambda directory: 1 / 0, replace=True)
    assert contents(target.parent) == {"1/a": b"old"}


def test_a_bundle_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "tiny" / "1"

    def write(directory: Path) -> None:
        target.mkdir()
        (target / "a").write_text("theirs")

    with pytest.raises(BundleError, match="exists"):
        bundle.publish(target, write)
    assert contents(target.parent) == {"1/a": b"theirs"}


def test_records_are_of_every_file_but_the_manifest(with_picture: Path) -> None:
    records = bundle.file_records(with_picture)
    assert list(records) == sorted(records)
    assert records.keys() == contents(with_picture).keys() - {"manifest.json"}
    assert records["figures/samples.png"].size_bytes == 3
    assert records["figures/samples.png"].sha256 == hashlib.sha256(b"ink").hexdigest()
