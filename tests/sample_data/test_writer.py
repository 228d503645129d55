"""The files of the sample: an image folder, COCO's two kinds of files, and ADE20K's layout, valid and in agreement."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO

from convnext_dense.sample_data.landscape import REGIONS
from convnext_dense.sample_data.things import THINGS
from convnext_dense.sample_data.writer import _run_lengths
from tests.sample_data.conftest import SIZE


def read(path: Path, flag: int = cv2.IMREAD_UNCHANGED) -> np.ndarray:
    image = cv2.imread(str(path), flag)
    assert image is not None, path
    return image


def ade_label(sample: Path, image_id: int) -> np.ndarray:
    return read(sample / f'ade20k/annotations/training/ADE_train_{image_id:08d}.png')


def test_image_folder(sample: Path) -> None:
    for split, count in (('train', SIZE.train_portraits), ('val', SIZE.val_portraits)):
        folder = sample / 'classification' / split
        assert sorted(path.name for path in folder.iterdir()) == [thing.name for thing in THINGS]
        for name in folder.iterdir():
            assert len(list(name.glob('*.jpg'))) == count // len(THINGS)
        for path in folder.rglob('*.jpg'):
            height, width, channels = read(path).shape
            assert 72 <= min(height, width) <= max(height, width) <= 88
            assert channels == 3


# -- COCO


def test_coco_ids_and_images(sample: Path, coco: COCO) -> None:
    ids = coco.getCatIds()
    assert [category['name'] for category in coco.loadCats(ids)] == [thing.name for thing in THINGS]
    assert ids == sorted(ids)
    assert ids[-1] > len(ids), 'category ids have gaps'
    assert len(coco.imgs) == SIZE.train_scenes
    for image in coco.imgs.values():
        pixels = read(sample / 'coco/train2017' / image['file_name'])
        assert pixels.shape == (image['height'], image['width'], 3)
    annotations = coco.dataset['annotations']
    assert [annotation['id'] for annotation in annotations] == list(range(1, len(annotations) + 1))


def test_boxes_and_areas_agree_with_the_decoded_masks(coco: COCO) -> None:
    outlines_off = []
    for annotation in coco.anns.values():
        mask = coco.annToMask(annotation)
        area = annotation['area']
        rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        x, y, width, height = annotation['bbox']
        outlined = isinstance(annotation['segmentation'], list)
        # An outline may miss or add pixels along its length, which grows with the root of the area.
        assert abs(int(mask.sum()) - area) <= (1.2 * np.sqrt(area) if outlined else 0)
        box = np.array([cols[0], rows[0], cols[-1] + 1, rows[-1] + 1])
        off = np.abs(box - [x, y, x + width, y + height]).max()
        if outlined:
            outlines_off.append(off)
        else:
            assert off == 0
    assert np.mean(np.array(outlines_off) <= 1) > 0.97


def test_masks_come_in_all_three_forms(coco: COCO) -> None:
    def form(annotation: dict) -> tuple[int, str]:
        shape = annotation['segmentation']
        return annotation['iscrowd'], 'outline' if isinstance(shape, list) else type(shape['counts']).__name__

    forms = [form(annotation) for annotation in coco.anns.values()]
    assert set(forms) == {(0, 'outline'), (0, 'str'), (1, 'list')}
    outlines = [a['segmentation'] for a in coco.anns.values() if isinstance(a['segmentation'], list)]
    assert all(len(polygon) >= 6 and len(polygon) % 2 == 0 for shape in outlines for polygon in shape)
    assert any(len(shape) > 1 for shape in outlines), 'a thing in two parts behind another'


@pytest.mark.parametrize('first', [False, True])
def test_runs_start_with_zeros(first: bool) -> None:
    mask = np.random.default_rng(0).random((5, 7)) < 0.5
    mask[0, 0] = first
    decoded = rle.decode(rle.frPyObjects(_run_lengths(mask), *mask.shape))
    assert (decoded == mask).all()


# -- ADE20K


def test_ade_layout(sample: Path) -> None:
    names = (sample / 'ade20k/classes.txt').read_text().splitlines()
    assert names == [*REGIONS, *(thing.name for thing in THINGS)]
    seen = np.zeros(256, int)
    for split, count in (('training', SIZE.train_scenes), ('validation', SIZE.val_scenes)):
        images = sorted((sample / 'ade20k/images' / split).iterdir())
        labels = sorted((sample / 'ade20k/annotations' / split).iterdir())
        assert [path.stem for path in images] == [path.stem for path in labels]
        assert len(images) == count
        for image, label in zip(images, labels, strict=True):
            classes = read(label)
            assert classes.dtype == np.uint8
            assert classes.shape == read(image).shape[:2]
            assert (classes == 0).mean() < 0.2
            seen += np.bincount(classes.ravel(), minlength=256)
    assert (seen[: len(names) + 1] > 0).all()
    assert 0.005 < seen[0] / seen.sum() < 0.05, 'some pixels are unlabeled'
    assert not seen[len(names) + 1 :].any()


def test_coco_and_ade_show_the_same(sample: Path, coco: COCO) -> None:
    """The pixels of every annotation wear its class in the label map, and no class has pixels without one."""
    names = (sample / 'ade20k/classes.txt').read_text().splitlines()
    for image in coco.imgs.values():
        ade = sample / f'ade20k/images/training/ADE_train_{image["id"]:08d}.jpg'
        assert ade.read_bytes() == (sample / 'coco/train2017' / image['file_name']).read_bytes()
        classes = ade_label(sample, image['id'])
        explained = classes <= len(REGIONS)
        for annotation in coco.loadAnns(coco.getAnnIds(image['id'])):
            mask = coco.annToMask(annotation) > 0
            label = 1 + names.index(coco.cats[annotation['category_id']]['name'])
            assert (classes[mask] == label).mean() > (0.93 if annotation['area'] > 200 else 0.8)
            explained |= cv2.dilate(mask.astype(np.uint8), np.ones((3, 3))) > 0
        assert explained.mean() > 0.998


# -- COCO's panoptic files


def test_the_segments_of_an_image_are_its_instances_and_the_regions_of_its_label_map(sample: Path) -> None:
    names = ['unlabeled', *(sample / 'ade20k/classes.txt').read_text().splitlines()]
    for split, count in (('train', SIZE.train_scenes), ('val', SIZE.val_scenes)):
        instances = COCO(sample / f'coco/annotations/instances_{split}2017.json')
        panoptic = json.loads((sample / f'coco/annotations/panoptic_{split}2017.json').read_text())
        assert panoptic['images'] == instances.dataset['images']
        kinds = {one['id']: one for one in panoptic['categories']}
        things = [{k: v for k, v in one.items() if k != 'isthing'} for one in kinds.values() if one['isthing']]
        assert things == instances.dataset['categories'] and len(kinds) == len(names) - 1
        stuff = {number: one['name'] for number, one in kinds.items() if not one['isthing']}
        assert list(stuff.values()) == list(REGIONS) and min(stuff) > max(one['id'] for one in things)
        assert len(panoptic['annotations']) == count
        for annotation in panoptic['annotations']:
            number = annotation['image_id']
            rgb = read(sample / f'coco/annotations/panoptic_{split}2017/{annotation["file_name"]}')[..., ::-1].astype(
                int
            )
            ids = rgb[..., 0] + 256 * rgb[..., 1] + 65536 * rgb[..., 2]
            long = {'train': 'training', 'val': 'validation'}[split]
            labels = read(sample / f'ade20k/annotations/{long}/ADE_{split}_{number:08d}.png')
            np.testing.assert_array_equal(ids == 0, labels == 0)
            objects = iter(instances.loadAnns(instances.getAnnIds(number)))
            for one in annotation['segments_info']:
                mask = ids == one['id']
                assert mask.sum() == one['area'] > 0
                rows, cols = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
                assert one['bbox'] == [cols[0], rows[0], np.ptp(cols) + 1, np.ptp(rows) + 1]
                assert set(labels[mask].tolist()) == {names.index(kinds[one['category_id']]['name'])}
                if kinds[one['category_id']]['isthing']:
                    same = next(objects)
                    assert all(one[key] == same[key] for key in ('category_id', 'iscrowd', 'bbox', 'area'))
                    off = (mask != instances.annToMask(same).astype(bool)).sum()
                    assert off <= (0 if isinstance(same['segmentation'], dict) else 1.2 * np.sqrt(one['area']) + 1)
                else:
                    assert one['iscrowd'] == 0
            assert next(objects, None) is None
            segments = [one['id'] for one in annotation['segments_info']]
            assert sorted(segments) == np.unique(ids[ids > 0]).tolist()
            regions = [one['category_id'] for one in annotation['segments_info'] if one['category_id'] in stuff]
            assert len(set(regions)) == len(regions), 'stuff has one segment a class'


def test_the_images_are_drawn_not_noise(sample: Path) -> None:
    """Light, color and large even areas: neighboring pixels agree, whole images do not."""
    for path in (sample / 'coco/val2017').iterdir():
        image = read(path).astype(np.float32)
        assert np.abs(np.diff(image, axis=1)).mean() < 12
        assert image.std() > 25
