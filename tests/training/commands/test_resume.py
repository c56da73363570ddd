"""The command completes a run that was stopped."""

import signal
from pathlib import Path
from typing import Any

import pytest

from training.__main__ import main
from training.learning import run as runs
from training.learning.loop import train

pytestmark = pytest.mark.usefixtures("_sample_is_mnist")


def test_stopped_fit_exits_with_130_and_resume_completes_it(
    moment: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"

    def interrupted(*arguments: Any, **options: Any) -> float:
        options["after_step"] = lambda stage, step: signal.raise_signal(signal.SIGINT)
        return train(*arguments, **options)

    monkeypatch.setattr(runs, "train", interrupted)
    assert main(["fit", str(moment), "--run", str(run)]) == 130
    assert f"continue with `python -m training resume {run}`" in capsys.readouterr().err
    monkeypatch.setattr(runs, "train", train)
    assert main(["resume", str(run)]) == 0
    assert (run / "model.pt").exists()
