"""YOLO's files, read again as plain text as Ultralytics does, and by labelformat."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from labelformat.formats.yolov8 import YOLOv8ObjectDetectionInput
from PIL import Image

from convnext_dense.data.convert import read_data_set
from convnext_dense.data.formats.base import WHOLE
from convnext_dense.data.formats.write import write_data_set
from convnext_dense.data.formats.write.base import LabeledData, LabeledObject
from convnext_dense.io.image_size import ImageSize
from tests.helpers.drawn_truth import drawn_images
from tests.helpers.labeled import (
    CLASSES,
    SIZE,
    Read,
    box_of,
    check_equals,
    convert,
    draw,
    from_mask,
    image,
    ring_and_island,
    triangle,
    write,
)


def label_file(image_file: Path) -> Path:
    """The labels of an image, found as Ultralytics does: by the last folder called images."""
    before, after = str(image_file).rsplit('/images/', 1)
    return Path(f'{before}/labels/{after}'.rsplit('.', 1)[0] + '.txt')


def lines(image_file: Path) -> list[list[float]]:
    return [[float(number) for number in line.split()] for line in label_file(image_file).read_text().splitlines()]


def read(folder: Path, split: str) -> dict[str, list[Read]]:
    content = yaml.safe_load((folder / 'data.yaml').read_text())
    found = {}
    for image_file in sorted((folder / content[split]).rglob('*.jpg')):
        with Image.open(image_file) as opened:
            width, height = opened.size
        found[image_file.stem] = []
        for label, *numbers in lines(image_file):
            mask = draw(np.reshape(numbers, (-1, 2)) * (width, height), (height, width))
            found[image_file.stem].append(Read(content['names'][int(label)], box_of(mask), mask))
    return found


def test_the_drawn_sample_is_as_before(drawn, tmp_path):
    written = convert(drawn / 'coco', 'yolo', tmp_path / 'out')
    assert written.images == 9 and not written.lost
    joined, outlined = written.changed
    assert 'RLEs became polygons' in outlined or 'RLE became polygons' in outlined
    assert joined.endswith('masks with holes or several parts joined by lines to one polygon each')
    for split in ('train', 'val'):
        check_equals(read(tmp_path / 'out', split), drawn_images(drawn, split), has_boxes=False)


def test_boxes_alone_as_labelformat_reads_them(drawn, tmp_path):
    read_data = read_data_set(str(drawn / 'coco'), 'coco').data
    images = list(read_data.splits['val'])
    for one in images:
        for thing in one.objects:
            thing.segmentation = None
    write_data_set(LabeledData(read_data.classes, {'val': images}), False, 'yolo', tmp_path / 'out')
    found = YOLOv8ObjectDetectionInput(tmp_path / 'out/data.yaml', 'val').get_labels()
    own = {
        Path(one.image.filename).stem: [
            Read(
                thing.category.name,
                [thing.box.xmin, thing.box.ymin, thing.box.xmax - thing.box.xmin, thing.box.ymax - thing.box.ymin],
            )
            for thing in one.objects
        ]
        for one in found
    }
    check_equals(own, drawn_images(drawn, 'val'), masks=False)


def test_a_hundredth_of_a_pixel_is_kept(tmp_path):
    rng = np.random.default_rng(0)
    for size in (SIZE, ImageSize(7, 12_345)):
        corners = np.sort(rng.uniform(0, 1, (50, 2, 2)), axis=1) * (size.width, size.height)
        boxes = [[*a, *(b - a)] for a, b in corners]
        out = tmp_path / str(size.width)
        write(out, 'yolo', image(tmp_path / f'{size.width}.png', *(LabeledObject(1, box) for box in boxes), size=size))
        for (label, cx, cy, w, h), box in zip(lines(out / f'images/train/{size.width}.png'), boxes, strict=True):
            own = [(cx - w / 2) * size.width, (cy - h / 2) * size.height, w * size.width, h * size.height]
            assert label == 1
            np.testing.assert_allclose(own, box, rtol=0, atol=0.01)


def test_parts_and_holes_are_joined(tmp_path):
    mask = ring_and_island()
    written = write(tmp_path / 'out', 'yolo', image(tmp_path / 'a.png', from_mask(mask), triangle(1)))
    joined = '1 mask with holes or several parts joined by lines to one polygon'
    assert written.changed == [joined, '1 RLE became polygons along the edges of its pixels']
    (_, *ring), (label, *points) = lines(tmp_path / 'out/images/train/a.png')
    assert np.array_equal(draw(np.reshape(ring, (-1, 2)) * (60, 40), SIZE), mask)
    assert label == 1 and np.allclose(np.reshape(points, (-1, 2)) * (60, 40), [[10, 5], [30, 5], [20, 25]])


def test_a_file_never_mixes_boxes_and_polygons(tmp_path):
    images = [
        image(tmp_path / 'mixed.png', triangle(), LabeledObject(1, [1, 2, 30, 20])),
        image(tmp_path / 'masks.png', triangle()),
        image(tmp_path / 'empty.png'),
    ]
    written = write(tmp_path / 'out', 'yolo', *images)
    assert [len(line) for line in lines(tmp_path / 'out/images/train/mixed.png')] == [5, 5]
    assert [len(line) for line in lines(tmp_path / 'out/images/train/masks.png')] == [7]
    assert lines(tmp_path / 'out/images/train/empty.png') == []
    assert written.lost == [
        '1 mask became a box (a YOLO file has boxes or polygons, and an object of the image has no mask)'
    ]


def test_crowds_and_ignore_regions_are_left_out_and_counted(tmp_path):
    objects = [triangle(is_crowd=True), triangle(is_crowd=True), triangle(1), triangle(is_crowd=True, is_region=True)]
    written = write(tmp_path / 'out', 'yolo', image(tmp_path / 'a.png', *objects))
    assert written.annotations == 1 and [line[0] for line in lines(tmp_path / 'out/images/train/a.png')] == [1]
    assert written.lost == ['2 crowds left out (YOLO has none)', '1 ignore region left out (YOLO has none)']


def test_nothing_is_beyond_the_image(tmp_path):
    polygon = [[-8.0, 10.0, 30.0, 10.0, 30.0, 47.0, -8.0, 47.0]]
    images = [
        image(tmp_path / 'a.png', LabeledObject(0, [0, 10, 30, 30], polygon)),
        image(tmp_path / 'b.png', LabeledObject(0, [-0.5, 10, 61, 30.7])),
    ]
    write(tmp_path / 'out', 'yolo', *images)
    for name, box in (('a', [0, 10, 30, 40]), ('b', None)):
        ((_, *numbers),) = lines(tmp_path / f'out/images/train/{name}.png')
        assert min(numbers) >= 0 and max(numbers) <= 1
        if box:
            points = np.reshape(numbers, (-1, 2)) * (60, 40)
            assert [*points.min(axis=0), *points.max(axis=0)] == pytest.approx(box)
        else:
            assert numbers == pytest.approx([0.5, 25 / 40, 1, 30 / 40])


def test_names_of_classes_and_images_survive(tmp_path):
    classes = ['yes', 'traffic light: "red"', 'größe, #1']
    names = ['a b.png', 'x/images/1.png', 'x/images_/1.png', 'y/1.png', 'y/1.jpg', 'Y/1.webp', 'ä, ö.v2.png']
    images = [image(tmp_path / name, triangle(), name=name) for name in names]
    written = write(tmp_path / 'out', 'yolo', *images, classes=classes)
    content = yaml.safe_load((tmp_path / 'out/data.yaml').read_text(encoding='utf-8'))
    assert content == {'train': 'images/train', 'nc': 3, 'names': dict(enumerate(classes))}
    found = [path for path in (tmp_path / 'out/images/train').rglob('*') if path.is_file()]
    assert len(found) == len({label_file(path) for path in found}) == len(names)
    assert all(len(lines(path)) == 1 for path in found)
    assert len({path.stat().st_ino for path in found}) == len(names)
    assert written.changed == ['4 images renamed']


def test_scores_are_written_only_if_asked_for(tmp_path):
    for scores, count in ((False, 5), (True, 6)):
        out = tmp_path / str(scores)
        write(out, 'yolo', image(tmp_path / 'a.png', LabeledObject(1, [1, 2, 30, 20], score=0.875)), scores=scores)
        ((*_, last),) = [own] = lines(out / 'images/train/a.png')
        assert len(own) == count and (last == 0.875) == scores


def test_data_in_no_split_are_flat(tmp_path):
    data = LabeledData(CLASSES, {WHOLE: [image(tmp_path / 'a.png', triangle())]})
    write_data_set(data, False, 'yolo', tmp_path / 'out')
    found = sorted(str(path.relative_to(tmp_path / 'out')) for path in (tmp_path / 'out').rglob('*') if path.is_file())
    assert found == ['classes.txt', 'data.yaml', 'images/a.png', 'labels/a.txt']
    assert yaml.safe_load((tmp_path / 'out/data.yaml').read_text())['train'] == 'images'
    assert (tmp_path / 'out/classes.txt').read_text() == 'cat\ndog\n'
