"""Registry: which model a name means."""

from collections.abc import Sequence

import pytest

from models import bundle
from service.engine.model import Model
from service.engine.registry import Registry
from service.errors import BundleError, UnknownModel
from tests.support import bundles

NAMES = ("alpha/1", "beta/2", "beta/10", "beta/9")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Model]:
    directory = tmp_path_factory.mktemp("models")
    written = [bundles.write(directory, name, int(version)) for name, version in (each.split("/") for each in NAMES)]
    return [Model(bundle.load(each), device="cpu", threads=1, max_batch_rows=1) for each in written]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_with_a_version_means_that_version(models: Sequence[Model], name: str) -> None:
    assert Registry(models, "alpha").model(name).name == name


def test_a_name_alone_means_its_highest_version(models: Sequence[Model]) -> None:
    registry = Registry(models, "alpha")
    assert registry.model("beta").name == "beta/10"
    assert registry.model("alpha").name == "alpha/1"


@pytest.mark.parametrize(("default", "name"), [("alpha", "alpha/1"), ("beta", "beta/10"), ("beta/2", "beta/2")])
def test_no_name_means_the_default(models: Sequence[Model], default: str, name: str) -> None:
    registry = Registry(models, default)
    assert registry.model(None) is registry.default
    assert registry.default.name == name


def test_models_are_listed_by_name_the_current_version_first(models: Sequence[Model]) -> None:
    assert [model.name for model in Registry(models, "beta").models] == ["alpha/1", "beta/10", "beta/9", "beta/2"]


@pytest.mark.parametrize("name", ["", "gamma", "beta/3", "beta/", "Alpha", "alpha/1/"])
def test_an_unknown_name_is_refused_with_those_that_are_known(models: Sequence[Model], name: str) -> None:
    with pytest.raises(UnknownModel, match="alpha/1, beta/10, beta/9, beta/2"):
        Registry(models, "alpha").model(name)


@pytest.mark.parametrize("default", ["gamma", "alpha/2"])
def test_a_default_that_was_not_loaded_is_refused(models: Sequence[Model], default: str) -> None:
    with pytest.raises(BundleError, match=default):
        Registry(models, default)


def test_without_models_there_is_no_registry() -> None:
    with pytest.raises(BundleError):
        Registry([], "alpha")
