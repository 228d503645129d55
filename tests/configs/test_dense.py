"""The configs of detection and segmentation: sizes, recipes, and what they build."""

import math
from pathlib import Path

import mmdet
import mmseg
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import PARAM_SCHEDULERS

from convnext_dense import paper
from convnext_dense.analysis.complexity import Complexity, count_config
from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.optim.layer_decay import parameter_groups
from tests.helpers.run_tool import ROOT

ARCHS = dict(a='atto', t='tiny', s='small', b='base', l='large', xl='xlarge')
OTHER_HEADS = ('dino', 'rtmdet', 'retinanet')  # see test_dino_rtmdet.py
DETECTORS = sorted(
    path for path in (ROOT / 'configs' / 'det').glob('*.py') if not path.stem.startswith((*OTHER_HEADS, 'mask2former'))
)
SEGMENTORS = sorted((ROOT / 'configs' / 'seg').glob('upernet_*.py'))
LINEAR = sorted((ROOT / 'configs' / 'seg').glob('linear_*.py'))
BOXES = [path.stem for path in DETECTORS if path.stem.startswith(('cascade_rcnn', 'faster_rcnn'))]
LIKE_UPERNET = sorted(
    path for head in ('deeplabv3plus', 'segformer') for path in (ROOT / 'configs' / 'seg').glob(f'{head}_*.py')
)
QUERIES = sorted(path for path in (ROOT / 'configs').glob('[ds]e*/mask2former_*.py'))  # see test_mask2former.py
OF_NAME = {path.stem: path for path in (*DETECTORS, *SEGMENTORS, *LINEAR, *LIKE_UPERNET, *QUERIES)}


def arch_and_data(name: str) -> tuple[str, str]:
    parts = name.split('convnext')[1].removeprefix('v2').split('_')[1:]
    return ARCHS[parts[0]], 'ImageNet-22k' if '22k' in parts else 'ImageNet-1k'


def published(table: tuple[paper.PublishedDense, ...], name: str) -> paper.PublishedDense:
    return next(row for row in table if (row.arch, row.data) == arch_and_data(name))


def check_size(cfg: Config, table: tuple[paper.PublishedDense, ...], name: str, most_for_atto: float) -> Complexity:
    assert cfg.model.backbone.arch == arch_and_data(name)[0]
    assert cfg.model.backbone.get('version', 1) == (2 if 'v2' in name else 1)
    found = count_config(cfg)
    if cfg.model.backbone.arch == 'atto':  # nobody published it
        assert found.params / 1e6 < most_for_atto
        return found
    row = published(table, name)
    assert found.params / 1e6 == pytest.approx(row.params, rel=0.01)
    assert found.macs / 1e9 == pytest.approx(row.macs, rel=0.01)
    return found


@pytest.mark.parametrize('name', [path.stem for path in DETECTORS if path.stem not in BOXES])
def test_detectors_have_the_published_size(name):
    table = paper.MASK_RCNN_COCO if name.startswith('mask') else paper.CASCADE_COCO
    found = check_size(Config.fromfile(OF_NAME[name]), table, name, most_for_atto=7)
    assert found.input_shape == (1, 3, 800, 1280)
    assert 'the box head on 1000 and the mask head on 100 regions' in found.rule


# Of the detectors without masks, which nobody published: parameters, and MACs at 800 x 1280.
SIZES = {
    'cascade_rcnn_convnext_a_coco': (6_515_114, 20_742_058_240),
    'cascade_rcnn_convnext_t_coco': (78_000_738, 581_197_040_640),
    'cascade_rcnn_convnext_s_coco': (99_635_298, 667_486_448_640),
    'cascade_rcnn_convnext_b_coco': (137_870_402, 804_607_472_640),
    'faster_rcnn_convnext_a_coco': (4_571_272, 18_800_042_240),
    'faster_rcnn_convnext_t_coco': (45_452_096, 208_917_744_640),
}


