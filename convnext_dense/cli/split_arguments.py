"""Arguments that split a data set into images for training and for validation. Imports nothing large."""

from __future__ import annotations

import argparse

from ..data.splits import DEFAULT_SEED, SplitRule, check_rule
from ..errors import UserError


def add_split_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that split a data set; :func:`split_rule` returns the rule."""
    parser.add_argument(
        '--val-split',
        type=float,
        metavar='SHARE',
        help='hold out this share of the images for validation, such as 0.2, by their names, each class by its share',
    )
    parser.add_argument('--folds', type=int, metavar='K', help='split the images into K folds for cross-validation')
    parser.add_argument('--fold', type=int, metavar='I', help='the fold for validation, 0 to K - 1')
    parser.add_argument(
        '--split-group',
        metavar='REGEX',
        help='keep images together whose names give the same match (or first group), such as frames of a video',
    )
    parser.add_argument('--split-seed', type=int, metavar='N', help='seed of the split (default: 0)')
    parser.add_argument(
        '--replace-val',
        action='store_true',
        help='split the training images though there are validation images, which are then not used',
    )


def split_rule(args: argparse.Namespace) -> SplitRule | None:
    """Return the rule that ``--val-split``, ``--folds`` and the flags with them give; None without them.

    Raises:
        UserError: if they give none, or more than one.
    """
    given = [args.val_split, args.folds, args.fold]
    rest = {
        '--split-group': args.split_group is not None,
        '--split-seed': args.split_seed is not None,
        '--replace-val': args.replace_val,
    }
    if all(value is None for value in given):
        alone = next((flag for flag, is_given in rest.items() if is_given), None)
        if alone is not None:
            raise UserError(f'{alone} says how to split images: add --val-split 0.2, or --folds 5 --fold 0')
        return None
    seed = DEFAULT_SEED if args.split_seed is None else args.split_seed
    rule = SplitRule(args.val_split, args.folds, args.fold, args.split_group, seed)
    check_rule(rule)
    if args.data is None:
        raise UserError(f'{rule.flags}: name the data set that is split with --data PATH')
    return rule
