"""The command trains what a configuration describes, into a directory of its own."""

from pathlib import Path

import pytest

from training.__main__ import main
from training.learning.run import load_run
from training.model.autoencoder import Autoencoder

pytestmark = pytest.mark.usefixtures("_sample_is_mnist")


def test_fit_trains_into_the_directory_that_is_named(moment: Path, tmp_path: Path) -> None:
    run = tmp_path / "here"
    assert main(["fit", str(moment), "--run", str(run)]) == 0
    _, model, _ = load_run(run)
    assert isinstance(model, Autoencoder)


def test_fit_calls_its_run_after_the_configuration(
    moment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fit", str(moment)]) == 0
    assert (tmp_path / "runs" / "moment" / "model.pt").exists()
    assert "python -m training export runs/moment" in capsys.readouterr().out


def test_failed_run_exits_with_1(moment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    moment.write_text(moment.read_text().replace("learning_rate = 3e-3", "learning_rate = 1e30"))
    assert main(["fit", str(moment), "--run", str(tmp_path / "run")]) == 1
    assert "the loss became nan" in capsys.readouterr().err