@pytest.mark.parametrize('name', BOXES)
def test_detectors_for_boxes_have_their_size(name):
    cfg = Config.fromfile(OF_NAME[name])
    found = count_config(cfg)
    assert (found.params, found.macs) == SIZES[name]
    assert cfg.model.backbone.arch == arch_and_data(name)[0]
    assert found.input_shape == (1, 3, 800, 1280)
    assert 'the box head on 1000 regions' in found.rule and 'mask head' not in found.rule


@pytest.mark.parametrize(
    ('name', 'of_masks', 'channels', 'convs', 'stages'),
    [
        ('cascade_rcnn_convnext_a_coco', 'cascade_convnext_a_coco', 64, 2, 3),
        ('cascade_rcnn_convnext_t_coco', 'cascade_convnext_t_coco', 256, 4, 3),
        ('cascade_rcnn_convnext_s_coco', 'cascade_convnext_s_coco', 256, 4, 3),
        ('cascade_rcnn_convnext_b_coco', 'cascade_convnext_b_coco', 256, 4, 3),
        ('faster_rcnn_convnext_t_coco', 'mask_rcnn_convnext_t_coco', 256, 4, 1),
    ],
)
def test_detectors_for_boxes_lack_the_mask_heads_alone(name, of_masks, channels, convs, stages):
    """By the layers of a mask head: convolutions of 14 x 14 cells, a transposed one to 28 x 28, one for 80 classes."""
    boxes, masks = (count_config(Config.fromfile(OF_NAME[one])) for one in (name, of_masks))
    square = channels**2
    weights = convs * 9 * square + 4 * square + 80 * channels
    biases = (convs + 1) * channels + 80
    assert masks.params - boxes.params == stages * (weights + biases)
    macs = 14**2 * convs * 9 * square + 14**2 * 4 * square + 28**2 * 80 * channels
    assert masks.macs - boxes.macs == stages * 100 * macs


@pytest.mark.parametrize(
    ('name', 'theirs'),
    [
        ('faster_rcnn_convnext_t_coco', 'faster-rcnn_r50_fpn'),
        ('faster_rcnn_convnext_a_coco', 'faster-rcnn_r50_fpn'),
        ('cascade_rcnn_convnext_a_coco', 'cascade-rcnn_r50_fpn'),
    ],
)
def test_detectors_for_boxes_are_mmdets_on_our_backbone(name, theirs):
    """Against the models that mmdet ships."""
    cfg = Config.fromfile(OF_NAME[name])
    model = Config.fromfile(
        Path(mmdet.__file__).parent / '.mim' / 'configs' / '_base_' / 'models' / f'{theirs}.py'
    ).model
    model.backbone = cfg.model.backbone
    model.neck.in_channels = cfg.model.neck.in_channels
    if '_a_' in name:
        model.neck.out_channels = model.rpn_head.in_channels = model.rpn_head.feat_channels = 64
        model.roi_head.bbox_roi_extractor.out_channels = 64
        heads = model.roi_head.bbox_head
        for head in heads if isinstance(heads, list) else [heads]:
            head.update(in_channels=64, fc_out_channels=256, reg_class_agnostic=False)
    ours = count_config(cfg)
    cfg.model = model
    expected = count_config(cfg)
    assert (ours.params, ours.macs) == (expected.params, expected.macs)


@pytest.mark.parametrize('name', [path.stem for path in SEGMENTORS])
def test_segmentors_have_the_published_size(name):
    found = check_size(Config.fromfile(OF_NAME[name]), paper.UPERNET_ADE20K, name, most_for_atto=5)
    side = 640 if '22k' in name else 512
    assert found.input_shape == (1, 3, side, 4 * side)
    assert found.by_module['auxiliary_head'].macs == 0 < found.by_module['auxiliary_head'].params


