"""Broken files that readers are tested with."""

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

FEW = 60
"""In the suite."""
MANY = int(os.environ.get('FUZZ_EXAMPLES', '1000'))
"""In the slow tests; each reader has also passed 10,000."""


def check_each(contents: SearchStrategy, check: Callable[[Any], None], examples: int) -> None:
    """Check so many contents, the same ones in each run."""

    @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(contents)
    def run(content: Any) -> None:
        check(content)

    run()
