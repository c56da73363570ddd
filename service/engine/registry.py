"""Registry: the models by name; of several versions of a name the highest is current."""

from collections.abc import Sequence

from service.engine.model import Model
from service.errors import BundleError, UnknownModel


class Registry:
    """Holds what was loaded at the start; it does not change."""

    def __init__(self, models: Sequence[Model], default: str) -> None:
        """default: "name" or "name/version". Raises BundleError if it is not among models."""
        self.models = tuple(sorted(models, key=lambda model: (model.manifest.name, -model.manifest.version)))
        self._by_name: dict[str, Model] = {}
        for model in self.models:
            self._by_name.setdefault(model.manifest.name, model)
            self._by_name[model.name] = model
        if default not in self._by_name:
            raise BundleError(f"The default model {default} is not among {', '.join(m.name for m in self.models)}.")
        self.default = self._by_name[default]

    def model(self, name: str | None) -> Model:
        """The model of "name" or "name/version", the default one for None. Raises UnknownModel."""
        if name is None:
            return self.default
        if name not in self._by_name:
            raise UnknownModel(f"There is no such model; there are {', '.join(m.name for m in self.models)}.")
        return self._by_name[name]
