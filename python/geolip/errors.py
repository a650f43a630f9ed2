"""What can go wrong, one class for each kind. Messages are one line: what, where, what would work."""

from __future__ import annotations


class GeolipError(Exception):
    """Any error of this package that is not a plain `OSError` or `TypeError`."""


class NetworkFileError(GeolipError, ValueError):
    """The file or the bytes hold no network that can be read, or a choice that is not there."""


class UnsupportedNetworkError(NetworkFileError):
    """A network holds something that is not supported.

    Attributes:
        obstacles: everything that stands in the way, as pairs (place, reason), in the order of the file.
    """

    def __init__(self, message: str, obstacles: list[tuple[str, str]] | None = None) -> None:
        super().__init__(message)
        self.obstacles = obstacles or []

    def __reduce__(self) -> tuple[type, tuple[str, list[tuple[str, str]]]]:
        return type(self), (str(self), self.obstacles)


class OptionError(GeolipError, ValueError):
    """An option is outside its range, or the question makes no sense for this network."""


class NotCertifiedError(GeolipError, RuntimeError):
    """No bound could be certified."""


class InternalError(GeolipError, RuntimeError):
    """What was found contradicts itself, so the result is withheld. Please report it with the network file."""


class CertificateFormatError(GeolipError, ValueError):
    """A file is no readable certificate."""


class RejectedError(GeolipError):
    """The checker rejected a certificate: its bounds are not proved for this network."""
