"""python -m service.server.worker LISTENER METRICS_DIR: one of several processes on a socket, started by workers.py.

Its input is one line, the settings as JSON; where the input ends, its parent has died. Its output is lines of JSON:
first `ready`, the models' names, or `failed`, why it cannot start; then an empty object every second while it is well.
"""

import contextlib
import gc
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from service.errors import StartError
from service.server import extras, logs
from service.settings import Settings


def main() -> int:
    """Exit status: 0 stopped as asked, 3 could not start."""
    gc.disable()  # until all is ready
    try:
        from service.server import serve
    except ModuleNotFoundError as error:
        _report(failed=extras.missing(error))
        return 3
    settings = Settings.model_validate_json(sys.stdin.buffer.readline())
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    logs.set_up(settings.log_level)
    listener = socket.socket(fileno=int(sys.argv[1]))
    os.set_blocking(sys.stdout.fileno(), False)  # a parent that hangs must not hang its workers
    try:
        return serve.serve(
            settings, listener, lambda models: _report(ready=models), metrics_dir=Path(sys.argv[2]), beat=_report
        )
    except StartError as error:
        _report(failed=error.detail)
        return 3


def _report(**content: Any) -> None:
    with contextlib.suppress(BlockingIOError):
        os.write(sys.stdout.fileno(), json.dumps(content).encode() + b"\n")


def _stop_with_parent() -> None:
    os.read(0, 1)  # not of sys.stdin, whose lock no thread may hold as the process ends
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
