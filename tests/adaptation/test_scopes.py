"""Names of parts of models get the scope of the library that registers them, and no others."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

import convnext_dense.models.detector
import convnext_dense.models.segmentor  # noqa: F401
from convnext_dense.adaptation.scopes import COMPARED_BY_NAME, own_names, with_scopes


def test_only_names_of_the_library_get_its_scope():
    model = dict(
        type='FasterRCNN',
        neck=dict(type='FPN', norm_cfg=dict(type='BN'), act_cfg=dict(type='ReLU'), conv_cfg=dict(type='Conv2d')),
        roi_head=[dict(roi_layer=dict(type='RoIAlign'), loss=(dict(type='L1Loss'), dict(type='mmseg.DiceLoss')))],
        train_cfg=dict(assigner=dict(type='MaxIoUAssigner'), nms=dict(type='nms'), sampler=dict(type='Unknown')),
    )
    scoped = with_scopes(model, 'mmdet')
    assert scoped == dict(
        type='mmdet.FasterRCNN',
        neck=dict(type='mmdet.FPN', norm_cfg=dict(type='BN'), act_cfg=dict(type='ReLU'), conv_cfg=dict(type='Conv2d')),
        roi_head=[
            dict(roi_layer=dict(type='RoIAlign'), loss=(dict(type='mmdet.L1Loss'), dict(type='mmseg.DiceLoss')))
        ],
        train_cfg=dict(assigner=dict(type='mmdet.MaxIoUAssigner'), nms=dict(type='nms'), sampler=dict(type='Unknown')),
    )
    assert model['type'] == 'FasterRCNN'  # a copy


def test_a_name_of_both_libraries_is_of_the_one_asked_for():
    assert with_scopes([dict(type='FPN')], 'mmseg') == [dict(type='mmseg.FPN')]


@pytest.mark.parametrize('library', ['mmdet', 'mmseg'])
def test_no_other_name_is_compared_by_heads_and_necks(library):
    """mmdet's ``cfg['type'] == 'PointAssigner'`` would be false with a scope, without an error."""
    compared = set()
    for folder in ('dense_heads', 'roi_heads', 'decode_heads', 'detectors', 'segmentors', 'necks', 'layers', 'losses'):
        for file in (Path(find_spec(library).origin).parent / 'models' / folder).rglob('*.py'):
            for values in re.findall(r"""['"]type['"][\])][^\n]{0,20}(?:==|!=|\bin\b)\s*([^\n]*)""", file.read_text()):
                compared |= set(re.findall(r"""['"](\w+)['"]""", values))
    assert compared & own_names(library) == ({name for _, name in COMPARED_BY_NAME} if library == 'mmdet' else set())
    for key, name in COMPARED_BY_NAME:
        assert with_scopes({key: dict(type=name)}, 'mmdet') == {key: dict(type=name)}
