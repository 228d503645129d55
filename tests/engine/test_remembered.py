"""What a model remembers outside its ``state_dict``: found whatever holds it, and the same after a resume."""

import shutil
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import MMLogger
from torch import nn

from convnext_dense.cli import run_verb
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.engine.remembered import RememberedValues
from tests.helpers import coco_files, processes, toy
from tests.helpers.other_heads import DETECTION

# ------------------------------------------------------------------ what is found


class Assigner:
    def __init__(self) -> None:
        self.threshold = 0.5
        self.owner = self  # a circle ends


class Head(nn.Module):
    of_this_process = ('warned',)

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.history, self.window = [], deque(maxlen=3)
        self.counts, self.bank = np.zeros(3), torch.zeros(2)
        self.cfg = ConfigDict(interval=2)
        self.assigners = [Assigner(), Assigner()]
        self.logger, self.size = MMLogger.get_current_instance(), (4, 5)
        self.register_buffer('kept_elsewhere', torch.zeros(1), persistent=True)
        self.register_buffer('seen', torch.zeros(1), persistent=False)

    def step(self, number: int) -> None:
        self.history.append(np.float64(number) / 3)
        self.window.append(number)
        self.counts += number
        self.bank, self.seen = self.bank + number, self.seen + number
        self.kept_elsewhere += 1
        self.cfg.interval = 2 + number
        self.assigners[1].threshold = np.float32(number)
        self.size, self.epoch = (number, number), number
        self.last_batch = torch.ones(1000)  # of the step
        self.warned = True
        self.graph = [self.linear(torch.ones(1, 2))]
        self.eval()


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.ModuleDict({'head': Head()})


def test_what_changes_is_found_and_nothing_else():
    one = model()
    remembered = RememberedValues(one)
    assert remembered.changed() == {}
    for number in range(1, 5):
        one['head'].step(number)
    found = remembered.changed()
    assert torch.equal(found.pop('head.counts'), torch.full((3,), 10.0, dtype=torch.float64))
    assert torch.equal(found.pop('head.bank'), torch.full((2,), 10.0))
    assert torch.equal(found.pop('head.seen'), torch.full((1,), 10.0))
    assert found == {
        'head.history': [1 / 3, 2 / 3, 1.0, 4 / 3],
        'head.window': [2, 3, 4],
        'head.cfg': {'interval': 6},
        'head.assigners.1.threshold': 4.0,
        'head.size': (4, 4),
        'head.epoch': 4,
    }


def test_what_was_found_is_set_as_the_kind_that_it_was(tmp_path):
    one, other = model(), model()
    remembered = RememberedValues(one)
    for number in range(1, 5):
        one['head'].step(number)
    torch.save({'remembered': remembered.gather()}, tmp_path / 'checkpoint.pth')
    saved = torch.load(tmp_path / 'checkpoint.pth', weights_only=True)['remembered']
    resumed = RememberedValues(other)
    assert resumed.restore(saved) is None
    for head in (one['head'], other['head']):
        head.step(5)
    first, second = (SimpleNamespace(**vars(head)) for head in (one['head'], other['head']))
    assert (first.history, first.window, first.size) == (second.history, second.window, second.size)
    assert second.window.maxlen == 3 and isinstance(second.cfg, ConfigDict) and second.cfg.interval == 7
    assert np.array_equal(first.counts, second.counts) and torch.equal(first.bank, second.bank)
    assert torch.equal(one['head'].seen, other['head'].seen)
    assert second.assigners[1].threshold == 5 and second.assigners[0].threshold == 0.5
    assert saved[0]['head.window'] == [2, 3, 4], 'what was read stays as it was'


# ------------------------------------------------------------------ runs


