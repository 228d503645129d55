"""The points at which query heads look at masks are drawn anew in each step, by the seed of the run alone."""

import hashlib
import shutil
from pathlib import Path

import pytest
import torch
from mmdet.models.dense_heads import mask2former_head

from convnext_dense.cli import run_verb
from tests.helpers import coco_files, processes
from tests.helpers.mask_folder import write_mask_folder
from tests.helpers.other_heads import write_head
from tests.helpers.panoptic_heads import write_panoptic_data, write_panoptic_head
from tests.helpers.small_run import differences

STEPS = """
train_cfg = dict(_delete_=True, type='convnext_dense.TrainLoop', max_iters=4, total_batch_size=2, val_interval=4)
param_scheduler = [dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=4)]
log_processor = dict(by_epoch=False, window_size=1)
default_hooks = dict(logger=dict(log_metric_by_epoch=False, interval=1),
    checkpoint=dict(interval=2, keep=2, best=None), ema=None)
val_dataloader, val_cfg, val_evaluator = None, None, None
train_dataloader['batch_size'] = 1
"""


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp('data')
    for split in ('train', 'val'):
        coco_files.write(root / 'coco', coco_files.content(), split)
    masks, panoptic = write_mask_folder(root / 'masks'), write_panoptic_data(root / 'panoptic')
    return {'mask2former': root / 'coco', 'mask2former_seg': masks, 'panoptic': panoptic}


@pytest.fixture(scope='module')
def configs(tmp_path_factory) -> dict[str, Path]:
    """Four steps of two images in two batches, so that points are drawn for each batch of a step."""
    folder = tmp_path_factory.mktemp('configs')
    written = {name: write_head(name, folder) for name in ('mask2former', 'mask2former_seg')}
    written['panoptic'] = write_panoptic_head('mask2former', folder)
    for path in written.values():
        path.write_text(path.read_text() + STEPS)
    return written


def train(config: Path, data: Path, work_dir: Path, *arguments: str) -> None:
    argv = [str(config), '--data', str(data), '--work-dir', str(work_dir), *arguments]
    assert run_verb('train', argv) == 0


def points_of(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets a digest of the points of each call."""
    digests, original = [], mask2former_head.point_sample

    def recorded(masks: torch.Tensor, points: torch.Tensor, **settings: object) -> torch.Tensor:
        digests.append(hashlib.sha1(points.detach().numpy().tobytes()).hexdigest())
        return original(masks, points, **settings)

    monkeypatch.setattr(mask2former_head, 'point_sample', recorded)
    return digests


def outcome(work_dir: Path) -> dict:
    content = torch.load(work_dir / 'iter_4.pth', weights_only=True)
    return {key: content[key] for key in ('state_dict', 'optimizer', 'param_schedulers')}


@pytest.mark.parametrize(
    'name', ['mask2former', 'mask2former_seg', pytest.param('panoptic', marks=pytest.mark.faults)]
)
def test_a_resumed_run_draws_the_points_of_an_uninterrupted_one(name, configs, data, tmp_path, monkeypatch):
    """With accumulation, and other workers."""
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    drawn = points_of(monkeypatch)
    train(configs[name], data[name], whole)
    shutil.copytree(whole, cut, ignore=shutil.ignore_patterns('iter_4.pth', '*.lock'))
    first, drawn[:] = drawn[:], []
    (cut / 'last_checkpoint').write_text(str(cut / 'iter_2.pth'))
    train(configs[name], data[name], cut, '--resume', '--cfg-options', 'train_dataloader.num_workers=1')
    assert drawn == first[-len(drawn) :] and len(first) == 2 * len(drawn)
    assert len(set(first)) > 0.6 * len(first)  # two calls share the points of predictions and masks
    assert not differences(outcome(whole), outcome(cut))


def test_processes_draw_points_of_their_own(configs, data, tmp_path):
    def run(rank: int) -> int:
        torch.set_num_threads(1)
        with pytest.MonkeyPatch.context() as patch:
            drawn = points_of(patch)
            train(configs['mask2former_seg'], data['mask2former_seg'], tmp_path / 'run', '--launcher', 'pytorch')
        print('drawn', *drawn)
        return 0

    ended = processes.run(run, tmp_path)
    assert [one.code for one in ended] == [0, 0], ended
    first, second = (set(one.out.rpartition('drawn ')[2].split()) for one in ended)
    assert len(first) > 16 and len(second) > 16 and not first & second
