"""Backend: what the verbs work with."""

from dataclasses import dataclass

from service.api.schemas import Limits
from service.codecs.header import ImageLimits
from service.engine.door import Door
from service.engine.registry import Registry


@dataclass(frozen=True)
class RequestLimits:
    """What a request may ask for, and how long it may wait."""

    limits: Limits
    images: ImageLimits
    timeout_s: float


@dataclass(frozen=True)
class Backend:
    registry: Registry
    door: Door
    limits: RequestLimits
