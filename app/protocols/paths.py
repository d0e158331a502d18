"""Routes whose paths other servers chose: as a regular expression has them, which sees nothing but a decoded path."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from starlette.routing import Match, Route
from starlette.types import Scope


class Pattern(Route):
    """A route for all paths that a pattern matches whole. Its named groups, where they matched, are the parameters."""

    def __init__(self, pattern: re.Pattern[str], endpoint: Callable[..., Any], methods: Sequence[str]) -> None:
        super().__init__("/", endpoint, methods=methods)
        self.path_regex = pattern

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        found = self.path_regex.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if not found:
            return Match.NONE, {}
        parameters = {name: value for name, value in found.groupdict().items() if value is not None}
        fits = scope["method"] in (self.methods or ())
        return Match.FULL if fits else Match.PARTIAL, {"endpoint": self.endpoint, "path_params": parameters}
