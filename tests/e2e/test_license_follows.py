"""The license of weights, from a file to the checkpoints of a run, to what is trained from them and what is written.

The weights are random ones, under the name of an official file.
"""

from pathlib import Path

import onnx
import pytest
import torch

from convnext_dense.cli import run_verb
from convnext_dense.weights.extraction import extract_weights
from convnext_dense.weights.reader import read_checkpoint
from tests.helpers.small_classifier import classifier, official, save
from tests.helpers.small_run import BY_EPOCH, train, write_config

NAME = 'convnextv2_atto_1k_224_ema'
KEPT = {'source': NAME, 'license': 'cc-by-nc-4.0'}
SAID = 'license CC BY-NC 4.0 (no commercial use)'
REFUSED = f'error: --commercial: {NAME} has the license CC BY-NC 4.0 (no commercial use): take other weights'


def kept(path: Path) -> object:
    return torch.load(path, weights_only=True)['meta']['pretrained']


def log_of(work_dir: Path) -> str:
    return ''.join(path.read_text() for path in sorted(work_dir.rglob('*.log')))


@pytest.fixture
def config(tmp_path) -> Path:
    return write_config(tmp_path / 'small.py', BY_EPOCH)


def test_it_follows_the_weights_and_is_refused_everywhere(config, own_image_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights = save(official(classifier(num_classes=5)), tmp_path / f'{NAME}.pt')
    data, run, tuned = own_image_folder, tmp_path / 'run', tmp_path / 'tuned'

    assert train(config, data, run, '--pretrained', str(weights), '--commercial') == 2
    assert REFUSED in capsys.readouterr().err
    assert not run.exists()

    assert train(config, data, run, '--pretrained', str(weights), '--epochs', '2') == 0
    (run / 'epoch_2.pth').unlink()
    assert f'; {SAID}' in log_of(run)
    assert kept(run / 'epoch_1.pth') == kept(run / 'best.pth') == KEPT
    before = sorted(run.rglob('*'))
    assert train(config, data, run, '--resume', '--epochs', '2', '--commercial') == 2
    assert REFUSED in capsys.readouterr().err
    assert sorted(run.rglob('*')) == before
    assert train(config, data, run, '--resume', '--epochs', '2') == 0
    assert f'epoch_1.pth; {SAID}' in log_of(run)
    assert kept(run / 'epoch_2.pth') == KEPT

    # the second generation, from a work dir
    assert train(config, data, tuned, '--pretrained', str(run), '--commercial') == 2
    assert REFUSED in capsys.readouterr().err
    assert train(config, data, tuned, '--pretrained', str(run), '--epochs', '1') == 0
    assert kept(tuned / 'epoch_1.pth') == KEPT

    image = next(path for path in sorted(data.rglob('*.*')) if path.is_file())
    capsys.readouterr()
    for verb, *arguments in (
        ('test', str(tuned), '--data', str(data)),
        ('demo', str(tuned), str(image), '--out-dir', 'drawn'),
        ('export-onnx', str(tuned), 'model.onnx'),
        ('convert-weights', str(tuned), 'ours.pth'),
    ):
        assert run_verb(verb, [*arguments, '--commercial']) == 2, verb
        assert capsys.readouterr().err.startswith(REFUSED), verb
    assert not any(Path(name).exists() for name in ('drawn', 'model.onnx', 'ours.pth'))

    assert run_verb('demo', [str(tuned), str(image), '--out-dir', 'drawn']) == 0
    assert f'license of {NAME}: CC BY-NC 4.0 (no commercial use)\n' in capsys.readouterr().err
    assert run_verb('export-onnx', [str(tuned), 'model.onnx']) == 0
    about = {entry.key: entry.value for entry in onnx.load('model.onnx').metadata_props}
    assert (about['trained_from'], about['license']) == (NAME, 'cc-by-nc-4.0')
    assert run_verb('convert-weights', [str(tuned), 'ours.pth']) == 0
    assert kept(Path('ours.pth')) == KEPT
    assert 'license    CC BY-NC 4.0 (no commercial use)' in capsys.readouterr().out
    assert run_verb('convert-weights', [str(tuned), 'timm.pth', '--to', 'timm']) == 0
    assert 'license    CC BY-NC 4.0 (no commercial use)' in capsys.readouterr().out


def test_what_is_trained_from_random_weights_has_none(config, own_image_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / 'run'
    assert train(config, own_image_folder, run, '--pretrained', 'none', '--commercial', '--epochs', '1') == 0
    assert kept(run / 'epoch_1.pth') is None
    assert extract_weights(read_checkpoint(run / 'epoch_1.pth'), run / 'epoch_1.pth').origin is None
    capsys.readouterr()
    assert run_verb('convert-weights', [str(run), 'ours.pth', '--commercial']) == 0
    assert 'license' not in ''.join(capsys.readouterr())
    assert kept(Path('ours.pth')) is None


def test_weights_of_unknown_license_are_warned_of_and_named(config, own_image_folder, tmp_path, capsys):
    weights, run = save(official(classifier(num_classes=5)), tmp_path / 'mine.pth'), tmp_path / 'run'
    arguments = ('--pretrained', str(weights), '--commercial', '--epochs', '1')
    assert train(config, own_image_folder, run, *arguments) == 0
    assert f'warning: --commercial: the license of {weights} is unknown\n' in capsys.readouterr().err
    assert kept(run / 'epoch_1.pth') == {'source': str(weights), 'license': None}


def test_weights_that_a_part_of_the_model_names_count_too(config, own_image_folder, tmp_path, capsys):
    backbone = {name: t for name, t in official(classifier())['model'].items() if not name.startswith('head.')}
    weights, run = save({'state_dict': backbone}, tmp_path / f'{NAME}.pt'), tmp_path / 'run'
    init = f"dict(type='Pretrained', checkpoint='{weights}')"
    config.write_text(f'{config.read_text()}\nmodel["backbone"]["init_cfg"] = {init}\n')
    arguments = ('--pretrained', 'none', '--epochs', '1')
    assert train(config, own_image_folder, run, *arguments, '--commercial') == 2
    assert REFUSED in capsys.readouterr().err
    assert train(config, own_image_folder, run, *arguments) == 0
    assert kept(run / 'epoch_1.pth') == KEPT
    assert f'initialized from {NAME}; {SAID}' in log_of(run)
