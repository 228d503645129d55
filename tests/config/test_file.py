"""Reading config files in both of mmengine's styles: a config means the same in each."""

import importlib.util
from pathlib import Path

import pytest

from convnext_dense.cli import run_verb
from convnext_dense.config.file import read_file
from convnext_dense.config.provenance import explain
from convnext_dense.config.read import read_config
from convnext_dense.config.source import read_literals
from convnext_dense.errors import UserError
from convnext_dense.tasks import TASKS
from tests.helpers.run_tool import ROOT, SMALL
from tests.helpers.small_models import write_config

PARTS = """
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, MODELS
from torch import nn

@HOOKS.register_module()
class SayHook(Hook):
    def __init__(self, word='hello'):
        self.word = word

    def before_train(self, runner):
        runner.logger.info(f'the hook of my own says {self.word}')

class Unregistered(nn.ReLU):
    pass
"""
START = """
from mmengine.config import read_base

with read_base():
    from .base import *

"""
NEW = {
    'classification': """
from mmengine.hooks import EMAHook
from torch.optim import SGD
from convnext_dense.models import ConvNeXt, ImageClassifier
from convnext_dense.engine import CSVBackend
import my_parts

model.update(type=ImageClassifier)
model['backbone'].update(type=ConvNeXt, drop_path_rate=0.0)
optim_wrapper['optimizer'] = dict(type=SGD, lr=1e-3, momentum=0.9)
visualizer.vis_backends[0] = dict(type=CSVBackend)
custom_hooks = [dict(type=my_parts.SayHook, word='so')]
""",
    'detection': """
from mmcv.ops import RoIAlign, nms
from mmcv.transforms import RandomChoice
from mmdet.models import CascadeRCNN, FPN
from mmdet.models.losses import CrossEntropyLoss
from torch.optim import AdamW
from convnext_dense.models.detector import RoIExtractor

model.update(type=CascadeRCNN)
model.neck.type = FPN
model.rpn_head.loss_cls.type = CrossEntropyLoss
model.roi_head.bbox_roi_extractor.update(type=RoIExtractor)
model['roi_head']['bbox_roi_extractor']['roi_layer'].update(dict(type=RoIAlign))
model['test_cfg']['rpn']['nms'].update(type=nms)
optim_wrapper['optimizer'].merge(dict(type=AdamW))
default_scope = None
""",
    'segmentation': """
import torch
import torch.nn as nn
from mmengine.optim import AmpOptimWrapper
from mmseg.models.losses import CrossEntropyLoss
from mmseg.datasets.transforms import PackSegInputs
from convnext_dense.models.segmentor import UPerHead, Segmentor

model['type'] = Segmentor
model['decode_head'].update(type=UPerHead, act_cfg=dict(type=nn.GELU), loss_decode=dict(type=CrossEntropyLoss))
model['decode_head']['norm_cfg'].type = nn.BatchNorm2d
optim_wrapper.update(type=AmpOptimWrapper, dtype=torch.bfloat16)
train_dataloader.dataset.pipeline[-1] = dict(type=PackSegInputs)
""",
}
SAME = {
    'classification': {
        'optim_wrapper.optimizer': dict(_delete_=True, type='SGD', lr=1e-3, momentum=0.9),
        'model.backbone.drop_path_rate': 0.0,
        'custom_hooks': [dict(type='SayHook', word='so')],
    },
    'detection': {},
    'segmentation': {
        'model.decode_head.act_cfg': dict(type='GELU'),
        'model.decode_head.norm_cfg.type': 'BN',
        'optim_wrapper.dtype': 'bfloat16',
        'optim_wrapper.type': 'AmpOptimWrapper',
    },
}


