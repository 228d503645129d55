"""The config that a run saved is read as data: whatever is written in it, nothing of it runs."""

import re
from pathlib import Path

import mmcv
import mmdet
import mmengine
import mmseg
import pytest
from mmengine.config import Config
from PIL import Image

from convnext_dense.checkpoints import files as checkpoints
from convnext_dense.checkpoints import manifest
from convnext_dense.cli.main import run_verb
from convnext_dense.config.find import find_config, find_run_config, find_work_dir
from convnext_dense.config.read import read_config
from convnext_dense.config.saved import EVALUATING, read_saved_config, setting_of_run
from convnext_dense.errors import UserError
from tests.helpers.stock_configs import adapted_model

TASKS = {
    'classification': 'configs/classification/convnext_t.py',
    'detection': 'configs/det/cascade_convnext_a_coco.py',
    'segmentation': 'configs/seg/upernet_convnext_a_ade20k.py',
}


def saved(folder: Path, name: str, **changes: object) -> Path:
    """A config as a run saves it, with some values changed."""
    cfg = read_config(name, needs_data=False)
    cfg.merge_from_dict(changes)
    file = folder / 'saved.py'
    cfg.dump(file)
    return file


@pytest.mark.parametrize('name', TASKS.values(), ids=TASKS)
def test_what_a_run_saves_is_read_as_it_was(name, tmp_path):
    file = saved(tmp_path, name)
    assert read_saved_config(file).to_dict() == read_config(name, needs_data=False).to_dict()


@pytest.mark.parametrize(
    'name',
    [
        'point_rend/point-rend_r50-caffe_fpn_ms-1x_coco.py',
        'dcn/faster-rcnn_r50_fpn_dpool_1x_coco.py',
        'dcnv2/faster-rcnn_r50_fpn_mdpool_1x_coco.py',
        'fpg/faster-rcnn_r50_fpg_crop640-50e_coco.py',
        'cascade_rpn/cascade-rpn_faster-rcnn_r50-caffe_fpn_1x_coco.py',
    ],
)
def test_runs_of_adapted_heads_are_read_with_the_kinds_that_these_choose_by_name(name, tmp_path):
    model, _ = adapted_model(f'mmdet:{name}')
    file = saved(tmp_path, TASKS['detection'], model=dict(model, _delete_=True))
    assert read_saved_config(file).model.type == model['type']


def test_a_setting_of_a_run_is_read_from_its_work_dir(tmp_path):
    saved(tmp_path, TASKS['detection'], boxes_only='why')
    assert setting_of_run(tmp_path, 'boxes_only') is None  # beside no checkpoints
    (tmp_path / manifest.FILE_NAME).write_text('{}')
    (tmp_path / 'epoch_1.pth').touch()
    for place in (tmp_path, tmp_path / 'epoch_1.pth'):
        assert setting_of_run(place, 'boxes_only') == 'why'
        assert setting_of_run(place, 'absent') is None
    assert setting_of_run(tmp_path / 'epoch_2.pth', 'boxes_only') is None
    assert setting_of_run('https://host/weights.pth', 'boxes_only') is None
    (tmp_path / 'saved.py').write_text('boxes_only = bool(1)\n')
    assert setting_of_run(tmp_path, 'boxes_only') is None


def test_settings_of_the_start_are_not_those_of_a_test(tmp_path):
    """A model that torchrun trained is tested without torchrun."""
    changes = {'launcher': 'pytorch', 'compile_backbone': True, 'sample': dict(pretrained=None)}  # sample: older runs
    cfg = read_config(str(saved(tmp_path, TASKS['classification'], **changes)), needs_data=False, saved=True)
    assert not changes.keys() & cfg.keys()


def test_the_program_of_a_config_is_not_run(tmp_path):
    file = saved(tmp_path, TASKS['classification'])
    ran = tmp_path / 'ran'
    with file.open('a') as text:
        text.write(f'\nopen({str(ran)!r}, "w")\n')
    with pytest.raises(
        UserError, match=r'saved\.py is not taken for .*more than plain values\): if you trust it, give'
    ):
        read_config(str(file), needs_data=False, saved=True)
    assert not ran.exists()


