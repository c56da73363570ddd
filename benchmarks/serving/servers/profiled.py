"""A checkout's service, which notes the calls of functions below its folder service/. It knows none of them by name.

usage: python profiled.py ROOT ARGUMENT…     Each line on stdin begins a span and ends the one before it, which is
answered by a line on stdout: MARK, then the file of each call in order, in JSON.
"""

import json
import runpy
import sys
import threading
from pathlib import Path
from types import FrameType

MARK = "span "


def main() -> None:
    below = f"{Path(sys.argv[1]).resolve() / 'service'}/"
    calls: list[str] = []

    def note(frame: FrameType, event: str, argument: object) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(below):
            calls.append(file[len(below) :])

    def spans() -> None:
        for number, _ in enumerate(sys.stdin):
            ended = calls[:]
            calls.clear()
            if number > 0:
                print(MARK + json.dumps(ended), flush=True)

    threading.Thread(target=spans, daemon=True).start()
    threading.setprofile(note)
    sys.setprofile(note)  # the event loop runs in this thread, so its callbacks are profiled too
    sys.path[0] = str(Path(sys.argv[1]).resolve())
    sys.argv = ["service", *sys.argv[2:]]
    runpy.run_module("service", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
