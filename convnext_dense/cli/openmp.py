"""How long torch's threads wait in a loop for each other, which a command sets for its own process.

torch computes with the threads of GNU OpenMP. One that has nothing to do looks for work in a loop, by default for
milliseconds, before it sleeps. Where another process wants the core, the loop keeps from it what the thread that is
waited for needs, and a training step takes several times as long. A loop of some microseconds is long enough
where the cores are free: ``benchmarks/busy_machine.py`` measures both. Results are the same digit for digit.
"""

from __future__ import annotations

import os

SPIN_COUNT = '2000'  # turns of the loop, about as long as going to sleep and being woken takes
CHOICES = ('OMP_WAIT_POLICY', 'GOMP_SPINCOUNT', 'KMP_BLOCKTIME')
"""Variables by which users choose themselves."""


def limit_spinning() -> None:
    """Set ``GOMP_SPINCOUNT`` in the environment, unless the user chose. It counts if torch is imported later."""
    if not any(name in os.environ for name in CHOICES):
        os.environ['GOMP_SPINCOUNT'] = SPIN_COUNT
