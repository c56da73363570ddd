"""The tree is the diagram: what the import contracts in pyproject.toml cannot say."""

import ast
import re
import sys
from pathlib import Path

import pytest

ROOMS = {"api", "codecs", "engine", "runtime", "server"}
OF_NAMED_TUPLES = {"_asdict", "_fields", "_make", "_replace"}  # public, by the documentation of collections
FILES = sorted(path for package in ("models", "service", "training") for path in Path(package).rglob("*.py"))


def test_the_service_is_seen_at_a_glance() -> None:
    names = {path.name for path in Path("service").iterdir() if path.name != "__pycache__"}
    assert names >= ROOMS
    assert len(names) <= 11


@pytest.mark.parametrize("package", sorted(ROOMS))
def test_every_room_stands_in_the_order_of_rooms(package: str) -> None:
    assert f"service.{package}" in Path("pyproject.toml").read_text().partition("The service from rim to ground")[2]


def test_no_private_part_of_a_library_is_used() -> None:
    """An attribute with one underscore belongs to the object's own class: it follows `self`, `cls` or such a name."""
    own = {
        node.name if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) else ""
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
    }
    own |= {name for path in FILES for name in re.findall(r"\b(_[a-z]\w*)\b *(?::|=|,)", path.read_text())}
    used = {
        (str(path), node.attr)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and re.match(r"_[a-z]", node.attr) and node.attr not in own | OF_NAMED_TUPLES
    }
    assert not used


def test_the_boundary_needs_numpy_and_pydantic_alone() -> None:
    used = {
        name.split(".")[0]
        for path in FILES
        if path.parts[0] == "models"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert used - sys.stdlib_module_names == {"models", "numpy", "pydantic"}


def test_every_file_says_what_it_is() -> None:
    assert not [str(path) for path in FILES if not ast.get_docstring(ast.parse(path.read_text()))]