# From the official configs: lr, drop path, layer decay, AMP, weights
COCO = {
    'mask_rcnn_convnext_t_coco': (1e-4, 0.4, 0.95, True, 'convnext_tiny_1k_224'),
    'cascade_convnext_t_coco': (2e-4, 0.4, 0.7, True, 'convnext_tiny_1k_224'),
    'cascade_convnext_s_coco': (2e-4, 0.6, 0.7, True, 'convnext_small_1k_224'),
    'cascade_convnext_b_coco': (2e-4, 0.7, 0.8, True, 'convnext_base_1k_224'),
    'cascade_convnext_b_22k_coco': (1e-4, 0.6, 0.8, True, 'convnext_base_22k_224'),
    'cascade_convnext_l_22k_coco': (1e-4, 0.7, 0.7, False, 'convnext_large_22k_224'),
    'cascade_convnext_xl_22k_coco': (1e-4, 0.8, 0.7, False, 'convnext_xlarge_22k_224'),
    'cascade_convnextv2_t_coco': (2e-4, 0.4, 0.7, True, 'convnextv2_tiny_1k_224_fcmae'),
    'cascade_convnextv2_b_coco': (2e-4, 0.7, 0.8, True, 'convnextv2_base_1k_224_fcmae'),
    'cascade_convnext_a_coco': (2e-4, 0.0, 0.7, False, 'work_dirs/convnext_a/epoch_300.pth'),
    # not official: as those with masks
    'faster_rcnn_convnext_t_coco': (1e-4, 0.4, 0.95, True, 'convnext_tiny_1k_224'),
    'faster_rcnn_convnext_a_coco': (1e-4, 0.0, 0.95, False, 'work_dirs/convnext_a/epoch_300.pth'),
    'cascade_rcnn_convnext_t_coco': (2e-4, 0.4, 0.7, True, 'convnext_tiny_1k_224'),
    'cascade_rcnn_convnext_s_coco': (2e-4, 0.6, 0.7, True, 'convnext_small_1k_224'),
    'cascade_rcnn_convnext_b_coco': (2e-4, 0.7, 0.8, True, 'convnext_base_1k_224'),
    'cascade_rcnn_convnext_a_coco': (2e-4, 0.0, 0.7, False, 'work_dirs/convnext_a/epoch_300.pth'),
}
# lr, drop path, crop, stride, weights
ADE20K = {
    'upernet_convnext_t_ade20k': (1e-4, 0.4, 512, 341, 'convnext_tiny_1k_224'),
    'upernet_convnext_s_ade20k': (1e-4, 0.3, 512, 341, 'convnext_small_1k_224'),
    'upernet_convnext_b_ade20k': (1e-4, 0.4, 512, 341, 'convnext_base_1k_224'),
    'upernet_convnext_b_22k_ade20k': (1e-4, 0.4, 640, 426, 'convnext_base_22k_224'),
    'upernet_convnext_l_22k_ade20k': (1e-4, 0.4, 640, 426, 'convnext_large_22k_224'),
    'upernet_convnext_xl_22k_ade20k': (8e-5, 0.4, 640, 426, 'convnext_xlarge_22k_224'),
    'upernet_convnextv2_t_ade20k': (1e-4, 0.4, 512, 341, 'convnextv2_tiny_1k_224_fcmae'),
    'upernet_convnextv2_b_ade20k': (1e-4, 0.4, 512, 341, 'convnextv2_base_1k_224_fcmae'),
    'upernet_convnext_a_ade20k': (1e-4, 0.0, 512, 341, 'work_dirs/convnext_a/epoch_300.pth'),
}

# channels of the last stage, weights in timm
LINEAR_ADE20K = {
    f'linear_dinov3_{arch[0]}_ade20k': (channels, f'dinov3_{arch}')
    for arch, channels in (('tiny', 768), ('small', 768), ('base', 1024), ('large', 1536))
} | {
    'linear_convnext_t_ade20k': (768, 'convnext_tiny_1k_224'),
    'linear_convnext_s_ade20k': (768, 'convnext_small_1k_224'),
    'linear_convnext_b_ade20k': (1024, 'convnext_base_1k_224'),
    'linear_convnext_l_ade20k': (1536, 'convnext_large_22k_224'),  # there are no raw ones of 1k at 224
}


