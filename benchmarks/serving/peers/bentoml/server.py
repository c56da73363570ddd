"""BentoML: a Starlette application whose batchable methods are called with the rows of many. https://docs.bentoml.com"""

import base64

import bentoml
from encoder import BATCH_ROWS, Encoder, decode


@bentoml.service(workers=1)
class Encode:
    def __init__(self) -> None:
        self.encoder = Encoder()

    @bentoml.api(batchable=True, max_batch_size=BATCH_ROWS)
    def encode(self, images: list[str]) -> list[dict[str, list[float]]]:
        return self.encoder.run([decode(base64.b64decode(image)) for image in images])
