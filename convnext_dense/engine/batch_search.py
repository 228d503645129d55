"""Search for the largest batch that fits into memory, by trying: which batches to try in which order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..errors import UserError

MARGIN = 0.1
"""Share of the available memory that stays free: for fragments, larger images than were tried, other programs."""
MOST_GROWTH = 4
"""Factor on the last batch that fitted, up to which its memory tells that of the next one."""
LEAST_GROWTH = 0.05
"""Share by which memory must have grown before it tells more than that of twice the batch."""


class Trial(NamedTuple):
    """What trying a batch has shown."""

    batch: int
    fits: bool
    used: int | None = None
    """Bytes that it took; None if it did not fit."""
    error: str | None = None
    """Why the network does not take this batch, whatever the memory, such as an odd one for Mixup."""


Try = Callable[[int], Trial]


def batches_to_try(total: int, most: int) -> list[int]:
    """Return the batches that make up a total batch exactly when they are accumulated, ascending.

    Args:
        total: images of a process in an optimizer step.
        most: largest batch, such as the number of images.
    """
    return [batch for batch in range(1, min(total, most) + 1) if total % batch == 0]


def bisect_largest(candidates: Sequence[int], try_batch: Try) -> Trial:
    """Find the largest batch that fits by bisection, where one that does not fit does no harm, as on a GPU.

    Args:
        candidates: the batches, ascending.
        try_batch: tries one.

    Raises:
        UserError: if none fits, or the network takes none.
    """
    left, best, last = list(candidates), None, None
    while left:
        place = len(left) // 2
        last = try_batch(left[place])
        if last.error is not None:
            del left[place]
        elif last.fits:
            best, left = last, left[place + 1 :]
        else:
            left = left[:place]
    return _found(best, last)


def grow_largest(candidates: Sequence[int], try_batch: Try, limit: int, extra: Callable[[int], int]) -> Trial:
    """Find the largest batch that fits by growing it, and none that memory of smaller ones says would not fit.

    The memory of a batch is told by the line through the last two that were tried. It is trusted up to four times the
    last batch, and up to twice as long as memory has hardly grown.

    Args:
        candidates: the batches, ascending.
        try_batch: tries one.
        limit: bytes that may be used.
        extra: bytes that a run with a batch takes elsewhere, such as in loader workers.

    Raises:
        UserError: if none fits, or the network takes none.
    """
    left, best, last = list(candidates), None, None
    tried: list[Trial] = []
    while left:
        last = try_batch(_next_batch(left, tried))
        if last.error is not None and last.batch in left:
            left.remove(last.batch)
        elif last.error is None and last.fits and (last.used or 0) + extra(last.batch) <= limit:
            tried.append(last)
            best = last if last.batch in left else best
            left = [batch for batch in left if batch > last.batch]
        else:
            last = last._replace(fits=False)
            left = [batch for batch in left if batch < last.batch]
        left = [batch for batch in left if _predicted(batch, tried) + extra(batch) <= limit]
    return _found(best, last)


def _predicted(batch: int, tried: Sequence[Trial]) -> float:
    """Return the bytes that a batch takes by those of the last two that were tried; the first tells no growth."""
    if not tried:
        return 0
    used = tried[-1].used or 0
    return used + _slope(tried) * (batch - tried[-1].batch)


def _slope(tried: Sequence[Trial]) -> float:
    if len(tried) < 2:
        return 0
    before, last = tried[-2:]
    return ((last.used or 0) - (before.used or 0)) / (last.batch - before.batch)


def _next_batch(left: Sequence[int], tried: Sequence[Trial]) -> int:
    """Return the largest candidate within reach; if there is none, the batch that extends the reach."""
    if not tried:
        return left[0]
    last = tried[-1]
    has_grown = _slope(tried) * last.batch > LEAST_GROWTH * (last.used or 0)
    reach = last.batch * (MOST_GROWTH if has_grown else 2)
    return max((batch for batch in left if batch <= reach), default=reach)


def _found(best: Trial | None, last: Trial | None) -> Trial:
    if best is not None:
        return best
    if last is not None and last.error is not None:
        raise UserError(last.error)
    raise UserError(
        'not even one image fits into memory: take smaller images with --image-size H W, a smaller config, or '
        'recompute activations with --cfg-options model.backbone.with_cp=True'
    )
