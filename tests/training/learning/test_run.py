"""A run directory tells all about its run, and survives being killed: the bits of its model do not depend on it."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from training import config as configuration
from training.config import Config
from training.data.mnist import Mnist, to_pixels
from training.errors import ConfigError, Interrupted, ResumeError
from training.learning.journal import read_journal
from training.learning.run import fit, load_run, resume
from training.model.autoencoder import Autoencoder

ROOT = Path(__file__).parents[3]
# Runs the rest of this file's work in a process of its own, which kills itself after a step.
KILLED = """
import json, os, signal, sys
from pathlib import Path
import torch
from training.data.mnist import load_mnist
from training.learning.run import resume
directory, digests, run, threads, stage, step = sys.argv[1:]
torch.set_num_threads(int(threads))
mnist = load_mnist(Path(directory), digests=json.loads(digests))
def kill(*now):
    if now == (stage, int(step)):
        os.kill(os.getpid(), signal.SIGKILL)
resume(Path(run), mnist, after_step=kill)
"""


def changed(config: Config, **sections: dict[str, Any]) -> Config:
    """The configuration with keys of some sections changed, or the section replaced if the change names a kind."""
    tables = config.model_dump(mode="json")
    for name, keys in sections.items():
        tables[name] = keys if "kind" in keys else tables[name] | keys
    return configuration.parse(json.dumps(tables), "changed")


@pytest.fixture(scope="module")
def short(small: Config) -> Config:
    """A few epochs of each stage, with a checkpoint after every one of them."""
    prior = small.prior.model_dump()
    prior["training"]["epochs"] = 3
    return changed(small, training={"epochs": 4}, prior=prior, run={"checkpoint_s": 0.0})


@pytest.fixture(scope="module")
def whole(short: Config, mnist: Mnist, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of an uninterrupted run."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    fit(short, mnist, run)
    return run


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "model.pt", weights_only=True)


def same_bits(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def lines(run: Path) -> list[dict[str, Any]]:
    return [
        {name: value for name, value in line.items() if name != "images_s"} for line in read_journal(run / "log.jsonl")
    ]


def started(config: Config, run: Path) -> Path:
    """A run directory in which nothing has been trained yet."""
    run.mkdir()
    (run / "config.json").write_bytes(config.canonical())
    return run


@pytest.mark.parametrize(("stage", "step"), [("networks", 25), ("prior", 17)])
def test_killed_run_resumes_to_the_same_bits(
    stage: str,
    step: int,
    short: Config,
    mnist: Mnist,
    whole: Path,
    tmp_path: Path,
    sample_directory: Path,
    sample_digests: dict[str, str],
) -> None:
    run = started(short, tmp_path / "run")
    arguments = [sample_directory, json.dumps(sample_digests), run, torch.get_num_threads(), stage, step]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    saved = torch.load(run / "checkpoint.pt", weights_only=True)
    assert (saved["stage"], saved["step"]) == (["networks", "prior"].index(stage), step // 10 * 10)
    assert not (run / "model.pt").exists()
    resume(run, mnist)
    assert same_bits(run, whole)
    assert lines(run) == lines(whole)


def test_interrupted_run_says_how_to_go_on_and_resumes_to_the_same_bits(
    short: Config, mnist: Mnist, whole: Path, tmp_path: Path
) -> None:
    def interrupt(stage: str, step: int) -> None:
        if (stage, step) == ("networks", 13):
            signal.raise_signal(signal.SIGINT)

    run = tmp_path / "run"
    with pytest.raises(Interrupted, match=re.escape(f"continue with `python -m training resume {run}`")):
        fit(short, mnist, run, interrupt)
    with pytest.raises(ResumeError, match="is not finished"):
        load_run(run)
    resume(run, mnist)
    assert same_bits(run, whole)


def test_run_tells_its_origin(short: Config, mnist: Mnist, whole: Path) -> None:
    assert (whole / "config.json").read_bytes() == short.canonical()
    config, _, meta = load_run(whole)
    assert config == short
    assert meta["config_sha256"] == hashlib.sha256((whole / "config.json").read_bytes()).hexdigest()
    assert meta["data_sha256"] == mnist.sha256
    assert (meta["train_rows"], meta["validation_rows"]) == (240, 60)
    assert meta["epochs"] == {"networks": 4, "prior": 3}
    assert meta["seed"] == 1
    assert meta["wall_seconds"] > 0
    assert meta["torch"] == torch.__version__


def test_loaded_model_is_ready_to_use(whole: Path) -> None:
    _, model, _ = load_run(whole)
    assert isinstance(model, Autoencoder)
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, weights(whole)[name]) for name, value in model.state_dict().items())


def test_smoke_configuration_learns_digits_it_has_not_seen(small: Config, mnist: Mnist, tmp_path: Path) -> None:
    fit(small, mnist, tmp_path / "run")
    _, model, _ = load_run(tmp_path / "run")
    pixels = to_pixels(mnist.test.images)
    error = (model.reconstruct(pixels) - pixels).square().mean()
    assert error < 0.9 * (to_pixels(mnist.train.images).mean(0) - pixels).square().mean()
    label = mnist.test.labels
    right = model.prior.log_prob(model.posterior(pixels).mean).argmax(1) == label
    assert right.float().mean() > 0.4


def test_journal_shows_both_stages_learning(whole: Path) -> None:
    for stage, names in (("networks", {"loss", "reconstruction", "kl", "active_units"}), ("prior", {"loss"})):
        figures = [line for line in lines(whole) if line["stage"] == stage and line["split"] == "validation"]
        assert figures[0].keys() - {"stage", "split", "step", "epoch"} == names
        assert figures[-1]["loss"] < figures[0]["loss"]
    train = [line for line in read_journal(whole / "log.jsonl") if line["split"] == "train"]
    assert all(line["images_s"] > 0 and line["learning_rate"] > 0 for line in train)


def test_prior_is_fitted_to_what_the_trained_networks_encode(whole: Path, short: Config, mnist: Mnist) -> None:
    networks_only = torch.load(whole / "checkpoint.pt", weights_only=True)["average"]
    _, model, _ = load_run(whole)
    assert all(
        torch.equal(networks_only[f"encoder.{name}"], value) for name, value in model.encoder.state_dict().items()
    )
    assert model.prior.latent_scale.std() > 0
    assert model.prior.base_mean.weight.abs().sum() > 0


def test_autoencoder_is_trained_and_its_codes_described(short: Config, mnist: Mnist, tmp_path: Path) -> None:
    config = changed(short, objective={"kind": "ae", "code_noise": 0.05}, training={"epochs": 20})
    fit(config, mnist, tmp_path / "run")
    _, model, _ = load_run(tmp_path / "run")
    figures = [line for line in lines(tmp_path / "run") if line["split"] == "validation"]
    assert model.kind == "ae"
    assert figures[19]["reconstruction"] < 0.067  # the mean image's
    assert figures[-1]["loss"] < figures[20]["loss"]
    codes = model.posterior(to_pixels(mnist.train.images)).mean
    torch.testing.assert_close(model.prior.latent_mean, codes.mean(0), rtol=0.3, atol=1.0)


def test_joint_prior_learns_with_the_networks(short: Config, mnist: Mnist, tmp_path: Path) -> None:
    prior = {"kind": "flow", "fitted": "jointly", "couplings": 2, "width": 8}
    fit(changed(short, prior=prior), mnist, tmp_path / "run")
    assert {line["stage"] for line in lines(tmp_path / "run")} == {"networks"}
    _, model, _ = load_run(tmp_path / "run")
    assert model.prior.base_mean.weight.abs().sum() > 0


def test_tightening_goes_on_from_where_the_networks_stand(short: Config, mnist: Mnist, tmp_path: Path) -> None:
    joint = changed(short, prior={"kind": "flow", "fitted": "jointly", "couplings": 2, "width": 8})
    tightening = {"draws": 3, "training": joint.training.model_dump() | {"epochs": 2}}
    fit(joint, mnist, tmp_path / "plain")
    fit(changed(joint, objective={"tightening": tightening}), mnist, tmp_path / "tight")
    plain, tight = lines(tmp_path / "plain"), lines(tmp_path / "tight")
    assert tight[: len(plain)] == plain
    assert {line["stage"] for line in tight[len(plain) :]} == {"tightening"}
    before, after = weights(tmp_path / "plain"), weights(tmp_path / "tight")
    assert {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])} == {
        "encoder",
        "decoder",
        "prior",
    }


def test_joint_prior_with_a_schedule_is_refitted_from_where_it_stands(
    short: Config, mnist: Mnist, tmp_path: Path
) -> None:
    joint = short.prior.model_dump() | {"fitted": "jointly"}
    fit(changed(short, prior=joint), mnist, tmp_path / "refitted")
    fit(changed(short, prior=joint | {"training": None}), mnist, tmp_path / "joint")
    before, after = weights(tmp_path / "joint"), weights(tmp_path / "refitted")
    assert {line["stage"] for line in lines(tmp_path / "refitted")} == {"networks", "prior"}
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.startswith("prior.") for name in moved)
    assert not moved & {"prior.latent_mean", "prior.latent_scale"}


def test_standard_normal_has_nothing_to_fit(short: Config, mnist: Mnist, whole: Path, tmp_path: Path) -> None:
    fit(changed(short, prior={"kind": "standard_normal"}), mnist, tmp_path / "run")
    alone, fitted = weights(tmp_path / "run"), weights(whole)
    assert not any(name.startswith("prior") for name in alone)
    assert all(torch.equal(alone[name], fitted[name]) for name in alone)


def test_directory_of_a_run_is_not_overwritten(short: Config, mnist: Mnist, whole: Path) -> None:
    with pytest.raises(ResumeError, match="holds a run already"):
        fit(short, mnist, whole)


def test_finished_run_is_left_as_it_is(mnist: Mnist, whole: Path) -> None:
    before = (whole / "model.pt").stat().st_mtime_ns
    resume(whole, mnist)
    assert (whole / "model.pt").stat().st_mtime_ns == before


def test_directory_without_a_run_is_refused(mnist: Mnist, tmp_path: Path) -> None:
    for use in (lambda: resume(tmp_path, mnist), lambda: load_run(tmp_path)):
        with pytest.raises(ResumeError, match="holds no run"):
            use()


def test_run_is_not_continued_on_other_data(short: Config, mnist: Mnist, tmp_path: Path) -> None:
    run = tmp_path / "run"

    def interrupt(stage: str, step: int) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        fit(short, mnist, run, interrupt)
    with pytest.raises(ResumeError, match=r"made with data_sha256 \w+, this run has other"):
        resume(run, mnist._replace(sha256="other"))


def test_batch_larger_than_the_data_is_refused(short: Config, mnist: Mnist, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a batch of 241 rows asked, of 240 in all"):
        fit(changed(short, training={"batch_rows": 241}), mnist, tmp_path / "run")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_without_cuda_is_refused(short: Config, mnist: Mnist, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="torch sees no CUDA device"):
        fit(changed(short, run={"device": "cuda"}), mnist, tmp_path / "run")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_trains_as_the_cpu_does(short: Config, mnist: Mnist, whole: Path, tmp_path: Path) -> None:
    fit(changed(short, run={"device": "cuda"}), mnist, tmp_path / "run")
    on_cuda, on_cpu = (lines(run)[-1]["loss"] for run in (tmp_path / "run", whole))
    assert on_cuda == pytest.approx(on_cpu, abs=1.0)


def test_tensorboard_that_is_missing_is_asked_for(
    short: Config, mnist: Mnist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match=re.escape("pip install 'digit-vae-service[tensorboard]'")):
        fit(changed(short, run={"tensorboard": True}), mnist, tmp_path / "run")
