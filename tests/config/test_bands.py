import dataclasses

import numpy as np
import pytest

from convnext_dense.config.bands import follow_bands, stats_file
from convnext_dense.config.preprocessing import Chosen, Told, follow_run, follow_weights
from convnext_dense.config.read import read_config
from convnext_dense.errors import UserError
from convnext_dense.io.band_choice import BandInput
from convnext_dense.io.image_stats import BandSums, ImageStats, write_stats
from convnext_dense.tasks.bands import BandOptions, band_input
from convnext_dense.weights.preprocessing import IMAGENETS, Preprocessing

CONFIG = 'configs/seg/upernet_convnext_a_ade20k.py'


@pytest.fixture
def root(tmp_path):
    rng = np.random.default_rng(0)
    image = rng.normal([100, 2000, 30, 4], [10, 100, 3, 1], (50, 60, 4)).astype(np.uint16)
    image[..., 3] = 7
    stats = ImageStats.of([BandSums.of(image)], 'uint16')
    write_stats(stats, tmp_path / 'image_stats.json')
    return tmp_path, stats


def read(root, bands='all', options=None, **others):
    cfg = read_config(CONFIG, options, needs_data=False, bands=BandOptions(bands, **others))
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[key].dataset.root = str(root)
    return cfg


def test_mean_and_std_are_those_of_the_statistics(root):
    path, stats = root
    cfg = read(path, (3, 1))
    line = follow_weights(cfg, Told())
    part = cfg.model.data_preprocessor
    np.testing.assert_allclose(part.mean, [stats.mean[2], stats.mean[0]], rtol=1e-6)
    np.testing.assert_allclose(part.std, [stats.std[2], stats.std[0]], rtol=1e-6)
    assert part.mean == np.float32(part.mean).tolist()  # as a checkpoint has them
    assert cfg.train_dataloader.dataset.pipeline[0].fill == part.mean
    assert (part.stored_bands, part.dtype) == (4, 'uint16')
    assert f'of bands 3,1 of 4 (uint16) as stored, as {path}/image_stats.json says' in line


def test_all_are_as_many_as_the_statistics_have(root):
    path, _ = root
    cfg = read(path, options={'model.data_preprocessor.std': [1.0] * 4, 'model.data_preprocessor.mean': [0.0] * 4})
    with pytest.raises(
        UserError, match=r'band 4 has the value 7 in all training images, .*: leave it out with --bands'
    ):
        follow_weights(read(path), Told())
    with pytest.raises(UserError, match=r'--bands 1,2,3$'):
        follow_weights(read(path), Told())
    assert cfg.bands == 'all'


def test_another_file(root, tmp_path):
    path, _ = root
    cfg = read(tmp_path / 'elsewhere', (1, 2), image_stats=path / 'image_stats.json')
    assert 'image_stats.json says' in follow_weights(cfg, Told())


def test_without_statistics_the_command_is_named(tmp_path):
    cfg = read(tmp_path, (2, 1))
    with pytest.raises(UserError) as error:
        follow_weights(cfg, Told())
    assert str(error.value).startswith(
        f'--bands 2,1 needs the mean and std of each band, and there is no {tmp_path}/image_stats.json: '
    )
    assert f'`convnext-dense check_data {cfg.filename} --data {tmp_path} --bands 2,1` measures them' in str(
        error.value
    )
    assert stats_file(cfg) == tmp_path / 'image_stats.json'


def test_bands_that_the_data_lack(root):
    with pytest.raises(UserError, match=r'--bands 5: there is no band 5, since the images have, by .*, bands 1 to 4'):
        follow_weights(read(root[0], (5,)), Told())


TRAINED = Preprocessing((1.0, 2.0), (3.0, 4.0), bands=BandInput((3, 1), (), 4, 'uint16'), source='the checkpoint')


def test_weights_of_the_same_bands_come_before_the_statistics(root):
    cfg = read(root[0], (3, 1))
    assert 'as the checkpoint says' in follow_weights(cfg, Told('own.pth', TRAINED, trained_here=True))
    assert cfg.model.data_preprocessor.mean == [1.0, 2.0]
    other = read(root[0], (1, 2))
    assert 'image_stats.json says' in follow_weights(other, Told('own.pth', TRAINED, trained_here=True))


def test_rgb_weights_leave_the_statistics(root):
    cfg = read(root[0], (3, 1))
    assert 'image_stats.json says' in follow_weights(cfg, Told('rgb.pth', IMAGENETS))


def test_evaluation_takes_the_checkpoints(tmp_path):
    for bands in ((3, 1), 'all'):
        cfg = read(tmp_path, bands)
        assert follow_weights(cfg, Told('own.pth', TRAINED, trained_here=True), evaluates=True) == ''
        assert band_input(cfg) == TRAINED.bands
        assert cfg.model.data_preprocessor.std == [3.0, 4.0]
        assert cfg.model.backbone.in_channels == 2


@pytest.mark.parametrize(
    ('bands', 'found', 'message'),
    [
        ((1, 3), TRAINED, 'own.pth was trained on bands 3,1, and --bands is 1,3: leave it out'),
        ((1, 3), IMAGENETS, 'own.pth is of a model for RGB of 8 bits: leave out --bands'),
        ((1, 3), None, 'own.pth tells no mean and std of bands: it was not trained on them here'),
        ('all', None, 'own.pth tells no mean and std'),
    ],
)
def test_evaluation_refuses_other_bands(tmp_path, bands, found, message):
    with pytest.raises(UserError) as error:
        follow_weights(read(tmp_path, bands), Told('own.pth', found, trained_here=True), evaluates=True)
    assert str(error.value).startswith(message)


def test_rgb_of_a_model_of_bands_is_refused(tmp_path):
    cfg = read_config(CONFIG, needs_data=False)
    told = Told('own.pth', TRAINED, trained_here=True)
    for follow in (follow_weights, follow_run):
        with pytest.raises(UserError, match=r'own.pth was trained on bands 3,1 of 4 .*: take them with --bands 3,1$'):
            follow(cfg, told)


def test_a_resumed_run_keeps_its_mean_though_the_statistics_changed(root):
    cfg = read(root[0], (3, 1))
    follow_run(cfg, Told('config.py', dataclasses.replace(TRAINED, source='the run')))
    assert cfg.model.data_preprocessor.mean == [1.0, 2.0]
    with pytest.raises(UserError, match=r'config.py was trained on bands 3,1, and --bands is 1,2'):
        follow_run(read(root[0], (1, 2)), Told('config.py', TRAINED))


def test_a_mean_of_levels_is_refused(root):
    with pytest.raises(UserError, match=r'--mean and --std are of RGB values from 0 to 1; those of bands stand in'):
        follow_weights(read(root[0], (3, 1)), Told(), Chosen([0.5] * 3, [0.5] * 3))


def test_a_config_can_state_them(tmp_path):
    own = {'model.data_preprocessor.mean': [5.0, 6.0], 'model.data_preprocessor.std': [7.0, 8.0]}
    cfg = read(tmp_path, (3, 1), own)
    assert 'as the config says' in follow_bands(cfg, '', None)
    assert cfg.model.data_preprocessor.mean == [5.0, 6.0]
    with pytest.raises(UserError, match=r'has a mean of 2 values and a std of 2, and --bands 1,2,3 takes 3: give one'):
        follow_bands(read(tmp_path, (1, 2, 3), own), '', None)