@pytest.mark.parametrize(
    ('changes', 'named'),
    [
        ({'custom_imports': dict(imports=['antigravity'])}, 'it imports antigravity'),
        ({'custom_imports': dict(imports='convnext_dense_doctor')}, 'it imports convnext_dense_doctor'),
        ({'custom_imports': 'antigravity'}, 'it imports antigravity'),
        ({'default_scope': 'antigravity'}, 'it uses the scope antigravity'),
        ({'model._scope_': 'antigravity'}, 'it uses the scope antigravity'),
        ({'model.type': 'os.system'}, 'it names os.system'),
        ({'model.type': 'antigravity'}, 'it names antigravity'),
        ({'model.type': 'antigravity.Net'}, 'it names antigravity.Net'),
        ({'model.type': 'mmengine.Config'}, 'it names mmengine.Config'),
        ({'model.type': 'mmengine.get_object_from_string'}, 'it names mmengine.get_object_from_string'),
        ({'model.type': 'mmengine.config.Config.fromfile'}, 'it names mmengine.config.Config.fromfile'),
        ({'model.type': 'convnext_dense.load'}, 'it names convnext_dense.load'),
        ({'test_dataloader.collate_fn': dict(type='os.system')}, 'it names os.system'),
        ({'custom_hooks': [dict(type='mmengine.RFSearchHook')]}, 'it names mmengine.RFSearchHook'),
        ({'model.test_cfg': dict(nms=dict(type='print(1)'))}, r'it names print\(1\)'),
        ({'model.test_cfg': dict(nms=dict(type='exec'))}, 'it names exec'),
        ({'tta_pipeline': [[dict(transforms=(dict(type='os.system'),))]]}, 'it names os.system'),
    ],
)
def test_code_of_others_is_refused(changes, named, tmp_path):
    file = tmp_path / 'saved.py'
    cfg = read_config(TASKS['classification'], needs_data=False)
    for key, value in changes.items():
        *outer, last = key.split('.')
        branch = cfg
        for part in outer:
            branch = branch[part]
        branch[last] = value
    cfg.dump(file)
    with pytest.raises(UserError, match=named):
        read_saved_config(file)


@pytest.mark.parametrize(
    'arguments', [['test', '{run}'], ['demo', '{run}', '{image}'], ['export-onnx', '{run}', '{run}/out.onnx']]
)
def test_no_command_runs_what_a_run_s_config_names(arguments, tmp_path, capsys):
    run, ran, image = tmp_path / 'run', tmp_path / 'ran', tmp_path / 'image.png'
    run.mkdir()
    Image.new('RGB', (32, 32)).save(image)
    cfg = Config.fromfile(find_config(TASKS['classification']))
    cfg.test_dataloader.collate_fn = cfg.model.backbone = dict(type='os.system', command=f'touch {ran}')
    cfg.dump(run / 'convnext_t.py')
    checkpoints.write({'meta': {'epoch': 1, 'iter': 1}}, run / 'epoch_1.pth')
    assert run_verb(arguments[0], [text.format(run=run, image=image) for text in arguments[1:]]) == 2
    assert capsys.readouterr().err.startswith(f'error: {run}/convnext_t.py is not taken for the config of the run')
    assert not ran.exists()


def test_the_parts_that_run_texts_of_their_config_are_known():
    """A new version of a library may have more: find the class, and add it to EVALUATING if a config can name it."""
    found = set()
    for library in (mmcv, mmdet, mmengine, mmseg):
        folder = Path(library.__file__).parent
        for file in folder.rglob('*.py'):
            if '.mim' not in file.parts and re.search(r'(?<![\w.])(eval|exec)\(', file.read_text()):
                found.add(f'{folder.name}/{file.relative_to(folder)}')
    assert found == {
        'mmcv/cnn/rfsearch/search.py',
        'mmcv/ops/nms.py',  # the type of test_cfg's nms
        'mmdet/evaluation/functional/class_names.py',  # names in a table of its own
        'mmdet/models/task_modules/tracking/camera_motion_compensation.py',
        'mmengine/config/config.py',
        'mmseg/utils/class_names.py',
    }
    assert {'CameraMotionCompensation', 'RFSearchHook'} == EVALUATING


def test_settings_for_the_sample_are_not_looked_up_again(tmp_path):
    """They are a file that a saved config could choose freely."""
    ran = tmp_path / 'ran'
    (tmp_path / 'mine.py').write_text(f'open({str(ran)!r}, "w")')
    file = saved(tmp_path, TASKS['classification'], sample_settings='mine.py')
    read_config(str(file), data='sample', needs_data=False, saved=True)
    assert not ran.exists()


def test_a_work_dir_without_a_checkpoint_is_said_to_have_none_yet(tmp_path):
    (tmp_path / 'mine.py').touch()
    with pytest.raises(UserError, match=r'has no checkpoint yet, only a config, mine\.py: train it first'):
        find_run_config(tmp_path)


def test_a_script_beside_somebodys_weights_is_not_the_config_of_a_run(tmp_path):
    weights = tmp_path / 'downloads' / 'weights.pth'
    weights.parent.mkdir()
    weights.touch()
    (weights.parent / 'script.py').write_text('raise SystemExit')
    assert find_work_dir(weights) is None
    with pytest.raises(UserError, match=r'weights\.pth is not from the work dir of a run.*give CONFIG'):
        find_run_config(weights)
