"""Replace the functions of some operations in timm's RandAugment. For timm 1.0.

timm looks up each operation's function in a module-level table and has no argument for another one. Only the given
transform is changed, not timm's table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from timm.data.auto_augment import RandAugment


def replace_functions(augment: RandAugment, functions: Mapping[Callable, Callable], resample: object) -> None:
    """Replace timm's functions in a transform.

    Args:
        augment: the transform, changed in place.
        functions: replacements by timm's function, with the same arguments.
        resample: the interpolation that the replacements implement; other operations keep timm's function.
    """
    for op in augment.ops:
        if op.kwargs['resample'] == resample:
            op.aug_fn = functions.get(op.aug_fn, op.aug_fn)
