"""The same job as most people would write it: FastAPI, UploadFile, Pillow, a session called in the endpoint, pydantic.

`def` endpoints, since their work blocks, as FastAPI's documentation advises. Everything of uvicorn and onnxruntime is
left as it comes, but for one thread within a graph. BUNDLE names the bundle's directory.
usage: uvicorn benchmarks.serving.servers.naive:app
"""

import io
import os
from pathlib import Path

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI, Response, UploadFile
from PIL import Image
from pydantic import BaseModel

BUNDLE = Path(os.environ["BUNDLE"])


def load(graph: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(BUNDLE / f"{graph}.onnx", options)


encoder, decoder, prior = load("encoder"), load("decoder"), load("prior")
latent_dim = prior.get_inputs()[0].shape[1]
app = FastAPI()


class Pixels(BaseModel):
    images: list[list[float]]


class Latents(BaseModel):
    latents: list[list[float]]


class Encoding(BaseModel):
    mean: list[list[float]]
    log_var: list[list[float]] | None = None


@app.post("/encode")
def encode(file: UploadFile) -> Encoding:
    return encoding(read(file))


@app.post("/encode/pixels")
def encode_pixels(body: Pixels) -> Encoding:
    return encoding(np.array(body.images, np.float32).reshape(-1, 1, 28, 28))


@app.post("/decode")
def decode(body: Latents) -> Response:
    return picture(decoded(np.array(body.latents, np.float32)))


@app.post("/reconstruct")
def reconstruct(file: UploadFile) -> Response:
    mean = encoder.run(["mean"], {"image": read(file)})[0]
    return picture(decoded(mean))


@app.get("/sample")
def sample(count: int = 1) -> Response:
    return picture(sampled(count))


@app.get("/sample.npy")
def sample_npy(count: int = 1) -> Response:
    file = io.BytesIO()
    np.save(file, sampled(count))
    return Response(file.getvalue(), media_type="application/x-npy")


def read(file: UploadFile) -> np.ndarray:
    image = Image.open(io.BytesIO(file.file.read())).convert("L").resize((28, 28))
    return np.array(image, np.float32).reshape(1, 1, 28, 28) / 255


def encoding(images: np.ndarray) -> Encoding:
    outputs = encoder.run(None, {"image": images})
    return Encoding(mean=outputs[0].tolist(), log_var=outputs[1].tolist() if len(outputs) > 1 else None)


def decoded(latents: np.ndarray) -> np.ndarray:
    images: np.ndarray = decoder.run(["image"], {"latent": latents})[0]
    return images


def sampled(count: int) -> np.ndarray:
    noise = np.random.standard_normal((count, latent_dim)).astype(np.float32)
    labels = np.random.randint(0, 10, count)
    return decoded(prior.run(None, {"noise": noise, "label": labels})[0])


def picture(images: np.ndarray) -> Response:
    """A PNG of the images in a square grid."""
    side = int(len(images) ** 0.5)
    grid = images.reshape(side, side, 28, 28).swapaxes(1, 2).reshape(28 * side, 28 * side)
    file = io.BytesIO()
    Image.fromarray((grid * 255).round().astype(np.uint8)).save(file, "PNG")
    return Response(file.getvalue(), media_type="image/png")
