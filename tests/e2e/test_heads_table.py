"""The measurement of every family of mmdet and mmseg, ``benchmarks/heads.py``: its parts, and two small families."""

import importlib
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

from convnext_dense.adaptation.listing import Listed
from convnext_dense.adaptation.notes import NotAdaptable

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / 'benchmarks'))
heads = importlib.import_module('heads')

CONFIGS = [
    Listed(f'mmdet:some/{name}.py', 'Some', {}, '') for name in ('some_r101', 'some_r50_long', 'some_r50', 'a_x101')
]


def test_the_plain_config_with_resnet_50_is_tried_first():
    names = [one.name.partition('/')[2] for one in heads.chosen(CONFIGS)]
    assert names == ['some_r50.py', 'some_r50_long.py', 'a_x101.py', 'some_r101.py']


def test_every_shipped_config_is_in_one_family(capsys):
    found, listed = heads.families([]), heads.list_sources()
    assert sorted(one.name for configs in found.values() for one in configs) == sorted(one.name for one in listed)
    assert all(one.family == family for family, configs in found.items() for one in configs)
    assert heads.families(['mmdet:dino', 'mmseg:fcn']) == {name: found[name] for name in ('mmdet:dino', 'mmseg:fcn')}
    with pytest.raises(SystemExit, match='no family mmdet:nothing: take some of mmdet:'):
        heads.main(['mmdet:nothing'])


def test_the_next_config_is_tried_where_one_has_no_place_for_a_convnext(tmp_path, monkeypatch):
    tried, works = [], {'some_r101'}

    def run(row, folder):
        tried.append(row.config)
        if not any(name in row.config for name in works):
            raise NotAdaptable(f"{row.config} can't be adapted: its method is its backbone")
        row.result = 'works'

    monkeypatch.setattr(heads, '_run', run)
    row = heads.measure('mmdet:some', CONFIGS, tmp_path)
    assert tried == [one.name for one in heads.chosen(CONFIGS)] and row.config == 'mmdet:some/some_r101.py'
    assert (row.result, row.reason, row.model) == ('works', '', 'Some') and row.seconds >= 0
    works.clear()
    row = heads.measure('mmdet:some', CONFIGS, tmp_path)
    assert (row.config, row.result) == ('mmdet:some/some_r50.py', 'not adapted')
    assert row.reason == 'its method is its backbone'


@pytest.mark.parametrize('failing', heads.STAGES)
def test_a_family_s_result_is_the_stage_that_fails_with_its_reason(failing, tmp_path, monkeypatch):
    """Each stage is faked, in the order of the real ones."""
    stages = iter(heads.STAGES)

    def stage(*_, returned=None):
        if (name := next(stages)) == failing:
            raise RuntimeError(f'no {name}\n  here')
        return returned

    def command(verb, *arguments):
        if '--resume' in arguments:
            return  # of the stage that compares the checkpoints
        stage()
        if verb == 'train':
            (tmp_path / 'run').mkdir()
            for number in (2, 10):
                (tmp_path / 'run' / f'epoch_{number}.pth').touch()

    monkeypatch.setattr(heads, '_command', command)
    monkeypatch.setattr(heads, '_build', lambda config: stage(returned=['x=1']))
    monkeypatch.setattr(heads, '_sample_image', lambda: 'image.jpg')
    monkeypatch.setattr(heads, '_check_equal', lambda one, other: stage(returned=compared.append(one.name)))
    monkeypatch.setattr(heads, '_export', lambda *_: stage(returned='features'))
    compared: list[str] = []
    row = heads.Row('mmdet:retinanet', 'mmdet:retinanet/retinanet_r50_fpn_1x_coco.py', 'RetinaNet', '')
    heads._run(row, tmp_path)
    assert (row.result, row.reason) == (failing, f'no {failing} here')
    assert compared == (['epoch_10.pth'] if failing in ('resumes', 'exports') else [])


def test_checkpoints_are_compared_to_the_last_bit(tmp_path):
    weights = {'a': torch.arange(3.0), 'b': torch.zeros(2)}
    one, other = tmp_path / 'one.pth', tmp_path / 'other.pth'
    torch.save({'state_dict': weights}, one)
    torch.save({'state_dict': {**weights, 'a': weights['a'].clone()}}, other)
    heads._check_equal(one, other)
    changed = weights['a'].clone()
    changed[1] = torch.nextafter(changed[1], torch.tensor(2.0))
    for different in ({'a': changed}, {'c': changed}):
        torch.save({'state_dict': {**weights, **different}}, other)
        (name,) = different
        with pytest.raises(RuntimeError, match=f'1 of [23] tensors differ after the resume, such as {name}'):
            heads._check_equal(one, other)


def test_an_error_line_of_a_command_is_the_reason():
    with pytest.raises(RuntimeError, match=r'^unknown flag --nothing'):
        heads._command('train', '--nothing')
    assert 'configs/det/dino_convnext_t_coco.py' in heads._command('list')


def test_a_process_that_ends_badly_or_takes_too_long_is_a_row(monkeypatch, tmp_path):
    found = {'mmdet:some': CONFIGS}

    def ends(command, **settings):
        assert settings['env']['OMP_NUM_THREADS'] == '1' and command[-2:] == ['--one', 'mmdet:some']
        return subprocess.CompletedProcess(command, -9, '', 'killed')

    monkeypatch.setattr(heads.subprocess, 'run', ends)
    (row,) = heads.run_all(found, 1)
    assert (row.config, row.result, row.reason) == ('mmdet:some/some_r50.py', 'builds', 'killed')

    def hangs(command, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(heads.subprocess, 'run', hangs)
    (row,) = heads.run_all(found, 1)
    assert row.reason == f'takes more than {heads.SECONDS} s here'


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_two_small_families_run_from_end_to_end(tmp_path, capsys):
    """One family of mmseg that works, and one whose method is its backbone."""
    file = tmp_path / 'heads.json'
    heads.main(['mmseg:fcn', 'mmseg:stdc', '--processes', '1', '--out', str(file)])
    content = json.loads(file.read_text())
    rows = {row['family']: row for row in content['rows']}
    assert content['arch'] == 'atto' and list(rows) == ['mmseg:fcn', 'mmseg:stdc'] and content['environment']['torch']
    assert (rows['mmseg:fcn']['result'], rows['mmseg:fcn']['exports']) == ('works', 'results'), rows
    assert rows['mmseg:stdc']['result'] == 'not adapted' and rows['mmseg:stdc']['reason']
    assert capsys.readouterr().out.endswith('1 of 2 families work\n')


def test_rows_of_named_families_replace_their_old_ones(tmp_path, monkeypatch):
    out, first, second = tmp_path / 'heads.json', 'mmdet:atss', 'mmseg:fcn'

    def measured(found, processes, result='works'):
        return iter([heads.Row(name, 'config', 'model', result) for name in found])

    monkeypatch.setattr(heads, 'run_all', measured)
    heads.main([second, '--out', str(out)])
    monkeypatch.setattr(heads, 'run_all', partial(measured, result='trains'))
    heads.main([first, '--out', str(out)])
    rows = json.loads(out.read_text())['rows']
    assert [(row['family'], row['result']) for row in rows] == [(first, 'trains'), (second, 'works')]
    heads.main([second, '--out', str(out)])
    assert [row['result'] for row in json.loads(out.read_text())['rows']] == ['trains', 'trains']
