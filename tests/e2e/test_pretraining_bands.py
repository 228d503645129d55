"""Pre-training on bands as they are stored: from the check of the data to a run, its drawings and a segmentor."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from convnext_dense import load
from convnext_dense.cli import run_verb
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.io.band_images import stretch
from tests.e2e.test_pretraining import CONFIG, OPTIONS
from tests.helpers.band_images import scene, stored, write_config, write_scenes

BANDS = ('--bands', '6,3,2,1', '--rgb-bands', '3,2,1')


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp('bands')
    write_scenes(root / 'six', 'six', training=8)
    write_scenes(root / 'rgb8', 'rgb8', training=8)
    (root / 'fcmae.py').write_text(CONFIG)
    write_config(root / 'upernet.py', "model.update(backbone={**model['backbone'], 'version': 2})\n")
    argv = [str(root / 'fcmae.py'), '--data', str(root / 'six'), '--bands', 'all', '--workers', '1']
    assert run_verb('check_data', argv) == 0
    return root


def train(scenes, work_dir, *more, data='six', epochs='2', options=()):
    argv = [str(scenes / 'fcmae.py'), '--data', str(scenes / data), '--work-dir', str(work_dir), '--epochs', epochs]
    return run_verb('train', [*argv, *more, '--cfg-options', *OPTIONS, *options])


@pytest.fixture(scope='module')
def run(scenes):
    assert train(scenes, scenes / 'run', *BANDS) == 0
    return scenes / 'run'


def test_the_statistics_are_those_of_the_training_images(scenes):
    stats = json.loads((scenes / 'six' / 'image_stats.json').read_text())
    values = np.stack([stored(scene(number)[0], 'six') for number in range(8)]).astype(float)
    assert stats['images'] == 8 and stats['dtype'] == 'uint16'
    np.testing.assert_allclose([band['mean'] for band in stats['bands']], values.mean(axis=(0, 1, 2)), rtol=1e-9)
    np.testing.assert_allclose([band['std'] for band in stats['bands']], values.std(axis=(0, 1, 2)), rtol=1e-9)


def test_network_and_decoder_follow_the_number_of_bands(scenes, run):
    content = torch.load(run / 'epoch_2.pth', weights_only=True)
    assert content['state_dict']['backbone.downsample_layers.0.0.weight'].shape[1] == 4
    assert len(content['state_dict']['pred.weight']) == 32 * 32 * 4
    stats = json.loads((scenes / 'six' / 'image_stats.json').read_text())['bands']
    kept = content['meta']['preprocessing']
    np.testing.assert_allclose(kept['mean'], [stats[band - 1]['mean'] for band in (6, 3, 2, 1)], rtol=1e-6)
    assert kept['bands'] == {'bands': [6, 3, 2, 1], 'rgb': [3, 2, 1], 'stored': 6, 'dtype': 'uint16'}
    log = next(run.glob('*/*.log')).read_text()
    assert 'bands 6,3,2,1 of 6 (uint16), of which 3,2,1 are red, green and blue' in log
    assert f'as {scenes}/six/image_stats.json says' in log
    losses = [value for _, value in read_scalars(run)['val/raw/reconstruction_loss']]
    assert all(0.5 < loss < 3 for loss in losses)


def test_a_resumed_run_is_that_which_was_not_cut(scenes, run, tmp_path):
    (tmp_path / 'cut').mkdir()
    for file in (*run.glob('*.py'), run / 'epoch_1.pth'):
        shutil.copy(file, tmp_path / 'cut')
    assert train(scenes, tmp_path / 'cut', *BANDS, '--resume') == 0
    one, other = (torch.load(path / 'epoch_2.pth', weights_only=True) for path in (run, tmp_path / 'cut'))
    torch.testing.assert_close(one['state_dict'], other['state_dict'], rtol=0, atol=0)
    assert one['meta']['preprocessing'] == other['meta']['preprocessing']


def test_test_and_demo_need_no_flag_and_draw_three_bands(scenes, run, tmp_path):
    image = sorted((scenes / 'six' / 'images' / 'validation').iterdir())[0]
    assert run_verb('test', [str(run), '--out', str(tmp_path / 'm.json'), '--show-dir', str(tmp_path / 'show')]) == 0
    assert json.loads((tmp_path / 'm.json').read_text())['metrics']['raw/images'] == 3
    assert len(json.loads((tmp_path / 'show' / 'predictions.json').read_text())) == 3
    assert run_verb('demo', [str(run), str(image), '--out-dir', str(tmp_path / 'drawn')]) == 0
    predict = load(run, options={'test_dataloader.dataset.transform.crop_ratio': 1.0})
    result = predict(image)
    values = stored(scene(100)[0], 'six')
    shown = stretch(values[..., [2, 1, 0]])
    assert np.abs(result.original.astype(int) - shown).max() <= 1  # normalized and back
    assert np.array_equal(predict(values).painted, result.painted)
    visible = ~result.hidden.repeat(32, 0).repeat(32, 1)
    assert np.array_equal(result.composed[visible], result.original[visible])
    drawn = Image.open(next((tmp_path / 'drawn').glob('*.png')))
    assert drawn.width > 4 * 224


def test_a_segmentor_with_the_same_bands_starts_with_its_stem(scenes, run, tmp_path, capsys):
    argv = [str(scenes / 'upernet.py'), '--data', str(scenes / 'six'), '--work-dir', str(tmp_path / 'seg')]
    options = ['optim_wrapper.optimizer.lr=1e-30', 'model.backbone.arch.dims=[4,8,12,16]']
    heads = ['model.decode_head.in_channels=[4,8,12,16]', 'model.auxiliary_head.in_channels=12']
    more = ['--pretrained', str(run), '--iters', '2', '--cfg-options', *options, *heads]
    assert run_verb('train', [*argv, *BANDS, *more]) == 0
    trained = torch.load(run / 'epoch_2.pth', weights_only=True)
    started = torch.load(tmp_path / 'seg' / 'iter_2.pth', weights_only=True)
    name = 'backbone.downsample_layers.0.0.weight'
    assert torch.equal(started['state_dict'][name], trained['state_dict'][name])
    assert started['meta']['preprocessing']['mean'] == trained['meta']['preprocessing']['mean']
    capsys.readouterr()


@pytest.mark.parametrize(
    ('data', 'flags', 'message'),
    [
        ('rgb8', ('--bands', '1'), 'needs the mean and std of each band, and there is no '),
        ('six', ('--bands', '7'), 'there is no band 7, since the images have, by '),
        ('six', ('--bands', '1,2,3', '--display-bands', '4,5,6'), 'a reconstruction has no band 4, only bands 1,2,3'),
        (
            'six',
            ('--bands', 'all', '--value-range', '0', '4095'),
            '--value-range 0 4095 is for images that are read',
        ),
        ('six', ('--rgb-bands', '1,2,3'), '--rgb-bands 1,2,3 belongs to --bands, which is not given'),
        ('six', ('--bands', 'all', '--probe', 'sample'), '--probe sample reads RGB of 8 bits, and --bands all'),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(scenes, tmp_path, error, data, flags, message):
    assert train(scenes, tmp_path / 'run', *flags, data=data) == 2
    assert message in error()
    assert not (tmp_path / 'run').exists()


def test_settings_for_colors_are_left_out_and_named(scenes, tmp_path, capsys):
    options = ("train_dataloader.dataset.transform.auto_augment='rand-m9'",)
    assert train(scenes, tmp_path / 'run', '--bands', 'all', epochs='1', options=options) == 0
    log = next((tmp_path / 'run').glob('*/*.log')).read_text()
    assert 'left out, since they are for RGB of 8 bits: auto_augment' in log