def write_new(task: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new-style config on a base without a style, and modules of the user's own."""
    cfg = read_config(str(write_config(task, folder)), needs_data=False)
    for key in ('custom_imports', 'default_scope'):
        cfg.pop(key)
    cfg.sample_settings = None
    cfg.dump(folder / 'base.py')
    (folder / 'my_parts.py').write_text(PARTS)
    (folder / 'new.py').write_text(START + NEW[task])
    monkeypatch.syspath_prepend(folder)
    return folder / 'new.py'


@pytest.mark.parametrize('task', list(NEW))
def test_a_new_style_config_is_the_old_one(task, tmp_path, monkeypatch):
    new = read_config(str(write_new(task, tmp_path, monkeypatch)), needs_data=False).to_dict()
    old = read_config(str(tmp_path / f'{task}.py'), SAME[task], needs_data=False).to_dict()
    own = ['my_parts'] if task == 'classification' else []
    assert new.pop('custom_imports') == dict(imports=[*old.pop('custom_imports')['imports'], *own])
    old['sample_settings'] = None
    assert new == old


@pytest.mark.parametrize('task', list(NEW))
def test_what_a_new_style_run_saves_is_plain_and_the_same(task, tmp_path, monkeypatch):
    cfg = read_config(str(write_new(task, tmp_path, monkeypatch)), needs_data=False)
    cfg.dump(tmp_path / 'saved.py')
    assert read_literals(tmp_path / 'saved.py') == cfg.to_dict()
    assert read_config(str(tmp_path / 'saved.py'), needs_data=False).to_dict() == cfg.to_dict()


def test_values_of_a_new_style_config_come_from_their_lines(tmp_path, monkeypatch):
    path = write_new('segmentation', tmp_path, monkeypatch)
    lines = path.read_text().splitlines()
    found = {value.key: value.origin for value in explain(str(path), needs_data=False)}
    for key, text in (
        ('model.type', "model['type'] ="),
        ('model.decode_head.type', "model['decode_head'].update"),
        ('model.decode_head.act_cfg.type', "model['decode_head'].update"),
        ('model.decode_head.norm_cfg.type', '.type = nn.BatchNorm2d'),
        ('optim_wrapper.dtype', 'optim_wrapper.update'),
    ):
        (number,) = [i for i, line in enumerate(lines, 1) if text in line]
        assert (Path(found[key].by).name, found[key].line) == ('new.py', number), key
    assert Path(found['model.decode_head.channels'].by).name == 'base.py'


def test_options_and_classes_that_are_not_registered(tmp_path, monkeypatch):
    path = write_new('classification', tmp_path, monkeypatch)
    path.write_text(path.read_text() + 'from my_parts import Unregistered\nextra = dict(type=Unregistered)\n')
    options = {'model.backbone.drop_path_rate': 0.2, 'optim_wrapper.optimizer.lr': 0.5}
    cfg = read_config(str(path), options, needs_data=False)
    assert cfg.extra.type == 'my_parts.Unregistered'
    assert (cfg.model.backbone.drop_path_rate, cfg.optim_wrapper.optimizer.lr) == (0.2, 0.5)


def test_a_new_style_config_trains_and_what_it_saves_tests_resumes_and_compares(
    image_folder, tmp_path, monkeypatch, capsys
):
    path = write_new('classification', tmp_path, monkeypatch)
    work = tmp_path / 'work'
    argv = [str(path), '--data', str(image_folder), '--work-dir', str(work), '--epochs', '1']
    assert run_verb('train', [*argv, '--cfg-options', *SMALL]) == 0
    assert 'the hook of my own says so' in capsys.readouterr().out
    saved = read_literals(work / 'new.py')
    assert saved is not None and saved['custom_imports']['imports'] == ['convnext_dense', 'my_parts']
    assert run_verb('train', [*argv, '--resume', '--cfg-options', *SMALL]) == 0
    assert 'the run was finished' in capsys.readouterr().out
    for config in (path, work / 'new.py'):
        arguments = [str(config), str(work), '--data', str(image_folder)]
        assert run_verb('test', [*arguments, '--cfg-options', 'test_dataloader.num_workers=0']) == 0
        shown = capsys.readouterr()
        assert 'top1' in shown.out
        assert ('does not predict as the run' in shown.err) == (config == path)  # at another size
    assert run_verb('flops', [str(path)]) == 0
    assert run_verb('test', [str(work), '--data', str(image_folder)]) == 2
    assert 'it imports my_parts' in capsys.readouterr().err


READ_BASE = 'from mmengine.config import read_base\nwith read_base():\n    from .{} import *\n'


@pytest.mark.parametrize(
    ('files', 'said'),
    [
        (
            {'a.py': "_base_ = './b.py'\nx = 1", 'b.py': READ_BASE.format('c'), 'c.py': 'y = 1'},
            r"a.py mixes mmengine's styles, read_base\(\) or imports in .*b.py and _base_ of .*a.py",
        ),
        (
            {'a.py': READ_BASE.format('b'), 'b.py': "_base_ = './c.py'", 'c.py': 'y = 1'},
            r"a.py mixes mmengine's styles, read_base\(\) or imports in .*a.py and _base_ of .*b.py",
        ),
        (
            {'a.py': "_base_ = './c.py'\n" + READ_BASE.format('c'), 'c.py': 'y = 1'},
            r"a.py mixes mmengine's styles, read_base\(\) or imports in .*a.py and _base_ itself",
        ),
        (
            {'a.py': "_base_ = './b.py'", 'b.py': 'from torch import nn\nx = dict(type=nn.GELU)'},
            "a.py mixes mmengine's styles",
        ),
        ({'a.py': READ_BASE.format('absent')}, 'absent.py not found'),
        ({'a.py': 'with open("x"):\n    pass\n'}, 'Only `read_base` context manager'),
    ],
)
def test_what_mmengine_does_not_read_is_one_line(files, said, tmp_path):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=said) as error:
        read_config(str(tmp_path / 'a.py'))
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('statement', 'said'),
    [
        ('from my_absent import X\nextra = dict(type=X)', 'No module named .my_absent'),
        ('from my_parts import Absent\nextra = dict(type=Absent)', 'Failed to import Absent from my_parts'),
        ('import torch\nextra = dict(type=torch.Absent)', 'Failed to import torch.Absent'),
        ('from my_broken import X\nextra = dict(type=X)', 'division by zero'),
    ],
)
def test_a_class_that_cannot_be_imported_is_one_line(statement, said, tmp_path, monkeypatch):
    path = write_new('classification', tmp_path, monkeypatch)
    (tmp_path / 'my_broken.py').write_text('1 / 0\n')
    path.write_text(f'{path.read_text()}{statement}\n')
    with pytest.raises(UserError, match=said) as error:
        read_config(str(path), needs_data=False)
    assert '\n' not in str(error.value) and str(path) in str(error.value)


