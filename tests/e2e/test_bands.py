"""Images of 12 and 32 bits, of floats and of six bands: from the check of the data to a run, a test and an export."""

import json
import shutil

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

from convnext_dense import load
from convnext_dense.cli import run_verb
from convnext_dense.config.preprocessing import Told, follow_weights
from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.io.band_images import stretch
from convnext_dense.registry import DATASETS
from convnext_dense.tasks.bands import BandOptions
from tests.helpers.band_images import KINDS, scene, stored, write_config, write_scenes


@pytest.fixture(scope='module')
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp('bands')
    for kind in KINDS:
        write_scenes(root / kind, kind)
        checked = run_verb('check_data', [str(write_config(root / 'c.py')), '--data', str(root / kind), *WHOLE])
        assert checked == 0
    return root


WHOLE = ('--bands', 'all', '--workers', '1')


def network_inputs(scenes, kind, bands):
    """The first validation image as the network gets it, normalized, (C, 64, 64)."""
    options = BandOptions(bands)
    cfg = read_config(str(scenes / 'c.py'), None, str(scenes / kind), bands=options)
    follow_weights(cfg, Told())
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    sample = dataset[0]
    model = build_model(cfg)
    return model.data_preprocessor({'inputs': [sample['inputs']], 'data_samples': [sample['data_samples']]})['inputs']


def test_the_same_scene_is_the_same_input_whatever_its_type(scenes):
    expected = network_inputs(scenes, 'rgb8', 'all')
    assert expected.shape == (1, 3, 64, 64)
    assert abs(float(expected.std()) - 1) < 0.2
    for kind, tolerance in (('in16', 0.02), ('floats', 1e-4), ('int32', 1e-3)):
        torch.testing.assert_close(network_inputs(scenes, kind, 'all'), expected, rtol=0, atol=tolerance)
    torch.testing.assert_close(network_inputs(scenes, 'six', (1, 2, 3)), expected, rtol=0, atol=1e-3)
    six = network_inputs(scenes, 'six', (5, 1, 2, 3))
    assert six.shape == (1, 4, 64, 64)
    torch.testing.assert_close(six[:, 1:], expected, rtol=0, atol=1e-3)


def train(scenes, work_dir, *more, bands=('--bands', 'all', '--rgb-bands', '3,2,1', '--display-bands', '6,5,4')):
    argv = [str(scenes / 'c.py'), '--data', str(scenes / 'six'), '--work-dir', str(work_dir), *bands, *more]
    return run_verb('train', argv)


@pytest.fixture(scope='module')
def run(scenes):
    assert train(scenes, scenes / 'run') == 0
    return scenes / 'run'


def test_a_run_keeps_bands_mean_and_std(scenes, run):
    stats = json.loads((scenes / 'six' / 'image_stats.json').read_text())
    meta = torch.load(run / 'iter_4.pth', weights_only=True)['meta']['preprocessing']
    np.testing.assert_allclose(meta['mean'], [band['mean'] for band in stats['bands']], rtol=1e-6)
    assert meta['bands'] == {'bands': [1, 2, 3, 4, 5, 6], 'rgb': [3, 2, 1], 'stored': 6, 'dtype': 'uint16'}
    log = next(run.glob('*/*.log')).read_text()
    assert 'images are read as stored, bands 1,2,3,4,5,6 of 6 (uint16), of which 3,2,1 are red, green and blue' in log
    assert 'left out, since they are for RGB of 8 bits: PhotoMetricDistortion' in log
    assert f'as {scenes}/six/image_stats.json says' in log


def test_a_resumed_run_is_that_which_was_not_cut(scenes, run, tmp_path):
    (tmp_path / 'cut').mkdir()
    for file in (*run.glob('*.py'), run / 'iter_2.pth'):
        shutil.copy(file, tmp_path / 'cut')
    assert train(scenes, tmp_path / 'cut', '--resume') == 0
    one, other = (torch.load(path / 'iter_4.pth', weights_only=True) for path in (run, tmp_path / 'cut'))
    torch.testing.assert_close(one['state_dict'], other['state_dict'], rtol=0, atol=0)
    states = [content['optimizer']['state'] for content in (one, other)]
    torch.testing.assert_close(*states, rtol=0, atol=0)
    assert one['meta']['preprocessing'] == other['meta']['preprocessing']


