"""Configs of mmdet and mmseg, read from anywhere."""

from pathlib import Path

import pytest
from mmengine.config import Config

from convnext_dense.adaptation import find_source
from convnext_dense.adaptation.notes import NotAdaptable
from convnext_dense.adaptation.scopes import with_scopes
from convnext_dense.adaptation.shipped import configs_folder
from convnext_dense.adaptation.sources import without_scope
from convnext_dense.errors import UserError
from tests.helpers.run_tool import ROOT

RETINANET = 'mmdet:retinanet/retinanet_r50_fpn_1x_coco.py'
NEW_STYLE = """
from mmcv.transforms import LoadImageFromFile, RandomResize
from mmdet.datasets.transforms import PackDetInputs, Resize
from mmdet.models import FPN, RetinaNet
from mmseg.models.losses import DiceLoss
from torch.nn import BatchNorm2d

default_scope = 'mmdet'
model = dict(
    type=RetinaNet,
    backbone=dict(type='ResNet', norm=dict(type=BatchNorm2d)),
    neck=dict(type=FPN, in_channels=[1]),
    loss=dict(type=DiceLoss),
)
pipeline = [dict(type=LoadImageFromFile), dict(type=RandomResize, resize_type=Resize), dict(type=PackDetInputs)]
"""


def test_a_shipped_config_is_read_with_its_bases():
    source = find_source(RETINANET)
    assert (source.name, source.package) == (RETINANET, 'mmdet')
    assert source.cfg.to_dict() == Config.fromfile(source.file).to_dict()
    assert source.cfg.model.type == 'RetinaNet' and source.cfg.train_cfg.max_epochs == 12


@pytest.mark.parametrize(
    ('text', 'library'),
    [
        ("default_scope = 'mmseg'\nmodel = dict(type='X')", 'mmseg'),
        ("model = dict(type='mmdet.DINO')", 'mmdet'),
        ("_base_ = 'mmdet::_base_/models/retinanet_r50_fpn.py'", 'mmdet'),
        ("model = dict(type='EncoderDecoder')", 'mmseg'),
        ("model = dict(type='MaskRCNN')", 'mmdet'),
    ],
)
def test_a_file_anywhere_tells_its_library(text, library, tmp_path, monkeypatch):
    (tmp_path / 'c.py').write_text(text)
    monkeypatch.chdir(tmp_path)
    source = find_source('c.py')
    assert (source.name, source.package, source.file) == ('c.py', library, Path('c.py'))
    assert 'mm' not in source.cfg.model.type and '_scope_' not in str(source.cfg)


def test_a_file_in_a_clone_tells_its_library_by_the_folder(tmp_path):
    file = tmp_path / 'mmsegmentation' / 'configs' / 'c.py'
    file.parent.mkdir(parents=True)
    file.write_text("model = dict(type='MyModel')")
    assert find_source(str(file)).package == 'mmseg'


def test_only_the_librarys_own_names_lose_their_scope():
    part = dict(type='mmseg.A', _scope_='mmseg', a=[dict(type='mmdet.X', x=('mmseg.y', dict(loss_type='mmseg.L')))])
    expected = dict(type='A', a=[dict(type='mmdet.X', x=('mmseg.y', dict(loss_type='L')))])
    assert without_scope(part, 'mmseg') == expected
    assert part['type'] == 'mmseg.A'
    head = find_source('mmseg:mask2former/mask2former_r50_8xb2-160k_ade20k-512x512.py').cfg.model.decode_head
    assert (head.type, head.pixel_decoder.type) == ('Mask2FormerHead', 'mmdet.MSDeformAttnPixelDecoder')


