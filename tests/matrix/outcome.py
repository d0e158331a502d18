"""How a case ended."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Ending(StrEnum):
    """RIGHT is published and answers as trained. WRONG is published and does not, and must never happen."""

    RIGHT = "right"
    REFUSED = "refused"
    STOPPED = "stopped by parity"
    CRASHED = "crashed"
    WRONG = "wrong"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a case ended, and why. `worst` and `rows` are of the rows that were tried after the export."""

    case: str
    family: str
    ending: Ending
    reason: str = ""
    worst: float = 0.0
    rows: int = 0
    seconds: float = 0.0
