"""What targets need from this checkout: a bundle, and an environment of its own for each peer."""

import subprocess
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
PEERS = Path(__file__).parent / "peers"
_INSTALL_S = 900


class Unavailable(Exception):
    """A target that cannot take part here, and why."""


def bundle(model: str) -> Path:
    """models/<name>/<version> of "name" or "name/version"; of several versions the highest. Raises Unavailable."""
    name, _, version = model.partition("/")
    versions = [path.parent for path in (ROOT / "models" / name).glob(f"{version or '*'}/manifest.json")]
    if not versions:
        raise Unavailable(f"There is no bundle models/{model}.")
    return max(versions, key=lambda path: int(path.name))


def binaries(peer: str) -> Path:
    """Directory of the peer's programs; installs them where its pins have changed. Raises Unavailable."""
    pins = PEERS / peer / "requirements.txt"
    home = ROOT / ".venv" / "peers" / peer
    installed = home / "installed.txt"
    if not installed.exists() or installed.read_text() != pins.read_text():
        print(f"Setting up {peer} in {home.relative_to(ROOT)} …", flush=True)
        venv.create(home, clear=True, with_pip=True)
        # The pins are complete: without dependencies pip can add nothing, least of all torch.
        install = [str(home / "bin/python"), "-m", "pip", "install", "--quiet", "--no-deps", "-r", str(pins)]
        try:
            subprocess.run(install, capture_output=True, text=True, check=True, timeout=_INSTALL_S)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            said = str(error.stderr or error).strip().splitlines()
            raise Unavailable(f"{peer} cannot be installed: {said[-1]}") from error
        installed.write_text(pins.read_text())
    return home / "bin"


def version(peer: str) -> str:
    """The peer's own, from its pins."""
    pins = (PEERS / peer / "requirements.txt").read_text().splitlines()
    return next(pin.partition("==")[2] for pin in pins if pin.startswith(f"{peer}=="))
