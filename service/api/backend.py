"""Backend: what the verbs work with."""

from dataclasses import dataclass

from service.api.schemas import Limits
from service.codecs.files.header import ImageLimits
from service.codecs.files.images import Fit, Invert
from service.codecs.image_body import ImageOptions
from service.engine.door import Door
from service.engine.registry import Registry


class RequestLimits:
    """What a request may ask for, and how long it may wait, in seconds."""

    def __init__(self, limits: Limits, images: ImageLimits, timeout_s: float) -> None:
        self.limits = limits
        self.timeout_s = timeout_s
        self._images = images
        self._options: dict[tuple[Fit, Invert, bool, bool], ImageOptions] = {}

    def image_options(self, fit: Fit, invert: Invert, *, split: bool, found: bool) -> ImageOptions:
        """The same object for the same options."""
        key = (fit, invert, split, found)
        if key not in self._options:
            self._options[key] = ImageOptions(fit, invert, self._images, self.limits.max_request_rows, split, found)
        return self._options[key]


@dataclass(frozen=True)
class Backend:
    registry: Registry
    door: Door
    limits: RequestLimits
