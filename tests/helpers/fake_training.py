"""Stands in for training in studies: writes a value for each validation, which its arguments decide."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from convnext_dense.tasks.tuned import Tuned
from convnext_dense.tuning.ranges import Range
from convnext_dense.tuning.study import Plan, Work

VALIDATIONS = 4
OWN = {'lr': Tuned(1e-5, lambda value: {'lr': value}), 'drop_path': Tuned(0.1, lambda value: {'drop_path': value})}
RANGES = {'lr': Range(1e-6, 1e-1), 'drop_path': Range(0.0, 0.4)}


def plan(**changes) -> Plan:
    own = {name: one.own for name, one in OWN.items()}
    settings = dict(ranges=RANGES, own=own, pruner='none', validations=VALIDATIONS, settings={'config': 'abc'})
    return Plan('study', 'raw/top1', 'greater', **{**settings, **changes})


def result(values: dict[str, float], step: int) -> float:
    """The metric at a validation: the best lr is 1e-3, and drop_path matters little."""
    return 80 - 10 * abs(math.log10(values['lr']) + 3) - values['drop_path'] - 5 / step


def arguments_of(work: Work) -> list[str]:
    return [f'{name}={value!r}' for name, value in work.values.items()]


class FakeTraining:
    """A process that makes a validation each time it is asked whether it runs, and goes on where it was stopped."""

    started: list[tuple[str, int]] = []  # folder and the number of validations it begins with

    def __init__(
        self, folder: Path, arguments: Sequence[str], value: Callable[[dict, int], float] = result, steps=VALIDATIONS
    ) -> None:
        self.values = {name: float(text) for name, text in (re.split('=', one) for one in arguments)}
        self.file = folder / 'log' / 'vis_data' / 'scalars.csv'
        self.value, self.steps, self.code = value, steps, None
        self.file.parent.mkdir(parents=True, exist_ok=True)
        if not self.file.exists():
            self.file.write_text('step,name,value\n')
        (folder / 'commands.txt').write_text('train')
        self.started.append((folder.name, self.done))

    @property
    def done(self) -> int:
        return len(self.file.read_text().splitlines()) - 1

    def poll(self) -> int | None:
        if self.code is None and self.done < self.steps:
            step = self.done + 1
            with open(self.file, 'a') as file:
                file.write(f'{step},val/raw/top1,{self.value(self.values, step)!r}\n')
            return None
        self.code = 0 if self.code is None else self.code
        return self.code

    def stop(self) -> None:
        self.code = 143 if self.code is None else self.code

    def kill(self) -> None:
        self.code = -9


class Failing(FakeTraining):
    """A process that ends with an error."""

    line, exit_code, begins = 'error: the loss is NaN', 2, True

    def __init__(self, folder: Path, arguments: Sequence[str]) -> None:
        super().__init__(folder, arguments)
        if not self.begins:
            (folder / 'commands.txt').unlink()
        with open(folder / 'output.log', 'a') as file:
            file.write(f'something\n{self.line}\n')

    def poll(self) -> int:
        return self.exit_code


class Silent:
    """Progress that is kept."""

    def __init__(self) -> None:
        self.ends: list[tuple[int, str, float | None]] = []

    def begun(self, work: Work) -> None:
        pass

    def validated(self, work: Work, values: Sequence[float]) -> None:
        pass

    def ended(self, work, outcome, value) -> None:
        self.ends.append((work.number, outcome.state, value))
