"""The container's files: no engine is needed to hold them to their rules."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import yaml

from service.settings import Settings

DOCKERFILE = Path("Dockerfile").read_text()
COMPOSE = yaml.safe_load(Path("docker-compose.yml").read_text())
SERVICE_STAGE = DOCKERFILE.partition("AS service\n")[2]


def test_the_image_runs_as_nobody_from_a_hash_checked_install() -> None:
    assert re.search(r"^USER \d+:\d+$", SERVICE_STAGE, re.M)
    assert "--require-hashes" in DOCKERFILE
    assert SERVICE_STAGE.index("USER") < SERVICE_STAGE.index("ENTRYPOINT")


def test_the_entry_point_takes_signals_itself() -> None:
    assert json.loads(re.search(r"^ENTRYPOINT (.*)$", SERVICE_STAGE, re.M)[1]) == ["python", "-m", "service"]


def test_the_health_check_is_a_python_program_that_asks_for_readiness() -> None:
    command = json.loads(re.search(r"HEALTHCHECK [^\[]*CMD (\[.*\])", SERVICE_STAGE, re.S)[1].splitlines()[0])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "healthcheck", "exec")
    assert "/readyz" in command[2]


def test_only_what_is_served_goes_in() -> None:
    assert re.findall(r"^COPY (?!--from)(\S+)", SERVICE_STAGE, re.M) == ["models", "service"]
    assert Path(".dockerignore").read_text().startswith("*\n")


def test_every_variable_set_in_a_container_is_a_setting() -> None:
    known = {f"VAE_{name.upper()}" for name in Settings.model_fields}
    named = set(re.findall(r"\bVAE_[A-Z_]+", DOCKERFILE + Path("docker-compose.yml").read_text()))
    assert named <= known


def test_services_are_confined() -> None:
    for name in ("service", "service-cuda"):
        confined = COMPOSE["services"][name]
        assert confined["read_only"] is True
        assert confined["cap_drop"] == ["ALL"]
        assert confined["security_opt"] == ["no-new-privileges:true"]
        assert confined["init"] is True
        assert all(port.startswith("127.0.0.1:") for port in confined["ports"])


def test_profiles_choose_cuda_and_training() -> None:
    services = COMPOSE["services"]
    assert services["service-cuda"]["build"]["args"] == {"LOCK": "cuda"}
    assert (services["service-cuda"]["profiles"], services["train"]["profiles"]) == (["cuda"], ["train"])
    assert "profiles" not in services["service"]


def test_linters_find_nothing() -> None:
    bin_dir = Path(sys.executable).parent
    for command in ("hadolint Dockerfile", "check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml"):
        program, *arguments = shlex.split(command)
        done = subprocess.run([bin_dir / program, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
