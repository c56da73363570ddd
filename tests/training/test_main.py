"""The command line does one thing a command, explains itself, and says in one line what went wrong."""

import shutil
import signal
from pathlib import Path

import pytest

from training import data, fit
from training.__main__ import main
from training.autoencoder import Autoencoder


@pytest.fixture
def config(small_text: str, tmp_path: Path) -> Path:
    """A configuration that trains for a moment."""
    path = tmp_path / "moment.toml"
    path.write_text(small_text.replace("epochs = 40", "epochs = 2").replace("epochs = 10", "epochs = 1"))
    return path


@pytest.fixture(autouse=True)
def _sample_is_mnist(sample_directory: Path, sample_digests: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_DIR", str(sample_directory))
    monkeypatch.setattr(data, "DIGESTS", sample_digests)


@pytest.mark.parametrize("command", ["data", "fit", "resume", "evaluate", "export", "report", "judge"])
def test_every_command_explains_itself_and_each_of_its_arguments(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    text = capsys.readouterr().out
    assert "--data" in text
    for line in text.split("options:")[1].splitlines():
        assert not line.strip().startswith("--") or len(line.split()) > 1 or line.endswith(line.split()[0])


def test_no_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "required: COMMAND" in capsys.readouterr().err


def test_data_verifies_what_is_there(capsys: pytest.CaptureFixture[str], mnist: data.Mnist) -> None:
    assert main(["data"]) == 0
    assert capsys.readouterr().out == f"MNIST is complete: 300 + 300 digits, SHA-256 {mnist.sha256}\n"


def test_fit_trains_into_the_directory_that_is_named(config: Path, tmp_path: Path) -> None:
    run = tmp_path / "here"
    assert main(["fit", str(config), "--run", str(run)]) == 0
    _, model, _ = fit.load_run(run)
    assert isinstance(model, Autoencoder)


def test_fit_calls_its_run_after_the_configuration(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fit", str(config)]) == 0
    assert (tmp_path / "runs" / "moment" / "model.pt").exists()
    assert "python -m training export runs/moment" in capsys.readouterr().out


def test_stopped_fit_exits_with_130_and_resume_completes_it(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, original = tmp_path / "run", fit.train

    def interrupted(*arguments: object, **options: object) -> float:
        options["after_step"] = lambda stage, step: signal.raise_signal(signal.SIGINT)
        return original(*arguments, **options)

    monkeypatch.setattr(fit, "train", interrupted)
    assert main(["fit", str(config), "--run", str(run)]) == 130
    assert f"continue with `python -m training resume {run}`" in capsys.readouterr().err
    monkeypatch.setattr(fit, "train", original)
    assert main(["resume", str(run)]) == 0
    assert (run / "model.pt").exists()


def test_bad_input_exits_with_2_and_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], sample_directory: Path
) -> None:
    damaged = shutil.copytree(sample_directory, tmp_path / "damaged")
    (damaged / "t10k-labels-idx1-ubyte.gz").write_bytes(b"")
    for arguments in (
        ["fit", str(tmp_path / "absent.toml")],
        ["resume", str(tmp_path)],
        ["evaluate", str(tmp_path)],
        ["data", "--data", str(damaged)],
    ):
        assert main(arguments) == 2
        message = capsys.readouterr().err
        assert message.startswith(f"python -m training {arguments[0]}: ")
        assert message.count("\n") == 1


def test_failed_run_exits_with_1(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config.write_text(config.read_text().replace("learning_rate = 3e-3", "learning_rate = 1e30"))
    assert main(["fit", str(config), "--run", str(tmp_path / "run")]) == 1
    assert "the loss became nan" in capsys.readouterr().err
