"""The detector: views of an image are merged in its own coordinates; nothing is learned from ignore regions."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet.models.task_modules.assigners import MaxIoUAssigner as MmdetAssigner
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose
from mmengine.logging import MessageHub
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData

from convnext_dense.config.read import read_config
from convnext_dense.data.detection.boxes import box_of_corners
from convnext_dense.data.detection.coco_mask import rectangle_mask
from convnext_dense.engine.building import build_model
from convnext_dense.io.coco_format import IGNORE_REGION, UNMASKED
from convnext_dense.models.detector import DetectorTTA, MaxIoUAssigner
from convnext_dense.registry import MODELS
from convnext_dense.tasks import set_classes
from tests.helpers.mask_rcnn import write_mask_rcnn
from tests.helpers.small_models import ROOT
from tests.helpers.stock_configs import stock_config


def test_a_flipped_view_is_turned_back():
    """A view that sees the mirror image finds, turned back, what the upright one found; one of each pair stays."""

    class Detector(torch.nn.Module):
        def test_step(self, data: dict) -> list[DetDataSample]:
            for sample, image in zip(data['data_samples'], data['inputs'], strict=True):
                rows, columns = image[0].nonzero().T
                box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
                found = InstanceData(bboxes=box[None], scores=torch.tensor([0.5]), labels=torch.tensor([2]))
                found.masks = image[:1] > 0
                sample.pred_instances = found
            return data['data_samples']

    image = torch.zeros(3, 6, 10)
    image[:, 1:4, 2:5] = 1
    inputs, samples = [[image], [image.flip(-1)]], []
    for flip in (None, 'horizontal'):
        meta = dict(flip=flip is not None, flip_direction=flip, ori_shape=(6, 10))
        samples.append([DetDataSample(metainfo=meta)])
    tta = DetectorTTA(Detector(), nms=dict(type='nms', iou_threshold=0.5), max_per_img=100)
    (merged,) = tta.test_step(dict(inputs=inputs, data_samples=samples))
    assert merged.pred_instances.bboxes.tolist() == [[2, 1, 5, 4]]
    assert torch.equal(merged.pred_instances.masks[0], image[0] > 0)
    assert merged.pred_instances.labels.tolist() == [2]


# ------------------------------------------------------------------ ignore regions


def test_assignment_is_as_in_mmdet_but_takes_no_background_from_ignore_regions():
    rng = np.random.default_rng(0)

    def boxes(count: int) -> torch.Tensor:
        corners = torch.from_numpy(rng.uniform(0, 90, (count, 2)))
        return torch.cat([corners, corners + torch.from_numpy(rng.uniform(5, 60, (count, 2)))], dim=1).float()

    options: dict = dict(pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0.3, match_low_quality=True)
    options['iou_calculator'] = dict(type='mmdet.BboxOverlaps2D')
    theirs, ours = MmdetAssigner(**options), MaxIoUAssigner(**options)
    changed = 0
    for objects in (0, 1, 6):
        priors = InstanceData(priors=boxes(200))
        truth = InstanceData(bboxes=boxes(objects), labels=torch.zeros(objects, dtype=torch.int64))
        regions, crowds = boxes(2), boxes(2)
        expected = theirs.assign(priors, truth, None).gt_inds
        labels = torch.tensor([IGNORE_REGION, 5, IGNORE_REGION, 0])
        ignored = InstanceData(bboxes=torch.stack([regions[0], crowds[0], regions[1], crowds[1]]), labels=labels)
        for none in (None, ignored[labels >= 0], ignored[:0]):
            assert torch.equal(ours.assign(priors, truth, none).gt_inds, expected)
        assigned = ours.assign(priors, truth, ignored)
        for prior, before, after in zip(
            priors.priors.tolist(), expected.tolist(), assigned.gt_inds.tolist(), strict=True
        ):
            x1, y1, x2, y2 = prior
            x, y = (x1 + x2) / 2, (y1 + y2) / 2
            inside = False
            for left, top, right, bottom in regions.tolist():
                common = max(0, min(x2, right) - max(x1, left)) * max(0, min(y2, bottom) - max(y1, top))
                inside |= common > 0.5 * (x2 - x1) * (y2 - y1) or (left <= x <= right and top <= y <= bottom)
            unused = before == 0 and inside
            changed += unused
            assert after == (-1 if unused else before)
    assert 10 < changed < 500


@pytest.mark.parametrize('base', ['mask_rcnn', 'cascade_mask_rcnn', 'light_cascade_mask_rcnn'])
@pytest.mark.parametrize('sample', [False, True])
def test_every_detector_knows_ignore_regions(base, sample):
    cfg = Config.fromfile(ROOT / f'configs/_base_/models/{base}.py')
    if sample:
        cfg = Config.fromfile(ROOT / f'configs/_base_/sample/{base}.py')
    found = [part['assigner']['type'] for part in parts(cfg._cfg_dict.to_dict()) if 'type' in part.get('assigner', {})]
    assert set(found) <= {'convnext_dense.MaxIoUAssigner'}
    assert sample or len(found) == (2 if base == 'mask_rcnn' else 4)


def parts(value):
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            yield from parts(item)


SMALL_HEAD = dict(
    num_convs=1,
    in_channels=4,
    conv_out_channels=4,
    num_classes=3,
    loss_mask=dict(type='mmdet.CrossEntropyLoss', use_mask=True, loss_weight=1.0),
)


def mask_loss(
    kind: str, unmasked: tuple[int, ...], emptied: tuple[int, ...] = (), objects: tuple[int, ...] = (0, 1, 2, 3)
) -> tuple[float, dict[str, torch.Tensor]]:
    """The mask loss of two images with two of four objects each, and its gradients.

    Args:
        kind: the mask head.
        unmasked: objects without a mask.
        emptied: objects of whose mask a crop has left nothing.
        objects: objects whose regions the loss is of.
    """
    torch.manual_seed(0)
    head = MODELS.build(dict(SMALL_HEAD, type=kind))
    rng = np.random.default_rng(0)
    boxes = torch.tensor([[2.0, 3, 30, 20], [40, 10, 62, 47], [0, 0, 9, 9], [20, 20, 64, 48]])
    bitmaps = (rng.random((4, 48, 64)) < 0.5).astype(np.uint8)
    bitmaps[list(unmasked)], bitmaps[list(emptied)] = UNMASKED, 0
    results, truth, features = [], [], []
    for of_image in ((0, 1), (2, 3)):
        regions = [place for place in (0, 1, 1, 0) if of_image[place] in objects]
        places = torch.tensor(regions, dtype=torch.long)
        own = boxes[list(of_image)]
        results.append(
            SimpleNamespace(
                pos_priors=own[places] + 1.0, pos_assigned_gt_inds=places, pos_gt_labels=torch.tensor([1, 2])[places]
            )
        )
        masks = BitmapMasks(bitmaps[list(of_image)], 48, 64)
        truth.append(InstanceData(bboxes=own, labels=torch.tensor([1, 2]), masks=masks))
        features += [torch.full((4, 14, 14), float(of_image[place] + 1)) for place in regions]
    pixels = torch.stack(features) if features else torch.zeros(0, 4, 14, 14)
    found = head.loss_and_target(head(pixels), results, truth, ConfigDict(mask_size=28))
    loss = found['loss_mask']['loss_mask']
    loss.sum().backward()
    return float(loss.detach().sum()), {name: parameter.grad for name, parameter in head.named_parameters()}


def test_objects_without_a_mask_take_no_part_in_the_mask_loss():
    """Against mmdet's head on the other objects alone."""
    for unmasked in ((1,), (0, 3), (0, 1, 2)):
        others = tuple(place for place in range(4) if place not in unmasked)
        loss, gradients = mask_loss('convnext_dense.FCNMaskHead', unmasked)
        expected, of_others = mask_loss('mmdet.FCNMaskHead', (), objects=others)
        assert loss == pytest.approx(expected, rel=1e-6) and loss > 0
        for name, gradient in gradients.items():
            torch.testing.assert_close(gradient, of_others[name], rtol=1e-5, atol=1e-7)
    loss, gradients = mask_loss('convnext_dense.FCNMaskHead', (0, 1, 2, 3))
    assert loss == 0 and all(not gradient.any() for gradient in gradients.values())


