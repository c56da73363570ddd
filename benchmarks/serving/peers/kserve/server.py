"""KServe's Python SDK: FastAPI and the V1 protocol. Its batcher is a container of its own, not in the SDK, so each
request runs alone. https://kserve.github.io/website
"""

import base64
import sys

from encoder import Encoder, decode
from kserve import Model, ModelServer


class Encode(Model):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.encoder = Encoder()
        self.ready = True

    def predict(self, payload: dict, headers: dict | None = None, **_: object) -> dict:
        images = [decode(base64.b64decode(instance["image"]["b64"])) for instance in payload["instances"]]
        return {"predictions": self.encoder.run(images)}


if __name__ == "__main__":
    server = ModelServer(http_port=int(sys.argv[1]), enable_grpc=False, workers=1, access_log_format=None)
    server.start([Encode("encoder")])
