"""Interface of a task, what it says of a run on a report page beside results and diagnosis; see :mod:`.base`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..diagnosis.content import Step


class TaskReport:
    """What a task says of a run on its page."""

    def facts_of_run(self, settings: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
        """Return facts about a run that matter for this task, as names and values.

        Args:
            settings: the config that the run saved, as plain values; empty if it can't be read.
        """
        return ()

    def steps_after(self, settings: Mapping[str, Any], run: Path, command: Callable[..., str]) -> Sequence[Step]:
        """Return what to do with a run of this task next, where that does not follow from a diagnosis.

        Args:
            settings: see :meth:`facts_of_run`.
            run: its work dir.
            command: makes the command line of a verb and its arguments.
        """
        return ()
