"""Configs of the three tasks made small, and checkpoints for them with random weights."""

from pathlib import Path

import torch

from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.tasks import set_classes

ROOT = Path(__file__).parents[2]
ARCH = 'backbone=dict(arch=dict(_delete_=True, depths=[1, 1, 1, 1], dims=[8, 16, 24, 32]))'
CONFIGS = {
    'classification': ('classification/convnext_a.py', f'dict({ARCH})'),
    'detection': ('det/cascade_convnext_a_coco.py', f'dict({ARCH}, neck=dict(in_channels=[8, 16, 24, 32]))'),
    'segmentation': (
        'seg/upernet_convnext_a_ade20k.py',
        f'dict({ARCH}, decode_head=dict(in_channels=[8, 16, 24, 32], channels=16), '
        'auxiliary_head=dict(in_channels=24, channels=16))',
    ),
}
_SIGMOID = 'dict(num_classes=2, out_channels=1, threshold={threshold}, loss_decode=dict(use_sigmoid=True))'
ONE_CHANNEL = f'dict(decode_head={_SIGMOID}, auxiliary_head={_SIGMOID})'
"""Changes of the segmentor's config for heads of one channel with a ``threshold``, for two classes."""
LAST = dict(head=0.1, conv_seg=0.1, rpn_cls=0.1, conv_logits=0.1, rpn_reg=0.01, fc_cls=0.02, fc_reg=0.002)
"""The standard deviation of the last layers' weights."""
CLASSES = ['red', 'green', 'blue']


def write_config(task: str, folder: Path) -> Path:
    """A config that one of ours is the base of."""
    base, model = CONFIGS[task]
    path = folder / f'{task}.py'
    path.write_text(f"_base_ = '{ROOT / 'configs' / base}'\nmodel = {model}\n")
    return path


def write_checkpoint(config: Path, path: Path, **dataset_meta: object) -> Path:
    """Random weights, with scores that differ enough from each other and from image to image."""
    torch.manual_seed(0)
    cfg = read_config(str(config), data='sample', needs_data=False)
    set_classes(cfg, len(dataset_meta.get('classes', CLASSES)), len(dataset_meta.get('stuff_classes', ())))
    model = build_model(cfg)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 and name.split('.')[-2] in LAST:
            torch.nn.init.normal_(parameter, std=LAST[name.split('.')[-2]])
        elif parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=(2 / parameter[0].numel()) ** 0.5)
    torch.save({'state_dict': model.state_dict(), 'meta': {'dataset_meta': dataset_meta}}, path)
    return path
