"""What tasks say of a run on its page beside results and diagnosis."""

from pathlib import Path

import pytest

from convnext_dense.tasks import TASKS

SETTINGS = {
    'model': {'mask_ratio': 0.6},
    'train_dataloader': {'dataset': {'transform': {'input_size': 224}}},
    'default_hooks': {'probe': {'type': 'convnext_dense.FeatureProbe', 'root': '/labeled'}},
}


def command(verb: str, *arguments: object) -> str:
    return ' '.join(['convnext-dense', verb, *map(str, arguments)])


def test_pre_training_tells_its_masks_and_its_probe():
    assert TASKS['pretraining'].facts_of_run(SETTINGS) == [
        ('mask ratio', '0.6'),
        ('visible share', '38.8%: 19 of 49 patches of 32 x 32 pixels, images are 224 x 224'),
        ('probe', '/labeled'),
    ]


@pytest.mark.parametrize('settings', [{}, {'model': {'mask_ratio': None}}, {'default_hooks': {'probe': None}}])
def test_settings_that_are_not_known_are_left_out(settings):
    assert TASKS['pretraining'].facts_of_run(settings) == []


def test_a_run_that_would_see_nothing_has_no_share():
    settings = {**SETTINGS, 'model': {'mask_ratio': 0.99}}
    assert [name for name, _ in TASKS['pretraining'].facts_of_run(settings)] == ['mask ratio', 'probe']


def test_the_next_step_of_pre_training_is_to_fine_tune():
    (step,) = TASKS['pretraining'].steps_after(SETTINGS, Path('work_dirs/run'), command)
    assert step.advice == 'Fine-tune: `convnext-dense train CONFIG --data LABELED --pretrained work_dirs/run`'
    assert step.reason and not step.rule


def test_other_tasks_leave_it_to_the_diagnosis():
    for name, task in TASKS.items():
        if name != 'pretraining':
            assert not task.facts_of_run(SETTINGS) and not task.steps_after(SETTINGS, Path('run'), command)
