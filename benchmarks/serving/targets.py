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
from benchmarks.serving.requests import JSON, PNG, Examples, Job, Request, with_mix

SERVICE = "service"
MINIMAL = "minimal"
NAIVE = "naive"
BEFORE = "before"
TWO_WORKERS = "service, 2 workers"
ONNXRUNTIME = "onnxruntime"  # in_process.py


@dataclass(frozen=True)
class Target:
    """A server. "{port}" in its command and its environment stands for its port.

    piped: it is talked to over stdin and stdout as well.
    jobs: the requests of each; a job that is missing is one it does not do. unwrap: its JSON → the rows of each output.
    """

    name: str
    command: tuple[str, ...]
    jobs: Mapping[str, Job]
    unwrap: Unwrap = answers.own
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = ROOT
    cores: tuple[int, ...] = (0,)
    version: str = ""
    piped: bool = False


def service(examples: Examples, bundle: Path) -> Target:
    """With all its defaults, but of one model, as the others are."""
    name = f"{bundle.parent.name}/{bundle.name}"
    command = (sys.executable, "-m", "service", "--port", "{port}", "--served-models", name, "--default-model", name)
    return Target(SERVICE, command, examples.jobs())


def before(like: Target, checkout: Path) -> Target:
    """The service as another checkout has it."""
    return replace(like, name=BEFORE, cwd=checkout)


def two_workers(like: Target) -> Target:
    return replace(like, name=TWO_WORKERS, command=(*like.command, "--workers", "2"), cores=(0, 1))


def minimal(like: Target, answers: Path) -> Target:
    """Answers a job with the file of its name, whatever the request, so it is sent a single one. No large ones."""
    command = (sys.executable, "benchmarks/serving/servers/minimal.py", "{port}", str(answers))
    jobs = {job: (replace(requests[0], path=f"/{job}"),) for job, requests in like.jobs.items()}
    del jobs["reconstruct_bulk"]
    return Target(MINIMAL, command, with_mix(jobs))


def naive(examples: Examples, bundle: Path) -> Target:
    app = "benchmarks.serving.servers.naive:app"
    command = (sys.executable, "-m", "uvicorn", app, "--port", "{port}", "--no-access-log")
    return Target(NAIVE, command, examples.naive_jobs(), environment={"BUNDLE": str(bundle)})


@dataclass(frozen=True)
class _Peer:
    """How to send a peer a PNG: wrap makes a body of a PNG, unwrap reads its JSON."""

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
    how = _PEERS[name]
    program, *arguments = how.command
    bodies = [how.wrap(png) for png in examples.pngs]
    requests = tuple(
        Request(how.path, body, PNG) if isinstance(body, bytes) else Request(how.path, json.dumps(body).encode(), JSON)
        for body in bodies
    )
    return Target(
        name,
        (str(environments.binaries(name) / program), *arguments),
        {"encode_png": requests},
        how.unwrap,
        {"BUNDLE": str(bundle), "PYTHONPATH": str(environments.PEERS), **how.environment},
        environments.PEERS / name,
        version=environments.version(name),
    )
