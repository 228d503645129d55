"""The file of settings for the sample: found from any config, merged into what the config has."""

import shutil
from pathlib import Path

import pytest
from mmengine.config import Config

from convnext_dense.config.find import packaged_configs
from convnext_dense.config.provenance import explain
from convnext_dense.config.read import read_config
from convnext_dense.config.sample import find_sample_settings, merged, read_sample_settings
from convnext_dense.errors import UserError
from convnext_dense.sample_data.names import LARGE_SAMPLES
from tests.helpers.run_tool import ROOT

TINY = ROOT / 'configs/classification/convnext_t.py'


def write(folder, content='', **settings):
    """A config of one's own that inherits from the tiny recipe, and its own settings for the sample."""
    (folder / 'own.py').write_text(f'_base_ = {str(TINY)!r}\n{content}')
    for name, text in settings.items():
        (folder / f'{name}.py').write_text(text)
    return str(folder / 'own.py')


def read(path):
    return read_config(path, data='sample', needs_data=False)


def test_a_config_elsewhere_inherits_the_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = read(write(tmp_path, 'model = dict(backbone=dict(drop_path_rate=0.3))'))
    assert cfg.train_dataloader.dataset.transform.input_size == 48
    assert cfg.model.backbone.drop_path_rate == 0.3


def test_a_config_has_settings_of_its_own_beside_it(tmp_path):
    base = str(ROOT / 'configs/_base_/sample/classification.py')
    own = f'_base_ = {base!r}\ntrain_cfg = dict(max_epochs=2)'
    cfg = read(write(tmp_path, "sample_settings = 'mine.py'", mine=own))
    assert (cfg.train_cfg.max_epochs, cfg.train_dataloader.batch_size) == (2, 32)
    assert cfg.param_scheduler[0].end == pytest.approx(2 * 20 / 300)  # the schedule follows


def test_settings_that_inherit_from_packaged_ones_are_found_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    packaged = 'convnext_dense::_base_/sample/classification.py'
    cfg = read(
        write(tmp_path, "sample_settings = 'mine.py'", mine=f'_base_ = {packaged!r}\ntrain_cfg = dict(max_epochs=2)')
    )
    assert (cfg.train_cfg.max_epochs, cfg.train_dataloader.batch_size) == (2, 32)
    assert read(write(tmp_path, f'sample_settings = {packaged!r}')).train_cfg.max_epochs == 1
    with pytest.raises(UserError, match=r'own.py line 2: no packaged config is named convnext_dense::x.py'):
        read(write(tmp_path, "sample_settings = 'convnext_dense::x.py'"))


def test_a_config_can_have_none(tmp_path):
    assert read(write(tmp_path, 'sample_settings = None')).train_cfg.max_epochs == 300


def test_a_config_as_a_run_has_written_it_finds_its_settings(tmp_path):
    Config.fromfile(TINY).dump(tmp_path / 'config.py')
    assert read(str(tmp_path / 'config.py')).train_cfg.max_epochs == 1


def test_an_installed_package_has_its_configs_inside(tmp_path, monkeypatch):
    package = tmp_path / 'site-packages' / 'convnext_dense'
    shutil.copytree(ROOT / 'configs', package / 'configs')
    monkeypatch.setattr('convnext_dense.config.find.PACKAGE', package)
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'own.py').write_text(
        "_base_ = './site-packages/convnext_dense/configs/seg/upernet_convnext_t_ade20k.py'"
    )
    (tmp_path / 'named.py').write_text("_base_ = 'convnext_dense::seg/upernet_convnext_t_ade20k.py'")
    for path in ('own.py', 'named.py', 'configs/seg/upernet_convnext_t_ade20k.py'):
        cfg = read(path)
        assert cfg.train_cfg.max_iters == 40
        assert find_sample_settings(cfg, tmp_path) == package / 'configs/_base_/sample/upernet.py'


def test_settings_that_are_absent_are_an_error(tmp_path):
    with pytest.raises(UserError, match=r'no file at absent\.py, which the config names as its sample_settings'):
        read(write(tmp_path, "sample_settings = 'absent.py'"))


