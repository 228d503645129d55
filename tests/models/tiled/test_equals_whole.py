"""Tiles give what the whole image gives where that fits: real segmentors and detectors, with all that edges change."""

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from torch.nn.functional import one_hot

from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.inference.predictor import Predictor
from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.windowed_image import WindowedImage
from convnext_dense.models import ConvNeXt
from convnext_dense.models.segmentor import Segmentor
from convnext_dense.models.tiled import TiledModel
from convnext_dense.results.colors import palette
from convnext_dense.tasks import ClassInfo, set_classes
from convnext_dense.tiling.grid import tile_windows
from convnext_dense.tiling.objects import Objects, merge_tiles
from convnext_dense.tiling.settings import TileSettings
from tests.helpers.other_heads import write_head
from tests.helpers.panoptic_heads import write_panoptic_head

COLORS = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200], [180, 180, 60]])
CLASSES = len(COLORS)


def regions(size, seed):
    """A noisy image of regions in the colors of their classes, and the classes."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    middles = rng.uniform(0, 1, (6, 2)) * size
    labels = np.argmin([(y - top) ** 2 + (x - left) ** 2 for top, left in middles], axis=0) % CLASSES
    image = np.clip(COLORS[labels] + rng.normal(0, 15, (*size, 3)), 0, 255)
    return image.astype(np.uint8), labels.astype(np.uint8)


@pytest.fixture(scope='module')
def segmentor():
    """A linear head on the features of four stages of random weights, fitted by least squares."""
    torch.manual_seed(0)
    head = dict(type='convnext_dense.LinearHead', in_channels=[8, 16, 24, 32], in_index=[0, 1, 2, 3])
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = Segmentor(
            backbone=dict(type=ConvNeXt, arch=dict(depths=[1, 1, 1, 1], dims=[8, 16, 24, 32])),
            decode_head=dict(head, num_classes=CLASSES, norm_cfg=dict(type='BN'), dropout_ratio=0),
            data_preprocessor=dict(type='SegDataPreProcessor', mean=[128] * 3, std=[64] * 3),
            test_cfg=ConfigDict(mode='whole'),
        ).eval()
    products, sums = torch.zeros(81, 81), torch.zeros(81, CLASSES)
    with torch.no_grad():
        for seed in range(12):
            image, labels = regions((192, 256), seed + 100)
            inputs = model.data_preprocessor(dict(inputs=[torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1)]))
            features = model.decode_head._transform_inputs(model.extract_feat(inputs['inputs']))
            rows = model.decode_head.norm(features)[0].flatten(1).T
            rows = torch.cat([rows, torch.ones(len(rows), 1)], dim=1)
            true = one_hot(torch.from_numpy(labels[2::4, 2::4]).long(), CLASSES).float().flatten(0, 1)
            products, sums = products + rows.T @ rows, sums + rows.T @ true
        weights = torch.linalg.solve(products + 0.01 * torch.eye(81), sums)
        model.decode_head.conv_seg.weight[:] = weights[:80].T[:, :, None, None]
        model.decode_head.conv_seg.bias[:] = weights[80]
    return model


def labels_by_tiles(model, image, size, overlap):
    with DefaultScope.overwrite_default_scope('mmseg'):
        transform = Compose([dict(type='mmseg.PackSegInputs')])
    by_tiles = TiledModel(model, transform, TileSettings.of(dict(size=size, overlap=overlap)), 4)
    labels = np.full(image.shape[:2], 255, np.uint8)
    for block in by_tiles.label_blocks(WindowedImage.of(image))[1]:
        labels[block.window.slices] = block.labels
    return labels


@pytest.mark.parametrize('size', [(320, 416), (608, 352)], ids=str)
def test_999_of_1000_labels_are_those_of_the_whole(segmentor, size):
    """Sides that tiles do not divide; a tile larger than the image gives all labels of the whole."""
    image, true = regions(size, 3)
    with torch.no_grad():
        inputs = torch.from_numpy(image[..., ::-1].copy()).permute(2, 0, 1)
        (sample,) = segmentor.test_step(dict(inputs=[inputs], data_samples=None))
    whole = sample.pred_sem_seg.data[0].numpy()
    assert (whole == true).mean() > 0.99
    assert (labels_by_tiles(segmentor, image, 640, 0.2) == whole).all()
    for tile in (160, 224):
        for overlap in (0.1, 0.2, 0.35):
            assert (labels_by_tiles(segmentor, image, tile, overlap) == whole).mean() > 0.999, (tile, overlap)
        assert (labels_by_tiles(segmentor, image, tile, 0) == whole).mean() > 0.998, 'without overlap'
        assert (labels_by_tiles(segmentor, image, tile, 0.5) == whole).mean() > 0.998, 'not a multiple of the stride'


def test_sides_that_the_stride_does_not_divide(segmentor):
    """The whole network stretches its features there, by up to a stride, which moves the borders of regions."""
    image, true = regions((301, 407), 3)
    whole = labels_by_tiles(segmentor, image, 640, 0.2)
    labels = labels_by_tiles(segmentor, image, 160, 0.2)
    assert (labels == whole).mean() > 0.985
    assert (labels == true).mean() > (whole == true).mean() - 0.002, 'tiles are as right as the whole'


def predictor(config):
    """A predictor with random weights for classes of the kinds that the config's task has."""
    stuff = 3 if 'panoptic' in config.name else 0
    cfg = read_config(str(config), data='sample', needs_data=False)
    set_classes(cfg, 5, stuff)
    torch.manual_seed(1)
    model = build_model(cfg).eval()
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 and 'backbone' not in name:
            torch.nn.init.normal_(parameter, std=(2 / parameter[0].numel()) ** 0.5)
    return Predictor(model, cfg, ClassInfo([*'abcde'], palette(5), stuff=stuff))