@pytest.mark.parametrize('task', list(NEW))
@pytest.mark.parametrize('imports', ["dict(imports=['my_parts'])", "dict(imports='my_parts')", 'None', '{}'])
def test_the_modules_of_the_task_are_always_imported(task, imports, tmp_path, monkeypatch):
    (tmp_path / 'my_parts.py').write_text(PARTS)
    monkeypatch.syspath_prepend(tmp_path)
    path = write_config(task, tmp_path)
    packaged = read_config(str(path), needs_data=False).custom_imports.imports
    assert packaged == list(TASKS[task].modules)
    path.write_text(f'{path.read_text()}custom_imports = {imports}\n')
    own = ['my_parts'] if 'my_parts' in imports else []
    assert read_config(str(path), needs_data=False).custom_imports.imports == [*packaged, *own]


def test_modules_may_be_named_on_the_command_line(tmp_path, monkeypatch):
    (tmp_path / 'named_module.py').write_text('from pathlib import Path\nPath(__file__).with_suffix(".ran").touch()\n')
    monkeypatch.syspath_prepend(tmp_path)
    options = {'custom_imports.imports': ['named_module']}
    cfg = read_config('configs/classification/convnext_a.py', options, needs_data=False)
    assert cfg.custom_imports.imports == ['convnext_dense', 'named_module']
    assert (tmp_path / 'named_module.ran').exists()


