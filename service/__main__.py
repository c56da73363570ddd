"""python -m service, also installed as digit-vae-service: reads the settings, listens, and serves in one process or
several.
"""

import contextlib
import gc
import os
import socket
import sys

from service.server import extras

_WELCOME = """
Serving {models} on {url}

  docs   {url}/docs
  try    curl -s '{url}/sample?label=7&count=16&seed=1' -H 'Accept: image/png' -o sevens.png
"""
# By which prometheus_client shares files from its import on. Workers have a directory of their own, one process none.
_SHARED_METRICS = ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")


def main() -> int:
    """Exit status: 0 stopped as asked, 2 bad settings, 3 could not start."""
    gc.disable()  # until all is ready: a start makes little garbage, and is 7 % faster without looking for it
    _open_standard_files()
    for name in _SHARED_METRICS:
        os.environ.pop(name, None)
    try:
        return _main()
    except ModuleNotFoundError as error:
        print(f"The service cannot start: {extras.missing(error)}", file=sys.stderr)
        return 3


def _main() -> int:
    # Imported only where needed: packages may be missing, and the parent of several workers does without the web and
    # the models.
    from service import settings
    from service.errors import SettingsError, StartError
    from service.server import logs

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
        _say(_WELCOME.format(models=models, url=url))

    try:
        count = _workers(chosen.workers, chosen.device)
        if count == 1:
            from service.server import serve

            return serve.serve(chosen, listener, welcome)
        from service.server import workers

        return workers.run(count, listener, chosen.model_dump_json(), welcome)
    except StartError as error:
        print(f"The service cannot start: {error.detail}", file=sys.stderr)
        return 3


def _workers(wanted: int, device_wanted: str) -> int:
    """How many processes are to serve. Raises StartError where the system has no means for several."""
    from service.errors import StartError
    from service.runtime import device
    from service.server import cores

    can_share = hasattr(os, "fork")  # else no process is given the socket of another
    if wanted > 1 and not can_share:
        raise StartError("several workers cannot share a socket on this system; start it with --workers 1.")
    if wanted or not can_share:
        return wanted or 1
    uses_cuda = device_wanted == "cuda" or (device_wanted == "auto" and device.has_cuda())
    return 1 if uses_cuda else cores.available()


def _open_standard_files() -> None:
    """Where one was closed, the next file or socket would take its number, and be read or written in its place."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def _say(text: str) -> None:
    """To standard output, if anybody reads it: who does not want to know can still be served."""
    try:
        print(text, flush=True)
    except OSError:
        with contextlib.suppress(OSError):  # else Python tries again as it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _url(host: str, port: int) -> str:
    """An address to visit; a listener on all interfaces is one on this machine too."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{name}]:{port}" if ":" in name else f"http://{name}:{port}"


if __name__ == "__main__":
    sys.exit(main())
