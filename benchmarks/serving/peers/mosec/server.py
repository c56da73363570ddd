"""mosec: a worker process behind a front end in Rust. https://mosecorg.github.io/mosec/"""

import numpy as np
from encoder import BATCH_ROWS, BATCH_WAIT_S, Encoder, decode
from mosec import Server, Worker


class Encode(Worker):
    def __init__(self) -> None:
        self.encoder = Encoder()

    def deserialize(self, data: bytes) -> np.ndarray:
        return decode(data)

    def forward(self, data: list[np.ndarray]) -> list[dict[str, list[float]]]:
        return self.encoder.run(data)


if __name__ == "__main__":
    server = Server()
    server.append_worker(Encode, num=1, max_batch_size=BATCH_ROWS, max_wait_time=int(BATCH_WAIT_S * 1000))
    server.run()
