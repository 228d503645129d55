"""The config command: a resolved config, each value with the place that set it."""

import json

import pytest

from convnext_dense.cli import run_verb
from tests.helpers.run_tool import ROOT

TINY = 'configs/classification/convnext_t.py'
UPERNET = 'configs/seg/upernet_convnext_b_ade20k.py'


@pytest.fixture
def shown(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)

    def run(*arguments: str) -> list[str]:
        assert run_verb('config', list(arguments)) == 0
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    return run


def test_a_subtree_is_a_table_of_key_value_and_place(shown):
    lines = shown(UPERNET, 'model.backbone')
    assert lines[0].split() == ['key', 'value', 'set', 'by']
    assert {line.split()[0]: line.split()[1:] for line in lines[1:]} == {
        'model.backbone.type': ["'convnext_dense.ConvNeXt'", 'configs/seg/upernet_convnext_t_ade20k.py:15'],
        'model.backbone.arch': ["'base'", f'{UPERNET}:7'],
        'model.backbone.out_indices': ['(0,', '1,', '2,', '3)', 'configs/seg/upernet_convnext_t_ade20k.py:17'],
        'model.backbone.drop_path_rate': ['0.4', f'{UPERNET}:7'],
        'model.backbone.layer_scale_init_value': ['1.0', 'configs/seg/upernet_convnext_t_ade20k.py:19'],
    }
    ends = {line.index('configs/') for line in lines[1:]}
    assert len(ends) == 1, 'the columns are aligned'


def test_a_single_value_and_one_of_a_list_have_keys_too(shown):
    assert shown(TINY, 'randomness.seed')[1].split()[:2] == ['randomness.seed', '0']
    lines = shown(TINY, 'param_scheduler.1', '--data', 'sample')
    assert any(line.split() == ['param_scheduler.1.end', '1.0', 'the', 'length', 'of', 'the', 'run'] for line in lines)


def test_the_whole_config_is_grouped(shown):
    lines = shown(TINY)
    sections = [line.split()[0].split('.')[0] for line in lines if line]
    assert {'model', 'train_dataloader', 'optim_wrapper', 'sample_settings'} <= set(sections)
    end = max(i for i, line in enumerate(lines) if line.startswith('model.'))
    assert lines[end + 1] == ''


def test_json_has_values_and_places(shown):
    options = ('--cfg-options', 'optim_wrapper.optimizer.lr=0.5', 'train_cfg.max_epochs=30')
    content = json.loads('\n'.join(shown(TINY, '--json', *options)))
    found = {one['key']: one for one in content}
    lr = found['optim_wrapper.optimizer.lr']
    assert lr == dict(key='optim_wrapper.optimizer.lr', value=0.5, set_by='--cfg-options', line=None)
    assert found['param_scheduler.1.end'] == dict(
        key='param_scheduler.1.end', value=30.0, set_by='the length of the run', line=None
    )
    assert found['model.backbone.arch']['set_by'] == TINY
    text = (ROOT / TINY).read_text().splitlines()
    assert "arch='tiny'" in text[found['model.backbone.arch']['line'] - 1]


def test_data_are_needed_only_when_they_are_named(shown, image_folder):
    assert shown(TINY, 'model.num_classes')[1].split()[1] == '1000'
    line = shown(TINY, 'model.num_classes', '--data', str(image_folder))[1]
    assert line.split()[1:] == ['3', 'the', 'classes', 'of', 'the', 'data']


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (
            ('configs/classification/convnext_tt.py',),
            'no config at configs/classification/convnext_tt.py: did you mean',
        ),
        ((TINY, 'optim'), "no key 'optim' in the config; did you mean optim_wrapper?"),
        ((TINY, 'model.backbon.arch'), "no key 'model.backbon.arch' in the config; did you mean model.backbone.arch?"),
        ((TINY, 'qqq'), "no key 'qqq' in the config; did you mean task, default_scope"),
        ((TINY, '--data', '/nowhere'), '/nowhere'),
        ((TINY, '--cfg-options', 'modl.num_classes=3'), 'did you mean model?'),
        (('configs/_base_/runtime.py',), 'is not a config of this project'),
    ],
)
def test_bad_input_is_said_in_one_line(capsys, arguments, said):
    assert run_verb('config', list(arguments)) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count('\n') == 1