def test_every_config_has_a_recipe_below():
    assert {path.stem for path in DETECTORS} == COCO.keys()
    assert {path.stem for path in SEGMENTORS} == ADE20K.keys()
    assert {path.stem for path in LINEAR} == LINEAR_ADE20K.keys()
    others = {path.stem for path in (*LIKE_UPERNET, *QUERIES)}
    assert set(OF_NAME) - others == {
        path.stem
        for folder in ('det', 'seg')
        for path in (ROOT / 'configs' / folder).glob('*.py')
        if not path.stem.startswith(OTHER_HEADS) and path.stem not in others
    }


def check_common(cfg: Config, lr: float, drop_path: float, amp: bool, weights: str) -> None:
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.betas) == ('AdamW', lr, (0.9, 0.999))
    assert optimizer.weight_decay == 0.05
    assert cfg.optim_wrapper.type == ('AmpOptimWrapper' if amp else 'OptimWrapper')
    assert cfg.model.backbone.get('drop_path_rate', 0.0) == drop_path
    assert cfg.model.backbone.layer_scale_init_value == 1.0
    assert cfg.train_cfg.total_batch_size == 16
    assert (cfg.pretrained, cfg.pretrained_weights) == (weights, 'raw')
    assert weights in paper.OFFICIAL_WEIGHTS or weights.startswith('work_dirs/')


@pytest.mark.parametrize('name', COCO)
def test_detection_recipe_is_the_official_one(name):
    cfg = Config.fromfile(OF_NAME[name])
    lr, drop_path, rate, amp, weights = COCO[name]
    check_common(cfg, lr, drop_path, amp, weights)
    assert cfg.optim_wrapper.paramwise_cfg == dict(decay_rate=rate, scheme='layer_wise')
    assert cfg.train_cfg.max_epochs == 36
    warm_up, steps = cfg.param_scheduler
    assert (warm_up.type, warm_up.by_epoch, steps.milestones, steps.gamma) == ('LinearLR', False, [27, 33], 0.1)
    heads = cfg.model.roi_head.bbox_head
    if name.startswith('cascade') and cfg.model.backbone.arch != 'atto':
        assert [head.bbox_coder.target_stds[0] for head in heads] == [0.1, 0.05, 0.033]
        for head in heads:
            assert (head.num_shared_convs, head.num_shared_fcs, head.norm_cfg.type) == (4, 1, 'SyncBN')
            assert (head.reg_class_agnostic, head.reg_decoded_bbox, head.num_classes) == (False, True, 80)
            assert (head.loss_bbox.type, head.loss_bbox.loss_weight) == ('mmdet.GIoULoss', 10.0)
        assert [stage.assigner.pos_iou_thr for stage in cfg.model.train_cfg.rcnn] == [0.5, 0.6, 0.7]
    assert 'norm_cfg' not in cfg.model.neck
    assert (cfg.model.roi_head.mask_head is None) == (name in BOXES)
    assert 'norm_cfg' not in (cfg.model.roi_head.mask_head or {})
    flip, choice = cfg.train_dataloader.dataset.pipeline[2:4]
    assert flip.prob == 0.5
    (resize,), (before, crop, after) = choice.transforms
    assert [tuple(scale) for scale in resize.scales] == [(side, 1333) for side in range(480, 801, 32)]
    assert (before.scales, crop.crop_size) == ([(400, 1333), (500, 1333), (600, 1333)], (384, 600))
    assert after == resize
    assert cfg.test_dataloader.dataset.pipeline[1].scale == (1333, 800)


