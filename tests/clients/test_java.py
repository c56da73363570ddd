"""Java's HttpClient, which offers an upgrade with every first request, and HttpURLConnection."""

import json
from pathlib import Path

from tests.clients.conftest import program, run
from tests.support.sockets import Answer

PROGRAM = Path(__file__).with_name("Clients.java")


def test_java_posts_by_both_its_clients_and_reads_every_refusal(address: str, encoded: Answer, picture: Path) -> None:
    lines = run(program("java"), str(PROGRAM), address, str(picture)).splitlines()
    refused = [line for line in lines if json.loads(line).get("code") == "body_too_large"]
    answers = [line for line in lines if line.encode() == encoded.body]
    assert (len(answers), len(refused), len(lines)) == (2 * 6 + 2, 2 + 2, 18)
