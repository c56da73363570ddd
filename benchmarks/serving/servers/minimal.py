"""The least a server on uvicorn can do: read the body, answer bytes that were made before. No routing, no checks.

It serves the files of a directory, each `<name>` beside `<name>.type`, with the service's own settings of uvicorn, but
uvicorn's own protocol.
usage: python benchmarks/serving/servers/minimal.py PORT DIRECTORY
"""

import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvicorn

Message = dict[str, Any]


def application(directory: Path) -> Callable[..., Awaitable[None]]:
    """ASGI. directory: the answers, at /<name>."""
    answers = {f"/{path.name}": path.read_bytes() for path in directory.iterdir() if not path.suffix}
    types = {path: (directory / f"{path[1:]}.type").read_bytes() for path in answers}

    async def answer(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        while (await receive()).get("more_body"):
            pass
        path = scope["path"]
        headers = [(b"content-type", types[path]), (b"content-length", b"%d" % len(answers[path]))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answers[path]})

    return answer


if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=2048)
    config = uvicorn.Config(
        application(Path(sys.argv[2])),
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=20,
    )
    uvicorn.Server(config).run(sockets=[listener])
