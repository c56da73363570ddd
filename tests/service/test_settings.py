"""Settings: flags and variables, one object, every mistake named at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from service import settings
from service.errors import SettingsError


def test_defaults_need_nothing() -> None:
    chosen = settings.load([], {})
    assert (chosen.host, chosen.port, chosen.device) == ("127.0.0.1", 8000, "auto")
    assert (chosen.models_dir / "manifest.py").exists()


def test_a_flag_beats_its_variable_and_a_variable_the_default() -> None:
    environment = {"VAE_PORT": "9001", "VAE_MAX_BATCH_ROWS": "9", "PATH": "untouched"}
    chosen = settings.load(["--port", "9002"], environment)
    assert (chosen.port, chosen.max_batch_rows) == (9002, 9)


def test_every_mistake_is_named_at_once_with_its_source_and_value() -> None:
    environment = {"VAE_PORT": "high", "VAE_DEVICE": "tpu", "VAE_COLOUR": "red", "VAE_REQUEST_TIMEOUT_S": "nan"}
    with pytest.raises(SettingsError) as raised:
        settings.load(["--threads", "0"], environment)
    detail = raised.value.detail
    for part in (
        "VAE_PORT",
        "'high'",
        "VAE_DEVICE",
        "'tpu'",
        "VAE_COLOUR: no such",
        "--threads",
        "'0'",
        "VAE_REQUEST_TIMEOUT_S",
    ):
        assert part in detail
    assert len(detail.splitlines()) == 5


def test_an_empty_variable_is_unset() -> None:
    empty = {f"VAE_{field.upper()}": "" for field in settings.Settings.model_fields}
    assert settings.load([], empty) == settings.load([], {})
    with pytest.raises(SettingsError, match="VAE_PROT: no such setting"):
        settings.load([], {"VAE_PROT": ""})
    with pytest.raises(SettingsError, match="--port"):
        settings.load(["--port", ""], {})


KUBERNETES = {  # for a Service named vae with a named port, and for one named vae-metrics
    "VAE_SERVICE_HOST": "10.96.0.10",
    "VAE_SERVICE_PORT": "8000",
    "VAE_SERVICE_PORT_HTTP": "8000",
    "VAE_PORT": "tcp://10.96.0.10:8000",
    "VAE_PORT_8000_TCP": "tcp://10.96.0.10:8000",
    "VAE_PORT_8000_TCP_PROTO": "tcp",
    "VAE_PORT_8000_TCP_PORT": "8000",
    "VAE_PORT_8000_TCP_ADDR": "10.96.0.10",
    "VAE_METRICS_SERVICE_HOST": "fd00::1",
    "VAE_METRICS_SERVICE_PORT": "9000",
    "VAE_METRICS_PORT": "udp://[fd00::1]:9000",
    "VAE_METRICS_PORT_9000_UDP_ADDR": "fd00::1",
}


def test_what_kubernetes_injects_for_a_service_of_this_name_is_ignored() -> None:
    assert settings.load([], KUBERNETES) == settings.load([], {})
    assert settings.load(["--port", "9001"], KUBERNETES).port == 9001


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VAE_PROT", "8000"),
        ("VAE_SERVICE_HOSTS", "10.96.0.10"),
        ("VAE_PORT_8000", "8000"),
        ("VAE_METRICS_PORT", "9000"),
        ("VAE_PORT", "http://10.96.0.10:8000"),
        ("VAE_HOSTS", "tcp://10.96.0.10:8000"),
    ],
)
def test_a_typo_is_refused_beside_what_kubernetes_injects(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: "):
        settings.load([], {**KUBERNETES, name: value})


@pytest.mark.parametrize(
    ("given", "kept"), [("/digits", "/digits"), ("/a/b-c_d.e~1/", "/a/b-c_d.e~1"), ("/", ""), ("", "")]
)
def test_a_prefix_is_a_path(given: str, kept: str) -> None:
    assert settings.load(["--root-path", given], {}).root_path == kept


@pytest.mark.parametrize("given", ["digits", "http://a/digits", "/a//b", "/a b", "/a?b", "/ä", "/..", "/a/./b", "/{x}"])
def test_what_is_no_prefix_is_refused(given: str) -> None:
    with pytest.raises(SettingsError, match="--root-path"):
        settings.load(["--root-path", given], {})


@pytest.mark.parametrize(
    ("given", "origins"),
    [
        ("", ()),
        ("*", ("*",)),
        ("https://a.example", ("https://a.example",)),
        (" http://localhost:3000, null ,", ("http://localhost:3000", "null")),
        ("capacitor://localhost,http://[::1]:80", ("capacitor://localhost", "http://[::1]:80")),
    ],
)
def test_origins_are_a_list(given: str, origins: tuple[str, ...]) -> None:
    assert settings.load([], {"VAE_CORS_ORIGINS": given}).origins == origins


@pytest.mark.parametrize(
    "given", ["a.example", "https://a.example/", "https://a.example/x", "https://A.example", "https://*.a.example", "x"]
)
def test_what_no_browser_sends_as_an_origin_is_refused(given: str) -> None:
    with pytest.raises(SettingsError, match=r"VAE_CORS_ORIGINS: .*scheme and a host"):
        settings.load([], {"VAE_CORS_ORIGINS": f"https://b.example,{given}"})


def test_a_limit_of_all_bodies_holds_one() -> None:
    with pytest.raises(SettingsError, match="max_held_bytes"):
        settings.load(["--max-held-bytes", "1024", "--max-body-bytes", "1025"], {})


def test_a_queue_that_cannot_hold_one_request_is_refused() -> None:
    with pytest.raises(SettingsError, match="max_queue_rows"):
        settings.load(["--max-queue-rows", "10"], {})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        settings.load([], {}).port = 1


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "service", "--port", "0", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_lists_every_setting_with_variable_default_and_unit() -> None:
    text = " ".join(run("--help").stdout.split())
    for variable, default, unit, meaning in settings.table():
        assert f"--{variable.removeprefix('VAE_').lower().replace('_', '-')} {unit.upper()}" in text
        assert f"{meaning}; default {default} [{variable}]" in text


def test_bad_settings_stop_the_start_with_status_2() -> None:
    done = run("--port", "-1", "--device", "tpu")
    assert done.returncode == 2
    assert "--port" in done.stderr
    assert "--device" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_directory_without_bundles_stops_the_start_with_status_3(tmp_path: Path) -> None:
    done = run("--port", "0", "--models-dir", str(tmp_path))
    assert done.returncode == 3
    assert "No bundle" in done.stderr
    assert "Traceback" not in done.stderr


def test_cuda_that_is_not_there_stops_the_start_with_status_3(tiny_models: Path) -> None:
    done = run("--port", "0", "--models-dir", str(tiny_models), "--default-model", "tiny-vae", "--device", "cuda")
    assert done.returncode == 3
    assert "CUDA" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_default_model_that_is_not_there_stops_the_start(tiny_models: Path) -> None:
    done = run("--port", "0", "--models-dir", str(tiny_models), "--default-model", "digits")
    assert done.returncode == 3
    assert "tiny-vae/1" in done.stderr
