"""Models that read the sizes of their feature maps, counted without values as with them."""

import pytest
import torch
from mmengine.config import Config

from convnext_dense.analysis import complexity
from convnext_dense.analysis.complexity import count, count_config
from convnext_dense.analysis.sizes_alone import SizesAlone
from convnext_dense.engine.building import build_trained_model
from convnext_dense.io.image_size import ImageSize
from convnext_dense.tasks import task_of
from tests.helpers.other_heads import write_head
from tests.helpers.panoptic_heads import write_panoptic_head

SHAPE = ImageSize(64, 96)


def config(name: str, folder) -> Config:
    panoptic = name.removeprefix('panoptic_')
    return Config.fromfile(write_head(name, folder) if panoptic == name else write_panoptic_head(panoptic, folder))


@pytest.mark.parametrize('name', ['dino', 'mask2former', 'mask2former_seg', 'panoptic_mask2former'])
def test_counts_without_values_are_those_with_them(name, tmp_path, monkeypatch):
    cfg = config(name, tmp_path)
    with_values = count(build_trained_model(cfg), SHAPE, task_of(cfg).run_counted)

    def on_meta_alone(cfg: Config) -> torch.nn.Module:
        assert torch.empty(()).device.type == 'meta', 'weights need memory and time'
        return build_trained_model(cfg)

    monkeypatch.setattr(complexity, 'build_trained_model', on_meta_alone)
    assert count_config(cfg, SHAPE) == with_values
    assert with_values.not_counted['sampling (deformable attention)'] > 0


def test_integers_have_values_and_others_do_not():
    feature = torch.zeros(1, 4, 6, 8, device='meta')
    with SizesAlone():
        sizes = torch._shape_as_tensor(feature)[2:].to(feature.device)
        starts = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        assert starts.tolist() == [0, 6, 14] and torch.arange(3, device='meta').tolist() == [0, 1, 2]
        scaled = feature.mean((2, 3))[:, :2] / sizes
        assert scaled.is_meta and scaled.shape == (1, 2)
        assert feature.topk(2).indices.is_meta, 'they are of values'
        feature[feature > 0] = 1
        with pytest.raises(RuntimeError, match='meta'):
            feature.sum().item()
