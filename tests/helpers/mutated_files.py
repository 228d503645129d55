"""Files of annotations that are changed at random, and the check that each of their objects is accounted for."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convnext_dense.data.detection.coco import CocoData, read_coco
from convnext_dense.data.formats.base import Source
from convnext_dense.errors import UserError
from tests.helpers.fuzzing import FEW, MANY

EXAMPLES = [FEW, pytest.param(MANY, marks=[pytest.mark.faults, pytest.mark.timeout(1800)])]
"""Numbers of changed files."""
VALUE = re.compile(rb'"[^"\n]*"|-?\d+(?:\.\d+)?')
ODD_VALUES = (
    *(
        b'',
        b'null',
        b'true',
        b'""',
        b'"x"',
        b'"7"',
        b'-1',
        b'0',
        b'1e999',
        b'NaN',
        b'Infinity',
        b'99999999999999999999',
    ),
    *(b'[]', b'{}', b'[[]]', b'[1]', b'"a.png"', b'"\\ud800"', b'"\xff"', b'3.7', b'"1,2;3,4"', b'"&lt;"', b'"&b;"'),
)
COUNTED = ('left out', 'joined')
"""First words of what is said of objects that are no annotations of their own."""


def _change_byte(content: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(content))
    return content[:place] + bytes([rng.randrange(256)]) + content[place + 1 :]


def _cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def _drop_range(content: bytes, rng: random.Random) -> bytes:
    start = rng.randrange(len(content))
    return content[:start] + content[start + rng.randrange(1, 40) :]


def _drop_line(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b'\n')
    del lines[rng.randrange(len(lines))]
    return b'\n'.join(lines)


def _double_line(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b'\n')
    place = rng.randrange(len(lines))
    return b'\n'.join([*lines[:place], lines[place], *lines[place:]])


def _swap_lines(content: bytes, rng: random.Random) -> bytes:
    lines = content.split(b'\n')
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return b'\n'.join(lines)


def _replace_value(content: bytes, rng: random.Random) -> bytes:
    values = list(VALUE.finditer(content))
    if not values:
        return content
    value = rng.choice(values)
    return content[: value.start()] + rng.choice(ODD_VALUES) + content[value.end() :]


def _copy_value(content: bytes, rng: random.Random) -> bytes:
    values = list(VALUE.finditer(content))
    if not values:
        return content
    one, other = rng.choice(values), rng.choice(values)
    return content[: one.start()] + other[0] + content[one.end() :]


MUTATIONS = (
    *(_change_byte, _cut, _drop_range, _drop_line, _double_line, _swap_lines),
    *(_replace_value, _replace_value, _replace_value, _copy_value, _copy_value),
)


def check_mutations(
    path: Path,
    source: Source,
    examples: int,
    count: Callable[[bytes], int | None],
    boxes: Callable[[bytes], Iterable[list[float]]] = lambda content: (),
) -> tuple[int, int]:
    """Check that each changed file is refused in one line, or read so that all of its objects are accounted for.

    Args:
        path: the file, which is changed.
        source: the split that it is of.
        examples: number of changed files.
        count: counts the objects in a changed file, by other code than the reader's; None if it can't be parsed, so
            that it must be refused.
        boxes: lists the boxes [x, y, w, h] that may be read from a changed file, all of them inside the image; by
            default, boxes are not checked.

    Returns:
        The number of files that were read, and that were refused.
    """
    original = path.read_bytes()
    read, refused = [], []

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.sampled_from(MUTATIONS), min_size=1, max_size=3), st.integers(0, 2**32))
    def check(mutations, seed):
        rng = random.Random(seed)
        content = original
        for mutation in mutations:
            content = mutation(content, rng) or b' '
        path.write_bytes(content)
        try:
            coco = read_coco(source)
        except UserError as error:
            assert '\n' not in str(error)
            assert str(path.name) in str(error) or str(source.annotations) in str(error), str(error)
            refused.append(content)
            return
        read.append(content)
        assert _accounted_for(coco) == count(content)
        allowed = list(boxes(content))
        for annotation in (a for of_image in coco.annotations.values() for a in of_image if not a['iscrowd']):
            box = annotation['bbox']
            close = any(all(abs(a - b) < 1e-6 for a, b in zip(box, one, strict=True)) for one in allowed)
            assert close or not allowed, box

    check()
    path.write_bytes(original)
    return len(read), len(refused)


def _accounted_for(coco: CocoData) -> int:
    """Count the objects that are used, ignored or dropped, or no annotations of their own, which must be said."""
    kept = sum(map(len, coco.annotations.values()))
    dropped = sum(len(fault.ids) for fault in coco.faults if fault.message.startswith('dropped'))
    regions = sum('ignored' in a for of_image in coco.annotations.values() for a in of_image)
    said = sum(len(fault.ids) for fault in coco.faults if fault.message.startswith('ignored'))
    assert kept + dropped == coco.total
    assert regions == said
    left_out = [f for f in coco.faults if f.part == 'annotation' and f.message.startswith(COUNTED)]
    return coco.total + sum(len(fault.ids) for fault in left_out)
