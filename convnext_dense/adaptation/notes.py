"""What an adaptation changed and left to the user, and the error of a config that can't be adapted."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import UserError


class NotAdaptable(UserError):
    """Error of a config that has no place for a ConvNeXt, with the reason."""


@dataclass
class Notes:
    """Lines for the user, each understood alone; they are printed, and stand in the comments of the new config."""

    changed: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    """What the user should look at, since the source does not decide it."""
