"""Who takes part: the command that starts each server, and the requests it is sent for each job."""

import base64
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from benchmarks.serving import answers, environments
from benchmarks.serving.answers import Unwrap
from benchmarks.serving.environments import ROOT
from benchmarks.serving.requests import JSON, PNG, Examples, Request

SERVICE = "service"
MINIMAL = "minimal"
NAIVE = "naive"
BEFORE = "before"
TWO_WORKERS = "service, 2 workers"
ONNXRUNTIME = "onnxruntime"  # in_process.py


@dataclass(frozen=True)
class Target:
    """A server. "{port}" in its command and its environment stands for its port.

    requests: by job; a job that is missing is one it does not do. unwrap: its JSON → the rows of each output.
    """

    name: str
    command: tuple[str, ...]
    requests: Mapping[str, Request]
    unwrap: Unwrap = answers.own
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = ROOT
    cores: tuple[int, ...] = (0,)
    version: str = ""


def service(examples: Examples, bundle: Path) -> Target:
    """With all its defaults, but of one model, as the others are."""
    name = f"{bundle.parent.name}/{bundle.name}"
    command = (sys.executable, "-m", "service", "--port", "{port}", "--served-models", name, "--default-model", name)
    return Target(SERVICE, command, examples.requests())


def before(like: Target, checkout: Path) -> Target:
    """The service as another checkout has it."""
    return replace(like, name=BEFORE, cwd=checkout)


def two_workers(like: Target) -> Target:
    return replace(like, name=TWO_WORKERS, command=(*like.command, "--workers", "2"), cores=(0, 1))


def minimal(like: Target, answers: Path) -> Target:
    """Answers each job's requests with the file of the job's name, whatever the body, so it is sent a single one."""
    command = (sys.executable, "benchmarks/serving/servers/minimal.py", "{port}", str(answers))
    requests = {
        job: replace(request, path=f"/{job}", bodies=request.bodies[:1]) for job, request in like.requests.items()
    }
    return Target(MINIMAL, command, requests)


def naive(examples: Examples, bundle: Path) -> Target:
    app = "benchmarks.serving.servers.naive:app"
    command = (sys.executable, "-m", "uvicorn", app, "--port", "{port}", "--no-access-log")
    return Target(NAIVE, command, examples.naive_requests(), environment={"BUNDLE": str(bundle)})


@dataclass(frozen=True)
class _Peer:
    """How a peer is asked: wrap makes a body of a PNG, unwrap reads its JSON."""

    command: tuple[str, ...]
    path: str
    wrap: Callable[[bytes], Any]
    unwrap: Unwrap
    environment: Mapping[str, str] = field(default_factory=dict)


def _text(png: bytes) -> str:
    return base64.b64encode(png).decode()


def _first(document: Any) -> Mapping[str, Any]:
    return {name: [row] for name, row in document.items()}


_PEERS = {
    "mosec": _Peer(
        ("python", "server.py", "--address", "127.0.0.1", "--port", "{port}"),
        "/inference",
        lambda png: png,
        _first,
    ),
    "litserve": _Peer(
        ("python", "server.py", "{port}"),
        "/predict",
        lambda png: {"image_data": _text(png)},
        _first,
    ),
    "bentoml": _Peer(
        ("python", "-m", "bentoml", "serve", "server:Encode", "--host", "127.0.0.1", "--port", "{port}"),
        "/encode",
        lambda png: {"images": [_text(png)]},
        lambda document: _first(document[0]),
        {"BENTOML_DO_NOT_TRACK": "True"},
    ),
    "mlserver": _Peer(
        ("mlserver", "start", "."),
        "/v2/models/encoder/infer",
        lambda png: {"inputs": [{"name": "image", "shape": [1], "datatype": "BYTES", "data": [_text(png)]}]},
        lambda document: {output["name"]: [output["data"]] for output in document["outputs"]},
        {"MLSERVER_HTTP_PORT": "{port}"},
    ),
    "kserve": _Peer(
        ("python", "server.py", "{port}"),
        "/v1/models/encoder:predict",
        lambda png: {"instances": [{"image": {"b64": _text(png)}}]},
        lambda document: _first(document["predictions"][0]),
    ),
}
PEERS: Final = tuple(_PEERS)


def peer(name: str, examples: Examples, bundle: Path) -> Target:
    """From an environment of its own. Raises Unavailable."""
    asked = _PEERS[name]
    program, *arguments = asked.command
    bodies = [asked.wrap(png) for png in examples.pngs]
    if isinstance(bodies[0], bytes):
        request = Request(asked.path, tuple(bodies), PNG)
    else:
        request = Request(asked.path, tuple(json.dumps(body).encode() for body in bodies), JSON)
    return Target(
        name,
        (str(environments.binaries(name) / program), *arguments),
        {"encode_png": request},
        asked.unwrap,
        {"BUNDLE": str(bundle), "PYTHONPATH": str(environments.PEERS), **asked.environment},
        environments.PEERS / name,
        version=environments.version(name),
    )
