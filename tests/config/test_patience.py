"""``--patience`` in configs: of this package, without validation, with a hook of their own, of a resumed run."""

import pytest

from convnext_dense.config.patience import keep_patience, set_patience
from convnext_dense.config.read import read_config
from convnext_dense.engine.settings import check_settings
from convnext_dense.errors import UserError
from tests.config.test_compare import CASCADE, UPERNET, write_run
from tests.helpers.run_tool import ATTO

PANOPTIC = 'configs/panoptic/mask2former_convnext_a_coco.py'


def config(name: str = ATTO):
    return read_config(name, needs_data=False)


@pytest.mark.parametrize(
    ('name', 'best'), [(ATTO, 'raw/top1'), (CASCADE, 'raw/box_AP'), (UPERNET, 'raw/mIoU'), (PANOPTIC, 'raw/PQ')]
)
def test_every_task_waits_for_the_metric_of_its_best_checkpoint(name, best):
    cfg = config(name)
    assert set_patience(cfg, 3) is None
    assert cfg.default_hooks.patience == dict(type='convnext_dense.Patience', patience=3)
    assert cfg.default_hooks.checkpoint.best == best
    check_settings({**cfg, 'cfg': cfg})


def test_a_config_without_a_best_checkpoint_keeps_one():
    cfg = config()
    cfg.default_hooks.checkpoint.best = None
    assert set_patience(cfg, 3) == (
        '--patience 3 keeps best.pth, which the config does not: by the first metric of the validation'
    )
    assert cfg.default_hooks.checkpoint.best == 'auto'
    cfg = config()
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', save_best='mIoU')
    assert set_patience(cfg, 3) is None and 'best' not in cfg.default_hooks.checkpoint
    cfg.default_hooks.checkpoint = dict(type='convnext_dense.Checkpoints', best=None)
    with pytest.raises(UserError, match=r'better best\.pth: leave out --cfg-options .*\.best=None'):
        set_patience(cfg, 3, {'default_hooks.checkpoint.best': None})


@pytest.mark.parametrize('kind', ['EarlyStoppingHook', 'mmengine.EarlyStoppingHook', 'convnext_dense.EarlyStopping'])
def test_a_hook_of_the_config_gets_the_patience(kind):
    cfg = config()
    cfg.custom_hooks = [dict(type='NumClassCheckHook'), dict(type=kind, monitor='top5', patience=9)]
    assert set_patience(cfg, 3) == '--patience 3 is that of the EarlyStoppingHook of the config, which watches top5'
    assert cfg.custom_hooks[1].patience == 3 and 'patience' not in cfg.default_hooks


def test_what_contradicts_it_is_refused():
    for key in ('default_hooks.patience', 'default_hooks.patience.patience'):
        with pytest.raises(UserError, match=f'--patience 3 and --cfg-options {key}=... both set the patience'):
            set_patience(config(), 3, {key: 4})
    cfg = config()
    cfg.val_dataloader = None
    with pytest.raises(UserError, match=r'no validation data beside .*: hold out .* with --val-split'):
        set_patience(cfg, 3)


def test_a_resumed_run_keeps_it_unless_the_config_sets_another(tmp_path):
    cfg = config()
    assert keep_patience(config(), write_run(tmp_path / 'none', config())) is None
    set_patience(cfg, 3)
    run = write_run(tmp_path / 'run', cfg)
    again = config()
    assert keep_patience(again, run) == (
        '--patience 3 is kept, which the run had; default_hooks.patience=None goes on without'
    )
    assert again.default_hooks.patience == cfg.default_hooks.patience
    again.default_hooks.patience = None
    assert keep_patience(again, run) is None and again.default_hooks.patience is None
    assert keep_patience(config(), tmp_path / 'nowhere') is None
