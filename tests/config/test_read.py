"""Reading configs, and the changes that the command line makes to them."""

import pytest

from convnext_dense.config.find import find_config
from convnext_dense.config.read import read_config
from convnext_dense.errors import UserError

TINY = 'configs/classification/convnext_t.py'


def test_the_data_reach_every_loader_and_the_head(cfg, image_folder):
    loaders = (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
    assert {loader.dataset.root for loader in loaders} == {str(image_folder)}
    assert cfg.model.num_classes == 3


def test_options_come_last(image_folder):
    options = {'model.backbone.drop_path_rate': 0.3, 'pretrained': 'x.pth', 'find_unused_parameters': True}
    cfg = read_config(TINY, options, str(image_folder))
    assert cfg.model.backbone.drop_path_rate == 0.3
    assert cfg.pretrained == 'x.pth'


@pytest.mark.parametrize(
    ('path', 'content', 'said'),
    [
        ('configs/classification/convnext_tt.py', None, 'did you mean configs/classification/convnext_t.py'),
        ('broken.py', 'model = dict(', 'broken.py line 1 does not parse'),
        ('undefined.py', 'model = nothing', 'undefined.py does not parse.*nothing'),
        ('base.py', "_base_ = './absent.py'", 'base.py does not parse.*absent.py'),
        ('other.py', 'a = 1', 'has no task, no model'),
    ],
)
def test_what_is_no_config_is_said(tmp_path, monkeypatch, path, content, said):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / path).write_text(content + '\n')
    with pytest.raises(UserError, match=said) as error:
        read_config(path)
    assert '\n' not in str(error.value)


def test_an_unknown_top_level_option_is_an_error(image_folder):
    with pytest.raises(UserError, match=r"no key 'optim_wraper'.*did you mean optim_wrapper"):
        read_config(TINY, {'optim_wraper.optimizer.lr': 1}, str(image_folder))


def test_an_option_that_does_not_fit_is_an_error(image_folder):
    with pytest.raises(UserError, match='do not fit'):
        read_config(TINY, {'param_scheduler.7.end': 1}, str(image_folder))


def test_the_schedule_follows_the_epochs_however_they_are_set(image_folder, monkeypatch, tmp_path):
    (tmp_path / 'classification').symlink_to(image_folder)
    monkeypatch.setattr('convnext_dense.sample_data.create.ensure_sample', lambda: tmp_path)
    sample = read_config(TINY, data='sample')
    option = read_config(TINY, {'train_cfg.max_epochs': 30}, str(image_folder))
    for cfg, epochs in ((sample, sample.train_cfg.max_epochs), (option, 30)):
        assert cfg.param_scheduler[0].end == cfg.param_scheduler[1].begin == pytest.approx(20 * epochs / 300)
        assert cfg.param_scheduler[1].end == pytest.approx(epochs)
    own = read_config(TINY, {'train_cfg.max_epochs': 30, 'param_scheduler.1.end': 40}, str(image_folder))
    assert [own.param_scheduler[i].end for i in (0, 1)] == [20, 40]


def test_sample_settings_alone_need_no_data(monkeypatch):
    monkeypatch.setattr('convnext_dense.sample_data.create.ensure_sample', lambda: 1 / 0)
    cfg = read_config(TINY, data='sample', needs_data=False)
    assert cfg.test_dataloader.dataset.transform.input_size == 48
    assert (cfg.model.num_classes, cfg.test_dataloader.dataset.root) == (1000, 'data/imagenet')


def test_sample_changes_what_the_config_lists(image_folder, monkeypatch, tmp_path):
    (tmp_path / 'classification').symlink_to(image_folder)
    monkeypatch.setattr('convnext_dense.sample_data.create.ensure_sample', lambda: tmp_path)
    cfg = read_config(TINY, {'train_dataloader.batch_size': 7}, 'sample')
    assert cfg.train_dataloader.dataset.transform.input_size == 48
    assert cfg.train_dataloader.dataset.transform.auto_augment == 'rand-m9-mstd0.5-inc1'
    assert cfg.train_dataloader.dataset.root == str(tmp_path / 'classification')
    assert cfg.train_dataloader.batch_size == 7


def test_settings_for_the_sample_inside_a_config_are_refused(tmp_path):
    config = tmp_path / 'own.py'
    config.write_text(f"_base_ = '{find_config(TINY).resolve()}'\nsample = dict(train_cfg=dict(max_epochs=2))\n")
    with pytest.raises(UserError, match=r'own.py sets sample = dict\(...\), which has no effect: .* sample_settings'):
        read_config(str(config), needs_data=False)
