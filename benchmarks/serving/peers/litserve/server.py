"""LitServe: FastAPI in front of a worker process. https://lightning.ai/docs/litserve"""

import base64
import sys

import litserve
import numpy as np
from encoder import BATCH_ROWS, BATCH_WAIT_S, Encoder, decode


class Encode(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.encoder = Encoder()

    def decode_request(self, request: dict) -> np.ndarray:
        return decode(base64.b64decode(request["image_data"]))

    def batch(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        return inputs

    def predict(self, x: list[np.ndarray]) -> list[dict[str, list[float]]]:
        return self.encoder.run(x)

    def unbatch(self, output: list[dict[str, list[float]]]) -> list[dict[str, list[float]]]:
        return output

    def encode_response(self, output: dict[str, list[float]]) -> dict[str, list[float]]:
        return output


if __name__ == "__main__":
    api = Encode(max_batch_size=BATCH_ROWS, batch_timeout=BATCH_WAIT_S)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
