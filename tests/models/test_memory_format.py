"""``channels_last`` from the stem through necks and heads, or what is faster."""

from pathlib import Path

import pytest
import torch
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.models import ConvNeXt, memory_format
from tests.helpers.small_models import write_config

SIDE = 64


def samples(task: str) -> list:
    if task == 'segmentation':
        from mmseg.structures import SegDataSample

        sample = SegDataSample()
    else:
        from mmdet.structures import DetDataSample

        sample = DetDataSample()
    sample.set_metainfo(dict(img_shape=(SIDE, SIDE), ori_shape=(SIDE, SIDE), scale_factor=(1.0, 1.0)))
    return [sample]


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('nchw_is_faster', [True, False])
def test_outputs_lie_as_heads_want_them(training: bool, nchw_is_faster: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_format, 'CPU_TRAINS_FASTER_IN_NCHW', nchw_is_faster)
    outputs = ConvNeXt('atto').train(training)(torch.randn(2, 3, 64, 96))
    wanted = torch.contiguous_format if training and nchw_is_faster else torch.channels_last
    assert all(output.is_contiguous(memory_format=wanted) for output in outputs)


@pytest.mark.parametrize('task', ['detection', 'segmentation'])
def test_every_convolution_is_given_channels_last(task: str, tmp_path: Path) -> None:
    cfg = read_config(str(write_config(task, tmp_path)), data='sample', needs_data=False)
    if task == 'detection':
        cfg.model.test_cfg.rcnn.score_thr = 0.0
    model = build_model(cfg).eval()
    seen: dict[str, bool] = {}

    def note(name: str):
        def hook(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            if min(inputs[0].shape[1:]) > 1:  # else it has either format
                seen[name] = inputs[0].is_contiguous(memory_format=torch.channels_last)

        return hook

    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d) and not name.startswith('backbone'):
            layer.register_forward_pre_hook(note(name))
    with torch.inference_mode(), DefaultScope.overwrite_default_scope(cfg.default_scope):
        model.predict(torch.randn(1, 3, SIDE, SIDE), samples(task))

    part = 'mask_head' if task == 'detection' else 'fpn_bottleneck'
    assert any(part in name for name in seen)
    assert not [name for name, kept in seen.items() if not kept]
