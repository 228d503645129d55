"""What to try next: steps that follow from what was found, by stated rules."""

from __future__ import annotations

from .content import Step
from .step_rules import data, model, run
from .step_rules.base import Known

RULES = (*data.RULES, *model.RULES, *run.RULES)
"""All rules."""
MOST_STEPS = 8
"""Steps that are shown at most."""


def next_steps(known: Known, most: int = MOST_STEPS) -> list[Step]:
    """List what to try next: first what makes other numbers doubtful, then by how much may be gained.

    Args:
        known: what was found.
        most: steps, at most.

    Returns:
        The steps; empty if no rule applies.
    """
    found = []
    for rule in RULES:
        for one in rule.find(known):
            step = Step(one.advice, one.reason, rule.text, round(float(one.gain), 2), one.section)
            found.append((not rule.comes_first, -step.gain, step))
    found.sort(key=lambda item: item[:2])
    return [step for *_, step in found][:most]
