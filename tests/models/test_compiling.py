"""Compiled backbones against the same ones uncompiled."""

import pytest
import torch
from mmengine.config import Config
from torch import nn

from convnext_dense import ConvNeXt
from convnext_dense.engine.building import build_model
from convnext_dense.errors import UserError
from convnext_dense.models import compiling
from convnext_dense.tasks.dense import counted_samples
from tests.helpers.other_heads import write_head

SMALL = dict(depths=[1, 1, 1, 1], dims=[4, 6, 8, 10])


class Model(nn.Module):
    def __init__(self, **options) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = ConvNeXt(SMALL, layer_scale_init_value=1.0, **options)


@pytest.mark.parametrize(
    'options',
    [dict(version=2), dict(out_indices=None, drop_path_rate=0.5), dict(frozen_stages=2), dict(frozen_stages=4)],
)
def test_the_backbone_is_one_graph_while_training(options):
    torch._dynamo.reset()
    explained = torch._dynamo.explain(Model(**options).train().backbone)(torch.randn(2, 3, 64, 40))
    assert explained.graph_count == 1 and not explained.break_reasons


def test_compiled_it_is_the_same_under_the_same_names():
    model = Model().eval()
    x = torch.randn(2, 3, 64, 40)
    names, wanted = list(model.state_dict()), model.backbone(x)
    compiling.compile_backbone(model, backend='aot_eager')
    assert model.backbone._compiled_call_impl is not None and list(model.state_dict()) == names
    torch.testing.assert_close(model.backbone(x), wanted, rtol=1e-5, atol=1e-5)


PARTS_OF_DINO = ('neck', 'bbox_head', 'encoder', 'decoder', 'query_embedding', 'memory_trans_fc', 'memory_trans_norm')


@pytest.mark.parametrize(
    ('name', 'parts'),
    [
        ('dino', [*PARTS_OF_DINO, 'dn_query_generator']),
        ('mask2former', ['panoptic_head']),
        ('mask2former_seg', ['decode_head']),
    ],
)
def test_heads_with_queries_are_the_same_on_a_compiled_backbone_and_what_is_not_compiled_is_said(
    name, parts, tmp_path
):
    torch._dynamo.reset()
    torch.manual_seed(0)
    model = build_model(Config.fromfile(write_head(name, tmp_path))).eval()
    image, samples = torch.randn(1, 3, 64, 96), counted_samples(torch.empty(1, 3, 64, 96))

    def outputs() -> object:
        with torch.no_grad():
            if name == 'mask2former_seg':
                return model.decode_head(model.extract_feat(image), samples)
            if name == 'dino':  # its queries are those with the highest scores, some of which are nearly the same
                return model.extract_feat(image)
            return model(image, samples, mode='tensor')

    wanted = outputs()
    said = compiling.compile_backbone(model, backend='aot_eager')
    torch.testing.assert_close(outputs(), wanted, rtol=1e-4, atol=1e-4)
    assert model.backbone._compiled_call_impl is not None
    assert said.endswith(f'the backbone; as they are: {", ".join(parts)}')


def test_without_a_compiler_it_is_said(monkeypatch):
    monkeypatch.setattr(compiling.shutil, 'which', lambda name: None)
    with pytest.raises(UserError, match='--compile needs a C\\+\\+ compiler'):
        compiling.compile_backbone(Model())


@pytest.mark.parametrize('words', ['special-c++ -O2', '"special-c++" --sysroot="/a b"'])
def test_options_may_follow_the_compiler_s_name(words, monkeypatch):
    monkeypatch.setattr(compiling.shutil, 'which', lambda name: name if name == 'special-c++' else None)
    monkeypatch.setenv('CXX', words)
    compiling.check_compiler()
