"""What a run does not train is said; what would learn nothing is refused."""

from pathlib import Path

import pytest
import torch
from mmengine.logging import MMLogger

from convnext_dense.engine import Runner
from convnext_dense.engine.frozen import check_and_log, starts_from_weights
from convnext_dense.errors import UserError
from tests.helpers import toy

REFUSED = 'the backbone is frozen and starts from random weights, which never learn: give weights with --pretrained'


@pytest.fixture
def run(tmp_path):
    """Builds a run of the toy model with frozen parameters."""
    runners = []

    def build(frozen: str = '', resume: bool | str = False, load_from: str | None = None, **cfg) -> Runner:
        runner = toy.runner(tmp_path / f'run{len(runners)}', {}, resume=resume)
        runner._load_from = load_from
        runner.cfg.update(cfg)
        for name, parameter in runner.bare_model.named_parameters():
            parameter.requires_grad_(not (frozen and name.startswith(frozen)))
        runners.append(runner)
        return runner

    yield build
    for runner in runners:
        runner.__exit__(None, None, None)


def second_layer(runner: Runner) -> Runner:
    """Add a head, which trains."""
    runner.bare_model.head = torch.nn.Linear(1, 1)
    return runner


def said(runner: Runner, monkeypatch) -> list[str]:
    lines: list[str] = []
    for level in ('info', 'warning'):
        monkeypatch.setattr(MMLogger, level, lambda self, text, level=level: lines.append(f'{level}: {text}'))
    check_and_log(runner)
    return lines


def test_nothing_is_said_of_a_run_that_trains_everything(run, monkeypatch):
    assert said(run(), monkeypatch) == []


def test_a_frozen_backbone_needs_weights(run, monkeypatch):
    with pytest.raises(UserError, match=REFUSED):
        check_and_log(second_layer(run('backbone')))
    line = 'info: backbone frozen: 2 of 7 parameters train (head)'
    for start in (
        dict(pretrained='weights.pth'),
        dict(load_from='weights.pth'),
        dict(resume=True),
        dict(model=dict(backbone=dict(type='ResNet', init_cfg=dict(type='Pretrained', checkpoint='x')))),
        dict(model=dict(type='EncoderDecoder', pretrained='open-mmlab://resnet50_v1c')),
    ):
        assert said(second_layer(run('backbone', **start)), monkeypatch) == [line], start


def test_resuming_if_there_is_a_checkpoint_needs_weights_where_there_is_none(run, monkeypatch):
    runner = second_layer(run('backbone', resume='auto'))
    with pytest.raises(UserError, match=REFUSED):
        check_and_log(runner)
    Path(runner.work_dir, 'epoch_1.pth').touch()
    assert starts_from_weights(runner)


def test_parts_that_are_frozen_at_random_are_warned_of(run, monkeypatch):
    first, second = said(second_layer(run('backbone.weight')), monkeypatch)
    assert first.startswith('warning: what is frozen starts from random weights, which never learn: give weights')
    assert second == 'info: backbone.weight frozen: 3 of 7 parameters train (backbone.bias, head)'


def test_a_run_in_which_nothing_trains_is_refused(run):
    runner = run('backbone', pretrained='weights.pth')
    with pytest.raises(UserError, match='nothing trains, since all parameters of the model are frozen'):
        check_and_log(runner)
    with pytest.raises(UserError, match='nothing trains'):
        runner.train()
