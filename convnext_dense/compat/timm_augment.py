"""timm's RandAugment with other functions for some operations. For timm 1.0.

timm finds the function of an operation in a table of its own module, and takes no other as an argument. Only the
transform that is given is changed, not timm's table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from timm.data.auto_augment import RandAugment


def replace_functions(augment: RandAugment, functions: Mapping[Callable, Callable], resample: object) -> None:
    """Replace timm's functions in a transform.

    Args:
        augment: the transform, changed in place.
        functions: timm's function to the one that takes its place, with the same arguments.
        resample: operations that interpolate in another way keep timm's function.
    """
    for op in augment.ops:
        if op.kwargs['resample'] == resample:
            op.aug_fn = functions.get(op.aug_fn, op.aug_fn)
