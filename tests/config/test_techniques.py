"""Leaving one technique out of a recipe: what it changes, stated, and that it changes nothing else."""

import pytest
from mmengine.config import Config
from torchvision.transforms import Compose, RandomHorizontalFlip

from convnext_dense.cli import run_verb
from convnext_dense.config.length import set_length
from convnext_dense.config.read import read_config
from convnext_dense.config.techniques import TECHNIQUES, leave_out
from convnext_dense.data.classification.dataset import train_transform
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.errors import UserError
from tests.helpers.run_tool import ATTO, SMALL

TINY = 'configs/classification/convnext_t.py'
TRANSFORM = 'train_dataloader.dataset.transform'
WARM_UP = dict(type='LinearLR', start_factor=1e-6, begin=0, end=20, convert_to_iter_based=True)
COSINE = dict(type='CosineAnnealingLR', begin=20, end=300, eta_min_ratio=2.5e-4, convert_to_iter_based=True)
STEPS = dict(type='MultiStepLR', begin=0, end=300, milestones=[100, 200], gamma=0.1, convert_to_iter_based=True)
# What each changes in convnext_t.py; None is also for what is absent.
CHANGES: dict[str, dict[str, object]] = {
    'adamw': {
        # 0.1 for 256 images, at 4096
        'optim_wrapper.optimizer': dict(type='SGD', lr=1.6, momentum=0.9, weight_decay=1e-4),
        'optim_wrapper.paramwise_cfg': dict(norm_decay_mult=1.0, bias_decay_mult=1.0),
    },
    'epochs300': {
        'train_cfg.max_epochs': 90,
        'param_scheduler': [dict(WARM_UP, end=6), dict(COSINE, begin=6, end=90)],
    },
    'mixup': {'model.mixup.mixup_alpha': 0.0},
    'cutmix': {'model.mixup.cutmix_alpha': 0.0},
    'randaugment': {f'{TRANSFORM}.auto_augment': None, f'{TRANSFORM}.color_jitter': None},
    'random_erasing': {f'{TRANSFORM}.re_prob': 0.0},
    'stochastic_depth': {'model.backbone.drop_path_rate': 0.0},
    'label_smoothing': {'model.label_smoothing': 0.0},
    'cosine': {'param_scheduler': [WARM_UP, STEPS]},
    'ema': {'default_hooks.ema': None},
}
ABSENT = object()


def read(*without: str, path: str = TINY, **arguments):
    return read_config(path, needs_data=False, without=without, **arguments)


def difference(one: object, other: object, whole: tuple[str, ...], name: str = '') -> dict[str, object]:
    """By dotted name, what the second config has where it differs from the first."""
    if one == other:
        return {}
    if not (isinstance(one, dict) and isinstance(other, dict)) or name in whole:
        return {name: other}
    found = {}
    for key in one.keys() | other.keys():
        pair = one.get(key, ABSENT), other.get(key, ABSENT)
        found |= difference(*pair, whole=whole, name=f'{name}.{key}'.lstrip('.'))
    return found


@pytest.mark.parametrize('technique', TECHNIQUES)
def test_leaving_one_out_changes_what_the_table_says_and_nothing_else(technique):
    expected = CHANGES[technique]
    found = difference(read().to_dict(), read(technique).to_dict(), whole=tuple(expected))
    assert found == expected


def test_without_both_mixup_and_cutmix_nothing_is_mixed():
    for without in (('mixup', 'cutmix'), ('cutmix', 'mixup')):
        assert read(*without).model.mixup is None


def test_an_old_schedule_follows_the_length_in_either_order():
    expected = [dict(WARM_UP, end=6), dict(STEPS, end=90, milestones=[30, 60])]
    for without in (('cosine', 'epochs300'), ('epochs300', 'cosine')):
        assert read(*without).param_scheduler == expected
    cfg = read('cosine')
    set_length(cfg, 30)
    assert cfg.param_scheduler[1].milestones == pytest.approx([10, 20])


def test_without_randaugment_crop_and_flip_are_left():
    """timm would jitter colors in its place."""
    for without, count in ((('randaugment', 'random_erasing'), 3), (('randaugment',), 4)):
        transform = train_transform(**read(*without).train_dataloader.dataset.transform)
        assert isinstance(transform, Compose)
        names = [type(part).__name__ for part in transform.transforms]
        assert names[0] == 'Crop'
        assert isinstance(transform.transforms[1], RandomHorizontalFlip)
        assert names[2] == 'ToNormalized'
        assert len(names) == count


def test_options_and_the_samples_settings_have_their_place():
    """The sample's own come before, so that they revive nothing; the command line's come last."""
    assert read('mixup', 'cutmix', data='sample').model.mixup is None
    cfg = read('adamw', data='sample', options={'optim_wrapper.optimizer.momentum': 0.8})
    assert cfg.optim_wrapper.optimizer == dict(type='SGD', lr=0.1 * 32 / 256, momentum=0.8, weight_decay=1e-4)


def test_layer_wise_decay_stays_without_adamw():
    rules = read('adamw', path='configs/classification/convnext_t_22k_to_1k.py').optim_wrapper.paramwise_cfg
    assert rules == dict(decay_rate=0.8, scheme='layer_wise', norm_decay_mult=1.0, bias_decay_mult=1.0)


@pytest.mark.parametrize(
    ('without', 'path', 'said'),
    [
        (
            ['mixups'],
            TINY,
            '--without mixups: there is no such technique, take some of adamw, epochs300, mixup,.*ema$',
        ),
        (
            ['ema'],
            'configs/roadmap/r50_01_modern_recipe.py',
            'no ema to leave out; it has adamw, epochs300, .*cosine$',
        ),
        (['mixup'], 'configs/classification/convnext_t_22k_to_1k.py', 'no mixup to leave out; it has adamw, randaug'),
        (['epochs300'], 'configs/classification/convnext_t_22k.py', 'no epochs300 to leave out'),
        (['cosine'], 'configs/roadmap/r50_00_baseline.py', 'no cosine to leave out; it has none of them'),
    ],
)
def test_what_can_not_be_left_out_is_said(without, path, said):
    with pytest.raises(UserError, match=said) as error:
        read(*without, path=path)
    assert '\n' not in str(error.value)


def test_other_tasks_have_other_recipes():
    with pytest.raises(UserError, match='--without is for classification: this config is for detection'):
        leave_out(Config(dict(task='detection')), 'adamw')


def test_an_ablation_from_the_command_line(image_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    argv = [
        ATTO,
        '--data',
        str(image_folder),
        '--epochs',
        '1',
        '--without',
        'mixup',
        'cutmix',
        'adamw',
        'cosine',
        'ema',
    ]
    options = [option for option in SMALL if 'optimizer.lr' not in option]
    assert run_verb('train', [*argv, '--cfg-options', *options]) == 0
    log = capsys.readouterr().out
    assert 'without adamw: SGD with momentum 0.9' in log
    (work_dir,) = (tmp_path / 'work_dirs').iterdir()
    assert work_dir.name == 'convnext_a_without_mixup_cutmix_adamw_cosine_ema'
    lr = [value for _, value in read_scalars(work_dir)['train/lr']]
    first = 0.1 * 4096 / 256  # the config's, before the options; six steps, a third of them each
    assert lr == pytest.approx([first, first, first / 10, first / 10, first / 100, first / 100])