def test_where_all_objects_have_masks_the_mask_loss_is_mmdets_to_the_last_digit():
    for emptied in ((), (2,), (0, 1, 2, 3)):  # a mask of which a crop leaves nothing is learned as empty
        (loss, gradients), (expected, theirs) = (
            mask_loss(kind, (), emptied) for kind in ('convnext_dense.FCNMaskHead', 'mmdet.FCNMaskHead')
        )
        assert loss == expected > 0
        assert all(torch.equal(gradient, theirs[name]) for name, gradient in gradients.items())
    assert mask_loss('convnext_dense.FCNMaskHead', (), objects=())[0] == 0


def test_masks_of_other_kinds_are_all_there():
    head = MODELS.build(dict(SMALL_HEAD, type='convnext_dense.FCNMaskHead'))
    masks = PolygonMasks([[np.array([1.0, 1, 9, 1, 9, 9])]], 48, 64)
    truth = InstanceData(bboxes=torch.tensor([[1.0, 1, 9, 9]]), labels=torch.tensor([0]), masks=masks)
    region = SimpleNamespace(
        pos_priors=truth.bboxes, pos_assigned_gt_inds=torch.tensor([0]), pos_gt_labels=torch.tensor([0])
    )
    found = head.loss_and_target(head(torch.ones(1, 4, 14, 14)), [region], [truth], ConfigDict(mask_size=28))
    assert found['mask_targets'].sum() > 100


