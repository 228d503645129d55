from pathlib import Path

import pytest
from mmengine.config import Config

from convnext_dense.analysis.run_facts import read_flags, read_run_facts
from convnext_dense.config.read import read_config
from convnext_dense.tasks import TASKS, task_of

CLASSIFIER, SEGMENTOR = 'configs/classification/convnext_a.py', 'configs/seg/upernet_convnext_a_ade20k.py'
DETECTOR = 'configs/det/mask_rcnn_convnext_t_coco.py'


def write_log(run: Path, rows: list[tuple[int, str, float]], commands: str = '') -> Path:
    folder = run / '20260101_000000/vis_data'
    folder.mkdir(parents=True)
    lines = ['step,name,value', *(f'{step},{name},{value}' for step, name, value in rows)]
    (folder / 'scalars.csv').write_text('\n'.join(lines) + '\n')
    (run / 'commands.txt').write_text(commands)
    return run


def test_a_run_by_epochs(tmp_path):
    rows = [(step, 'train/loss', 5.0 - step / 10) for step in (4, 8, 12, 16)]
    rows += [(step, 'epoch', step // 8 + (step % 8 > 0)) for step in (4, 8, 12, 16)]
    rows += [(1, 'val/raw/top1', 50), (2, 'val/raw/top1', 60), (1, 'val/ema/top1', 20), (2, 'val/ema/top1', 65)]
    run = write_log(tmp_path / 'run', rows, 'python tools/train.py c.py --recipe small --freeze=2 --compile\n')
    cfg = read_config(CLASSIFIER, {'train_cfg.max_epochs': 7}, 'sample', needs_data=False)
    found = read_run_facts(run, cfg, task_of(cfg))
    assert (found.metric, list(found.raw), list(found.ema)) == ('top1', [(1, 50), (2, 60)], [(1, 20), (2, 65)])
    assert (found.unit, found.length, found.steps_per_unit) == ('epoch', 7, 8.0)
    assert found.flags == {'--recipe': 'small', '--freeze': '2', '--compile': ''}
    assert found.pretrained is False and found.tile is None and found.learned_accuracy is None
    assert found.image_side == cfg.train_dataloader.dataset.transform.input_size
    assert found.mean_loss(4, 12) == pytest.approx(4.0)


def test_a_run_by_steps_whose_saved_config_counts(tmp_path):
    rows = [(step, 'train/decode.acc_seg', step) for step in (10, 91, 99)] + [(50, 'val/raw/mIoU', 30.0)]
    run = write_log(tmp_path / 'run', rows)
    cfg = read_config(SEGMENTOR, None, 'sample', needs_data=False)
    cfg.train_cfg.max_iters, cfg.pretrained = 100, 'weights.pth'
    cfg.dump(run / 'saved.py')
    (run / 'checkpoints.json').write_text('{}')  # of a run with checkpoints
    found = read_run_facts(run, Config({}), task_of(cfg))
    assert (found.unit, found.length, found.steps_per_unit) == ('step', 100, 1.0)
    assert found.pretrained is True and found.learned_accuracy == 95
    assert found.image_side == 128


@pytest.mark.parametrize(('value', 'started'), [('none', False), ('dinov3_tiny', True)])
def test_random_weights_that_were_asked_for_are_random(tmp_path, value, started):
    run = write_log(tmp_path / 'run', [(1, 'train/loss', 1.0)], f'tools/train.py c.py --pretrained {value}')
    cfg = read_config(CLASSIFIER, None, 'sample', needs_data=False)
    assert read_run_facts(run, cfg, task_of(cfg)).pretrained is started


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({}, (0.1, True, True)),
        ({'model.label_smoothing': 0.0, 'model.mixup.prob': 0.0}, (0.0, False, True)),
        ({'model.mixup': None, 'default_hooks.ema': None}, (0.1, False, False)),
    ],
)
def test_what_a_classifier_learns_from(options, expected):
    cfg = read_config(CLASSIFIER, options, 'sample', needs_data=False)
    found = read_run_facts(None, cfg, task_of(cfg))
    assert (found.label_smoothing, found.mixes_images, found.averages) == expected
    cfg = read_config(DETECTOR, None, needs_data=False)
    detector = read_run_facts(None, cfg, task_of(cfg))
    assert (detector.label_smoothing, detector.mixes_images) == (None, None)


def test_masks_come_before_boxes(tmp_path):
    rows = [(1, 'val/raw/box_AP', 40), (1, 'val/raw/mask_AP', 35)]
    found = read_run_facts(write_log(tmp_path / 'run', rows), Config({}), TASKS['detection'])
    assert (found.metric, list(found.raw)) == ('mask_AP', [(1, 35)])


def test_tiles():
    from convnext_dense.io.image_size import ImageSize
    from convnext_dense.tasks.tiles import TileOptions

    cfg = read_config(DETECTOR, None, needs_data=False, tiles=TileOptions(ImageSize(512, 512)))
    found = read_run_facts(None, cfg, task_of(cfg))
    assert found.tile == 512
    assert found.image_side == 410  # the mean over the sizes that tiles are resized to


def test_nothing_is_known_without_a_run():
    cfg = read_config(CLASSIFIER, None, needs_data=False)
    found = read_run_facts(None, cfg, task_of(cfg))
    assert not (found.raw or found.ema or found.losses or found.flags) and found.pretrained is None


def test_flags_of_several_starts():
    commands = "tools/train.py 'a b.py' --data 'x y' --epochs 3 --without mixup cutmix\ntrain c.py --resume --epochs=5"
    assert read_flags(commands) == {'--data': 'x y', '--epochs': '5', '--without': 'mixup', '--resume': ''}
    assert read_flags('train c.py --data "unclosed') == {'--data': '"unclosed'}
