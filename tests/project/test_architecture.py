"""The tree is the diagram: who may import whom, and which library lives where."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

FILES = sorted(path for package in ("models", "service", "training") for path in Path(package).rglob("*.py"))

# Each library beside the only files that may import it.
HOMES = {
    "PIL": {"service/images.py", "service/framing.py"},
    "isal": {"service/png.py"},
    "onnxruntime": {"service/runtime.py", "service/buckets.py", "training/bundle/graphs.py"},
    "onnx": {"training/bundle/graphs.py"},
    "prometheus_client": {"service/metrics.py"},
    "python_multipart": {"service/multipart.py"},
    "uvicorn": {"service/server.py", "service/protocol.py"},
    "matplotlib": {f"training/figures/{name}.py" for name in ("__init__", "canvas", "charts", "digits", "galleries")},
}
HTTP_FILES = ("service/app.py", "service/middleware.py", "service/admission.py", "service/routes/")

# The service from rim to ground: a file imports only what stands in a later line.
LAYERS = [
    {"service.__main__", "service.worker"},
    {"service.server", "service.workers"},
    {"service.app", "service.protocol"},
    {"service.exchange"},
    {"service.middleware", "service.routes.autoencoder", "service.routes.models", "service.routes.health"},
    {"service.routes.front", "service.routes.verbs"},
    {"service.routes.errors", "service.routes.documents", "service.routes.body"},
    {"service.routes.reply", "service.sampling"},
    {"service.routes.client"},
    {
        "service.inputs",
        "service.outputs",
        "service.schemas",
        "service.engine",
        "service.settings",
        "service.context",
    },
    {
        "service.images",
        "service.arrays",
        "service.multipart",
        "service.metrics",
        "service.noise",
        "service.batcher",
        "service.together",
    },
    {"service.framing", "service.png", "service.jpeg", "service.scores"},
    {"service.runtime"},
    {
        "service.image_header",
        "service.cost",
        "service.cores",
        "service.logs",
        "service.buckets",
        "service.gathering",
        "service.outbox",
        "service.memory",
    },
    {"service.errors"},
    {"models.golden"},
    {"models.bundle"},
    {"models", "models.manifest"},
]

# The rooms of training: each imports only from itself and from those before it. Below them: config, errors, models.
ROOMS = ("data", "model", "learning", "evaluation", "figures", "bundle", "commands")


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


def test_the_boundary_needs_numpy_and_pydantic_alone() -> None:
    used = {module.split(".")[0] for path in FILES if path.parts[0] == "models" for module in IMPORTS[path]}
    assert used - sys.stdlib_module_names == {"models", "numpy", "pydantic"}


@pytest.mark.parametrize("library", HOMES)
def test_each_library_has_its_home(library: str) -> None:
    assert {str(path) for path in FILES if importing(path, library)} <= HOMES[library]


@pytest.mark.parametrize("library", ["fastapi", "starlette"])
def test_http_stays_at_the_rim(library: str) -> None:
    assert not [path for path in FILES if importing(path, library) and not str(path).startswith(HTTP_FILES)]


def test_only_the_composition_reads_settings() -> None:
    readers = {str(path) for path in FILES if "service.settings" in IMPORTS[path]}
    assert readers == {f"service/{name}.py" for name in ("__main__", "worker", "server", "app")}


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


def test_training_imports_in_one_direction() -> None:
    wrong = []
    for path in FILES:
        if path.parts[0] == "training" and len(path.parts) == 3:
            others = set(ROOMS[ROOMS.index(path.parts[1]) + 1 :])
            wrong += [f"{path} → {module}" for module in IMPORTS[path] if others & set(module.split(".")[1:2])]
    assert not wrong


def test_every_file_says_what_it_is() -> None:
    assert not [str(path) for path in FILES if not ast.get_docstring(ast.parse(path.read_text()))]
