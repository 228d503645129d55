"""``--probe PATH``: labeled images by which the features of a run in pre-training are measured in each validation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from ..errors import UserError
from ..io.band_choice import join
from ..sample_data.names import SAMPLE
from ..tasks import place_of, task_of
from ..tasks.bands import bands_of
from .saved import hook_of_run

HOOK = 'probe'
"""Key of the hook in ``default_hooks``."""


def check_probe(cfg: Config, root: str) -> None:
    """Check that the features of a config's network are measured during training.

    Raises:
        UserError: if they are not.
    """
    task = task_of(cfg)
    if task.probe_sample is None:
        raise UserError(
            f'--probe {root} measures the features of a pre-training run, and the config is for {task.name}, which '
            'has metrics of its own: leave it out'
        )


def set_probe(cfg: Config, root: str, options: Mapping[str, Any] = {}) -> None:
    """Have each validation of a run measure the features of its network.

    Args:
        cfg: the config, which is changed.
        root: folder of labeled images, or ``'sample'`` for the drawn ones.
        options: changes by ``--cfg-options``.

    Raises:
        UserError: if the task has no such measurement, the run no validation, the folder no images of two classes, or
            an option sets the same.
    """
    from ..data.classification.probed import find_probed

    check_probe(cfg, root)
    if (bands := bands_of(cfg)) is not None:
        raise UserError(
            f'--probe {root} reads RGB of 8 bits, and --bands {join(bands)} takes others: leave out one of them'
        )
    if cfg.get('val_dataloader') is None:
        raise UserError(
            f'--probe {root} measures in each validation, and there are no images to validate on beside '
            f'{place_of(cfg.train_dataloader.dataset)}: hold out some with --val-split 0.05'
        )
    same = next((option for option in options if option.startswith(f'default_hooks.{HOOK}')), None)
    if same is not None:
        raise UserError(f'--probe {root} and --cfg-options {same}=... both set the probe: leave out one')
    folder = str(_sample_folder(cfg)) if root == SAMPLE else root
    find_probed(folder)
    cfg.default_hooks[HOOK] = dict(type='convnext_dense.FeatureProbe', root=folder)


def keep_probe(cfg: Config, run: str | Path) -> str | None:
    """Keep the probe of a run that is resumed without ``--probe``.

    Args:
        cfg: the config, which is changed.
        run: the run's work dir, or a checkpoint in one.

    Returns:
        A line that says so; None if the run had none, or the config sets one.
    """
    saved = hook_of_run(cfg, run, HOOK)
    if saved is None:
        return None
    set_probe(cfg, saved['root'])
    return f'--probe {saved["root"]} is kept, which the run had; default_hooks.{HOOK}=None goes on without'


def _sample_folder(cfg: Config) -> Path:
    from ..sample_data.create import ensure_sample

    return ensure_sample() / str(task_of(cfg).probe_sample)
