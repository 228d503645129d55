"""Names for the parts and layers of a model in messages."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from torch import Tensor

NORM_PARTS = ('final norm', 'norms of the outputs')  # the backbone's own, of classification and of dense tasks


def part_of(name: str) -> str:
    """Return the part of the model that a parameter belongs to; the backbone's final and output norms are parts."""
    first, _, rest = name.partition('.')
    if first == 'backbone' and rest.startswith('norm'):
        return NORM_PARTS[0] if rest.split('.')[0] in ('norm', 'norm_pre') else NORM_PARTS[1]
    return first


def parts_left_over(names: Collection[str]) -> list[str]:
    """Return the part that each tensor of a file belongs to, for those that a model has no place for.

    Those of open_clip's models beside the trunk are two parts, the projection ``visual.head`` and the text tower.
    """
    if 'logit_scale' in names:
        return ['image embedding' if name.startswith('visual.') else 'text tower' for name in names]
    parts = map(part_of, names)  # the backbone's own are taken, so that others in it are named themselves
    return ['.'.join(n.split('.')[:2]) if part == 'backbone' else part for n, part in zip(names, parts, strict=True)]


def group_by_module(state_dict: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """Group the tensors' names by the module that holds them, since a module is loaded completely or not at all.

    Tensors of the model itself are alone, under their own names.
    """
    modules: dict[str, list[str]] = {}
    for name in state_dict:
        modules.setdefault(name.rpartition('.')[0] or name, []).append(name)
    return modules


def name_layers(modules: Collection[str], chosen: Collection[str]) -> list[str]:
    """Name some of a model's modules: a part that is chosen as a whole by its own name, numbered ones as ``0-2``."""
    inside = set()  # all names that lead to a module that is not chosen
    for module in modules:
        if module not in chosen:
            inside |= {*_prefixes(module), part_of(module)}
    names = set()
    for module in chosen:
        part = part_of(module)
        if part in NORM_PARTS and part not in inside:
            names.add(part)
        else:
            names.add(next((prefix for prefix in _prefixes(module) if prefix not in inside), module))
    return sorted(_with_ranges(names))


def _prefixes(module: str) -> list[str]:
    """Return the names of the parts around a module, the outermost first, and its own."""
    steps = module.split('.')
    return ['.'.join(steps[:length]) for length in range(1, len(steps) + 1)]


def _with_ranges(names: Iterable[str]) -> list[str]:
    """Replace names that differ in the last of their numbers by one with the range of the numbers."""
    groups: dict[tuple[str, str], list[int]] = {}
    result = []
    for name in names:
        numbered = re.fullmatch(r'(.*\.)(\d+)((?:\.\D[^.]*)*)', name)
        if numbered:
            groups.setdefault((numbered[1], numbered[3]), []).append(int(numbered[2]))
        else:
            result.append(name)
    for (start, end), numbers in groups.items():
        numbers.sort()
        consecutive = len(numbers) > 1 and numbers[-1] - numbers[0] == len(numbers) - 1
        spans = [f'{numbers[0]}-{numbers[-1]}'] if consecutive else map(str, numbers)
        result += [f'{start}{span}{end}' for span in spans]
    return result
