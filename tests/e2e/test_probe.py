"""From ``probe`` to the commands that take its work dir: its numbers are those of ``test``, its head is trained on."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from convnext_dense import load
from convnext_dense.cli import run_verb
from tests.helpers.small_classifier import classifier, save
from tests.helpers.small_probe import ATTO, SMALL, probe, results, weights


@pytest.fixture(scope='module')
def compared(tmp_path_factory, image_folder):
    """The work dir of a probe of three weights, and its output."""
    folder = tmp_path_factory.mktemp('probe')
    sources = []
    for seed in range(2):
        torch.manual_seed(seed)
        sources.append(str(weights(folder / f'{seed}.pth')))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert probe(image_folder, folder / 'work', '--pretrained', *sources, 'none') == 0
    return folder / 'work', [*sources, 'none']


def test_the_numbers_are_those_of_a_test_for_each_weights(compared):
    work_dir, sources = compared
    rows = results(work_dir)['weights']
    assert sorted(row['source'] for row in rows) == sorted(sources)
    accuracies = [row['metrics']['top1'] for row in rows]
    assert accuracies == sorted(accuracies, reverse=True) and min(accuracies) > 33.4
    for row in rows:
        checkpoint = work_dir.joinpath(row['checkpoint'])
        assert run_verb('test', [str(checkpoint.parent)]) == 0
        metrics = json.loads((checkpoint.parent / 'metrics.json').read_text())['metrics']
        assert metrics == {f'raw/{name}': value for name, value in row['metrics'].items()}
    assert run_verb('test', [str(work_dir)]) == 0  # the best
    assert json.loads((work_dir / 'metrics.json').read_text())['metrics']['raw/top1'] == accuracies[0]


def test_the_work_dir_predicts_is_exported_converted_and_trained_on(compared, image_folder, tmp_path, capsys):
    work_dir, _ = compared
    images = sorted((image_folder / 'val').rglob('*.jpg'))
    predict = load(work_dir)
    right = [predict(str(image)).top(1)[0][0] == image.parent.name for image in images]
    assert 100 * np.mean(right) == pytest.approx(results(work_dir)['weights'][0]['metrics']['top1'])
    assert run_verb('export-onnx', [str(work_dir), str(tmp_path / 'x.onnx'), '--check']) == 0
    assert run_verb('convert-weights', [str(work_dir), str(tmp_path / 'x.pth'), '--to', 'official']) == 0
    head = torch.load(work_dir / 'linear.pth')['state_dict']['head.weight']
    assert torch.equal(torch.load(tmp_path / 'x.pth')['model']['head.weight'], head)
    options = ['train_dataloader.batch_size=8', 'train_cfg.total_batch_size=8', 'default_hooks.ema=None']
    argv = [ATTO, '--data', str(image_folder), '--work-dir', str(tmp_path / 'run'), '--epochs', '1']
    capsys.readouterr()
    assert run_verb('train', [*argv, '--pretrained', str(work_dir), '--cfg-options', *SMALL, *options]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if 'pretrained: ' in line)
    assert re.search(r'linear\.pth .*fresh: nothing; left over in the file: nothing', line)


def test_a_second_run_of_one_of_them_gives_the_same_numbers(compared, image_folder, capsys):
    work_dir, sources = compared
    before = {row['source']: row for row in results(work_dir)['weights']}
    assert probe(image_folder, work_dir, '--pretrained', sources[1]) == 0
    assert 'features for training: 0 computed, 48 kept from before' in capsys.readouterr().out
    (row,) = results(work_dir)['weights']
    for key in ('metrics', 'knn', 'l2', 'tried'):
        assert row[key] == before[sources[1]][key]
    saved = [torch.load(work_dir / place / 'linear.pth')['state_dict'] for place in ('', f'{work_dir.parent.name}_1')]
    assert all(np.array_equal(saved[0][name], saved[1][name]) for name in saved[0])


def test_each_weights_see_images_as_they_were_made_for(image_folder, tmp_path, capsys):
    torch.manual_seed(0)
    state = classifier(7).state_dict()
    half = dict(mean=[0.5, 0.5, 0.5], std=[0.5, 0.5, 0.5])
    for name, preprocessing in (('plain', {}), ('half', dict(preprocessing=half))):
        meta = {'convnext_dense': '0', **preprocessing}
        save({'state_dict': state, 'meta': meta}, tmp_path / f'{name}.pth')
    sources = [str(tmp_path / f'{name}.pth') for name in ('plain', 'half')]
    assert probe(image_folder, tmp_path / 'work', '--pretrained', *sources, '--l2', '0.1') == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith('normalization: ')]
    assert '0.485' in lines[0] and '0.5 0.5 0.5' in lines[1] and 'checkpoint says' in lines[1]
    rows = {Path(row['source']).stem: row for row in results(tmp_path / 'work')['weights']}
    for name, expected in (('plain', 0.485), ('half', 0.5)):
        folder = Path(rows[name]['checkpoint']).parent
        assert torch.load(folder / 'linear.pth')['meta']['preprocessing']['mean'][0] == expected
        predict = load(folder)
        step = next(step for step in predict._transform.transforms if hasattr(step, 'mean'))
        assert float(step.mean[0]) == pytest.approx(expected)
        assert run_verb('test', [str(folder)]) == 0
        metrics = json.loads((folder / 'metrics.json').read_text())['metrics']
        assert metrics['raw/top1'] == rows[name]['metrics']['top1']
    capsys.readouterr()
    given = ('--mean', '0.5', '0.5', '0.5', '--std', '0.5', '0.5', '0.5', '--l2', '0.1')
    assert probe(image_folder, tmp_path / 'work', '--pretrained', sources[0], *given) == 0
    out = capsys.readouterr().out
    assert 'as --mean and --std say' in out and 'features for training: 0 computed, 48 kept' in out
    assert results(tmp_path / 'work')['weights'][0]['metrics'] == rows['half']['metrics']
