"""Statistics of the drawn sample, beside counts of its files that are made without the product."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from convnext_dense.config.read import read_config
from convnext_dense.errors import UserError
from convnext_dense.sample_data.create import SampleSize, ensure_sample
from convnext_dense.tasks import statistics, task_of

CLASSIFIER, DETECTOR = 'configs/classification/convnext_a.py', 'configs/det/mask_rcnn_convnext_t_coco.py'
SEGMENTOR, PANOPTIC = 'configs/seg/upernet_convnext_a_ade20k.py', 'configs/panoptic/mask2former_convnext_a_coco.py'


@pytest.fixture(scope='module')
def sample(tmp_path_factory) -> Path:
    size = SampleSize(train_portraits=60, val_portraits=36, train_scenes=24, val_scenes=8)
    return ensure_sample(tmp_path_factory.mktemp('sample'), size=size, workers=1)


def measured(config: str, root: Path, classes=None):
    cfg = read_config(config, None, str(root))
    before = cfg.to_dict()
    found = task_of(cfg).read_statistics(cfg, classes)
    assert cfg.to_dict() == before
    return found


def by_class(statistics, values) -> dict[str, int]:
    return {name: int(value) for name, value in zip(statistics.classes, values, strict=True) if value}


def test_classification_beside_the_folders(sample):
    root = sample / 'classification'
    *splits, notes = measured(CLASSIFIER, root)
    assert notes == []
    for one, split in zip(splits, ('train', 'val'), strict=True):
        files = sorted((root / split).glob('*/*'))
        expected = Counter(file.parent.name for file in files)
        assert by_class(one, one.examples) == by_class(one, one.class_images) == expected
        sizes = sorted(Image.open(file).size[::-1] for file in files)
        assert sorted(map(tuple, one.sizes.tolist())) == sizes
        assert sorted(one.paths) == list(map(str, files))
        assert [one.classes[label] for label in one.labels] == [Path(path).parent.name for path in one.paths]
        assert (one.images, one.without, one.left_out, one.objects, one.unlabeled) == (len(files), 0, 0, None, None)


def test_detection_beside_pycocotools(sample):
    *splits, _ = measured(DETECTOR, sample / 'coco')
    for one, split in zip(splits, ('train', 'val'), strict=True):
        coco = COCO(str(sample / f'coco/annotations/instances_{split}2017.json'))
        names = {number: category['name'] for number, category in coco.cats.items()}
        objects = [entry for entry in coco.anns.values() if not entry['iscrowd']]
        with_objects = {entry['image_id'] for entry in objects}
        images = [number for number in coco.imgs if split == 'val' or number in with_objects]
        assert (one.images, one.left_out) == (len(images), len(coco.imgs) - len(images))
        assert by_class(one, one.examples) == Counter(names[entry['category_id']] for entry in objects)
        pairs = {(entry['image_id'], names[entry['category_id']]) for entry in objects}
        assert by_class(one, one.class_images) == Counter(name for _, name in pairs)
        assert one.without == len(images) - len(with_objects)
        assert sorted(one.objects.per_image) == sorted(
            sum(entry['image_id'] == number for entry in objects) for number in images
        )
        counted = {
            'small': sum(entry['area'] <= 1024 for entry in objects),
            'large': sum(entry['area'] > 9216 for entry in objects),
        }
        sizes = one.objects.count_sizes()
        assert sizes == {**counted, 'medium': len(objects) - sum(counted.values())}
        sides = [
            100
            * (entry['area'] / coco.imgs[entry['image_id']]['width'] / coco.imgs[entry['image_id']]['height']) ** 0.5
            for entry in objects
        ]
        assert sorted(one.objects.relative_sides) == pytest.approx(sorted(sides))
        wide = sum(entry['bbox'][2] > 4 / 3 * entry['bbox'][3] for entry in objects)
        tall = sum(entry['bbox'][2] <= 3 / 4 * entry['bbox'][3] for entry in objects)
        assert one.objects.count_aspects() == {'tall': tall, 'square': len(objects) - tall - wide, 'wide': wide}


def test_segmentation_beside_the_masks(sample):
    root = sample / 'ade20k'
    *splits, _ = measured(SEGMENTOR, root)
    for one, split in zip(splits, ('training', 'validation'), strict=True):
        masks = [np.asarray(Image.open(file)) for file in sorted((root / 'annotations' / split).glob('*.png'))]
        pixels, images = np.zeros(256, int), np.zeros(256, int)
        for mask in masks:
            counts = np.bincount(mask.ravel(), minlength=256)
            pixels, images = pixels + counts, images + (counts > 0)
        k = len(one.classes)
        assert one.examples.tolist() == pixels[1 : k + 1].tolist()  # 0 has no class, as in ADE20K
        assert one.class_images.tolist() == images[1 : k + 1].tolist()
        assert one.unlabeled == pytest.approx(100 * pixels[0] / pixels.sum())
        assert one.unlabeled > 0
        assert (one.images, one.without) == (len(masks), 0)


def test_panoptic_beside_the_png_files(sample):
    *splits, _ = measured(PANOPTIC, sample / 'coco')
    for one, split in zip(splits, ('train', 'val'), strict=True):
        content = json.loads((sample / f'coco/annotations/panoptic_{split}2017.json').read_text())
        names = {category['id']: category['name'] for category in content['categories']}
        things = {category['id'] for category in content['categories'] if category['isthing']}
        total = void = 0
        examples, areas = Counter(), []
        for entry in content['annotations']:
            own = [segment for segment in entry['segments_info'] if not segment['iscrowd']]
            if split == 'train' and not any(segment['category_id'] in things for segment in own):
                continue
            file = sample / f'coco/annotations/panoptic_{split}2017' / entry['file_name']
            ids = np.asarray(Image.open(file)).astype(int) @ [1, 256, 256**2]
            total, void = total + ids.size, void + int((ids == 0).sum())
            examples.update(names[segment['category_id']] for segment in own)
            areas += [int((ids == segment['id']).sum()) for segment in own if segment['category_id'] in things]
        assert by_class(one, one.examples) == examples
        assert sorted(one.objects.areas) == sorted(areas)
        assert one.unlabeled == pytest.approx(100 * void / total)


def test_classes_are_joined_to_those_of_the_model_by_name(sample):
    names = sorted(folder.name for folder in (sample / 'classification/val').iterdir())
    _, tested, _ = measured(CLASSIFIER, sample / 'classification', [*reversed(names[2:]), 'unicorn'])
    assert tested.classes == [*reversed(names[2:]), 'unicorn']
    assert tested.examples.tolist() == [3] * (len(names) - 2) + [0]
    assert tested.absent == ['unicorn'] and tested.other_classes == names[:2]


def test_tested_data_alone(sample, tmp_path):
    (tmp_path / 'val').symlink_to(sample / 'classification/val')
    cfg = read_config(CLASSIFIER, None, str(tmp_path), reads='test')
    train, tested, _ = task_of(cfg).read_statistics(cfg)
    assert train is None and tested.images == 3 * len(tested.classes)


def test_sizes_of_many_images_are_those_of_a_sample_and_that_is_said(sample, monkeypatch):
    monkeypatch.setattr(statistics, 'MOST_HEADERS', 10)
    train, tested, notes = measured(CLASSIFIER, sample / 'classification')
    assert notes == [
        f'Sizes of training images are those of 10 of {train.images:,}.',
        f'Sizes of tested images are those of 9 of {tested.images:,}.',
    ]
    assert (len(train.sizes), len(tested.sizes)) == (10, 9)


def test_data_of_another_library_are_refused(sample):
    cfg = read_config(CLASSIFIER, None, str(sample / 'classification'))
    cfg.test_dataloader.dataset = dict(type='mmdet.CocoDataset', ann_file='a.json')
    with pytest.raises(UserError, match='this package'):
        task_of(cfg).read_statistics(cfg)
