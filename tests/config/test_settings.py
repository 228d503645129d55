"""Numbers of a config that are out of range, and options that replace whole parts."""

import pytest

from convnext_dense.config.read import read_config
from convnext_dense.errors import UserError

TINY = 'configs/seg/upernet_convnext_t_ade20k.py'


@pytest.mark.parametrize(
    ('key', 'value', 'said'),
    [
        ('train_dataloader.batch_size', 0, 'is 0: take a whole number of at least 1'),
        ('train_dataloader.batch_size', 'abc', "is 'abc': take a whole number"),
        ('train_dataloader.batch_size', 2.0, 'is 2.0: take a whole number'),
        ('train_dataloader.batch_size', True, 'is True: take a whole number'),
        ('val_dataloader.batch_size', None, 'is None: take a whole number'),
        ('train_dataloader.num_workers', -1, 'is -1: take a whole number of at least 0'),
        ('test_dataloader.num_workers', 2.5, 'is 2.5: take a whole number of at least 0'),
        ('train_cfg.total_batch_size', -4, 'is -4: take a whole number of at least 1'),
        ('train_cfg.val_interval', 0, 'is 0: take a whole number of at least 1'),
        ('train_cfg.max_iters', 0, 'is 0: take a whole number of at least 1'),
        ('train_cfg.max_iters', 'many', "is 'many': take a whole number of at least 1"),
        ('default_hooks.logger.interval', -5, 'is -5: take a whole number of at least 1'),
        ('randomness.seed', -1, 'is -1: take a whole number of at least 0'),
        ('randomness.seed', 'abc', "is 'abc': take a whole number of at least 0"),
        ('optim_wrapper.optimizer.lr', -1, 'is -1: take a number of at least 0'),
        ('optim_wrapper.optimizer.lr', 'auto', "is 'auto': take a number of at least 0"),
        ('optim_wrapper.optimizer.weight_decay', -0.1, 'is -0.1: take a number of at least 0'),
        (
            'optim_wrapper.clip_grad',
            {'max_norm': -1},
            r'optim_wrapper.clip_grad.max_norm is -1: take a number above 0',
        ),
        ('model.data_preprocessor.std', [0, 1, 1], r'is \[0, 1, 1\]: take a number above 0'),
    ],
)
def test_numbers_out_of_range_are_named(key, value, said):
    with pytest.raises(UserError, match=said) as error:
        read_config(TINY, {key: value}, needs_data=False)
    assert str(error.value).startswith(key) and '\n' not in str(error.value)


def test_numbers_in_a_file_are_checked_too(tmp_path):
    (tmp_path / 'own.py').write_text(f"_base_ = '{TINY}'\ntrain_dataloader = dict(batch_size=-2)\n")
    (tmp_path / 'configs').symlink_to(read_config.__code__.co_filename.rsplit('/convnext_dense/', 1)[0] + '/configs')
    with pytest.raises(UserError, match=r'train_dataloader.batch_size is -2'):
        read_config(str(tmp_path / 'own.py'), needs_data=False)


def test_values_that_may_be_none_are_taken():
    options = {'train_cfg.total_batch_size': None, 'randomness.seed': None, 'train_dataloader.batch_size': 1}
    cfg = read_config(TINY, options, needs_data=False)
    assert (cfg.train_cfg.total_batch_size, cfg.randomness.seed) == (None, None)


def test_no_checkpoints_but_the_last_are_chosen_as_in_mmengine():
    cfg = read_config(TINY, {'default_hooks.checkpoint.interval': -1}, needs_data=False)
    assert cfg.default_hooks.checkpoint.interval == -1  # other values are for the hook to refuse


@pytest.mark.parametrize(
    ('key', 'value'), [('model', 3), ('model.backbone', 'tiny'), ('train_dataloader', [1]), ('optim_wrapper', True)]
)
def test_a_whole_part_is_not_replaced_by_a_value(key, value):
    with pytest.raises(
        UserError, match=rf'--cfg-options {key}=.* would replace all of {key}: set a key in it'
    ) as error:
        read_config(TINY, {key: value}, needs_data=False)
    assert '\n' not in str(error.value)


def test_a_part_may_be_left_out_changed_or_replaced():
    sgd = dict(_delete_=True, type='SGD', lr=0.1)
    options = {'optim_wrapper.optimizer': sgd, 'visualizer': None, 'model.decode_head': {'channels': 32}}
    cfg = read_config(TINY, options, needs_data=False)
    assert cfg.optim_wrapper.optimizer == dict(type='SGD', lr=0.1)
    assert cfg.visualizer is None and cfg.model.decode_head.channels == 32
    assert cfg.model.decode_head.type == 'convnext_dense.UPerHead'
