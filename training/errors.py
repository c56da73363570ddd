"""The errors of `training`. Their messages are one line, for the person at the keyboard.

TrainingError
├── ConfigError   the configuration file is not acceptable
├── DataError     MNIST is missing, damaged, or not what it should be
├── ResumeError   the run directory cannot be started, resumed or read
├── Interrupted   stopped on request; a checkpoint is left
└── ExportError   the bundle cannot be written
    ├── ParityError   torch and ONNX disagree
    └── CollapseError the latent says nothing, or all samples are alike
"""


class TrainingError(Exception):
    """Root of all errors that this package raises on purpose."""


class ConfigError(TrainingError):
    """The configuration file is not acceptable."""


class DataError(TrainingError):
    """MNIST is missing, damaged, or not what it should be."""


class ResumeError(TrainingError):
    """The run directory cannot be started, resumed or read."""


class Interrupted(TrainingError):
    """Stopped on request; a checkpoint is left."""


class ExportError(TrainingError):
    """The bundle cannot be written."""


class ParityError(ExportError):
    """The exported graphs don't compute what torch computes."""


class CollapseError(ExportError):
    """The latent says nothing about the image, or all samples are alike."""
