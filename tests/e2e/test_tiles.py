"""Tiles from the command line to a run, and from the run to all that follows it without a flag."""

import json
import shutil

import pytest
import torch

from convnext_dense.checkpoints import manifest
from convnext_dense.cli import run_verb
from tests.helpers.band_images import write_config, write_scenes


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp('tiles')
    write_config(root / 'c.py')
    write_scenes(root / 'data', 'rgb8')
    return root


def train(scenes, work_dir, *more):
    argv = [str(scenes / 'c.py'), '--data', str(scenes / 'data'), '--work-dir', str(work_dir), *more]
    return run_verb('train', argv)


@pytest.fixture(scope='module')
def run(scenes):
    assert train(scenes, scenes / 'run', '--tile', '48', '--overlap', '0.25', '--empty-tiles', '0.2') == 0
    return scenes / 'run'


def cut(run, place):
    """Copy a run as it was after two of its four steps."""
    place.mkdir()
    for file in (*run.glob('*.py'), run / 'iter_2.pth', run / manifest.FILE_NAME):
        shutil.copy(file, place)
    return place


def log_of(run):
    return max(run.glob('*/*.log')).read_text()


def test_a_run_says_and_keeps_its_tiles(run):
    log = log_of(run)
    assert (
        'images are taken in tiles of 48 x 48 pixels with an overlap of 0.25, which enter the network at their' in log
    )
    assert 'as --tile says, which implies --image-size 48 48' in log
    assert 'image sizes: crops of 48 x 48 in training' in log
    assert '6 images in 24 tiles of 48 x 48' in log
    assert '4 optimizer steps of 2 of 24 tiles: --iters 300 or more' in log
    saved = (run / 'c.py').read_text()
    assert saved.count('empty_share=0.2') == 4  # of the config, and of each data set


def test_resuming_needs_no_flag_and_goes_on_exactly(scenes, run, tmp_path):
    place = cut(run, tmp_path / 'cut')
    assert train(scenes, place, '--resume') == 0
    assert 'of 0.25, which enter the network at their own size in testing; as the run has them' in log_of(place)
    one, other = (torch.load(path / 'iter_4.pth', weights_only=True) for path in (run, place))
    torch.testing.assert_close(one['state_dict'], other['state_dict'], rtol=0, atol=0)
    assert (place / 'c.py').read_text().count('empty_share=0.2') == 4


@pytest.mark.parametrize(
    ('flags', 'said'),
    [
        (
            ('--tile', '32'),
            'the run had tiles of 48 x 48, overlap 0.25, share of empty tiles 0.2, least visible share ',
        ),
        (('--overlap', '0'), 'and now has tiles of 48 x 48, overlap 0, share of empty tiles 0.2'),
        (('--cfg-options', 'tiles=None'), 'and now has no tiles: resume with what it had, as in '),
    ],
)
def test_a_run_is_not_resumed_with_other_tiles(scenes, run, tmp_path, capsys, flags, said):
    assert train(scenes, cut(run, tmp_path / 'cut'), '--resume', *flags) == 2
    assert said in capsys.readouterr().err


def test_a_checkpoint_elsewhere_names_the_flags_of_its_tiles(scenes, run, tmp_path, capsys):
    moved, flags = shutil.copy(run / 'iter_2.pth', tmp_path), '--tile 48 --overlap 0.25 --empty-tiles 0.2'
    assert train(scenes, tmp_path / 'none', '--resume', str(moved)) == 2
    said = f'the run had images in tiles by {flags} --least-visible 0.3 and now has no flags: resume with {flags}'
    assert said in capsys.readouterr().err


def test_testing_needs_no_flag_and_takes_others(run, tmp_path, capsys):
    found = {}
    flags = {'own': (), 'smaller': ('--tile', '32'), 'whole': ('--cfg-options', 'tiles=None')}
    for name, more in flags.items():
        out = tmp_path / f'{name}.json'
        assert run_verb('test', [str(run), '--out', str(out), '--show-dir', str(tmp_path / name), *more]) == 0
        found[name] = json.loads(out.read_text())['metrics']
        said = capsys.readouterr().out
        assert ('in tiles of 48 x 48' in said, 'in tiles of 32 x 32' in said) == (name == 'own', name == 'smaller')
        assert found[name]['raw/images'] == 3
    assert len({str(metrics) for metrics in found.values()}) == 3