def by_tiles(predict, size, overlap=0.2):
    return TiledModel(predict.model, predict._transform, TileSettings(ImageSize(*size), overlap), 2)


@pytest.mark.parametrize('head', ['fcos', 'dino', 'mask2former'])
def test_detectors(head, tmp_path):
    """One tile gives what the whole does; several give what the merged predictions for parts of the image are."""
    predict = predictor(write_head(head, tmp_path))
    image = regions((96, 128), 5)[0]
    whole, found = predict(image), by_tiles(predict, (640, 640)).objects(WindowedImage.of(image))
    assert len(found) == len(whole.boxes) > 3
    for key in ('boxes', 'scores', 'labels'):
        np.testing.assert_array_equal(getattr(found, key), getattr(whole, key))
    assert (found.masks is None) == (whole.masks is None) == (head != 'mask2former')
    for one, other in zip(found.masks or (), whole.masks if found.masks else (), strict=True):
        np.testing.assert_array_equal(one.full(ImageSize(96, 128)), other)

    size, tile = ImageSize(96, 128), ImageSize(64, 96)
    windows = tile_windows(size, tile, 0.2)
    parts = []
    for window in windows:
        one = predict(np.ascontiguousarray(image[window.slices]))
        parts.append(Objects.of_tile(window, size, one.boxes, one.scores, one.labels, one.masks))
    merged, found = merge_tiles(parts, windows, size), by_tiles(predict, tile).objects(WindowedImage.of(image))
    assert len(windows) == 4 and len(found) == len(merged)
    np.testing.assert_allclose(found.scores, merged.scores, atol=1e-5)


@pytest.mark.parametrize('head', ['ocrnet', 'maskformer'])
def test_segmentors(head, tmp_path):
    """A cascade, and a head with queries."""
    predict = predictor(write_head(head, tmp_path))
    image = regions((96, 128), 5)[0]
    whole = predict(image).labels
    assert len(np.unique(whole)) > 1
    (block,) = by_tiles(predict, (640, 640)).label_blocks(WindowedImage.of(image))[1]
    np.testing.assert_array_equal(block.labels, whole)
    assert not predict.model.test_cfg.get('keep_logits')
    labels = [block.labels for block in by_tiles(predict, (64, 96)).label_blocks(WindowedImage.of(image))[1]]
    assert np.concatenate(labels).shape == (96, 128)


@pytest.mark.parametrize('head', ['mask2former', 'panoptic_fpn'])
def test_panoptic_models(head, tmp_path):
    predict = predictor(write_panoptic_head(head, tmp_path))
    predict.model.panoptic_fusion_head.test_cfg.update(object_mask_thr=0.1, iou_thr=0.1)
    image = regions((96, 128), 5)[0]
    whole, segments = predict(image), by_tiles(predict, (640, 640)).segments(WindowedImage.of(image))
    assert len(segments.labels) == len(whole.segments) > 0
    for one in whole.segments:
        (number,) = np.unique(segments.ids[whole.ids == one.id]).tolist()
        assert segments.labels[number] == one.label and (segments.ids == number).sum() == one.area
    assert by_tiles(predict, (64, 96)).segments(WindowedImage.of(image)).ids.shape == (96, 128)
