"""Rules of what to try next, and what they follow from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ..findings.base import ClassFacts, Facts
from ..run_facts import UNKNOWN, RunFacts
from ..statistics import DataStatistics


@dataclass(frozen=True, eq=False)
class Known:
    """All that rules follow from; what is None is unknown.

    Attributes:
        facts: numbers about the model.
        training: statistics of the training data.
        tested: statistics of the tested data.
        run: numbers about the run.
        leaks: tested images that are almost the same as a training image.
        compared: tested images that were compared with training images.
        weights: which weights were tested.
    """

    facts: Facts | None = None
    training: DataStatistics | None = None
    tested: DataStatistics | None = None
    run: RunFacts = UNKNOWN
    leaks: int = 0
    compared: int = 0
    weights: Literal['raw', 'ema'] | None = None

    def class_facts(self, name: str) -> ClassFacts | None:
        """Return the numbers of a class; None if there are none."""
        classes: Sequence[ClassFacts] = () if self.facts is None else self.facts.classes
        return next((one for one in classes if one.name == name), None)


class Advice(NamedTuple):
    """What follows from a rule: the fields of :class:`~convnext_dense.diagnosis.content.Step` but the rule."""

    advice: str
    reason: str
    gain: float = 0.0
    section: str = ''


class Rule(NamedTuple):
    """A rule.

    Attributes:
        text: when it applies, in general terms.
        find: yields what follows, mostly nothing or one advice.
        comes_first: whether it says that other findings can't be trusted.
    """

    text: str
    find: Callable[[Known], Iterable[Advice]]
    comes_first: bool = False


def named(names: Sequence[str], limit: int = 3) -> str:
    """List names of classes in quotes, the first ones: ``'a', 'b' and 4 more``."""
    quoted = [repr(name) for name in names]
    if len(quoted) > limit + 1:
        return f'{", ".join(quoted[:limit])} and {len(quoted) - limit:,} more'
    return ' and '.join(filter(None, (', '.join(quoted[:-1]), quoted[-1])))
