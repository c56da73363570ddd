"""python -m service: reads the settings, loads the models, says where it serves, serves."""

import logging
import os
import signal
import socket
import sys
from types import FrameType

import uvicorn

from service import settings
from service.app import create_app
from service.errors import SettingsError, StartError

_WELCOME = """
Serving {models} on {url}

  docs   {url}/docs
  try    curl -s '{url}/sample?label=7&count=16&seed=1' -H 'Accept: image/png' -o sevens.png
"""


def main() -> int:
    """Exit status: 0 stopped as asked, 2 bad settings, 3 could not start."""
    try:
        chosen = settings.load(sys.argv[1:], os.environ)
    except SettingsError as error:
        print(f"These settings can not be used:\n{error.detail}", file=sys.stderr)
        return 2
    logging.basicConfig(
        level=chosen.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    try:
        app = create_app(chosen)
    except StartError as error:
        print(f"The service can not start: {error.detail}", file=sys.stderr)
        return 3
    try:
        family = socket.AF_INET6 if ":" in chosen.host else socket.AF_INET
        listener = socket.create_server((chosen.host, chosen.port), family=family, backlog=2048)
    except OSError as error:
        print(f"Can not listen on {chosen.host}, port {chosen.port}: {error.strerror}", file=sys.stderr)
        return 3
    for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn raises them again once it has shut down
        signal.signal(number, _stopped)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
            timeout_keep_alive=75,  # longer than most clients' pools keep a connection
            timeout_graceful_shutdown=20,
        )
    )
    names = ", ".join(model.name for model in app.state.engine.models)
    print(_WELCOME.format(models=names, url=f"http://{chosen.host}:{listener.getsockname()[1]}"), flush=True)
    server.run(sockets=[listener])
    return 0 if server.started else 3


def _stopped(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
