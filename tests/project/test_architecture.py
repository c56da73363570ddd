"""The tree is the diagram: who may import whom, and which library lives where."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FILES = sorted(path for package in ("models", "service", "training") for path in Path(package).rglob("*.py"))

# Each library beside the only files that may import it.
HOMES = {
    "PIL": {"service/codecs/images.py", "service/codecs/framing.py"},
    "isal": {"service/codecs/png.py"},
    "onnxruntime": {"service/runtime/session.py", "service/runtime/device_buffers.py", "training/graphs.py"},
    "onnx": {"training/graphs.py"},
    "prometheus_client": {"service/metrics.py"},
    "python_multipart": {"service/codecs/multipart.py"},
    "uvicorn": {"service/server/serve.py", "service/server/protocol.py"},
    "matplotlib": {f"training/figures/{name}.py" for name in ("__init__", "canvas", "charts", "digits", "galleries")},
}
HTTP_FILES = ("service/app.py", "service/api/")

# The service from rim to ground: a file imports only what stands in a later line.
LAYERS = [
    {"service.__main__", "service.server.worker"},
    {"service.server.serve", "service.server.workers"},
    {"service.app", "service.server.protocol"},
    {"service.server.exchange"},
    {"service.api.middleware", "service.api.autoencoder", "service.api.models", "service.api.health"},
    {"service.api.front", "service.api.verbs"},
    {"service.api.problems", "service.api.openapi", "service.api.body"},
    {"service.api.reply", "service.engine.sampling"},
    {"service.api.client"},
    {
        "service.codecs.inputs",
        "service.codecs.outputs",
        "service.api.schemas",
        "service.engine.model",
        "service.settings",
        "service.api.context",
    },
    {
        "service.codecs.images",
        "service.codecs.npy",
        "service.codecs.multipart",
        "service.metrics",
        "service.engine.noise",
        "service.batcher",
        "service.together",
    },
    {
        "service.codecs.framing",
        "service.codecs.png",
        "service.codecs.jpeg",
        "service.golden",
        "service.engine.scores",
    },
    {"service.runtime.session"},
    {
        "service.codecs.header",
        "service.bundle",
        "service.runtime.cost",
        "service.server.cores",
        "service.server.logs",
        "service.runtime.device_buffers",
        "service.gathering",
        "service.server.outbox",
        "service.server.memory",
    },
    {"service.errors"},
    {"models", "models.manifest"},
]


def name_of(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> Iterator[str]:
    """Full names of the modules a file imports, at any depth of its code."""
    modules = {name_of(file) for file in FILES}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            submodules = [module for module in inner if module in modules]
            yield from submodules
            if len(submodules) < len(inner):
                yield str(node.module)


IMPORTS = {path: set(imports_of(path)) for path in FILES}


def importing(path: Path, library: str) -> bool:
    return any(module.split(".")[0] == library for module in IMPORTS[path])


@pytest.mark.parametrize(
    ("package", "stranger"),
    [
        ("service", "training"),
        ("service", "torch"),
        ("training", "service"),
        ("models", "service"),
        ("models", "training"),
    ],
)
def test_packages_that_never_meet(package: str, stranger: str) -> None:
    assert not [path for path in FILES if path.parts[0] == package and importing(path, stranger)]


def test_the_boundary_needs_pydantic_alone() -> None:
    found = {module.split(".")[0] for module in IMPORTS[Path("models/manifest.py")]}
    assert found == {"math", "typing", "pydantic"}


@pytest.mark.parametrize("library", HOMES)
def test_each_library_has_its_home(library: str) -> None:
    assert {str(path) for path in FILES if importing(path, library)} <= HOMES[library]


@pytest.mark.parametrize("library", ["fastapi", "starlette"])
def test_http_stays_at_the_rim(library: str) -> None:
    assert not [path for path in FILES if importing(path, library) and not str(path).startswith(HTTP_FILES)]


def test_only_the_composition_reads_settings() -> None:
    readers = {str(path) for path in FILES if "service.settings" in IMPORTS[path]}
    assert readers == {f"service/{name}.py" for name in ("__main__", "server/worker", "server/serve", "app")}


def test_the_service_imports_in_one_direction() -> None:
    height = {module: level for level, modules in enumerate(LAYERS) for module in modules}
    wrong = []
    for path in FILES:
        if path.parts[0] == "training" or path.name == "__init__.py":
            continue
        for module in IMPORTS[path]:
            if module.split(".")[0] in ("service", "models") and height[module] <= height[name_of(path)]:
                wrong.append(f"{name_of(path)} → {module}")
    assert not wrong


def test_every_file_says_what_it_is() -> None:
    assert not [str(path) for path in FILES if not ast.get_docstring(ast.parse(path.read_text()))]
