"""python -m service: reads the settings, listens, and serves in one process or several."""

import gc
import os
import socket
import sys

from service import settings
from service.errors import SettingsError, StartError
from service.runtime import device
from service.server import cores, logs

_WELCOME = """
Serving {models} on {url}

  docs   {url}/docs
  try    curl -s '{url}/sample?label=7&count=16&seed=1' -H 'Accept: image/png' -o sevens.png
"""


def main() -> int:
    """Exit status: 0 stopped as asked, 2 bad settings, 3 could not start."""
    gc.disable()  # until all is ready: a start makes little garbage, and is 7 % faster without looking for it
    try:
        chosen = settings.load(sys.argv[1:], os.environ)
    except SettingsError as error:
        print(f"These settings cannot be used:\n{error.detail}", file=sys.stderr)
        return 2
    logs.set_up(chosen.log_level)
    host = chosen.host.strip("[]")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, chosen.port), family=family, backlog=2048)
    except OSError as error:
        print(f"Cannot listen on {chosen.host}, port {chosen.port}: {error.strerror}", file=sys.stderr)
        return 3
    url = _url(host, listener.getsockname()[1])

    def welcome(models: str) -> None:
        print(_WELCOME.format(models=models, url=url), flush=True)

    try:
        # Imported only where needed: the parent of several workers does without the web and the models.
        if _workers(chosen) == 1:
            from service.server import serve

            return serve.serve(chosen, listener, welcome)
        from service.server import workers

        return workers.run(_workers(chosen), listener, chosen.model_dump_json(), welcome)
    except StartError as error:
        print(f"The service cannot start: {error.detail}", file=sys.stderr)
        return 3


def _workers(chosen: settings.Settings) -> int:
    if chosen.workers:
        return chosen.workers
    uses_cuda = chosen.device == "cuda" or (chosen.device == "auto" and device.has_cuda())
    return 1 if uses_cuda else cores.available()


def _url(host: str, port: int) -> str:
    """An address to visit; a listener on all interfaces is one on this machine too."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


if __name__ == "__main__":
    sys.exit(main())