@pytest.mark.parametrize(
    ('settings', 'said'),
    [
        ('model = dict(type=dict(a=1))', 'mine.py do not fit the config'),
        ('model = dict(', 'mine.py do not fit the config'),
    ],
)
def test_settings_that_do_not_fit_are_an_error(tmp_path, settings, said):
    with pytest.raises(UserError, match=said) as error:
        read(write(tmp_path, "sample_settings = 'mine.py'", mine=settings))
    assert '\n' not in str(error.value)
    assert 'sample_settings' in str(error.value)


def test_what_is_switched_off_stays_off_and_all_else_is_merged(tmp_path):
    (tmp_path / 'settings.py').write_text(
        'hooks = dict(ema=dict(momentum=0.1), logger=dict(interval=5))\noff = 3\nadded = dict(a=1)\nbest = None\n'
    )
    cfg = Config(dict(hooks=dict(ema=None, logger=dict(type='L')), off=None, best='top1'))
    found = read_sample_settings(cfg, tmp_path / 'settings.py')
    assert found == dict(hooks=dict(logger=dict(interval=5)), added=dict(a=1), best=None)


def test_lists_are_replaced_whole(tmp_path):
    own = 'train_dataloader = dict(dataset=dict(transform=dict(sizes=[1, 2])))'
    path = write(tmp_path, own + "\nsample_settings = 'mine.py'", mine=own.replace('[1, 2]', '[3]'))
    assert read(path).train_dataloader.dataset.transform.sizes == [3]


def test_the_folder_of_the_config_comes_first(tmp_path):
    mine = tmp_path / '_base_' / 'sample' / 'classification.py'
    cfg = Config(dict(sample_settings='_base_/sample/classification.py'))
    assert find_sample_settings(cfg, tmp_path) == ROOT / 'configs/_base_/sample/classification.py'
    mine.parent.mkdir(parents=True)
    mine.touch()
    assert find_sample_settings(cfg, tmp_path) == mine


def settings_for(tmp_path, settings, **config):
    (tmp_path / 'sample.py').write_text(settings)
    return read_sample_settings(Config(config), tmp_path / 'sample.py')


def test_of_two_lengths_the_one_of_the_config_is_set(tmp_path):
    both = 'train_cfg = dict(max_epochs=1, max_iters=9, val_interval=5)'
    assert settings_for(tmp_path, both, train_cfg=dict(max_iters=100)) == {
        'train_cfg': {'max_iters': 9, 'val_interval': 5}
    }
    assert settings_for(tmp_path, both, train_cfg=dict(max_epochs=100)) == {
        'train_cfg': {'max_epochs': 1, 'val_interval': 5}
    }
    one = 'train_cfg = dict(max_epochs=1)'  # which does not fit, and is an error when it is built, as before
    assert settings_for(tmp_path, one, train_cfg=dict(max_iters=100)) == {'train_cfg': {'max_epochs': 1}}


def test_settings_of_a_data_set_reach_it_inside_others(tmp_path):
    settings = 'train_dataloader = dict(batch_size=2, dataset=dict(indices=9, pipeline=[1]))'
    own = dict(type='own', pipeline=[0])
    cases = {
        'plain': (own, {'indices': 9, 'pipeline': [1]}),
        'balanced': (dict(dataset=own), {'dataset': {'indices': 9, 'pipeline': [1]}}),
        'mixed': (dict(pipeline=[0], dataset=own), {'pipeline': [1], 'dataset': {'indices': 9}}),
        'mixed and balanced': (
            dict(pipeline=[0], dataset=dict(dataset=own)),
            {'pipeline': [1], 'dataset': {'dataset': {'indices': 9}}},
        ),
    }
    for dataset, want in cases.values():
        found = settings_for(tmp_path, settings, train_dataloader=dict(dataset=dataset))
        assert found == {'train_dataloader': {'batch_size': 2, 'dataset': want}}


# -- the large samples

