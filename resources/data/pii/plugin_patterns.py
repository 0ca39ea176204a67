"""Patterns of detect-secrets, with linear ones where upstream's time grows with the square of a text or worse."""

import re
from collections.abc import Sequence
from typing import Any

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import RegexBasedDetector

# IP addresses are another entity type; the other two are found in secrets.py, whole and with their positions.
_LEFT_OUT = {"IPPublicDetector", "BasicAuthDetector", "PrivateKeyDetector"}
_CLASSES: dict[str, Any] = get_mapping_from_secret_type_to_class()

# Spaces, which upstream lets match in three places.
_ASSIGNMENT = "(?: *)(?:=|:|:=|=>| +|::)(?: *)"
_LINEAR_ASSIGNMENT = "(?: *+(?:(?::=|=>|::|=|:) *+|(?<= )))"
# A run that holds no secret is taken whole, as a match that does not count: no later start in it can find one.
NEARLY = "nearly"
_LINEAR = {
    r"eyJ[A-Za-z0-9-_=]+\.[A-Za-z0-9-_=]+\.?[A-Za-z0-9-_.+/=]*?": (
        rf"eyJ[A-Za-z0-9_=-]++\.[A-Za-z0-9_=-]+\.?|(?P<{NEARLY}>eyJ[A-Za-z0-9_=-]++)"
    ),
    r"sk-[A-Za-z0-9-_]*[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}": (
        rf"sk-[A-Za-z0-9_-]*[A-Za-z0-9]{{20}}T3BlbkFJ[A-Za-z0-9]{{20}}|(?P<{NEARLY}>sk-[A-Za-z0-9_-]*+)"
    ),
    r"\/\/.+\/:_authToken=\s*((npm_.+)|([A-Fa-f0-9-]{36})).*": (
        r"(?<=/):_authToken=\s*+((npm_.+)|([A-Fa-f0-9-]{36})).*"
    ),
}


def _linear(pattern: re.Pattern[str]) -> re.Pattern[str]:
    written = pattern.pattern.replace(_ASSIGNMENT, _LINEAR_ASSIGNMENT)
    return re.compile(_LINEAR.get(written, written), pattern.flags)


PLUGIN_PATTERNS: Sequence[tuple[RegexBasedDetector, Sequence[re.Pattern[str]]]] = [
    (plugin(), [_linear(pattern) for pattern in plugin.denylist])
    for _, plugin in sorted(_CLASSES.items())
    if issubclass(plugin, RegexBasedDetector) and plugin.__name__ not in _LEFT_OUT
]
