"""The command line does one thing a command, explains itself, and says in one line what went wrong."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from training.__main__ import main

pytestmark = pytest.mark.usefixtures("_sample_is_mnist")


@pytest.mark.parametrize("command", ["data", "fit", "resume", "evaluate", "export", "report", "draw", "classifier"])
def test_every_command_explains_itself_and_each_of_its_arguments(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    text = capsys.readouterr().out
    assert "--data" in text
    for line in text.split("options:")[1].splitlines():
        assert not line.strip().startswith("--") or len(line.split()) > 1 or line.endswith(line.split()[0])


@pytest.mark.parametrize("arguments", [["--help"], ["data"]])
def test_what_needs_no_torch_does_not_wait_for_it(
    arguments: list[str], sample_directory: Path, sample_digests: dict[str, str]
) -> None:
    program = f"""
import sys
from training.data import idx
from training.__main__ import main
idx.DIGESTS = {sample_digests}
try:
    main({arguments})
except SystemExit as end:
    assert not end.code
print(sorted({{"torch", "matplotlib", "onnx", "onnxruntime"}} & sys.modules.keys()))
"""
    environment = os.environ | {"MNIST_DIR": str(sample_directory)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_no_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([])
    assert "required: COMMAND" in capsys.readouterr().err


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
