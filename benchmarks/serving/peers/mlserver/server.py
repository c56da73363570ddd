"""MLServer: the Open Inference Protocol on FastAPI, with adaptive batching. https://mlserver.readthedocs.io"""

import base64

from encoder import Encoder, decode
from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput


class Encode(MLModel):
    async def load(self) -> bool:
        self.encoder = Encoder()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """One input of n images as base64 PNG; an output for mean and one for log_var, (n, d) each."""
        rows = self.encoder.run([decode(base64.b64decode(image)) for image in payload.inputs[0].data.root])
        outputs = [
            ResponseOutput(
                name=name,
                datatype="FP32",
                shape=[len(rows), len(first)],
                data=[value for row in rows for value in row[name]],
            )
            for name, first in rows[0].items()
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)
