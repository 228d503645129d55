"""A detector that has learned to find things finds the same ones in tiles as in the whole image."""

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.io.windowed_image import WindowedImage
from convnext_dense.models.tiled import TiledModel
from convnext_dense.tasks import set_classes
from convnext_dense.tiling.grid import tile_step
from convnext_dense.tiling.neighbors import box_iou
from convnext_dense.tiling.settings import TileSettings
from tests.helpers.other_heads import write_head
from tests.helpers.tiled_models import pack

COLORS = [(230, 60, 60), (60, 60, 230)]
SURE, UNSURE = 0.4, 0.2
"""What is found in one way with a score of more than the first, the other finds with more than the second."""


def things(size, seed, cell=40):
    """An image with a disk or square of 12 to 28 pixels in about half of its cells, boxes and labels."""
    rng = np.random.default_rng(seed)
    image, boxes, labels = rng.normal(128, 6, (*size, 3)), [], []
    for top in range(0, size[0] - cell + 1, cell):
        for left in range(0, size[1] - cell + 1, cell):
            if rng.random() < 0.5:
                continue
            side, label = rng.integers(12, 29), int(rng.integers(2))
            y, x = top + rng.integers(0, cell - side), left + rng.integers(0, cell - side)
            rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
            shape = rows**2 + columns**2 <= (side / 2) ** 2 if label else np.ones((side, side), bool)
            image[y : y + side, x : x + side][shape] = COLORS[label]
            boxes.append([x, y, x + side, y + side])
            labels.append(label)
    return np.clip(image, 0, 255).astype(np.uint8), np.array(boxes, np.float32), np.array(labels)


@pytest.fixture(scope='module')
def detector(tmp_path_factory):
    """FCOS, trained for half a minute."""
    cfg = read_config(str(write_head('fcos', tmp_path_factory.mktemp('c'))), data='sample', needs_data=False)
    set_classes(cfg, 2, 0)
    cfg.model.test_cfg.update(nms_pre=1000, max_per_img=300)
    torch.manual_seed(0)
    model = build_model(cfg).train()
    steps = 1000
    optimizer = torch.optim.AdamW(model.parameters(), 4e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps)
    for step in range(steps):
        images, samples = [], []
        for k in range(4):
            image, boxes, labels = things((128, 128), 10 * step + k + 1000)
            sample = DetDataSample(metainfo=dict(img_shape=(128, 128), ori_shape=(128, 128), scale_factor=(1.0, 1.0)))
            boxes = torch.from_numpy(boxes.reshape(-1, 4))
            sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.from_numpy(labels.astype(np.int64)))
            images.append(torch.from_numpy(np.ascontiguousarray(image[..., ::-1])).permute(2, 0, 1))
            samples.append(sample)
        data = model.data_preprocessor(dict(inputs=images, data_samples=samples), True)
        total, _ = model.parse_losses(model(**data, mode='loss'))
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10)
        optimizer.step()
        schedule.step()
    return model.eval()


def found_in(model, image, size, overlap):
    def prepare(results):
        packed = pack(results)
        meta = dict(img_shape=results['ori_shape'], ori_shape=results['ori_shape'], scale_factor=(1.0, 1.0))
        return {**packed, 'data_samples': DetDataSample(metainfo=meta)}

    by_tiles = TiledModel(model, prepare, TileSettings.of(dict(size=size, overlap=overlap)), 4)
    return by_tiles.objects(WindowedImage.of(image))


def share_found(boxes, labels, found):
    """The share of things that one object, and no other, of their class covers with an IoU of 0.5 or more."""
    found = found[found.scores > UNSURE]
    ious = np.array([box_iou(found.boxes, np.tile(box, (len(found), 1))) for box in boxes]).reshape(len(boxes), -1)
    same = (ious >= 0.5) & (found.labels == labels[:, None])
    return float((same.sum(axis=1) == 1).mean())


def sure(found):
    chosen = found[found.scores > SURE]
    return chosen.boxes, chosen.labels


@pytest.mark.faults
@pytest.mark.parametrize('size', [(320, 416), (301, 407)], ids=str)
def test_the_same_things_are_found_in_tiles(detector, size):
    image, boxes, labels = things(size, 7)
    whole = found_in(detector, image, 640, 0.2)
    assert len(boxes) > 25 and share_found(boxes, labels, whole) > 0.95, 'it has learned it'
    for tile in (96, 128, 160):
        for overlap in (0.25, 0.35, 0.5):
            found = found_in(detector, image, tile, overlap)
            same = min(share_found(*sure(whole), found), share_found(*sure(found), whole))
            aligned = all(side % 32 == 0 for side in (*size, tile_step(tile, overlap)))
            assert same >= (1 if aligned else 0.93), (tile, overlap)
        found = found_in(detector, image, tile, 0)
        same = min(share_found(*sure(whole), found), share_found(*sure(found), whole))
        assert same >= {96: 0.6, 128: 0.85, 160: 0.95}[tile], 'without overlap, what a seam cuts is often lost'
