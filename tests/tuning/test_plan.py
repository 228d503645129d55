import re

import pytest

from convnext_dense.config.read import read_config
from convnext_dense.errors import UserError
from convnext_dense.tuning.plan import count_validations, digest, starts_from_weights, watched_metric

ATTO = 'configs/classification/convnext_a.py'


def config(options: dict | None = None, data: str | None = None, path: str = ATTO):
    return read_config(path, options, data, needs_data=False)


def test_metric_is_that_of_the_best_checkpoint():
    assert watched_metric(config(), {}) == ('raw/top1', 'greater', {})
    assert watched_metric(config({'default_hooks.checkpoint.best': 'ema/loss'}), {}) == ('ema/loss', 'less', {})
    named = config({'default_hooks.checkpoint.best': 'thing', 'default_hooks.checkpoint.rule': 'less'})
    assert watched_metric(named, {})[:2] == ('thing', 'less')


@pytest.mark.parametrize(
    ('path', 'metric'),
    [
        (ATTO, 'raw/top1'),
        ('configs/seg/upernet_convnext_t_ade20k.py', 'raw/mIoU'),
        ('configs/det/faster_rcnn_convnext_t_coco.py', 'raw/box_AP'),
        ('configs/panoptic/mask2former_convnext_t_coco.py', 'raw/PQ'),
    ],
)
def test_without_one_it_is_the_main_metric_and_the_trials_keep_the_best_by_it(path, metric):
    cfg = config({'default_hooks.checkpoint.best': None}, path=path)
    assert watched_metric(cfg, {}) == (metric, 'greater', {'default_hooks.checkpoint.best': metric})
    assert watched_metric(cfg, {'default_hooks.checkpoint.best': None}) == (metric, 'greater', {})


def test_config_without_validation_or_a_known_metric_is_refused():
    cfg = config()
    cfg.val_dataloader = None
    with pytest.raises(UserError, match=r'^tune compares validations, and there are .* with --val-split 0.2$'):
        watched_metric(cfg, {})
    with pytest.raises(UserError, match='are greater or smaller values of thing better'):
        watched_metric(config({'default_hooks.checkpoint.best': 'thing'}), {})
    foreign = config({'default_hooks.checkpoint.best': None, 'val_evaluator.type': 'mine.Metric'})
    with pytest.raises(UserError, match=re.escape('set one with --cfg-options default_hooks.checkpoint.best=NAME')):
        watched_metric(foreign, {})


@pytest.mark.parametrize('total', [1, 5, 12])
@pytest.mark.parametrize('interval', [1, 3, 5, 20])
@pytest.mark.parametrize('begin', [0, 1, 2, 6])
def test_validations_are_counted_as_the_loop_makes_them(total, interval, begin):
    cfg = config({'train_cfg.max_epochs': total, 'train_cfg.val_interval': interval, 'train_cfg.val_begin': begin})
    due = [done for done in range(1, total + 1) if (done >= begin and done % interval == 0) or done == total]
    assert count_validations(cfg) == len(due)


def test_weights_to_start_from():
    assert not starts_from_weights(config(), None)
    assert starts_from_weights(config(), 'timm:x') and not starts_from_weights(config({'pretrained': 'x'}), 'none')
    assert starts_from_weights(config({'pretrained': 'x'}), None)


def test_digest_differs_with_the_values():
    assert digest(config()) == digest(config()) != digest(config({'optim_wrapper.optimizer.lr': 1.0}))
