"""Whether CUDA can be had, found out without loading onnxruntime."""

import importlib.metadata
from pathlib import Path

_NODES = ("/dev/nvidiactl", "/dev/dxg")  # the driver's, on Linux and on WSL


def has_cuda(root: Path = Path("/")) -> bool:
    """Whether onnxruntime's CUDA build is installed and a driver is there. root: where /dev lies."""
    try:
        importlib.metadata.version("onnxruntime-gpu")
    except importlib.metadata.PackageNotFoundError:
        return False
    return any((root / node.lstrip("/")).exists() for node in _NODES)
