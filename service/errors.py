"""Everything that can go wrong, as one tree; no HTTP in it (statuses: `api/problems.py`).

    ServiceError
    ├── MalformedRequest         not HTTP as RFC 9112 has it
    ├── MalformedBody            the bytes are not what they claim to be
    ├── InvalidInput             well-formed, but outside what is accepted
    │   ├── InvalidImage
    │   └── InvalidParameter
    ├── TooLarge
    │   ├── HeadersTooLarge      bytes of a request's head
    │   ├── PayloadTooLarge      bytes of a body
    │   ├── TooManyRows          images or latents in a request
    │   └── ImageTooLarge        pixels of an image
    ├── UnsupportedTransferCoding
    ├── UnsupportedMediaType
    │   └── UnsupportedImageFormat
    ├── NotAcceptable
    ├── UnknownModel
    ├── QueueFull                no room for more rows now
    ├── NotReady
    ├── DeadlineExceeded
    ├── InferenceFailed          ours: the runtime failed on checked input
    └── StartError               the service must not start
        ├── SettingsError
        ├── BundleError
        └── DeviceError

`code` is stable and for programs, `detail` is for people and safe to show: it never holds the input or another
library's text; a StartError, which only the operator sees, may hold paths and values.
"""


class ServiceError(Exception):
    """Root of the tree. An instance may carry a narrower code than its class."""

    code = "error"

    def __init__(self, detail: str, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code is not None:
            self.code = code


class MalformedRequest(ServiceError):
    code = "malformed_request"


class MalformedBody(ServiceError):
    code = "malformed_body"


class InvalidInput(ServiceError):
    code = "invalid_input"


class InvalidImage(InvalidInput):
    code = "bad_image"


class InvalidParameter(InvalidInput):
    code = "invalid_parameter"


class TooLarge(ServiceError):
    code = "too_large"


class HeadersTooLarge(TooLarge):
    code = "headers_too_large"


class PayloadTooLarge(TooLarge):
    code = "body_too_large"


class TooManyRows(TooLarge):
    code = "too_many_rows"


class ImageTooLarge(TooLarge):
    code = "image_too_large"


class UnsupportedTransferCoding(ServiceError):
    code = "unsupported_transfer_coding"


class UnsupportedMediaType(ServiceError):
    code = "unsupported_media_type"


class UnsupportedImageFormat(UnsupportedMediaType):
    code = "unsupported_image_format"


class NotAcceptable(ServiceError):
    code = "not_acceptable"


class UnknownModel(ServiceError):
    code = "unknown_model"


class QueueFull(ServiceError):
    code = "queue_full"


class NotReady(ServiceError):
    code = "not_ready"


class DeadlineExceeded(ServiceError):
    code = "deadline_exceeded"


class InferenceFailed(ServiceError):
    code = "inference_failed"


class StartError(ServiceError):
    code = "cannot_start"


class SettingsError(StartError):
    code = "bad_settings"


class BundleError(StartError):
    code = "bad_bundle"


class DeviceError(StartError):
    code = "no_device"
