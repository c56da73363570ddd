"""Settings: one frozen object, each field a variable VAE_<FIELD> and a flag --<field> of `python -m service`.

A flag beats its variable, a variable beats the default. Every mistake is reported at once.
"""

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

import models
from service.errors import SettingsError

PREFIX = "VAE_"
_DEFAULTS = {  # where the value does not say it
    "models_dir": "the installed bundles",
    "served_models": "all",
    "root_path": "none",
    "cors_origins": "none",
}
# What Kubernetes puts into a container for each Service whose name begins with "vae", and Docker for each link.
_INJECTED = re.compile(r"VAE_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_PROTO|_PORT|_ADDR)?)")
_INJECTED_PORT = re.compile(r"(tcp|udp|sctp)://\S+:\d+")  # the value of VAE_PORT or VAE_…_PORT
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@,*A-Z]+|null")


def _setting(default: Any, unit: str, meaning: str, **limits: Any) -> Any:
    return Field(default, description=meaning, json_schema_extra={"unit": unit}, validate_default=True, **limits)


class Settings(BaseModel):
    """See each field's description; `rows` are images or latents."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = _setting("127.0.0.1", "address", "interface to listen on; 0.0.0.0 for all")
    port: int = _setting(8000, "number", "TCP port; 0 takes a free one", ge=0, le=65535)
    models_dir: Path = _setting(Path(models.__file__).parent, "directory", "where bundles lie, as <name>/<version>/")
    served_models: str = _setting("", "names", "comma-separated models to serve, each as name or name/version")
    default_model: str = _setting("digits-vae", "name", "model used where a request names none: name or name/version")
    device: Literal["auto", "cpu", "cuda"] = _setting(
        "auto", "choice", "auto uses CUDA if present; cuda refuses to start without it"
    )
    workers: int = _setting(
        0, "processes", "worker processes; 0 starts one per core, or one in all with CUDA", ge=0, le=256
    )
    threads: int = _setting(1, "threads", "onnxruntime threads within one graph", ge=1, le=64)
    max_batch_rows: int = _setting(
        256, "rows", "rows through a graph at once; fewer where more are no faster", ge=8, le=4096
    )
    max_queue_rows: int = _setting(16384, "rows", "rows that may wait or run; beyond them 503", ge=1)
    max_request_rows: int = _setting(1024, "rows", "rows in one request's body", ge=1)
    max_sample_count: int = _setting(10000, "rows", "rows in one answer of /sample", ge=1)
    max_stream_count: int = _setting(
        1_000_000, "rows", "rows in one npy or raw answer of /sample, which is streamed", ge=1
    )
    max_body_bytes: int = _setting(16 << 20, "bytes", "size of one request's body", ge=1024)
    max_held_bytes: int = _setting(
        256 << 20, "bytes", "size of all bodies that a process holds at once; beyond them 503", ge=1024
    )
    max_image_pixels: int = _setting(
        1 << 24, "pixels", "area of one picture before scaling; of a JPEG four times as many", ge=784
    )
    max_image_side: int = _setting(16384, "pixels", "longer side of one picture", ge=28)
    request_timeout_s: Annotated[float, Field(allow_inf_nan=False)] = _setting(
        10.0, "seconds", "time until an unanswered request gets 504", gt=0, le=3600
    )
    root_path: str = _setting(
        "", "path", "prefix of every path behind a proxy, such as /digits, taken off by it or not"
    )
    cors_origins: str = _setting(
        "", "origins", "comma-separated origins whose pages may read answers, such as https://example.org; * for all"
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting("info", "choice", "lowest level to log")

    @property
    def origins(self) -> tuple[str, ...]:
        """cors_origins, one by one."""
        return tuple(origin.strip() for origin in self.cors_origins.split(",") if origin.strip())

    @field_validator("root_path")
    @classmethod
    def _is_path(cls, value: str) -> str:
        path = value.rstrip("/")
        if not _ROOT_PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
            raise ValueError("a prefix begins with / and has letters, digits and ._~- between its slashes")
        return path

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: str) -> str:
        for origin in filter(None, map(str.strip, value.split(","))):
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is no origin: a scheme and a host in small letters, such as https://example.org"
                )
        return value

    @model_validator(mode="after")
    def _fits(self) -> "Settings":
        if self.max_held_bytes < self.max_body_bytes:
            raise ValueError("max_held_bytes must hold max_body_bytes")
        if self.max_queue_rows < max(self.max_request_rows, self.max_sample_count):
            raise ValueError("max_queue_rows must hold max_request_rows and max_sample_count")
        return self


def load(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Settings from flags and VAE_* variables, of which an empty one is unset.

    Raises SettingsError with a line for each thing that is wrong.
    """
    flags = {name: value for name, value in vars(_parser().parse_args(arguments)).items() if value is not None}
    variables = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    variables = {name: value for name, value in variables.items() if not _is_injected(name, value)}
    names = {PREFIX + field.upper(): field for field in Settings.model_fields}
    problems = [f"{name}: no such setting" for name in sorted(variables.keys() - names.keys())]
    values = {names[name]: value for name, value in variables.items() if name in names and value} | flags
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        for problem in error.errors():
            field = str(problem["loc"][0]) if problem["loc"] else ""
            source = f"--{field.replace('_', '-')}" if field in flags else PREFIX + field.upper()
            got = f" (got {problem['input']!r})" if field else ""
            problems.append(f"{source if field else 'settings'}: {problem['msg']}{got}")
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def _is_injected(name: str, value: str) -> bool:
    return bool(_INJECTED.fullmatch(name) or (name.endswith("_PORT") and _INJECTED_PORT.fullmatch(value)))


def table() -> list[tuple[str, str, str, str]]:
    """Variable, default, unit and meaning of every setting, for the help and the README."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = _DEFAULTS.get(name, str(field.default))
        extra = field.json_schema_extra
        unit = str(extra["unit"]) if isinstance(extra, dict) else ""
        rows.append((PREFIX + name.upper(), default, unit, field.description or ""))
    return rows


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m service",
        description="Serves digit autoencoders over HTTP. Each flag can also be given as the variable beside it.",
        allow_abbrev=False,
    )
    for variable, default, unit, meaning in table():
        flag = variable.removeprefix(PREFIX).lower().replace("_", "-")
        parser.add_argument(f"--{flag}", metavar=unit.upper(), help=f"{meaning}; default {default} [{variable}]")
    return parser
