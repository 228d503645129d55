"""Read label files of YOLO: a line for each object, with the id of its class and fractions of the image."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .shapes import FARTHEST
from .text_files import decode

WITH_SCORE = 'six numbers, a box with a score, as predictions have'


class Label(NamedTuple):
    """A line of a label file."""

    line: int
    """Its number, from 1."""
    class_id: int | None
    """The id of the class, a key of the names; None if there is no such class."""
    numbers: tuple[float, ...] = ()
    """Four numbers of a box, center, width and height, or those of a polygon; empty if they can't be used."""
    fault: str = ''
    """The reason why the class, or else the shape, can't be used."""
    has_keypoints: bool = False
    """The line has keypoints, too."""


def read_labels(content: bytes, path: str, class_ids: Mapping[int, int], keypoints: int = 0) -> Iterator[Label]:
    """Read the lines of a label file that aren't empty.

    Args:
        content: the file.
        path: its path, for messages.
        class_ids: the ids of all classes, each by itself.
        keypoints: number of numbers of an object's keypoints, which follow its box.

    Raises:
        UserError: for a file that is not text.
    """
    if content[:2] in (b'\xff\xfe', b'\xfe\xff', b'\xef\xbb') or b'\0' in content or not content.isascii():
        content = decode(content, path).encode()
    for number, line in enumerate(content.splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        try:
            first, *numbers = map(float, parts)
        except ValueError:
            yield _faulty(number, parts, class_ids)
            continue
        class_id = class_ids.get(first)  # type: ignore[call-overload]  # 0.0 is equal to 0
        count = len(numbers)
        if class_id is None or b'_' in line:
            yield _faulty(number, parts, class_ids)
        elif keypoints and count == 4 + keypoints:
            yield Label(number, class_id, tuple(numbers[:4]), has_keypoints=True)
        elif count == 4:
            yield Label(number, class_id, tuple(numbers))
        elif count == 5:
            yield Label(number, class_id, tuple(numbers[:4]), WITH_SCORE)
        elif count < 6:
            yield Label(number, class_id, (), 'fewer numbers than the five of a box')
        elif count % 2:
            yield Label(
                number, class_id, (), 'a polygon with an odd number of coordinates, or a last column with a score'
            )
        elif not _is_near(numbers):
            yield Label(number, class_id, (), 'a polygon with NaN, or far outside the image')
        else:
            yield Label(number, class_id, tuple(numbers))


def has_polygon(content: bytes, keypoints: int = 0) -> bool:
    """Check whether a line of a label file has as many numbers as a polygon."""
    counts = [len(line.split()) for line in content.splitlines()]
    may_be = {count for count in counts if count >= 7 and count % 2 and (not keypoints or count != 5 + keypoints)}
    lines = (line for line, count in zip(content.splitlines(), counts, strict=True) if count in may_be)
    return any(_is_polygon(line) for line in lines)


def _is_polygon(line: bytes) -> bool:
    try:
        numbers = list(map(float, line.split()[1:]))
    except ValueError:
        return False
    return _is_near(numbers)


def _is_near(numbers: Sequence[float]) -> bool:
    return min(numbers) >= -FARTHEST and max(numbers) <= FARTHEST and math.isfinite(sum(numbers))


def is_label_line(line: bytes) -> bool:
    """Check whether a line may be of a label file."""
    parts = line.removeprefix(b'\xef\xbb\xbf').split()
    try:
        first = float(parts[0])
        return len(parts) >= 5 and first >= 0 and first.is_integer() and all(map(math.isfinite, map(float, parts)))
    except (ValueError, IndexError):
        return False


def _faulty(number: int, parts: list[bytes], class_ids: Mapping[int, int]) -> Label:
    """Tell what is wrong with a line of which a part is not a number, or whose class is unknown."""
    if b',' in parts[0]:
        return Label(number, None, (), 'has commas between its numbers: write spaces')
    try:
        first = float(parts[0]) if b'_' not in parts[0] else math.nan
    except ValueError:
        first = math.nan
    class_id = class_ids.get(first)  # type: ignore[call-overload]
    if class_id is not None:
        commas = any(b',' in part for part in parts)
        return Label(number, class_id, (), 'commas between the numbers' if commas else 'text rather than a number')
    text = parts[0][:20].decode(errors='replace')
    if not first.is_integer():
        return Label(number, None, (), f'has {text} for the id of a class, which is not an integer')
    return Label(number, None, (), f'has the class {text}')