@pytest.mark.parametrize('name', ADE20K)
def test_segmentation_recipe_is_the_official_one(name):
    cfg = Config.fromfile(OF_NAME[name])
    lr, drop_path, crop, stride, weights = ADE20K[name]
    amp = not any(size in name for size in ('_a_', '_l_', '_xl_'))  # use_fp16=False officially
    check_common(cfg, lr, drop_path, amp, weights)
    assert cfg.optim_wrapper.paramwise_cfg == dict(decay_rate=0.9, scheme='stage_wise')
    assert cfg.train_cfg.max_iters == 160000
    warm_up, poly = cfg.param_scheduler
    assert (warm_up.start_factor, warm_up.begin, warm_up.end) == (1e-6, 0, 1501)  # see tests/engine/test_schedule.py
    assert (poly.type, poly.power, poly.begin, poly.end, poly.eta_min) == ('PolyLR', 1.0, 0, 160001, 0.0)
    assert cfg.model.test_cfg == dict(mode='slide', crop_size=(crop, crop), stride=(stride, stride))
    channels = 64 if '_a_' in name else 512
    assert (cfg.model.decode_head.channels, cfg.model.decode_head.norm_cfg.type) == (channels, 'SyncBN')
    assert (cfg.model.auxiliary_head.in_index, cfg.model.auxiliary_head.loss_decode.loss_weight) == (2, 0.4)
    assert cfg.model.decode_head.num_classes == cfg.model.auxiliary_head.num_classes == 150
    for loader, scale in ((cfg.train_dataloader, 2), (cfg.test_dataloader, 1)):
        assert loader.dataset.reduce_zero_label
        assert loader.dataset.pipeline[scale].scale == (4 * crop, crop)
    assert cfg.train_dataloader.dataset.pipeline[2].ratio_range == (0.5, 2.0)
    assert cfg.train_dataloader.dataset.pipeline[3].crop_size == (crop, crop)
    assert cfg.model.data_preprocessor.size == (crop, crop)
    ratios = [resize.scale[1] / crop for resize in cfg.tta_pipeline[1].transforms[0]]
    assert ratios == [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
    assert cfg.tta_model.mode == 'whole'


@pytest.mark.parametrize('name', LINEAR_ADE20K)
def test_linear_recipe_is_that_of_dinov3(name):
    """Its values are those of eval/segmentation/configs/config-ade20k-linear-training.yaml in DINOv3's repository."""
    cfg = Config.fromfile(OF_NAME[name])
    channels, weights = LINEAR_ADE20K[name]
    assert (cfg.pretrained, cfg.pretrained_weights) == (weights, 'raw')
    optimizer = cfg.optim_wrapper.optimizer
    assert (optimizer.type, optimizer.lr, optimizer.betas) == ('AdamW', 1e-3, (0.9, 0.999))
    assert cfg.optim_wrapper.type == 'OptimWrapper' and 'clip_grad' not in cfg.optim_wrapper
    length = cfg.train_cfg
    assert (length.max_iters, length.total_batch_size, length.val_interval) == (40000, 16, 5000)
    assert cfg.model.test_cfg == dict(mode='slide', crop_size=(512, 512), stride=(341, 341))
    assert cfg.train_dataloader.dataset.pipeline[2].ratio_range == (0.5, 2.0)
    assert cfg.train_dataloader.dataset.pipeline[3].crop_size == (512, 512)
    with torch.device('meta'):
        model = build_model(cfg)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    sizes = {name: tuple(p.shape) for name, p in trained.items()}
    assert sizes == {
        'backbone.norm3.weight': (channels,),
        'backbone.norm3.bias': (channels,),
        'decode_head.conv_seg.weight': (150, channels, 1, 1),
        'decode_head.conv_seg.bias': (150,),
        'decode_head.norm.weight': (channels,),
        'decode_head.norm.bias': (channels,),
    }
    groups = parameter_groups(model, optimizer, cfg.optim_wrapper.paramwise_cfg)
    assert [(group.lr, group.weight_decay, len(group.parameters)) for group in groups] == [(1e-3, 1e-3, 6)]


@pytest.mark.parametrize('name', [path.stem for path in LIKE_UPERNET])
def test_other_heads_have_the_recipe_of_upernet(name):
    """And their heads are those of mmseg's configs, for our features."""
    cfg, upernet = (Config.fromfile(OF_NAME[one]) for one in (name, 'upernet_convnext_t_ade20k'))
    same = ('optim_wrapper', 'param_scheduler', 'train_cfg', 'train_dataloader', 'test_dataloader', 'pretrained')
    assert all(cfg[key] == upernet[key] for key in same)
    assert cfg.model.backbone == upernet.model.backbone and cfg.model.test_cfg == upernet.model.test_cfg
    assert cfg.model.data_preprocessor == upernet.model.data_preprocessor
    file = {'deeplabv3plus': 'deeplabv3plus_r50-d8', 'segformer': 'segformer_mit-b0'}[name.split('_')[0]]
    theirs = Config.fromfile(
        Path(mmseg.__file__).parent / '.mim' / 'configs' / '_base_' / 'models' / f'{file}.py'
    ).model
    channels = dict(in_channels=[96, 192, 384, 768], num_classes=150)
    if name.startswith('deeplab'):
        assert [rate * 32 for rate in cfg.model.decode_head.dilations[1:]] == [8 * 12, 8 * 24, 8 * 36]  # pixels
        channels.update(in_channels=768, c1_in_channels=96, dilations=(1, 3, 6, 9))
        theirs.auxiliary_head.update(in_channels=384, num_classes=150)
        assert unscoped(cfg.model.auxiliary_head) == unscoped(theirs.auxiliary_head)
    theirs.decode_head.update(channels)
    assert unscoped(cfg.model.decode_head) == unscoped(theirs.decode_head)


def unscoped(part: object) -> object:
    if isinstance(part, dict):
        return {key: value.split('.')[-1] if key == 'type' else unscoped(value) for key, value in part.items()}
    return part


def test_linear_schedule_is_that_of_dinov3():
    """Beside the lr by eval/segmentation/schedulers.py there, written down here."""
    cfg = Config.fromfile(OF_NAME['linear_dinov3_t_ade20k'])
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1e-3)
    schedulers = [PARAM_SCHEDULERS.build(dict(part, optimizer=optimizer)) for part in cfg.param_scheduler]
    found = []
    for _ in range(40000):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    for step in (0, 1, 300, 1499):
        warm_up = 1 - (1 - step / 1500) * (1 - 1e-6)
        assert found[step] == pytest.approx(1e-3 * warm_up * (1 - step / 40000), rel=0.04), step
    for step in (1500, 10000, 25000, 39000):
        cosine = (1 + math.cos(math.pi * (step + 1) / 40000)) / 2
        assert found[step] == pytest.approx(1e-3 * cosine, rel=0.002, abs=1e-7), step
    assert found[-1] < 1e-11


