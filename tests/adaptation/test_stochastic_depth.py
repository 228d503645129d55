"""Stochastic depth of adapted models is that of the packaged configs of the same task."""

import pytest
from mmengine.config import Config

import convnext_dense.models.detector
import convnext_dense.models.segmentor  # noqa: F401
from convnext_dense.adaptation.arch import find_arch
from convnext_dense.adaptation.notes import Notes
from convnext_dense.adaptation.stochastic_depth import drop_path_rate
from tests.helpers.small_models import ROOT

DETECTOR, SEGMENTOR = dict(type='mmdet.RetinaNet'), dict(type='mmseg.EncoderDecoder', decode_head={})
OFFICIAL = {'atto': 'a', 'tiny': 't', 'small': 's', 'base': 'b', 'large': 'l_22k', 'xlarge': 'xl_22k'}


@pytest.mark.parametrize('arch', OFFICIAL)
def test_rates_are_those_of_the_packaged_configs(arch):
    for model, name in (
        (DETECTOR, f'det/cascade_convnext_{OFFICIAL[arch]}_coco.py'),
        (SEGMENTOR, f'seg/upernet_convnext_{OFFICIAL[arch]}_ade20k.py'),
    ):
        packaged = Config.fromfile(ROOT / 'configs' / name, import_custom_modules=False).model.backbone
        assert drop_path_rate(model, find_arch(arch), Notes()) == packaged.get('drop_path_rate', 0.0)


@pytest.mark.parametrize('letter, arch', [('a', 'atto'), ('t', 'tiny'), ('b', 'base'), ('l', 'large')])
def test_rates_of_mask2former_are_those_of_its_packaged_configs(letter, arch):
    of_mmseg = dict(type='mmseg.EncoderDecoder', decode_head=dict(type='mmseg.Mask2FormerHead'))
    for model, name in (
        (dict(type='mmdet.Mask2Former'), f'panoptic/mask2former_convnext_{letter}_coco.py'),
        (of_mmseg, f'seg/mask2former_convnext_{letter}_ade20k.py'),
    ):
        packaged = Config.fromfile(ROOT / 'configs' / name, import_custom_modules=False).model.backbone
        assert drop_path_rate(model, find_arch(arch), Notes()) == packaged.get('drop_path_rate', 0.0)


def test_detection_transformers_have_none():
    assert drop_path_rate(dict(type='mmdet.DINO'), find_arch('large'), Notes()) == 0


def test_what_no_recipe_has_is_left_to_the_user():
    notes = Notes()
    assert drop_path_rate(SEGMENTOR, find_arch('v2_huge'), notes) == 0.4
    assert notes.undecided == ['backbone.drop_path_rate: no recipe for huge is published; this is the rate of xlarge']
