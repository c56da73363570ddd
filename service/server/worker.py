"""python -m service.server.worker LISTENER METRICS_DIR: one of several processes on a socket, started by workers.py.

Its input is one line, the settings as JSON; where the input ends, its parent has died. Its output is one line of JSON
too: `ready`, the models' names, or `failed`, why it can not start.
"""

import gc
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from service.errors import StartError
from service.server import logs
from service.settings import Settings


def main() -> int:
    """Exit status: 0 stopped as asked, 3 could not start."""
    gc.disable()  # until all is ready
    from service.server import serve

    settings = Settings.model_validate_json(sys.stdin.buffer.readline())
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    logs.set_up(settings.log_level)
    listener = socket.socket(fileno=int(sys.argv[1]))
    try:
        return serve.serve(settings, listener, lambda models: _report(ready=models), Path(sys.argv[2]))
    except StartError as error:
        _report(failed=error.detail)
        return 3


def _report(**content: str) -> None:
    sys.stdout.write(json.dumps(content) + "\n")
    sys.stdout.flush()


def _stop_with_parent() -> None:
    os.read(0, 1)  # not of sys.stdin, whose lock no thread may hold as the process ends
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