@pytest.mark.parametrize('name', OF_NAME)
def test_heads_follow_the_data(name, tmp_path, monkeypatch):
    """With the drawn sample's classes: every head, wherever it is in the config."""
    root = tmp_path
    (root / 'ade20k').mkdir()
    (root / 'ade20k' / 'classes.txt').write_text('\n'.join('abcde'))
    (root / 'coco' / 'annotations').mkdir(parents=True)
    for split in ('train', 'val'):
        text = '{"images": [{"file_name": "1.jpg"}], "categories": [{"id": 3, "name": "x"}, {"id": 9, "name": "y]"}]}'
        (root / 'coco' / 'annotations' / f'instances_{split}2017.json').write_text(text)
        (root / 'coco' / f'{split}2017').mkdir()
        (root / 'coco' / f'{split}2017' / '1.jpg').touch()
    monkeypatch.setattr('convnext_dense.sample_data.create.ensure_sample', lambda: root)
    cfg = read_config(str(OF_NAME[name]), data='sample')
    found = []

    def look(part: object) -> None:
        if isinstance(part, dict):
            found.extend(part[key] for key in ('num_classes', 'num_things_classes') if key in part)
            part = list(part.values())
        if isinstance(part, list | tuple):
            for item in part:
                look(item)

    look(cfg.model)
    segments = cfg.task == 'segmentation'
    heads = 1 + (cfg.model.get('auxiliary_head') is not None)
    assert found == [5] * heads if segments else found and set(found) == {2}
    assert cfg.pretrained is None
