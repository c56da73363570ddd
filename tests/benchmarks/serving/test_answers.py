"""Every check can tell a wrong answer."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.serving import answers
from benchmarks.serving.answers import WrongAnswer
from benchmarks.serving.requests import JSON, PNG, Examples

BUNDLE = Path("models/digits-mlp-vae/1")


def test_an_encoding_is_compared_with_the_golden_one() -> None:
    examples = Examples(BUNDLE)
    answer = {name: examples.golden[name][[3]].tolist() for name in ("mean", "log_var")}
    answers.check(examples, "encode_png", 3, JSON, json.dumps(answer).encode(), answers.own)
    for wrong in ({**answer, "mean": [[0.0] * 20]}, {"mean": answer["mean"]}, {}):
        with pytest.raises(WrongAnswer):
            answers.check(examples, "encode_png", 3, JSON, json.dumps(wrong).encode(), answers.own)


def test_a_picture_is_compared_with_the_golden_one() -> None:
    examples = Examples(BUNDLE)

    def png(number: int) -> bytes:
        file = io.BytesIO()
        pixels = (examples.golden["reconstruction"][number, 0] * 255).round().astype(np.uint8)
        Image.fromarray(pixels).save(file, "PNG")
        return file.getvalue()

    answers.check(examples, "reconstruct", 0, PNG, png(0), answers.own)
    with pytest.raises(WrongAnswer):
        answers.check(examples, "reconstruct", 0, PNG, png(1), answers.own)
    with pytest.raises(WrongAnswer):
        answers.check(examples, "sample_grid", 0, PNG, png(0), answers.own)