class Counting(toy.Toy):
    """A model whose loss depends on how often it was called, which no buffer has."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, inputs, faults, mode, **others):
        if mode == 'loss':
            self.calls += 1 + int(10 * abs(float(inputs.mean())))  # other numbers in each process
        losses = super().forward(inputs, faults, mode, **others)
        return {'loss': losses['loss'] * self.calls} if mode == 'loss' else losses


@pytest.fixture
def counting(monkeypatch):
    monkeypatch.setattr(toy, 'Toy', Counting)


def test_a_resumed_run_goes_on_with_what_the_model_remembered(counting, tmp_path):
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    toy.runner(whole, {}, steps=8, save_interval=3).train()
    shutil.copytree(whole, cut)
    (cut / 'iter_8.pth').unlink()
    runner = toy.runner(cut, {}, steps=8, save_interval=3, resume=True)
    runner.train()
    contents = [torch.load(folder / 'iter_8.pth', weights_only=True) for folder in (whole, cut)]
    assert contents[0]['remembered'] == contents[1]['remembered'] == [{'calls': runner.bare_model.calls}]
    assert all(
        torch.equal(value, contents[1]['state_dict'][name]) for name, value in contents[0]['state_dict'].items()
    )
    assert read_scalars(whole)['train/loss'] == read_scalars(cut)['train/loss']


def test_a_skipped_step_is_forgotten(monkeypatch, tmp_path):
    class Counting(toy.Toy):
        calls = 0

        def forward(self, *arguments, **others):
            self.calls += 1
            return super().forward(*arguments, **others)

    monkeypatch.setattr(toy, 'Toy', Counting)
    run = toy.runner(tmp_path, {5: 'loss', 9: 'gradient'}, total=4, skip=2)  # two of four steps of two batches
    run.bare_model.calls = 0
    run.train()
    assert run.bare_model.calls == 2 * 2


def test_runs_of_other_models_have_no_such_entry(tmp_path):
    toy.runner(tmp_path, {}, steps=1).train()
    assert 'remembered' not in torch.load(tmp_path / 'iter_1.pth', weights_only=True)


def test_each_process_goes_on_with_its_own(counting, tmp_path):
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    for folder in (whole, cut):
        folder.mkdir()

    def train(folder, resume: bool, rank: int) -> int:
        torch.set_num_threads(1)
        toy.runner(folder, {}, steps=4, total=4, save_interval=2, resume=resume, launcher='pytorch').train()
        return 0

    ended = processes.run(lambda rank: train(whole, False, rank), tmp_path)
    assert [one.code for one in ended] == [0, 0], ended
    shutil.copytree(whole, cut, dirs_exist_ok=True)
    (cut / 'iter_4.pth').unlink()
    ended = processes.run(lambda rank: train(cut, True, rank), tmp_path)
    assert [one.code for one in ended] == [0, 0], ended
    one, other = (torch.load(folder / 'iter_4.pth', weights_only=True) for folder in (whole, cut))
    assert one['remembered'] == other['remembered'] and one['remembered'][0] != one['remembered'][1]
    assert all(torch.equal(value, other['state_dict'][name]) for name, value in one['state_dict'].items())

    (whole / 'iter_4.pth').unlink()  # alone, with the same total batch
    toy.runner(whole, {}, steps=4, total=4, batch=4, save_interval=2, resume=True).train()
    log = ''.join(path.read_text() for path in whole.glob('*/*.log'))
    assert 'each of 2 processes remembered its own calls: 1 now go on with those of the first ones' in log


# ------------------------------------------------------------------ heads of mmdet

HEADS = {
    'dynamic': """
rpn = dict(anchor_generator=dict(type='mmdet.AnchorGenerator', scales=[4], ratios=[0.5, 1.0, 2.0],
    strides=[4, 8, 16, 32, 64]))
