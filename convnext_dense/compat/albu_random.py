"""Have mmdet's and mmseg's step ``Albu`` draw from numpy's generator. For mmdet 3.5, mmseg 1.4 and albumentations 2.0.

Since albumentations 2 its transforms draw from generators of their own, which start anywhere and which nothing seeds:
a run would never learn from the same images twice, and a resumed one would go on with others. Data sets here seed the
generators of numpy, Python and torch for each sample.
"""

from __future__ import annotations

import random
from functools import wraps
from typing import Any

import numpy as np


def seed_albu(step: type) -> None:
    """Change the class of the step, once."""
    transform: Any = step.transform  # type: ignore[attr-defined]
    if hasattr(transform, '__wrapped__'):
        return

    @wraps(transform)
    def transform_seeded(self: Any, results: dict) -> Any:
        set_random_state(self.aug)
        return transform(self, results)

    step.transform = transform_seeded  # type: ignore[attr-defined]


def set_random_state(compose: Any) -> None:
    """Have the transforms of a pipeline of albumentations share a generator with a seed from numpy's; 1 has none."""
    if hasattr(compose, 'set_random_state'):
        generator = np.random.default_rng(np.random.randint(0, 2**32, 4, np.uint64))
        compose.set_random_state(generator, random.Random(int(generator.integers(2**63))))
