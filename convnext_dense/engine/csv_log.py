"""Write and read a CSV file of all logged values."""

from __future__ import annotations

import csv
from pathlib import Path

from mmengine.visualization import BaseVisBackend

from ..compat import mmengine_private_names as internals
from ..errors import UserError
from ..registry import VISBACKENDS

FILE_NAME = 'scalars.csv'
COLUMNS = ('step', 'name', 'value')


@VISBACKENDS.register_module()
class CSVBackend(BaseVisBackend):
    """Visualization backend that appends ``step,name,value`` rows to ``scalars.csv`` in the run's log folder.

    ``step`` is the optimizer step for training values and the epoch for validation metrics; values are written in full
    precision.
    """

    def __init__(self, save_dir: str) -> None:
        super().__init__(save_dir)
        self._path = Path(save_dir, FILE_NAME)

    def _init_env(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if not self._path.exists():
            with open(self._path, 'w', newline='') as file:
                csv.writer(file).writerow(COLUMNS)

    @property
    def experiment(self) -> Path:
        """The file's path."""
        return self._path

    def add_scalar(self, name: str, value: float, step: int = 0, **_: object) -> None:
        self.add_scalars({name: value}, step)

    def add_scalars(
        self, scalar_dict: dict[str, float], step: int = 0, file_path: str | None = None, **_: object
    ) -> None:
        if not internals.environment_is_initialized(self):
            self._init_env()
            internals.set_environment_initialized(self)
        step = int(scalar_dict.get('step', step))
        with open(self._path, 'a', newline='') as file:
            rows = csv.writer(file)
            rows.writerows((step, name, repr(float(value))) for name, value in scalar_dict.items() if name != 'step')


def read_scalars(work_dir: str | Path) -> dict[str, list[tuple[int, float]]]:
    """Read all logged values of a work dir by name, as (step, value) pairs in order of step.

    A resumed run has a file for each start. Repeated steps replace those of the earlier start, so each step occurs
    once. An incomplete last line, which a killed run may leave, is ignored.

    Raises:
        UserError: if a file can't be read or a line has another format.
    """
    series: dict[str, list[tuple[int, float]]] = {}
    for file in sorted(Path(work_dir).glob(f'*/vis_data/{FILE_NAME}')):
        for number, row in enumerate(csv.reader(_complete_lines(file)), start=1):
            if number == 1:
                continue
            try:
                step, name, value = int(row[0]), row[1], float(row[2])
            except (ValueError, IndexError):
                raise UserError(f'{file} line {number} is not "step,name,value": {",".join(row)[:60]!r}') from None
            points = series.setdefault(name, [])
            while points and points[-1][0] >= step:
                points.pop()
            points.append((step, value))
    return series


def _complete_lines(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding='utf-8', errors='replace')
    except OSError as error:
        raise UserError(f'{file} cannot be read ({error.strerror})') from None
    return text[: text.rfind('\n') + 1].splitlines()
