"""The tasks by name, and that nothing else in the package asks which task a config has."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

import convnext_dense
from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.errors import UserError
from convnext_dense.tasks import TASKS, check_same_task, count_classes_of, set_classes, task_of
from convnext_dense.weights.extraction import Weights
from convnext_dense.weights.settings import NetworkSettings
from tests.helpers.other_heads import DETECTORS, SEGMENTORS, write_head

PACKAGE = Path(convnext_dense.__file__).parent
KINDS = {
    *('Classification', 'Detection', 'Panoptic', 'Segmentation'),
    *(type(part).__name__ for task in TASKS.values() for part in (task, task.adaptation) if part is not None),
}


def test_a_config_has_the_task_that_it_names():
    assert list(TASKS) == ['classification', 'detection', 'segmentation', 'panoptic', 'pretraining']
    for name in TASKS:
        assert task_of(Config({'task': name})).name == name
    with pytest.raises(UserError, match="unknown task 'depth' in the config: take one of classification, detect"):
        task_of(Config({'task': 'depth'}))


def weights_of(state: dict, classes: list[str] | None = None, task: str | None = None) -> Weights:
    return Weights(Path('a.pth'), 'ours', state, [], NetworkSettings(None, ''), classes, task)


def test_weights_from_elsewhere_are_of_the_task_that_a_well_known_head_is_for():
    states = {
        'classification': {'backbone.norm.weight': torch.zeros(9), 'head.weight': torch.zeros(7, 9)},
        'detection': {f'roi_head.bbox_head.{i}.fc_cls.weight': torch.zeros(8, 9) for i in range(3)},
        'segmentation': {'decode_head.conv_seg.weight': torch.zeros(7, 9, 1, 1)},
    }
    for name, state in states.items():
        for task in TASKS.values():
            if task.name == name:
                check_same_task(weights_of(state), task)
            else:
                with pytest.raises(UserError, match=rf'a.pth is for {name}, the config for {task.name}: take one of'):
                    check_same_task(weights_of(state), task)


def test_weights_of_ours_name_their_task_whatever_the_names_of_the_layers():
    state = {'bbox_head.conv_cls.weight': torch.zeros(7, 9, 3, 3)}
    check_same_task(weights_of(state, task='detection'), TASKS['detection'])
    with pytest.raises(UserError, match=r'a.pth is for detection, the config for segmentation: take one of its task'):
        check_same_task(weights_of(state, task='detection'), TASKS['segmentation'])
    # as a segmentor's auxiliary head would be called
    check_same_task(
        weights_of({'semantic_head.conv_seg.weight': torch.zeros(7, 9)}, task='detection'), TASKS['detection']
    )


@pytest.mark.parametrize('name', [*DETECTORS, *SEGMENTORS])
def test_classes_are_counted_by_the_shapes_of_the_model_that_the_config_builds(name, tmp_path):
    cfg = read_config(str(write_head(name, tmp_path)), needs_data=False)
    for count in (1, 2, 7, 133):
        set_classes(cfg, count)
        with torch.device('meta'):
            state = build_model(cfg).state_dict()
        set_classes(cfg, 3)  # the config's own number does not matter
        assert count_classes_of(weights_of(state), cfg) == count
    trunk = {name: tensor for name, tensor in state.items() if name.startswith('backbone.')}
    with pytest.raises(
        UserError, match=rf'a.pth has no head for {cfg.task}: train one on top of it with --pretrained a'
    ):
        count_classes_of(weights_of(trunk), cfg)


def test_a_head_with_one_channel_for_two_classes_keeps_both(tmp_path):
    options = {'model.decode_head.out_channels': 1, 'model.decode_head.loss_decode.use_sigmoid': True}
    cfg = read_config(str(write_head('fcn', tmp_path)), options, needs_data=False)
    set_classes(cfg, 2)
    state = build_model(cfg).state_dict()
    assert len(state['decode_head.conv_seg.weight']) == 1
    assert count_classes_of(weights_of(state), cfg) == 2


def test_importing_the_tasks_loads_no_heavy_library():
    program = (
        'import sys, convnext_dense.tasks; '
        "print([m for m in ('torch', 'mmengine', 'mmcv', 'mmdet', 'mmseg', 'numpy', 'cv2') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == '[]'


def questions(code: str) -> list[str]:
    """Places in a module that ask which task a config has, or of which task a task or a result is."""
    return [f'{node.lineno}: {ast.unparse(node)}' for node in ast.walk(ast.parse(code)) if asks(node)]


def asks(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(ast.Name('cfg' | 'config'), 'task') | ast.Subscript(slice=ast.Constant('task')):
            return True
        case ast.Subscript(slice=key):
            return is_task(key)
        case ast.Compare(left, [operator], [right]):
            is_literal = any(isinstance(part, ast.Constant) and part.value in TASKS for part in (left, right))
            return is_task(left) or is_task(right) or (is_literal and isinstance(operator, ast.Eq | ast.NotEq))
        case ast.Dict(keys):
            return sum(isinstance(key, ast.Constant) and key.value in TASKS for key in keys) > 1
        case ast.Call(ast.Name('isinstance'), [_, kinds]):
            names = {getattr(part, 'id', getattr(part, 'attr', '')) for part in ast.walk(kinds)}
            return bool(names & KINDS)
        case ast.Match(subject):
            return is_task(subject)
    return False


def is_task(node: ast.AST) -> bool:
    """``task`` or ``model.task``, or its name."""
    match node:
        case ast.Name('task') | ast.Attribute(attr='task'):
            return True
        case ast.Attribute(value, 'name'):
            return is_task(value)
    return False


@pytest.mark.parametrize(
    'code',
    [
        'cfg.task',
        "task == 'detection'",
        "predict.task != 'classification'",
        "kind == 'segmentation'",
        "task.name in ('detection', 'segmentation')",
        'TABLE[predict.task]',
        "cfg['task']",
        "{'classification': 1, 'detection': 2}",
        'isinstance(result, Detection | Segmentation)',
        'isinstance(task, DetectionTask)',
        'isinstance(reader.adaptation, PanopticAdaptation)',
        "reader.task == 'detection'",
        "{'detection': 'datasets/coco.py', 'panoptic': 'datasets/coco_panoptic.py'}",
    ],
)
def test_questions_are_recognized(code):
    assert questions(code)


def test_nothing_outside_asks_which_task_a_config_has():
    files = [file for file in PACKAGE.rglob('*.py') if file.parent.name != 'tasks']
    asked = {str(file.relative_to(PACKAGE)): questions(file.read_text()) for file in files}
    assert len(files) > 100
    assert {file: found for file, found in asked.items() if found} == {}
