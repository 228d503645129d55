"""Hook that checks some of the data when training starts, without decoding images."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...data.image_scan import read_header
from ...data.text import shortened
from ...errors import UserError
from ...registry import HOOKS

MAX_OPENED = 64  # images per split, which take 20 ms on a local disk


@HOOKS.register_module()
class DataCheck(Hook):
    """Hook that logs the numbers of images and classes, and quickly checks the headers of some images of each split.

    Annotations and masks are checked when the data sets are built.

    Raises:
        UserError: if a file is not an image or its size differs from its annotations, unless the run skips bad images.
    """

    def before_train(self, runner: Runner) -> None:
        if not is_main_process():
            return
        loops = [('train', runner.train_loop), *([('val', runner.val_loop)] if runner.val_loop else [])]
        for split, loop in loops:
            dataset = loop.dataloader.dataset
            runner.logger.info(f'{split}: {describe_dataset(dataset)}')
            if split == 'train':
                log_remarks(runner, dataset)
            if dataset.on_bad_image == 'stop':
                check_headers(dataset)

    def before_test(self, runner: Runner) -> None:
        if is_main_process():
            log_remarks(runner, runner.test_loop.dataloader.dataset)


def log_remarks(runner: Runner, dataset: Any) -> None:
    """Log what a data set has to say about its ground truth: its ``remarks``, each with True if it is a warning."""
    for is_warning, remark in getattr(dataset, 'remarks', ()):
        (runner.logger.warning if is_warning else runner.logger.info)(remark)


def describe_dataset(dataset: Any) -> str:
    """Describe the size of a data set, such as ``6,000 images, 12 classes of 480 (bird) to 520 (boat) images``."""
    classes, counts = dataset.metainfo['classes'], getattr(dataset, 'class_counts', None)
    text = f'{len(dataset):,} images, {len(classes)} classes'
    if counts is None:
        return text
    absent = [name for name, count in zip(classes, counts, strict=True) if not count]
    least, most = int(np.argmin(counts)), int(np.argmax(counts))
    text += f' of {counts[least]:,} ({classes[least]}) to {counts[most]:,} ({classes[most]}) {dataset.counted_units}'
    return f'{text}; without an example: {shortened(absent)}' if absent else text


def check_headers(dataset: Any) -> None:
    """Read the headers of some images, spread evenly over a data set.

    Raises:
        UserError: if an image can't be opened, or its size differs from its annotations.
    """
    count = len(dataset)
    for index in np.linspace(0, count - 1, min(MAX_OPENED, count)).round().astype(int).tolist():
        path, size = dataset.image(index)
        header = read_header(path)
        if isinstance(header, str):
            fault = header
        elif not header.fits(size):
            fault = f'it is {header.size}, its annotations say {size}, height x width'
        else:
            continue
        raise UserError(
            f'bad image {path} ({fault}): fix or remove it, or skip it with --on-bad-image skip; '
            'tools/check_data.py finds all bad images'
        )
