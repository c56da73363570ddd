"""A configuration is checked before anything happens, and complaints name the key."""

import hashlib
import json
import tomllib
from pathlib import Path

import pytest

from training import config as configuration
from training.config import Config, VaeObjective
from training.errors import ConfigError

CONFIGS = sorted((Path(configuration.__file__).parent / "configs").glob("*.toml"))
COMMITTED = {
    "ae": "digits-ae/1",
    "mlp_vae": "digits-mlp-vae/1",
    "default": "digits-vae/2",
    "fidelity": "digits-fidelity-vae/1",
}
SMALL = tomllib.loads((Path(__file__).parent / "small.toml").read_text())


def changed(key: str, value: object) -> str:
    """The small configuration as JSON, with the dotted `key` set, or removed where the value is None."""
    tables = json.loads(json.dumps(SMALL))
    *sections, last = key.split(".")
    table = tables
    for section in sections:
        table = table[section]
    if value is None:
        del table[last]
    else:
        table[last] = value
    return json.dumps(tables)


def complaint(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        configuration.parse(text, "some.toml")
    return str(caught.value)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_configuration_is_accepted_and_gives_a_reason_beside_its_values(path: Path) -> None:
    assert configuration.read(path).bundle.version >= 1
    text = path.read_text()
    for section in ("[network]", "[training]", "[run]"):
        assert "# " in text.split(section)[1].split("\n[")[0]


@pytest.mark.parametrize(
    "key",
    ["colour", "bundle.colour", "training.colour", "prior.colour", "prior.training.colour", "objective.colour"],
)
def test_unknown_key_is_refused_by_its_dotted_name(key: str) -> None:
    assert complaint(changed(key, 1)) == f"some.toml: {key}: no such key"


def test_key_of_another_variant_is_unknown() -> None:
    assert "objective.code_noise: no such key" in complaint(changed("objective.code_noise", 0.1))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training.epochs", 0),
        ("training.epochs", "3"),
        ("training.epochs", True),
        ("training.learning_rate", -1.0),
        ("training.ema", 1.0),
        ("network.kind", "transformer"),
        ("network.hidden", [0]),
        ("network.latent_dim", 1),
        ("objective.binarised_share", 1.5),
        ("prior.width", None),
        ("run.device", "tpu"),
        ("bundle.name", "No Name"),
    ],
)
def test_bad_value_is_refused_by_its_dotted_name(key: str, value: object) -> None:
    assert complaint(changed(key, value)).startswith(f"some.toml: {key}")


def test_all_problems_are_told_at_once() -> None:
    text = json.dumps(json.loads(changed("training.epochs", 0)) | {"colour": 1})
    assert "training.epochs" in complaint(text)
    assert "colour" in complaint(text)


def test_prior_fitted_after_needs_a_schedule() -> None:
    assert "[prior.training]" in complaint(changed("prior.training", None))


def test_more_couplings_that_see_the_label_than_there_are_is_refused() -> None:
    assert "label_couplings = 99 are more than" in complaint(changed("prior.label_couplings", 99))


@pytest.mark.parametrize(
    "prior", [{"kind": "standard_normal"}, {"kind": "flow", "fitted": "jointly", "couplings": 2, "width": 8}]
)
def test_autoencoder_without_a_prior_of_its_own_is_refused(prior: dict[str, object]) -> None:
    tables = SMALL | {"objective": {"kind": "ae", "code_noise": 0.1}, "prior": prior}
    assert "an autoencoder needs a flow as prior" in complaint(json.dumps(tables))


def test_tightening_needs_a_joint_prior() -> None:
    schedule = SMALL["training"]
    tables = SMALL | {"objective": SMALL["objective"] | {"tightening": {"draws": 5, "training": schedule}}}
    assert '[objective.tightening] needs a flow as prior, fitted "jointly"' in complaint(json.dumps(tables))
    tables["prior"] = SMALL["prior"] | {"fitted": "jointly"}
    objective = configuration.parse(json.dumps(tables), "tight").objective
    assert isinstance(objective, VaeObjective)
    assert objective.tightening is not None
    assert objective.tightening.draws == 5


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent.toml cannot be read"):
        configuration.read(tmp_path / "absent.toml")
    (tmp_path / "broken.toml").write_text("[bundle")
    with pytest.raises(ConfigError, match=r"broken.toml is not TOML"):
        configuration.read(tmp_path / "broken.toml")


def test_digest_is_over_the_canonical_form_and_survives_a_round_trip(small: Config) -> None:
    again = configuration.parse(small.canonical(), "again")
    assert again == small
    assert again.sha256() == hashlib.sha256(small.canonical()).hexdigest()
    assert b" " not in small.canonical().replace(small.bundle.description.encode(), b"")
    reordered = json.dumps(dict(reversed(SMALL.items())))
    assert configuration.parse(reordered, "reordered").sha256() == small.sha256()


def test_a_value_that_is_the_default_leaves_the_digest_as_it_is(small: Config) -> None:
    assert configuration.parse(changed("objective.kl_weight", 1.0), "said").sha256() == small.sha256()
    assert configuration.parse(changed("objective.kl_weight", 0.5), "other").sha256() != small.sha256()


def test_any_value_changes_the_digest(small: Config) -> None:
    assert configuration.parse(changed("run.seed", 2), "other").sha256() != small.sha256()


@pytest.mark.parametrize(("toml", "bundle"), COMMITTED.items())
def test_a_committed_bundle_comes_from_the_committed_configuration(toml: str, bundle: str) -> None:
    manifest = json.loads(Path(f"models/{bundle}/manifest.json").read_text())
    assert configuration.read(Path(f"training/configs/{toml}.toml")).sha256() == manifest["config_sha256"]