def test_nothing_in_an_ignore_region_is_learned_as_background(tmp_path):
    """Where a region covers the image, only what is positive has a loss."""
    cfg = read_config(str(write_mask_rcnn(tmp_path)), needs_data=False)
    set_classes(cfg, 3)
    torch.manual_seed(0)
    model = build_model(cfg).train()
    region = [32, 32, 160, 160]

    def losses(*regions: list[int], label: int = IGNORE_REGION, objects: bool = True) -> dict[str, float]:
        instances = [dict(bbox=[10, 10, 60, 60], bbox_label=1, ignore_flag=0)] if objects else []
        instances += [dict(bbox=box, bbox_label=label, ignore_flag=1) for box in regions]
        for instance in instances:
            instance['mask'] = rectangle_mask(box_of_corners(instance['bbox']))
        pack = [dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True), dict(type='mmdet.PackDetInputs')]
        pixels = np.random.default_rng(0).integers(256, size=(192, 192, 3), dtype=np.uint8)
        size = dict(height=192, width=192, ori_shape=(192, 192), img_shape=(192, 192), scale_factor=(1.0, 1.0))
        sample = Compose(pack)(dict(img=pixels, img_id=1, instances=instances, **size))
        batch = model.data_preprocessor({'inputs': [sample['inputs']], 'data_samples': [sample['data_samples']]}, True)
        torch.manual_seed(1)
        result = {}
        for name, value in model(**batch, mode='loss').items():
            result[name] = float(sum(map(torch.sum, value)).detach() if isinstance(value, list) else value.detach())
        return result

    plain = losses()
    assert losses(region, label=2) == plain  # a crowd: as published
    assert losses(region)['loss_rpn_cls'] != plain['loss_rpn_cls']
    whole = losses([0, 0, 192, 192])
    assert whole['loss_mask'] == plain['loss_mask'] > 0
    assert (whole['loss_rpn_cls'], whole['acc']) == (0, 0)  # positives alone, which an untrained head does not know
    assert whole['loss_cls'] > plain['loss_cls']
    nothing = losses([0, 0, 192, 192], objects=False)
    assert all(value == 0 for name, value in nothing.items() if 'loss' in name)


def test_sizes_of_batches_depend_on_seed_and_step_alone():
    """mmdet's remember the last one drawn, so that a resumed run would have others."""

    def sizes(steps, seed):
        resize = MODELS.build(
            dict(type='convnext_dense.BatchSyncRandomResize', random_size_range=(32, 320), interval=2)
        )
        hub, found = MessageHub.get_instance('sizes'), []
        hub.update_info('seed', seed)
        for step in steps:
            hub.update_info('iter', step)
            boxes = InstanceData(bboxes=torch.tensor([[0.0, 0.0, 32.0, 64.0]]))
            meta = dict(img_shape=(64, 64), pad_shape=(64, 64))
            sample = DetDataSample(metainfo=meta, gt_instances=boxes)
            inputs, _ = resize(torch.zeros(1, 3, 64, 64), [sample])
            found.append(tuple(inputs.shape[2:]))
            assert sample.img_shape == found[-1]
            height, width = found[-1]
            assert sample.gt_instances.bboxes.tolist() == [[0.0, 0.0, width / 2, height]]
        return found

    MessageHub.get_instance('sizes')  # the current one
    drawn = sizes(range(12), seed=3)
    assert drawn[:2] == [(64, 64)] * 2
    assert drawn[2::2] == drawn[3::2]
    assert len(set(drawn)) > 3
    assert all(height == width and height % 32 == 0 for height, width in drawn)
    assert sizes(range(7, 12), seed=3) == drawn[7:]
    assert sizes(range(12), seed=4) != drawn


def test_views_without_a_detection_are_merged_to_none():
    class Detector(torch.nn.Module):
        def test_step(self, data: dict) -> list[DetDataSample]:
            for sample in data['data_samples']:
                sample.pred_instances = InstanceData(
                    bboxes=torch.empty(0, 4), scores=torch.empty(0), labels=torch.empty(0, dtype=torch.long)
                )
            return data['data_samples']

    samples = [[DetDataSample(metainfo=dict(flip_direction=flip, ori_shape=(6, 10)))] for flip in (None, 'horizontal')]
    tta = DetectorTTA(Detector(), nms=dict(type='nms', iou_threshold=0.5), max_per_img=100)
    (merged,) = tta.test_step(dict(inputs=[[torch.zeros(3, 6, 10)]] * 2, data_samples=samples))
    assert len(merged.pred_instances) == 0


