"""Measure the share of a training step that is spent on checking for a non-finite loss or gradient.

non_finite_share.py CONFIG --data sample ...    arguments of tools/train.py; on GPUs, waiting for the loss counts too
"""

import sys
import time
from collections import Counter
from collections.abc import Callable

from convnext_dense.cli import run_verb
from convnext_dense.engine import TrainLoop
from convnext_dense.engine.non_finite import FiniteSteps

spent: Counter[str] = Counter()
calls: Counter[str] = Counter()


def timed(of: type, name: str) -> None:
    method: Callable = getattr(of, name)

    def call(*args: object, **kwargs: object) -> object:
        begin = time.perf_counter()
        try:
            return method(*args, **kwargs)
        finally:
            calls[name] += 1
            if calls[name] > 1:  # the first one also warms up
                spent[name] += time.perf_counter() - begin

    setattr(of, name, call)


for name in ('begin', 'gradient_norm'):
    timed(FiniteSteps, name)
timed(TrainLoop, 'run_iter')
code = run_verb('train', sys.argv[1:])
steps = max(1, calls['run_iter'] - 1)
judging = spent['begin'] + spent['gradient_norm']
print(
    f'{steps} steps of {spent["run_iter"] / steps * 1e3:.1f} ms, of which judging {judging / steps * 1e3:.2f} ms: '
    f'{100 * judging / max(spent["run_iter"], 1e-9):.2f} %'
)
sys.exit(code)