def test_test_demo_and_export_need_no_flag(scenes, run, tmp_path, capsys):
    images = sorted((scenes / 'six' / 'images' / 'validation').iterdir())
    assert run_verb('test', [str(run), '--out', str(tmp_path / 'm.json'), '--show-dir', str(tmp_path / 'shown')]) == 0
    assert json.loads((tmp_path / 'm.json').read_text())['metrics']['raw/images'] == 3
    assert run_verb('demo', [str(run), str(images[0]), '--out-dir', str(tmp_path / 'drawn')]) == 0
    levels, _ = scene(100)
    result = load(run)(images[0])
    shown = stretch(stored(levels, 'six')[..., [5, 4, 3]])
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / 'drawn' / '00.png')), result.draw(image=shown))
    capsys.readouterr()
    assert run_verb('export_onnx', [str(run), str(tmp_path / 'm.onnx'), '--check']) == 0
    out = capsys.readouterr().out
    assert 'float32 (1, 6, 64, 64), bands 1,2,3,4,5,6 of 6 (uint16) as stored' in out
    assert out.count(': ok') == 6
    kept = {entry.key: entry.value for entry in onnx.load(tmp_path / 'm.onnx').metadata_props}
    assert json.loads(kept['bands']) == {'bands': [1, 2, 3, 4, 5, 6], 'rgb': [3, 2, 1], 'stored': 6, 'dtype': 'uint16'}
    assert len(json.loads(kept['mean'])) == 6


def test_prediction_by_config_and_checkpoint_takes_the_bands_of_the_checkpoint(scenes, run):
    image = sorted((scenes / 'six' / 'images' / 'validation').iterdir())[0]
    saved, given = load(run), load(scenes / 'c.py', run / 'iter_4.pth')
    expected = saved(image)
    np.testing.assert_array_equal(given(image).labels, expected.labels)
    np.testing.assert_array_equal(given(np.load(image)).labels, expected.labels)


KIND = 'it has 3 bands of uint8, and mean and std are of images with 6 bands of uint16'


@pytest.mark.parametrize(
    ('argv', 'message'),
    [
        (['train', 'c.py', '--data', 'rgb8', '--bands', '7'], 'there is no band 7, since the images have, by '),
        (
            ['train', 'c.py', '--data', 'rgb8', '--bands', 'all', '--image-stats', 'six/image_stats.json'],
            KIND,
        ),
        (['train', 'c.py', '--data', 'in16', '--bands', '1', '--image-stats', 'wide.json'], 'far from the statistics'),
        (['demo', 'run', 'rgb8/images/validation/00.png'], KIND),
        (['test', 'run', '--data', 'rgb8'], KIND),
        (['export_onnx', 'run', 'm.onnx', '--bands', '1,2'], 'the model takes bands 1,2,3,4,5,6, not 1,2: leave out'),
        (['flops', 'c.py', '--bands', 'all'], '--bands all: no data tell how many there are'),
        (['check_data', 'c.py', '--image-stats', 's.json'], '--image-stats FILE is for the statistics of bands'),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(scenes, run, argv, message, monkeypatch, capsys):
    monkeypatch.chdir(scenes)
    stats = json.loads((scenes / 'in16' / 'image_stats.json').read_text())
    for band in stats['bands']:
        band.update(mean=60000.0, std=10.0)
    (scenes / 'wide.json').write_text(json.dumps(stats))
    more = ['--work-dir', 'refused'] if argv[0] == 'train' else ['--out-dir', 'drawn'] if argv[0] == 'demo' else []
    more += ['--out', 'm.json', '--show-dir', 'shown'] if argv[0] == 'test' else []
    assert run_verb(argv[0], [*argv[1:], *more]) in (1, 2)
    captured = capsys.readouterr()
    text = captured.err if 'error' in captured.err else captured.out
    assert message in text
    assert 'Traceback' not in captured.err


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_all_kinds_are_learned_as_well_as_levels_of_8_bits(scenes, tmp_path):
    accuracy = {}
    for kind in KINDS:
        argv = [str(scenes / 'c.py'), '--data', str(scenes / kind), '--bands', 'all', '--iters', '200']
        assert run_verb('train', [*argv, '--work-dir', str(tmp_path / kind)]) == 0
        runs = torch.load(tmp_path / kind / 'iter_200.pth', weights_only=True)['runtime_info']
        accuracy[kind] = runs['best_score']
    assert min(accuracy.values()) > 85, accuracy
    assert min(accuracy.values()) > accuracy['rgb8'] - 3, accuracy
