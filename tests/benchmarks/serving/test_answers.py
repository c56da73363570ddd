"""Every check can tell a wrong answer."""

import base64
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


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray((pixels * 255).round().astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def base64_png(pixels: np.ndarray) -> str:
    return base64.b64encode(png(pixels)).decode()


def test_an_encoding_is_compared_with_the_golden_one() -> None:
    examples = Examples(BUNDLE)
    answer = {name: examples.golden[name][[3]].tolist() for name in ("mean", "log_var")}
    answers.check(examples, "encode_png", 3, JSON, json.dumps(answer).encode(), answers.own)
    for wrong in ({**answer, "mean": [[0.0] * 20]}, {"mean": answer["mean"]}, {}):
        with pytest.raises(WrongAnswer):
            answers.check(examples, "encode_png", 3, JSON, json.dumps(wrong).encode(), answers.own)


def test_a_picture_is_compared_with_the_golden_one() -> None:
    examples = Examples(BUNDLE)
    right, wrong = (png(examples.golden["reconstruction"][number, 0]) for number in (0, 1))
    answers.check(examples, "reconstruct", 0, PNG, right, answers.own)
    with pytest.raises(WrongAnswer):
        answers.check(examples, "reconstruct", 0, PNG, wrong, answers.own)
    with pytest.raises(WrongAnswer):
        answers.check(examples, "sample_grid", 0, PNG, right, answers.own)


def test_scores_are_compared_with_the_error_of_the_golden_reconstruction() -> None:
    examples = Examples(BUNDLE)
    image, rebuilt = (examples.golden[name][2, 0] for name in ("image", "reconstruction"))
    right = {"images": [base64_png(rebuilt)], "mse": [float(np.mean((image - rebuilt) ** 2))]}
    answers.check(examples, "reconstruct_scores", 2, JSON, json.dumps(right).encode(), answers.own)
    for wrong in ({**right, "mse": [0.0]}, {**right, "images": [base64_png(image)]}, {"mse": right["mse"]}):
        with pytest.raises(WrongAnswer):
            answers.check(examples, "reconstruct_scores", 2, JSON, json.dumps(wrong).encode(), answers.own)


def test_an_answer_of_the_mix_is_checked_as_its_own_verbs() -> None:
    examples = Examples(BUNDLE)
    decoded = png(examples.golden["reconstruction"][3, 0])
    answers.check(examples, "mix", 4 * 3 + 1, PNG, decoded, answers.own)  # encode, decode, …
    for other in (4 * 3, 4 * 2 + 1):
        with pytest.raises(WrongAnswer):
            answers.check(examples, "mix", other, PNG, decoded, answers.own)
