"""The number of classes in a model's config, and in the shapes of weights that follow from it.

Importing this module loads neither torch nor mmengine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any, NamedTuple

CLASSES, THINGS, STUFF = 'num_classes', 'num_things_classes', 'num_stuff_classes'
WEIGHTS = 'class_weight'
CLASS_AGNOSTIC = ('rpn_head',)
"""Parts that only tell objects from background, whatever the data."""
NOT_HEADS = ('backbone', 'neck', 'data_preprocessor', 'teacher')
"""Parts of a model that are no heads of its own, though networks in them may have a number of classes of their own."""


def head_classes(model: Mapping[str, Any]) -> dict[str, int]:
    """Return the number of classes of every head in a model's config.

    Args:
        model: the config of a classifier, or of a model of mmdet or mmseg.

    Returns:
        By the head's place in the config, such as ``roi_head.bbox_head.0``; the model's own is ``''``. Things and
        stuff of a panoptic head are added up.
    """
    return {'.'.join(place): count for place, part, _ in _parts(model) if (count := _classes(part)) is not None}


def built_head_classes(model: Any) -> dict[str, int]:
    """Return the number of classes of every head of a built model, by the head's name.

    It can differ from the config's where the config has none, and the head a default. What is inside of a part whose
    name begins with one of :data:`NOT_HEADS` is no head.
    """
    counts = ((name, getattr(module, CLASSES, None)) for name, module in model.named_modules())
    return {name: count for name, count in counts if isinstance(count, int) and _is_in_head(name.split('.'))}


def _is_in_head(name: Sequence[str]) -> bool:
    return not any(part in CLASS_AGNOSTIC or part.startswith(NOT_HEADS) for part in name)


def built_panoptic_heads(model: Any) -> dict[str, tuple[int, int]]:
    """Return the numbers of things and of stuff of every panoptic head of a built model, by the head's name."""
    counts = ((name, getattr(part, THINGS, None), getattr(part, STUFF, None)) for name, part in model.named_modules())
    return {name: (things, stuff) for name, things, stuff in counts if things is not None and stuff is not None}


def set_head_classes(model: MutableMapping[str, Any], count: int, stuff: int = 0) -> None:
    """Set the number of classes of every head in a model's config.

    Class weights that are equal for all classes, with or without one for the background after them, get the new
    length; others stay.

    Args:
        model: the config of a classifier, or of a model of mmdet or mmseg.
        count: number of classes.
        stuff: number of the last of them that are stuff, which only panoptic heads learn: those have the things and
            the stuff, and other heads the things. Without stuff, all classes are things.
    """
    for _, part, earlier in list(_parts(model)):
        part.update(numbers_of(part, count, stuff))
        weights = part.get(WEIGHTS)
        if isinstance(weights, list | tuple) and earlier is not None and earlier.classes:
            of_classes, of_background = weights[: earlier.classes], list(weights[earlier.classes :])
            if len(weights) in (earlier.classes, earlier.classes + 1) and len(set(of_classes)) == 1:
                part[WEIGHTS] = [of_classes[0]] * (count if earlier.is_panoptic else count - stuff) + of_background


def numbers_of(part: Mapping[str, Any], count: int, stuff: int = 0) -> dict[str, int]:
    """Return the numbers of classes that a part of a model's config has for such data, by the part's keys.

    Args:
        part: the part.
        count, stuff: see :func:`set_head_classes`.
    """
    numbers = {}
    if THINGS in part or STUFF in part:
        numbers = {THINGS: count - stuff}
        if stuff or STUFF in part:  # the default is COCO's 53
            numbers[STUFF] = stuff
    if CLASSES in part:
        numbers[CLASSES] = count if numbers else count - stuff
    return numbers


def stated_stuff(model: Mapping[str, Any]) -> int:
    """Return the number of stuff classes that a model's config states; 0 if it states none."""
    return max((part.get(STUFF, 0) for _, part, _ in _parts(model)), default=0)


def stated_numbers(model: Mapping[str, Any], count: int, stuff: int = 0) -> Iterator[tuple[str, int, int]]:
    """Yield each number of classes in a model's config: its key, the number, and what it is for such data."""
    for _, part, _ in _parts(model):
        for key, number in numbers_of(part, count, stuff).items():
            if key in part:
                yield key, part[key], number


class _Head(NamedTuple):
    """The head that a part of a config belongs to."""

    classes: int
    is_panoptic: bool


def _parts(
    value: Any, place: tuple[str, ...] = (), head: _Head | None = None
) -> Iterator[tuple[tuple[str, ...], Any, _Head | None]]:
    """Yield all dicts of a nested value: the place, the dict, and the head that it belongs to."""
    if isinstance(value, Mapping):
        own = _classes(value)
        head = head if own is None else _Head(own, THINGS in value)
        yield place, value, head
        for key, part in list(value.items()):
            if key not in CLASS_AGNOSTIC:
                yield from _parts(part, (*place, str(key)), head)
    if isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield from _parts(part, (*place, str(number)), head)


def _classes(part: Mapping[str, Any]) -> int | None:
    if THINGS in part:
        return part[THINGS] + part.get(STUFF, 0)
    return part.get(CLASSES)


class ClassShape(NamedTuple):
    """The shape of a tensor that depends on the number of classes K: side i has ``fixed[i] + K * per_class[i]``."""

    fixed: tuple[int, ...]
    per_class: tuple[int, ...]

    @classmethod
    def between(cls, shape: Sequence[int], classes: int, next_shape: Sequence[int]) -> ClassShape:
        """Find the rule from the shapes for a number of classes and for one more."""
        per_class = tuple(more - side for side, more in zip(shape, next_shape, strict=True))
        return cls(tuple(side - classes * step for side, step in zip(shape, per_class, strict=True)), per_class)

    def classes_in(self, shape: Sequence[int]) -> int | None:
        """Return the number of classes of a tensor of this shape; None if no number gives it."""
        for side, fixed, step in zip(shape, self.fixed, self.per_class, strict=False):
            if step:
                classes = (side - fixed) // step
                expected = tuple(f + classes * s for f, s in zip(self.fixed, self.per_class, strict=True))
                return classes if classes > 0 and expected == tuple(shape) else None
        return None


def count_trained_classes(shapes: Mapping[str, ClassShape], state_dict: Mapping[str, Any]) -> int | None:
    """Count the classes that weights are for.

    Args:
        shapes: the rule of each of the model's tensors whose shape depends on the number of classes.
        state_dict: the weights by name.

    Returns:
        The number that most of the tensors agree on; None if there are none of these names and shapes.
    """
    counts = (rule.classes_in(state_dict[name].shape) for name, rule in shapes.items() if name in state_dict)
    votes = Counter(count for count in counts if count is not None)
    return votes.most_common(1)[0][0] if votes else None
