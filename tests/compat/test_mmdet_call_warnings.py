"""Warnings about mmdet's own calls, which nobody needs."""

import subprocess
import sys
import warnings

import pytest
import torch
from mmdet.models.dense_heads import RetinaHead
from mmdet.models.layers import DeformableDetrTransformerEncoder
from mmengine.registry import DefaultScope

from convnext_dense.compat.mmdet_call_warnings import CALLS, silence_call_warnings


def sample_points() -> None:
    torch.set_warn_always(True)  # rather than once in a process
    try:
        shapes, ratios = torch.tensor([[2, 3]]), torch.ones(1, 1, 2)
        DeformableDetrTransformerEncoder.get_encoder_reference_points(shapes, ratios, 'cpu')
    finally:
        torch.set_warn_always(False)


def count_anchors() -> None:
    coder = dict(type='mmdet.DeltaXYWHBBoxCoder')
    with DefaultScope.overwrite_default_scope('mmdet'):
        head = RetinaHead(num_classes=2, in_channels=4, feat_channels=4, stacked_convs=1, bbox_coder=coder)
        assert head.num_anchors


def said(call) -> int:
    with warnings.catch_warnings(record=True) as seen:
        call()
    return len(seen)


@pytest.mark.parametrize('call', [sample_points, count_anchors])
def test_mmdet_still_warns_and_is_silenced_alone(call):
    def warn_of_mine():
        for message, _ in CALLS:
            warnings.warn_explicit(message.replace('\\', ''), UserWarning, 'mine.py', 1, module='mine')

    with warnings.catch_warnings():
        warnings.simplefilter('always')
        assert said(call) == 1, 'mmdet does not warn any more: remove its line from mmdet_call_warnings.py'
        silence_call_warnings()
        assert said(call) == 0
        assert said(warn_of_mine) == len(CALLS)


@pytest.mark.faults
@pytest.mark.parametrize('module', ['detector', 'segmentor'])
def test_importing_the_detectors_or_the_segmentors_silences_them(module):
    """In a process of its own, whose filters no test restores."""
    count = 'print(sum("meshgrid" in str(one[1]) for one in warnings.filters))'
    code = f'import warnings; import convnext_dense.models.{module}; {count}'
    run = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert run.stdout.split()[-1] == '1'