model = dict(_delete_=True, type='mmdet.FasterRCNN', data_preprocessor=preprocessor, backbone=backbone,
    neck=dict(type='mmdet.FPN', in_channels=[8, 16, 24, 32], out_channels=16, num_outs=5),
    rpn_head=dict(rpn, type='mmdet.RPNHead', in_channels=16, feat_channels=16, loss_bbox=l1, bbox_coder=coder,
        loss_cls=centerness),
    roi_head=dict(type='mmdet.DynamicRoIHead',
        bbox_roi_extractor=dict(type='convnext_dense.RoIExtractor', out_channels=16, featmap_strides=[4, 8, 16, 32],
            roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0)),
        bbox_head=dict(type='mmdet.Shared2FCBBoxHead', in_channels=16, fc_out_channels=16, roi_feat_size=7,
            num_classes=80, bbox_coder=coder, loss_cls=dict(type='mmdet.CrossEntropyLoss'),
            loss_bbox=dict(type='mmdet.SmoothL1Loss', beta=1.0))),
    train_cfg=dict(
        rpn=dict(assigner=dict(type='mmdet.MaxIoUAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3),
            sampler=dict(type='mmdet.RandomSampler', num=32, pos_fraction=0.5, add_gt_as_proposals=False),
            allowed_border=-1, pos_weight=-1, debug=False),
        rpn_proposal=dict(nms_pre=50, max_per_img=20, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(assigner=dict(type='mmdet.MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.5,
                match_low_quality=False),
            sampler=dict(type='mmdet.RandomSampler', num=16, pos_fraction=0.25), pos_weight=-1, debug=False,
            dynamic_rcnn=dict(iou_topk=3, beta_topk=10, update_iter_interval=2, initial_iou=0.2, initial_beta=0.5))),
    test_cfg=dict(rpn=dict(nms_pre=50, max_per_img=20, nms=dict(type='nms', iou_threshold=0.7), min_bbox_size=0),
        rcnn=dict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=10)))
""",
    'ddod': """
model = dict(_delete_=True, type='mmdet.DDOD', data_preprocessor=preprocessor, backbone=backbone, neck=neck,
    bbox_head=dict(head, type='mmdet.DDODHead', norm_cfg=dict(type='GN', num_groups=4), bbox_coder=coder,
        anchor_generator=dict(type='mmdet.AnchorGenerator', ratios=[1.0], octave_base_scale=2, scales_per_octave=1,
            strides=[8, 16, 32]), loss_cls=focal, loss_bbox=giou, loss_iou=centerness),
    train_cfg=dict(assigner=dict(type='mmdet.ATSSAssigner', topk=9, alpha=0.8),
        reg_assigner=dict(type='mmdet.ATSSAssigner', topk=9, alpha=0.5), allowed_border=-1, pos_weight=-1,
        debug=False), test_cfg=nms_cfg)
""",
}
LENGTH = """
train_cfg = dict(max_epochs=5, total_batch_size=2)
default_hooks['checkpoint'].update(interval=3, keep=2)
val_dataloader, val_cfg, val_evaluator = None, None, None
"""


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ('head', 'names'),
    [
        (
            'dynamic',
            {
                *('roi_head.iou_history', 'roi_head.beta_history', 'roi_head.bbox_head.loss_bbox.beta'),
                *(f'roi_head.bbox_assigner.{name}' for name in ('pos_iou_thr', 'neg_iou_thr', 'min_pos_iou')),
            },
        ),
        ('ddod', {'bbox_head.cls_num_pos_samples_per_level'}),
    ],
)
def test_heads_of_mmdet_that_remember_resume_to_the_last_bit(head, names, tmp_path):
    for split in ('train', 'val'):
        coco_files.write(tmp_path / 'data', coco_files.content(), split)
    config = tmp_path / 'small.py'
    config.write_text(DETECTION.replace('with_mask=True', 'with_mask=False') + HEADS[head] + LENGTH)
    run, cut = tmp_path / 'run', tmp_path / 'cut'
    argv = ['--data', str(tmp_path / 'data'), '--work-dir']
    assert run_verb('train', [str(config), *argv, str(run)]) == 0
    shutil.copytree(run, cut)
    (cut / 'epoch_5.pth').unlink()
    (before,) = torch.load(cut / 'epoch_3.pth', weights_only=True)['remembered']
    assert before.keys() == names and all(value not in ([], 0) for value in before.values())
    assert run_verb('train', [str(config), *argv, str(cut), '--resume']) == 0
    one, other = (torch.load(folder / 'epoch_5.pth', weights_only=True) for folder in (run, cut))
    assert one['remembered'] == other['remembered']
    assert all(torch.equal(value, other['state_dict'][name]) for name, value in one['state_dict'].items())
    assert read_scalars(run)['train/loss'] == read_scalars(cut)['train/loss']
