"""The command says what there is of MNIST."""

import pytest

from training.__main__ import main
from training.data.mnist import Mnist

pytestmark = pytest.mark.usefixtures("_sample_is_mnist")


def test_data_verifies_what_is_there(capsys: pytest.CaptureFixture[str], mnist: Mnist) -> None:
    assert main(["data"]) == 0
    assert capsys.readouterr().out == f"MNIST is complete: 300 + 300 digits, SHA-256 {mnist.sha256}\n"
