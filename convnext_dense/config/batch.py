"""Set the total batch of an optimizer step, and the learning rate with it."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from ..errors import UserError

if TYPE_CHECKING:
    from mmengine.config import Config


TOTAL, LR = 'train_cfg.total_batch_size', 'optim_wrapper.optimizer.lr'


def set_batch_size(cfg: Config, images: int, processes: int = 1, options: Collection[str] = ()) -> str:
    """Set the images of an optimizer step, over all processes and accumulated batches, and fit the lr to it.

    The lr of SGD is proportional to the batch (arXiv 1706.02677), that of other optimizers to its square root, as for
    Adam (arXiv 2205.10287).

    Args:
        cfg: the config.
        images: images of an optimizer step.
        processes: number of processes.
        options: keys that ``--cfg-options`` sets. An lr among them is for the new batch.

    Returns:
        A line for the log about the lr.

    Raises:
        UserError: for fewer images than processes, or if an option sets the total batch, too.
    """
    if TOTAL in options:
        raise UserError(f'--batch-size {images} and --cfg-options {TOTAL}=... set the same: leave out one of them')
    if images < processes:
        raise UserError(f'--batch-size {images}: take at least {processes}, one image for each process')
    own = cfg.train_dataloader.batch_size
    before = cfg.train_cfg.get('total_batch_size') or own * processes
    optimizer = cfg.optim_wrapper.optimizer
    cfg.train_cfg.total_batch_size = images
    cfg.train_dataloader.batch_size = min(own, images // processes)
    if LR in options or optimizer.get('lr') is None:
        return f'--batch-size {images}: the lr is not changed'
    is_sgd = str(optimizer.type).split('.')[-1] == 'SGD'
    lr = optimizer.lr * (images / before) ** (1 if is_sgd else 0.5)
    line = (
        f'--batch-size {images}: lr {lr:.3g}, from {optimizer.lr:g} at {before} by '
        f'{"the ratio" if is_sgd else "the square root of the ratio"} of the batches'
    )
    optimizer.lr = lr
    return line
