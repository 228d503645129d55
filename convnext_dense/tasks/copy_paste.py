"""``--copy-paste``: a config whose training pastes objects of other images into each image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import UserError
from .masks import BOXES_ONLY, loads_masks
from .pipelines import kind_of, steps_of

if TYPE_CHECKING:
    from mmengine.config import Config

KEY = 'copy_paste'
STEP, MIXED = 'convnext_dense.CopyPaste', 'convnext_dense.MixedImages'
LOADING = ('LoadImage', 'LoadImageFromFile', 'LoadAnnotations')


def set_copy_paste(cfg: Config, prob: float) -> None:
    """Have a config's training paste objects of another image into each, before the image is packed.

    The data set gets a wrapper, :class:`~convnext_dense.data.detection.mixed.MixedImages`, unless it has that already.
    The other image goes through the same steps as the image itself.

    Args:
        cfg: the config, which keeps the probability in its key ``copy_paste``.
        prob: probability, in [0, 1].

    Raises:
        UserError: if its model learns no masks, its pipeline is of another form, or pastes already.
    """
    flag, dataset = f'--copy-paste {prob:g}', cfg.train_dataloader.dataset
    if not loads_masks(cfg) or cfg.get(BOXES_ONLY):
        raise UserError(
            f'{flag} pastes objects by their masks, and this config loads none: take one that learns masks, such as '
            'configs/det/cascade_convnext_t_coco.py'
        )
    if any(kind_of(step) == 'CopyPaste' for step in steps_of(dataset)):
        raise UserError(f'{flag}: the training pipeline of this config pastes already: set prob of its CopyPaste')
    pipeline = list(dataset.get('pipeline') or ())
    if not pipeline or not kind_of(pipeline[-1]).startswith('Pack'):
        raise UserError(
            f'{flag}: the training data of this config are a {dataset.get("type")} without a pipeline that ends with '
            f'packing: put dict(type={STEP!r}) into that of a {MIXED}'
        )
    step = dict(type=STEP, prob=float(prob))
    if str(dataset.get('type')) == MIXED:
        dataset.pipeline = [*pipeline[:-1], step, pipeline[-1]]
    else:
        loading = _count_loading(pipeline)
        inner: dict[str, Any] = {**dataset, 'pipeline': pipeline[:loading]}
        cfg.train_dataloader.dataset = dict(
            type=MIXED, dataset=inner, pipeline=[*pipeline[loading:-1], step, pipeline[-1]]
        )
    cfg[KEY] = float(prob)


def describe_copy_paste(cfg: Config) -> str:
    """Describe that a config pastes objects, in a line; empty if it does not by the flag."""
    if cfg.get(KEY) is None:
        return ''
    return (
        f'copy-paste: into {cfg[KEY]:.0%} of the images objects of another one are pasted by their masks; crowds and '
        'ignore regions never are'
    )


def _count_loading(pipeline: list[dict]) -> int:
    """Count the first steps of a pipeline that read image and annotations."""
    return next((i for i, step in enumerate(pipeline) if kind_of(step) not in LOADING), len(pipeline))