def test_centernet_predicts_without_a_border_as_with_one_of_zero():
    losses = dict(loss_center_heatmap=dict(type='mmdet.GaussianFocalLoss'), loss_wh=dict(type='mmdet.L1Loss'))
    settings = dict(in_channels=4, feat_channels=4, num_classes=2, loss_offset=dict(type='mmdet.L1Loss'), **losses)
    cfg = ConfigDict(topk=5, local_maximum_kernel=3, max_per_img=5)
    stock = MODELS.build(dict(settings, type='mmdet.CenterNetHead', test_cfg=cfg)).eval()
    ours = MODELS.build(dict(settings, type='convnext_dense.CenterNetHead', test_cfg=cfg)).eval()
    torch.manual_seed(0)
    maps = [[torch.rand(1, channels, 8, 8)] for channels in (2, 2, 2)]
    meta = dict(batch_input_shape=(32, 32), img_shape=(32, 32), scale_factor=(1.0, 1.0))
    bordered = dict(meta, border=np.array([3.0, 0, 2, 0], np.float32))
    with pytest.raises(KeyError, match='border'):  # otherwise remove our CenterNetHead
        stock.predict_by_feat(*maps, batch_img_metas=[meta], rescale=False)
    zero = dict(meta, border=np.zeros(4, np.float32))
    for own, same in ((meta, zero), (bordered, bordered)):
        expected = stock.predict_by_feat(*maps, batch_img_metas=[same], rescale=False)[0]
        for form in (torch.contiguous_format, torch.channels_last):
            formed = [[level.contiguous(memory_format=form) for level in levels] for levels in maps]
            found = ours.predict_by_feat(*formed, batch_img_metas=[own], rescale=False)[0]
            assert len(found) == 5
            assert torch.equal(found.bboxes, expected.bboxes)


def test_double_heads_take_regions_in_any_memory_format():
    settings = dict(num_convs=1, num_fcs=1, in_channels=4, conv_out_channels=4, fc_out_channels=4, roi_feat_size=3)
    with DefaultScope.overwrite_default_scope('mmdet'):
        head = MODELS.build(dict(settings, type='convnext_dense.DoubleConvFCBBoxHead', reg_class_agnostic=True)).eval()
    regions = torch.rand(2, 4, 3, 3)
    expected = head(regions, regions)
    last = regions.to(memory_format=torch.channels_last)
    assert all(torch.allclose(*pair, atol=1e-6) for pair in zip(head(last, last), expected, strict=True))


def test_grid_heads_take_maps_in_any_memory_format():
    settings = dict(roi_feat_size=4, in_channels=8, num_convs=1, point_feat_channels=8, norm_cfg=None)
    with DefaultScope.overwrite_default_scope('mmdet'):
        head = MODELS.build(dict(settings, type='convnext_dense.GridHead')).eval()
    torch.manual_seed(0)
    side = head.whole_map_size // 4 * 2
    maps, boxes = torch.randn(2, 9, side, side), torch.tensor([[0.0, 0.0, 8.0, 8.0], [4.0, 2.0, 9.0, 9.0]])
    meta = dict(img_shape=(16, 16))
    adjusted = [
        head.predict_by_feat({'fused': maps.to(memory_format=form)}, [InstanceData(bboxes=boxes.clone())], [meta])
        for form in (torch.contiguous_format, torch.channels_last)
    ]
    (expected,), (found,) = adjusted
    assert not torch.equal(expected.bboxes, boxes)
    assert torch.equal(found.bboxes, expected.bboxes)


@pytest.mark.parametrize('kind', ['mmdet', 'convnext_dense'])
def test_training_adds_no_weights_to_a_detector_with_distinct_queries(kind):
    cfg = stock_config('mmdet:ddq/ddq-detr-4scale_r50_8xb2-12e_coco.py').cfg.model
    arch = dict(depths=[1, 1, 1, 1], dims=[8, 16, 24, 32])
    cfg.backbone = dict(type='convnext_dense.ConvNeXt', arch=arch, out_indices=(1, 2, 3))
    cfg.neck.in_channels = [16, 24, 32]
    cfg.update(type=f'{kind}.DDQDETR', num_queries=6)
    cfg.encoder.num_layers = cfg.decoder.num_layers = 1
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg).train()
        model.init_weights()
    fresh = set(model.state_dict())
    sample = DetDataSample(metainfo=dict(img_shape=(64, 64), batch_input_shape=(64, 64)))
    boxes = torch.tensor([[4.0, 4.0, 40.0, 40.0]])
    sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([1]))
    torch.manual_seed(0)
    assert model.loss(torch.rand(1, 3, 64, 64), [sample])['loss_bbox'].isfinite()
    added = set(model.state_dict()) - fresh
    assert bool(added) == (kind == 'mmdet')  # otherwise remove our DDQDETR
