"""What the README says is what happens: its commands are run, its tables compared with the code."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service import errors, settings
from service.api import problems
from tests.support.server import serving

README = Path("README.md").read_text()
PAGES = [
    Path("README.md"),
    Path("CONTRIBUTING.md"),
    Path("SECURITY.md"),
    Path("models/README.md"),
    *sorted(Path("docs").glob("*.md")),
]
ADDRESS = "http://127.0.0.1:8000"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S)


def exchanges() -> list[tuple[str, str]]:
    """Each `$ command` of the console blocks with the output shown below it."""
    parts = [part for block in blocks("console") for part in re.split(r"^\$ ", block, flags=re.M)[1:]]
    return [(command, output.strip()) for command, _, output in (part.partition("\n") for part in parts)]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture
def visitor(tmp_path: Path) -> Path:
    """A directory that looks like the root of a clone to a reader's commands, and takes what they write."""
    (tmp_path / "docs").symlink_to(Path("docs").resolve())
    return tmp_path


@pytest.mark.parametrize(("command", "output"), exchanges(), ids=[command for command, _ in exchanges()])
def test_a_command_gives_the_output_shown(address: str, visitor: Path, command: str, output: str) -> None:
    """ "…" stands for whatever is there."""
    shell = ["bash", "-euo", "pipefail", "-c", command.replace(ADDRESS, address)]
    done = subprocess.run(shell, cwd=visitor, capture_output=True, text=True, check=True, timeout=60)
    pattern = ".*".join(map(re.escape, re.split("…", output)))
    assert re.fullmatch(pattern, done.stdout.strip(), re.S), done.stdout
    written = re.search(r"-o (\S+)", command)
    assert written is None or (visitor / written[1]).read_bytes().startswith(b"\x89PNG")


def test_the_python_example_runs(address: str, visitor: Path) -> None:
    (example,) = blocks("python")
    program = example.replace(ADDRESS, address) + "\nassert images.shape == (64, 1, 28, 28)\n"
    program += "assert (images[32:] == page(32)['images']).all()\n"
    subprocess.run([sys.executable, "-c", program], cwd=visitor, check=True, timeout=60)


def test_the_settings_listed_are_those_there_are() -> None:
    for variable, default, unit, meaning in settings.table():
        flag = "--" + variable.removeprefix("VAE_").lower().replace("_", "-")
        assert f"| `{variable}` | `{flag}` | {default} | {unit} | {meaning} |" in README
    assert len(re.findall(r"^\| `VAE_", README, re.M)) == len(settings.table())


def test_the_errors_listed_are_those_there_are_with_their_statuses() -> None:
    rows = re.findall(r"^\| (\d{3}) \| (.*?) \|", README, re.M)
    assert {(int(status), code) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)} == answers()


def answers() -> set[tuple[int, str]]:
    """Every status and code that the service can answer with: of errors its source raises, of routing, and of a bug."""
    found = {(500, "internal_error"), *((status, code) for status, (code, _) in problems.ROUTING.items())}
    for path in Path("service").rglob("*.py"):
        tree = ast.parse(path.read_text())
        constants = {
            node.targets[0].id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            kind = getattr(errors, ast.unparse(node.func).split(".")[-1], None)
            if not (isinstance(kind, type) and issubclass(kind, errors.ServiceError)):
                continue
            if issubclass(kind, errors.StartError):
                continue
            given = node.args[1] if len(node.args) == 2 else ast.Constant(kind.code)
            code = constants[given.id] if isinstance(given, ast.Name) else ast.literal_eval(given)
            found.add((int(problems.status_of(kind(""))), str(code)))
    return found


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", Path("Makefile").read_text(), re.M))
    for page in PAGES:
        named = set(re.findall(r"\bmake ([a-z]+)\b", " ".join(re.findall(r"`[^`]*`|^    .*$", page.read_text(), re.M))))
        assert named <= targets, page


def test_every_link_leads_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page} → {target}"


def test_every_configuration_named_exists() -> None:
    for page in PAGES:
        for path in re.findall(r"training/configs/\w+\.toml", page.read_text()):
            assert Path(path).exists(), f"{page} → {path}"


def test_make_help_lists_the_targets() -> None:
    environment = {**os.environ, "MAKEFLAGS": ""}
    text = subprocess.run(["make", "help"], capture_output=True, text=True, check=True, env=environment).stdout
    for target in ("serve", "test", "check", "fmt", "data", "train", "evaluate", "report", "export"):
        assert f"make {target}" in text
