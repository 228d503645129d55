"""Comparing the config of a resumed run with the one that it saved, in what its checkpoint does not tell."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..checkpoints.files import COMMANDS
from ..errors import UserError
from ..tasks import place_of, task_of
from ..tasks.tiles import describe_settings, tiles_of
from .find import find_run_config, find_work_dir
from .source import read_literals


def check_resumed(cfg: Config, work_dir: str | Path) -> str | None:
    """Check that a run goes on with images of the size that it had, and tell whether its data are elsewhere.

    The run's config is read without running it.

    Args:
        cfg: the config to resume with.
        work_dir: the work dir of the run that is resumed.

    Returns:
        A warning if the training data are in another place, otherwise None.

    Raises:
        UserError: if images have another size in training or testing, or other tiles.
    """
    if find_work_dir(work_dir) is None:
        return None
    file = find_run_config(work_dir)
    settings = read_literals(file)
    if settings is None or settings.get('train_dataloader') is None or settings.get('task') != cfg.get('task'):
        return None  # the weights of another task do not fit
    saved, task = Config(settings), task_of(cfg)
    tiles = [tiles_of(one) for one in (saved, cfg)]
    if tiles[0] != tiles[1]:
        before, now = map(describe_settings, tiles)
        raise UserError(
            f'the run had {before}, and now has {now}: resume with what it had, as in {file}; to change it, start a '
            'new run from its weights with --pretrained'
        )
    before, now = task.describe_sizes(saved), task.describe_sizes(cfg)
    validates_alike = (saved.get('val_dataloader') is None) == (cfg.get('val_dataloader') is None)
    if validates_alike and before != now:
        raise UserError(
            f'the run had {before}, and now has {now}: resume with the sizes that it had, {_size_flag(file)}; to '
            'change them, start a new run from its weights with --pretrained'
        )
    places = [place_of(one.train_dataloader.dataset) for one in (saved, cfg)]
    if len({_absolute(place) for place in places}) == 1:
        return None
    return (
        f'the run learned from {places[0]}, and goes on with {places[1]}: right if the data have moved; for other '
        'data, start a new run from its weights with --pretrained'
    )


def check_copy_paste(saved: Mapping[str, Any], prob: float | None) -> None:
    """Check that a run goes on to paste objects into as many images.

    Args:
        saved: the config of the run that is resumed; empty for a new run.
        prob: the probability of ``--copy-paste``; None without.

    Raises:
        UserError: if the run has another one.
    """
    had = saved.get('copy_paste')
    if saved and had != prob:
        said = 'without --copy-paste' if had is None else f'with --copy-paste {had:g}'
        raise UserError(f'the run was started {said}: resume it so, or start a new run with --pretrained')


def _size_flag(file: Path) -> str:
    """Say how the run that saved a config got its image sizes, by the command that started it."""
    commands = file.parent / COMMANDS
    text = commands.read_text(errors='replace') if commands.is_file() else ''
    started = text.splitlines()[0] if text.strip() else ''
    given = re.search(r'--image-size[ =]\d+ \d+', started)
    return f'{given[0]}, as it was started' if given else f'as in {file}, without --image-size'


def _absolute(places: str) -> tuple[str, ...]:
    return tuple(os.path.realpath(place) for place in places.split(', '))