def test_a_config_in_the_new_style_has_the_names_of_the_old_one(tmp_path):
    (tmp_path / 'c.py').write_text(NEW_STYLE)
    source = find_source(str(tmp_path / 'c.py'))
    assert source.package == 'mmdet'
    assert source.cfg.model.to_dict() == {
        'type': 'RetinaNet',
        'backbone': {'type': 'ResNet', 'norm': {'type': 'BN'}},
        'neck': {'type': 'FPN', 'in_channels': [1]},
        'loss': {'type': 'mmseg.DiceLoss'},
    }
    assert [part.type for part in source.cfg.pipeline] == ['LoadImageFromFile', 'RandomResize', 'PackDetInputs']
    assert source.cfg.pipeline[1].resize_type == 'Resize'


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ("default_scope = 'mmpose'\nmodel = dict(type='X')", 'is for mmpose: give a config of mmdet or mmseg'),
        ("model = dict(type='mmpretrain.ImageClassifier')", 'is for mmpretrain: give a config of mmdet or mmseg'),
        (
            "model = dict(type='MyOwn')",
            "has a model of type 'MyOwn' and no default_scope: if it is a config of ",
        ),
        ('x = 1', 'has no model: it is a part of others'),
        ('x = = 1', 'line 1 does not parse: '),
        ("_base_ = 'absent.py'", 'it, or one of its bases, names a _base_ that does not exist ('),
        (
            'from mmdet.models import Absent\nmodel = dict(type=Absent)',
            'c.py: Failed to import Absent from mmdet.models',
        ),
    ],
)
def test_what_is_no_config_of_theirs_is_one_line(text, said, tmp_path):
    (tmp_path / 'c.py').write_text(text)
    with pytest.raises(UserError) as error:
        find_source(str(tmp_path / 'c.py'))
    assert str(error.value).startswith(f'config {tmp_path / "c.py"}') and said in str(error.value)
    assert '\n' not in str(error.value)


def test_bases_that_nobody_has_are_said_in_a_line():
    for name, said in {
        'mmdet:rtmdet/classification/cspnext-s_8xb256-rsb-a1-600e_in1k.py': 'it inherits configs of mmpretrain, as',
        'mmdet:sort/faster-rcnn_r50_fpn_8xb2-8e_mot20train_test-mot20train.py': 'ships it without a file that it',
    }.items():
        with pytest.raises(NotAdaptable) as error:
            find_source(name)
        assert str(error.value).startswith(f"{name} can't be adapted: ") and said in str(error.value)
        assert '\n' not in str(error.value)


def test_a_config_of_ours_is_refused_and_a_part_of_theirs():
    own = ROOT / 'configs/det/mask_rcnn_convnext_t_coco.py'
    with pytest.raises(UserError, match=f'config {own} is one of this project already: train it with'):
        find_source(str(own))
    with pytest.raises(UserError, match='has no model: it is a part of others, give one that has it as _base_'):
        find_source(str(configs_folder('mmdet') / '_base_/schedules/schedule_1x.py'))


OWN = """
from mmdet.registry import MODELS
from mmdet.models import RetinaHead

@MODELS.register_module()
class HeadOfUsers(RetinaHead):
    pass
"""


@pytest.mark.parametrize('style', ['old', 'new'])
def test_modules_of_the_user_are_imported_and_kept(style, tmp_path, monkeypatch):
    """But not those of the libraries, and of the package of the old backbone, which need not be installed."""
    module = f'heads_of_users_{style}'
    (tmp_path / f'{module}.py').write_text(OWN.replace('HeadOfUsers', f'HeadOfUsers{style}'))
    monkeypatch.syspath_prepend(tmp_path)
    if style == 'old':
        text = f"""
custom_imports = dict(imports=['{module}', 'mmdet.models', 'mmpretrain.models'], allow_failed_imports=False)
default_scope = 'mmdet'
model = dict(type='RetinaNet', backbone=dict(type='mmpretrain.X'), bbox_head=dict(type='HeadOfUsersold'))
"""
    else:
        text = f"""
from {module} import HeadOfUsersnew
from mmdet.models import RetinaNet
default_scope = 'mmdet'
model = dict(type=RetinaNet, backbone=dict(), bbox_head=dict(type=HeadOfUsersnew))
"""
    (tmp_path / 'c.py').write_text(text)
    cfg = find_source(str(tmp_path / 'c.py')).cfg
    assert cfg.custom_imports == {'imports': [module]}
    assert cfg.model.bbox_head.type == f'HeadOfUsers{style}'
    assert with_scopes(cfg.model.to_dict(), 'mmdet')['bbox_head']['type'] == f'mmdet.HeadOfUsers{style}'


def test_a_module_of_the_user_that_is_absent_is_named(tmp_path):
    (tmp_path / 'c.py').write_text(
        "custom_imports = dict(imports=['absent_heads'])\ndefault_scope = 'mmdet'\nmodel = dict(type='RetinaNet')"
    )
    with pytest.raises(UserError, match='custom_imports names absent_heads, which cannot be imported'):
        find_source(str(tmp_path / 'c.py'))
