"""Set the precision of training: float32, or mixed precision with float16 or bfloat16."""

from __future__ import annotations

import logging

import torch
from mmengine.config import Config

from ..errors import UserError


def set_amp(cfg: Config, amp: str | None) -> None:
    """Set the precision of a config's training.

    Args:
        cfg: the config; its ``optim_wrapper`` is changed.
        amp: ``'off'`` for float32, ``'fp16'`` (with a dynamic loss scale), ``'bf16'``, or None for the config's own
            precision, or float32 if that needs a GPU and there is none.

    Raises:
        UserError: if this machine does not support the precision.
    """
    wrapper, gpu = cfg.optim_wrapper, torch.cuda.is_available()
    if amp is None:
        if wrapper.type == 'AmpOptimWrapper' and not gpu:
            logging.getLogger('mmengine').warning('no GPU: mixed precision is off, training in float32')
            amp = 'off'
        else:
            return
    if amp == 'fp16' and not gpu:
        raise UserError('--amp fp16 needs a GPU: take --amp bf16 or --amp off')
    if amp == 'bf16' and gpu and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise UserError(f'--amp bf16 does not work on {torch.cuda.get_device_name()}: take --amp fp16 or --amp off')
    for key in ('dtype', 'loss_scale'):
        wrapper.pop(key, None)
    if amp == 'fp16':
        wrapper.update(type='AmpOptimWrapper', dtype='float16', loss_scale='dynamic')
    else:
        wrapper.type = 'OptimWrapper' if amp == 'off' else 'convnext_dense.BF16OptimWrapper'
