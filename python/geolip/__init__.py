"""Certified Lipschitz bounds of trained neural networks: proved from above, attained from below.

    >>> import geolip
    >>> report = geolip.bound("models/digits-784-64-10.onnx", norm="linf", output=8)
    >>> report.lower <= report.upper
    True

The engine is the one of the command line `geolip`: same names, same defaults, same numbers.
"""

from ._bound import Checked, bound, check
from ._compare import Comparison, Method, compare
from ._from_torch import from_torch
from ._geolip import __version__
from ._network import Network, from_onnx, load
from ._radius import Radii, Radius, radius
from ._region import Region
from ._report import Bound, Certificate, Pattern, Report
from ._sweep import Result, map, sweep
from .errors import (
    CertificateFormatError,
    GeolipError,
    InternalError,
    NetworkFileError,
    NotCertifiedError,
    OptionError,
    RejectedError,
    UnsupportedNetworkError,
)

__all__ = [
    "Bound",
    "Certificate",
    "CertificateFormatError",
    "Checked",
    "Comparison",
    "GeolipError",
    "InternalError",
    "Method",
    "Network",
    "NetworkFileError",
    "NotCertifiedError",
    "OptionError",
    "Pattern",
    "Radii",
    "Radius",
    "Region",
    "RejectedError",
    "Report",
    "Result",
    "UnsupportedNetworkError",
    "__version__",
    "bound",
    "check",
    "compare",
    "from_onnx",
    "from_torch",
    "load",
    "map",
    "radius",
    "sweep",
]