SEGMENTOR, DETECTOR = 'seg/upernet_convnext_a_ade20k.py', 'det/faster_rcnn_convnext_a_coco.py'


def never(**_):
    raise AssertionError('drawn without being asked for')


@pytest.fixture
def undrawn(monkeypatch):
    monkeypatch.setattr('convnext_dense.sample_data.create.ensure_sample', never)
    monkeypatch.setattr('convnext_dense.sample_data.aerial.create.ensure_large_sample', never)


def test_settings_for_large_scenes_come_after_those_of_the_config(undrawn):
    small, large, six = (read_config(SEGMENTOR, data=d, needs_data=False) for d in ('sample', *LARGE_SAMPLES))
    assert large.optim_wrapper.optimizer.lr == small.optim_wrapper.optimizer.lr == 2e-3
    assert (small.train_cfg.max_iters, large.train_cfg.max_iters, six.train_cfg.max_iters) == (900, 700, 700)
    assert large.model.data_preprocessor.size == (256, 256) and large.model.test_cfg == dict(mode='whole')
    assert (large.get('bands'), six.bands, six.model.data_preprocessor.type) == (
        None,
        'all',
        'convnext_dense.SegBandPreprocessor',
    )
    assert any('PhotoMetric' in step.type for step in large.train_dataloader.dataset.pipeline)
    assert not any('PhotoMetric' in step.type for step in six.train_dataloader.dataset.pipeline)
    origins = {one.key: str(one.origin) for one in explain(SEGMENTOR, data='sample-large', needs_data=False)}
    assert '_base_/sample/large_segmentation.py:' in origins['train_cfg.max_iters']
    assert '_base_/sample/upernet_atto.py:' in origins['optim_wrapper.optimizer.lr']


@pytest.mark.parametrize('data', LARGE_SAMPLES)
def test_all_scenes_are_used_whatever_the_dense_config(undrawn, data):
    others = {'classification', 'pretrain', 'roadmap'}
    names = [name for name in packaged_configs() if not others & {*Path(name).parts}]
    assert len(names) > 40
    for name in names[:: 4 if data == LARGE_SAMPLES[0] else 12]:
        cfg = read_config(name, data=data, needs_data=False)
        loaders = (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
        assert [loader.dataset.get('indices') for loader in loaders] == [None] * 3, name
        assert cfg.train_cfg.get('max_epochs', cfg.train_cfg.get('max_iters')) in (2, 700), name


def test_tiles_and_shrunk_scenes_enter_a_segmentor_at_the_size_of_a_tile():
    cfg = read_config(SEGMENTOR, data='sample-large', needs_data=False)
    resize, crop = cfg.train_dataloader.dataset.pipeline[2:4]
    assert (resize.scale, crop.crop_size) == ((256, 256), (256, 256))
    assert cfg.test_dataloader.dataset.pipeline[1].scale == (256, 256)


def test_the_folder_of_a_large_sample_is_the_data_of_every_dense_task(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        'convnext_dense.sample_data.aerial.create.ensure_large_sample',
        lambda *, bands: asked.append(bands) or tmp_path,
    )
    for data in LARGE_SAMPLES:
        with pytest.raises(UserError, match=rf'no data at {tmp_path}:'):
            read_config(DETECTOR, data=data)
    assert asked == [False, True]


@pytest.mark.parametrize('data', LARGE_SAMPLES)
def test_large_scenes_are_not_for_classification(undrawn, data):
    with pytest.raises(UserError, match=f'^--data {data} has scenes with many things, not for classification: take'):
        read_config(str(TINY), data=data)


def test_merged_settings_have_both_and_the_second_where_both_have_one():
    first, second = {'a': {'b': 1, 'c': 2}, 'd': [1], 'e': 5}, {'a': {'b': 3}, 'd': [2, 3], 'f': {'g': 1}}
    assert merged(first, second) == {'a': {'b': 3, 'c': 2}, 'd': [2, 3], 'e': 5, 'f': {'g': 1}}
    assert first['a'] == {'b': 1, 'c': 2}
