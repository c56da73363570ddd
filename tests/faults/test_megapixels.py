"""Few bytes that hold many pixels: to read them holds up nobody else."""

import select

import numpy as np
import pytest

from tests.faults.conftest import Served
from tests.support import digits
from tests.support.sockets import Connection, request
from tests.support.verbs import ENCODE, LIVEZ, PNG, Ask

CLIENTS = 64


@pytest.fixture(scope="module")
def megapixel() -> bytes:
    picture = digits.png(np.full((1024, 1024), 128, np.uint8))
    assert len(picture) < 4 << 10  # small enough to be taken for a digit
    return request("/encode", picture, [PNG])


@pytest.mark.parametrize(("probe", "least"), [(LIVEZ, CLIENTS), (ENCODE, CLIENTS // 8)], ids=["livez", "encode"])
def test_small_files_of_a_megapixel_hold_up_nobody(served: Served, megapixel: bytes, probe: Ask, least: int) -> None:
    """least: probes answered while those are, one a picture where the probe needs none of what pictures need."""
    with Connection(served.address) as other:
        assert other.ask(probe.bytes()).status == 200
        clients = [Connection(served.address) for _ in range(CLIENTS)]
        try:
            served.process.suspend()
            for client in clients:
                client.send(megapixel)
            served.process.resume()  # it finds all of them at once
            probes = 0
            while len(select.select(clients, [], [], 0)[0]) < CLIENTS:
                assert other.ask(probe.bytes()).status == 200
                probes += 1
            assert {client.answer().status for client in clients} == {200}
        finally:
            served.process.resume()
            for client in clients:
                client.close()
    assert probes >= least
