"""Where a package is missing, one line says what to install; where a module of ours is, it is a bug."""

import pytest

from service.server import extras


@pytest.mark.parametrize("name", ["uvicorn", "uvicorn.config", "onnxruntime"])
def test_a_package_that_is_missing_is_named_with_what_brings_it(name: str) -> None:
    said = extras.missing(ModuleNotFoundError(f"No module named {name!r}", name=name))
    assert said.startswith(f"the package {name.partition('.')[0]} is missing: pip install 'digit-vae-service[service]'")


@pytest.mark.parametrize("name", ["service.api.nothing", "models.nothing", None])
def test_a_module_of_ours_that_is_missing_stays_an_error(name: str | None) -> None:
    with pytest.raises(ModuleNotFoundError):
        extras.missing(ModuleNotFoundError("No module", name=name))