@pytest.mark.parametrize(
    ('imports', 'said'),
    [
        ("dict(imports=['my_absent'])", r'custom_imports names my_absent, which cannot be imported \(No module named'),
        (
            "dict(imports=['my_broken'])",
            r'custom_imports names my_broken, which cannot be imported \(division by zero',
        ),
        ("['my_parts']", r"custom_imports \['my_parts'\] is not dict\(imports="),
        ('dict(imports=[1])', 'is not dict'),
    ],
)
def test_modules_that_cannot_be_imported_are_one_line(imports, said, tmp_path, monkeypatch):
    (tmp_path / 'my_broken.py').write_text('1 / 0\n')
    monkeypatch.syspath_prepend(tmp_path)
    path = write_config('classification', tmp_path)
    path.write_text(f'{path.read_text()}custom_imports = {imports}\n')
    with pytest.raises(UserError, match=said) as error:
        read_config(str(path), needs_data=False)
    assert '\n' not in str(error.value)


def test_modules_that_may_fail_may_fail(tmp_path):
    path = write_config('classification', tmp_path)
    path.write_text(f"{path.read_text()}custom_imports = dict(imports=['my_absent'], allow_failed_imports=True)\n")
    assert read_config(str(path), needs_data=False).custom_imports.allow_failed_imports


@pytest.mark.parametrize(
    ('library', 'name'),
    [
        ('mmdet', 'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco.py'),
        ('mmdet', 'convnext/mask-rcnn_convnext-t-p4-w7_fpn_amp-ms-crop-3x_coco.py'),  # imports mmpretrain
        ('mmdet', 'mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic.py'),
        ('mmseg', 'segformer/segformer_mit-b0_8xb2-160k_ade20k-512x512.py'),
    ],
)
def test_a_stock_config_is_told_how_its_model_is_trained_here(library, name):
    package = importlib.util.find_spec(library)
    path = Path(package.origin).parent / '.mim' / 'configs' / name
    with pytest.raises(UserError) as error:
        read_file(path)
    assert str(error.value) == (
        f"config {path} is one of {library}'s own: `convnext-dense adapt {path} --arch tiny` makes one of this "
        f'project of it; or run it as it is with `convnext-dense run-stock {library}/tools/train.py {path}`'
    )


def test_a_config_anywhere_inherits_from_a_packaged_one(tmp_path, monkeypatch):
    name = 'det/mask_rcnn_convnext_t_coco.py'
    (tmp_path / 'c.py').write_text(f"_base_ = 'convnext_dense::{name}'\nlog_level = 'DEBUG'\n")
    monkeypatch.chdir(tmp_path)
    packaged = read_file(ROOT / 'configs' / name).to_dict()
    assert read_file(Path('c.py')).to_dict() == {**packaged, 'log_level': 'DEBUG'}


def test_a_base_that_is_not_packaged_is_named_with_the_file_and_line_that_name_it(tmp_path):
    (tmp_path / 'b.py').write_text("x = 1\n_base_ = 'convnext_dense::det/mask_rcnn_t.py'\n")
    (tmp_path / 'c.py').write_text("_base_ = './b.py'\n")
    with pytest.raises(UserError) as error:
        read_file(tmp_path / 'c.py')
    assert str(error.value).startswith(
        f'config {tmp_path / "b.py"} line 2: no packaged config is named convnext_dense::det/mask_rcnn_t.py: '
        'did you mean convnext_dense::det/mask_rcnn_convnext_t_coco.py'
    )


def test_a_config_of_ours_without_a_task_is_not_taken_for_a_stock_config(tmp_path):
    (tmp_path / 'c.py').write_text("model = dict(type='mmpretrain.ImageClassifier')\n")
    with pytest.raises(UserError, match='is not a config of this project: it has no task, no train_dataloader'):
        read_file(tmp_path / 'c.py')
