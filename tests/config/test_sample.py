"""The file of settings for the sample: found from any config, merged into what the config has."""

import shutil

import pytest
from mmengine.config import Config

from convnext_dense.config.read import read_config
from convnext_dense.config.sample import find_sample_settings, read_sample_settings
from convnext_dense.errors import UserError
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
