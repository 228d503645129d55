"""UPerNet in transformers against mmseg's."""

import copy

import numpy as np
import pytest
import torch
from mmengine.model import revert_sync_batchnorm
from transformers import AutoImageProcessor, AutoModelForSemanticSegmentation

from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.errors import UserError
from convnext_dense.export.hub.hf_layout import write_hf
from convnext_dense.export.hub.hf_upernet import upernet_config
from convnext_dense.export.hub.model import shared_model
from convnext_dense.tasks import set_classes
from convnext_dense.weights.extraction import extract_weights
from tests.helpers.pushed import largest_difference, photo, push, randomize
from tests.helpers.small_classifier import save
from tests.helpers.small_models import CLASSES, write_config


@pytest.fixture(scope='module')
def segmentor(tmp_path_factory):
    """A small UPerNet: the model, and its part of the config."""
    cfg = read_config(str(write_config('segmentation', tmp_path_factory.mktemp('x'))), data='sample', needs_data=False)
    set_classes(cfg, len(CLASSES))
    return randomize(revert_sync_batchnorm(build_model(cfg))), cfg.model.to_dict()


def content(model) -> dict:
    return {
        'state_dict': model.state_dict(),
        'meta': {'dataset_meta': {'classes': CLASSES, 'reduce_zero_label': True}},
    }


def test_transformers_computes_the_same_logits(segmentor, tmp_path, capsys):
    model, _ = segmentor
    path = save(content(model), tmp_path / 'x.pth')
    assert push(path, tmp_path / 'out', '--to', 'hf') == 0
    assert 'pool_scales 1, 2, 3, 6 assumed' in capsys.readouterr().out
    theirs = AutoModelForSemanticSegmentation.from_pretrained(tmp_path / 'out').eval().double()
    own, x = copy.deepcopy(model).double(), torch.rand(1, 3, 96, 128, dtype=torch.float64)
    with torch.no_grad():
        meta = [dict(img_shape=(96, 128), ori_shape=(96, 128))]
        expected = own.encode_decode(x, meta)
        assert expected.std() > 0.001
        assert largest_difference(theirs(x).logits, expected) < 1e-10
        auxiliary = own.auxiliary_head(own.extract_feat(x))
        assert largest_difference(theirs.auxiliary_head(theirs.backbone(x).feature_maps), auxiliary) < 1e-10
    assert theirs.config.id2label == dict(enumerate(CLASSES))

    processor = AutoImageProcessor.from_pretrained(tmp_path / 'out')
    pixels = processor(photo(), return_tensors='pt').pixel_values
    expected = model.data_preprocessor(
        {'inputs': [torch.from_numpy(np.array(photo())[..., ::-1].copy()).permute(2, 0, 1)]}
    )
    assert largest_difference(pixels[0], expected['inputs'][0][:, :375, :500]) < 1e-5
    assert processor.do_reduce_labels


def test_settings_of_the_run_are_followed(segmentor, tmp_path):
    model, settings = segmentor
    settings = copy.deepcopy(settings)
    settings['decode_head']['pool_scales'] = (1, 2, 4, 8)
    settings['auxiliary_head']['loss_decode']['loss_weight'] = 0.7
    config = upernet_config(shared(model, settings), {'dtype': 'float32'})
    assert (config['pool_scales'], config['auxiliary_loss_weight']) == ([1, 2, 4, 8], 0.7)
    settings['auxiliary_head']['in_index'] = 1  # transformers has no such one; training alone needs it
    shortened = shared(model, settings)
    (tmp_path / 'out').mkdir()
    write_hf(shortened, tmp_path / 'out')
    assert AutoModelForSemanticSegmentation.from_pretrained(tmp_path / 'out').auxiliary_head is None


def shared(model, settings):
    return shared_model(extract_weights(content(model), 'x.pth'), settings=settings)


@pytest.mark.parametrize(
    ('changes', 'says'),
    [
        ({'align_corners': True}, 'has align_corners=False, and x.pth True'),
        ({'in_index': [3, 2, 1, 0]}, r'has in_index=\[0, 1, 2, 3\], and x.pth \[3, 2, 1, 0\]'),
        ({'type': 'mmseg.ASPPHead'}, 'x.pth has mmseg.ASPPHead as decode_head'),
        ({'norm_cfg': {'type': 'GN', 'num_groups': 8}}, 'has BatchNorm and ReLU'),
        ({'act_cfg': {'type': 'GELU'}}, 'has BatchNorm and ReLU'),
        ({'pool_scales': (1, 2, 3)}, 'has 4 pooled maps of unknown sizes'),
        ({'num_classes': 2}, 'an output channel for each class'),
    ],
)
def test_another_head_is_refused_by_name(segmentor, changes, says):
    model, settings = segmentor
    settings = copy.deepcopy(settings)
    settings['decode_head'] |= changes
    with pytest.raises(UserError, match=says) as error:
        upernet_config(shared(model, settings), {'dtype': 'float32'})
    assert '--backbone' in str(error.value) or 'push the work dir' in str(error.value)


def test_a_neck_is_refused(segmentor):
    model, settings = segmentor
    more = content(model)
    more['state_dict'] = {**more['state_dict'], 'neck.convs.0.weight': torch.ones(3)}
    with pytest.raises(UserError, match='no UPerNet with neck'):
        upernet_config(shared_model(extract_weights(more, 'x.pth'), settings=settings), {'dtype': 'float32'})
