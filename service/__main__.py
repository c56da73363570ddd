"""python -m service: reads the settings, listens, and serves in one process or several."""

import gc
import os
import socket
import sys

from service import settings
from service.errors import SettingsError, StartError
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
        print(f"These settings can not be used:\n{error.detail}", file=sys.stderr)
        return 2
    logs.set_up(chosen.log_level)
    try:
        family = socket.AF_INET6 if ":" in chosen.host else socket.AF_INET
        listener = socket.create_server((chosen.host, chosen.port), family=family, backlog=2048)
    except OSError as error:
        print(f"Can not listen on {chosen.host}, port {chosen.port}: {error.strerror}", file=sys.stderr)
        return 3

    def welcome(models: str) -> None:
        print(_WELCOME.format(models=models, url=f"http://{chosen.host}:{listener.getsockname()[1]}"), flush=True)

    try:
        # Imported only where needed: the parent of several workers does without the web and the models.
        if _workers(chosen) == 1:
            from service.server import serve

            return serve.serve(chosen, listener, welcome)
        from service.server import workers

        return workers.run(_workers(chosen), listener, chosen.model_dump_json(), welcome)
    except StartError as error:
        print(f"The service can not start: {error.detail}", file=sys.stderr)
        return 3


def _workers(chosen: settings.Settings) -> int:
    return chosen.workers or (1 if chosen.device == "cuda" else cores.available())


if __name__ == "__main__":
    sys.exit(main())
