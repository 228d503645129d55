"""The tasks by name, and that nothing else in the package asks which task a config has."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

import convnext_dense
from convnext_dense.errors import UserError
from convnext_dense.tasks import TASKS, count_classes_in, task_of

PACKAGE = Path(convnext_dense.__file__).parent
KINDS = {'Classification', 'Detection', 'Segmentation', *(type(task).__name__ for task in TASKS.values())}


def test_a_config_has_the_task_that_it_names():
    assert list(TASKS) == ['classification', 'detection', 'segmentation']
    for name in TASKS:
        assert task_of(Config({'task': name})).name == name
    with pytest.raises(UserError, match="unknown task 'panoptic' in the config: take one of classification, detect"):
        task_of(Config({'task': 'panoptic'}))


def test_classes_are_counted_in_the_head_of_a_checkpoint():
    states = {
        'classification': {'backbone.norm.weight': torch.zeros(9), 'head.weight': torch.zeros(7, 9)},
        'detection': {f'roi_head.bbox_head.{i}.fc_cls.weight': torch.zeros(8, 9) for i in range(3)},
        'segmentation': {'decode_head.conv_seg.weight': torch.zeros(7, 9, 1, 1)},
    }
    for name, state in states.items():
        for task in TASKS.values():
            if task.name == name:
                assert count_classes_in(state, task, Path('a.pth')) == 7
            else:
                with pytest.raises(UserError, match=rf'a.pth is for {name}, the config for {task.name}: take one of'):
                    count_classes_in(state, task, Path('a.pth'))
    with pytest.raises(UserError, match=r'a.pth has no head for detection: train one on top of it with --pretrained'):
        count_classes_in({'head_norm.weight': torch.zeros(9)}, TASKS['detection'], Path('a.pth'))


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
    ],
)
def test_questions_are_recognized(code):
    assert questions(code)


def test_nothing_outside_asks_which_task_a_config_has():
    files = [file for file in PACKAGE.rglob('*.py') if file.parent.name != 'tasks']
    asked = {str(file.relative_to(PACKAGE)): questions(file.read_text()) for file in files}
    assert len(files) > 100
    assert {file: found for file, found in asked.items() if found} == {}
