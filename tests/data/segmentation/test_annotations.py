"""Label maps drawn from polygons and RLE: the things of the drawn scenes, and the rules for what overlaps."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data.formats import FORMATS
from convnext_dense.data.formats.write.base import LabeledObject
from convnext_dense.data.segmentation.annotations import IN_ORDER, AnnotationSource, draw
from convnext_dense.data.segmentation.find import find_masks, find_masks_and_remarks, find_source
from convnext_dense.data.segmentation.masks import check_masks, read_labels
from convnext_dense.data.segmentation.options import AS_FOUND, MaskOptions
from convnext_dense.errors import NoData, UserError
from tests.helpers import labeled
from tests.helpers.drawn_truth import class_names, decode, drawn_images
from tests.helpers.mask_layouts import write_index, write_layout, write_names
from tests.helpers.mask_samples import CROP, FLIP, RESIZE, mask_folder
from tests.helpers.small_files import write_files
from tests.helpers.written_formats import BOXES_ALONE, OF_OBJECTS, listed_classes


@pytest.fixture
def root(tmp_path, drawn):
    shutil.copytree(drawn / 'coco', tmp_path / 'coco', ignore=shutil.ignore_patterns('panoptic*'))
    return tmp_path / 'coco'


def change(root: Path, edit, split: str = 'train') -> None:
    file = root / f'annotations/instances_{split}2017.json'
    content = json.loads(file.read_text())
    edit(content)
    file.write_text(json.dumps(content))


def test_drawn_label_maps_are_those_of_the_masks_but_for_the_rounded_edges(root, drawn):
    """Beside the masks of ADE20K's layout, in which the regions of the landscape are labels below those of the things.

    The sample's polygons are rounded, and cover pixels of which they have a part, so that edges differ.
    """
    labels = read_labels(root)
    things = class_names(drawn)
    assert labels.classes == ['background', *things] and not labels.reduce_zero_label
    regions = len((drawn / 'ade20k/classes.txt').read_text().split()) - len(things)
    both = either = right = 0
    for split, long in (('train', 'training'), ('val', 'validation')):
        masks = sorted((drawn / f'ade20k/annotations/{long}').iterdir())
        crowds = crowds_of(root, split)
        for (image, mask), truth in zip(find_masks(root, long), masks, strict=True):
            assert image == mask and image.endswith('.jpg')
            found, expected = labels.reader.read(mask), np.asarray(Image.open(truth)).astype(int) - regions
            assert found.dtype == np.uint8
            expected = np.where(crowds.get(Path(image).name, False), found, np.maximum(expected, 0))
            right += (found == expected).mean()
            for label in range(1, len(things) + 1):
                both += ((found == label) & (expected == label)).sum()
                either += ((found == label) | (expected == label)).sum()
    assert both >= 0.99 * either and right / 9 > 0.995


def crowds_of(root: Path, split: str) -> dict[str, np.ndarray]:
    """Where crowds are, by image."""
    content = json.loads((root / f'annotations/instances_{split}2017.json').read_text())
    images = {image['id']: image for image in content['images']}
    found: dict[str, np.ndarray] = {}
    for one in content['annotations']:
        image = images[one['image_id']]
        if one['iscrowd']:
            mask = decode(one['segmentation'], image['height'], image['width'])
            found[image['file_name']] = found.get(image['file_name'], False) | mask
    return found


def test_the_label_map_of_an_image_is_that_of_its_objects(root, drawn):
    """To the last pixel, where smaller objects are drawn over larger ones."""
    labels = read_labels(root)
    by_name = {Path(image).name: labels.reader.read(mask) for image, mask in find_masks(root, 'training')}
    crowds = crowds_of(root, 'train')
    for image in drawn_images(drawn, 'train'):
        expected = np.zeros((image.height, image.width), int)
        for one in sorted(image.objects, key=lambda one: -area_in_file(root, image.file.name, one.box)):
            expected[one.mask] = labels.classes.index(one.name)
        is_crowd = crowds.get(image.file.name, np.zeros(expected.shape, bool)) & (expected == 0)
        found = by_name[image.file.name]
        np.testing.assert_array_equal(found[~is_crowd], expected[~is_crowd])
        assert (found[is_crowd] > 0).all()


def area_in_file(root: Path, name: str, box: list[float]) -> float:
    content = json.loads((root / 'annotations/instances_train2017.json').read_text())
    number = next(image['id'] for image in content['images'] if image['file_name'] == name)
    return next(a['area'] for a in content['annotations'] if a['image_id'] == number and a['bbox'] == box)


def test_label_0_is_the_background_or_unlabeled_as_set(root, drawn):
    assert "label 0 of the masks is a class, 'background' (" in read_labels(root).line
    assert '--label-zero ignore for the other meaning' in read_labels(root).line
    assert read_labels(root, True).classes == class_names(drawn)
    data = mask_folder(root, RESIZE, CROP, FLIP, reduce_zero_label=True)
    found = np.unique(data[0, 1]['data_samples'].gt_sem_seg.data)
    assert set(found.tolist()) <= {*range(len(class_names(drawn))), 255}


def squares(**extra):
    """A COCO file of one image, 10 x 20: a large square of a, a small one of b on it, in this order reversed."""
    boxes = {1: [2, 2, 3, 3], 2: [0, 0, 8, 8]}
    annotations = [
        {
            'id': number,
            'image_id': 1,
            'category_id': category,
            'bbox': boxes[category],
            'area': boxes[category][2] ** 2,
            'iscrowd': 0,
            'segmentation': [polygon(boxes[category])],
        }
        for number, category in enumerate((1, 2), 1)
    ]
    categories = [{'id': 1, 'name': 'small'}, {'id': 2, 'name': 'large'}]
    image = {'id': 1, 'file_name': 'a.png', 'height': 10, 'width': 20}
    return {'images': [image], 'annotations': annotations, 'categories': categories, **extra}


def polygon(box):
    x, y, w, h = box
    return [x, y, x + w, y, x + w, y + h, x, y + h]


def write_squares(root: Path, content) -> Path:
    (root / 'train').mkdir(parents=True)
    Image.new('RGB', (20, 10)).save(root / 'train/a.png')
    (root / 'train/_annotations.coco.json').write_text(json.dumps(content))
    return root


def drawn_squares(root: Path, content) -> np.ndarray:
    labels = read_labels(write_squares(root, content))
    return labels.reader.read(find_masks(root, 'training')[0][1])


def test_smaller_objects_are_drawn_over_larger_ones(tmp_path):
    expected = np.zeros((10, 20), int)
    expected[:8, :8], expected[2:5, 2:5] = 2, 1
    np.testing.assert_array_equal(drawn_squares(tmp_path, squares()), expected)


def test_crowds_have_the_label_of_their_class_below_objects(tmp_path):
    content = squares()
    content['annotations'][0].update(iscrowd=1)
    labels = drawn_squares(tmp_path, content)
    assert np.unique(labels).tolist() == [0, 2] and (labels == 2).sum() == 64
    content['annotations'][1].update(iscrowd=1)
    content['annotations'][0].update(iscrowd=0)
    assert (drawn_squares(tmp_path / 'other', content) == 1).sum() == 9


def test_objects_that_cannot_be_read_are_unlabeled_in_their_boxes_and_said(tmp_path):
    content = squares()
    del content['annotations'][0]['segmentation']
    root = write_squares(tmp_path, content)
    labels, remarks = read_labels(root), find_masks_and_remarks(root, 'training').remarks
    found = labels.reader.read(find_masks(root, 'training')[0][1])
    assert (found == 2).sum() == 64 and (found == 1).sum() == 0  # the larger object is drawn over the region
    assert any('1 object without a mask, whose boxes are unlabeled' in remark for remark in remarks)
    content['annotations'][1]['bbox'] = [10, 0, 8, 8]
    content['annotations'][1]['segmentation'] = [polygon([10, 0, 8, 8])]
    found = drawn_squares(tmp_path / 'apart', content)
    assert (found[2:5, 2:5] == 255).all() and (found == 255).sum() == 9


def test_few_pixels_in_no_object_are_gaps(tmp_path):
    content = squares()
    content['annotations'][1].update(bbox=[0, 0, 20, 10], area=200, segmentation=[polygon([0, 0, 20, 10])])
    content['annotations'][1]['segmentation'] = [polygon([0, 0, 20, 9.6])]
    root = write_squares(tmp_path, content)
    labels = read_labels(root)
    assert labels.classes == ['small', 'large'] and labels.reduce_zero_label
    assert 'is ignored' in labels.line and "is 'unlabeled'" in labels.line


def test_a_category_of_the_background_is_label_0(tmp_path):
    content = squares(categories=[{'id': 1, 'name': 'small'}, {'id': 2, 'name': '_background_'}])
    labels = read_labels(write_squares(tmp_path, content))
    assert labels.classes == ['_background_', 'small']
    found = labels.reader.read(find_masks(tmp_path, 'training')[0][1])
    assert (found == 1).sum() == 9 and (found == 0).sum() == 191


def test_objects_in_order_for_tools_that_draw_so():
    objects = [(2, [polygon([2, 2, 3, 3])], [2, 2, 3, 3], False), (1, [polygon([0, 0, 8, 8])], [0, 0, 8, 8], False)]
    assert 'labelme' in IN_ORDER and np.unique(draw(objects, (10, 20))).tolist() == [0, 1]


def test_boxes_alone_are_refused(root):
    change(root, lambda content: [one.pop('segmentation') for one in content['annotations']])
    change(root, lambda content: [one.pop('segmentation') for one in content['annotations']], 'val')
    with pytest.raises(
        UserError,
        match=r'has boxes without masks, .*: draw polygons, or take a config of a detector',
    ):
        find_masks(root, 'training')


@pytest.mark.parametrize('name', [name for name in OF_OBJECTS if name not in BOXES_ALONE])
def test_label_maps_of_every_format_are_what_was_drawn(drawn, written, name):
    """Each class to 99 % IoU, later objects over earlier ones for LabelMe and CVAT, smaller over larger for others."""
    source = find_source(written / name)
    listed = listed_classes(name, drawn)
    labels = read_labels(written / name)
    assert labels.classes == ['background', *listed] and not labels.reduce_zero_label
    order = 'later objects over earlier ones' if name in ('labelme', 'cvat') else 'smaller objects over larger ones'
    assert source.line == f'masks are drawn from {FORMATS[name].title}, {order}'
    both, either = np.zeros(256), np.zeros(256)
    for long, split in (('training', 'train'), ('validation', 'val')):
        pairs = find_masks(written / name, long)
        images = sorted(drawn_images(drawn, split), key=lambda one: one.file.name)
        assert [Path(image).name for image, _ in pairs] == [one.file.name for one in images]
        for (_, mask), truth in zip(pairs, images, strict=True):
            wanted = np.zeros((truth.height, truth.width), np.uint8)
            objects = truth.objects if name in ('labelme', 'cvat') else sorted(truth.objects, key=larger_first)
            for one in objects:
                wanted[one.mask] = listed.index(one.name) + 1
            found = source.read(mask)
            for label in np.union1d(wanted, found):
                both[label] += ((wanted == label) & (found == label)).sum()
                either[label] += ((wanted == label) | (found == label)).sum()
    assert (either > 0).sum() > 8
    assert (both >= 0.99 * either).all()


def larger_first(one) -> float:
    return -one.mask.sum()


@pytest.mark.parametrize('name', ['labelme', 'cvat', 'yolo', 'coco', 'supervisely'])
def test_what_lies_over_what_is_as_in_the_program_of_the_format(tmp_path, name):
    """A small object, then a large one that covers it; and a small one over it."""
    small = LabeledObject(0, [10.0, 10.0, 6.0, 6.0], [[10.0, 10, 16, 10, 16, 16, 10, 16]], 36)
    large = LabeledObject(1, [5.0, 5.0, 40.0, 30.0], [[5.0, 5, 45, 5, 45, 35, 5, 35]], 1200)
    last = LabeledObject(0, [30.0, 20.0, 6.0, 6.0], [[30.0, 20, 36, 20, 36, 26, 30, 26]], 36)
    labeled.write(tmp_path / name, name, labeled.image(tmp_path / 'a.png', small, large, last))
    source = find_source(tmp_path / name)
    ((_, mask),) = source.find('training').pairs
    labels = source.read(mask)
    assert labels[12, 12] == (2 if name in ('labelme', 'cvat') else 1)
    assert (labels[23, 33], labels[30, 40], labels[1, 1]) == (1, 2, 0)


@pytest.mark.parametrize('name', BOXES_ALONE)
def test_boxes_of_every_format_are_refused(written, name):
    with pytest.raises(UserError) as error:
        find_masks(written / name, 'training')
    assert str(error.value).startswith(str(written / name)) and '\n' not in str(error.value)
    assert str(error.value).endswith(
        ' has boxes without masks, of which no label maps can be drawn: draw polygons, or take a config of a '
        'detector, such as faster_rcnn_convnext_t_coco.py'
    )


def test_what_is_broken_in_one_format_is_said_where_another_is_read(written, tmp_path):
    shutil.copytree(written / 'labelme', tmp_path, dirs_exist_ok=True)
    (tmp_path / 'data.yaml').write_text('names: [a, b\ntrain: x')
    line = find_source(tmp_path).line
    assert line.startswith('masks are drawn from LabelMe, later objects over earlier ones; is not read as YOLO')
    with pytest.raises(UserError, match=r'data\.yaml:2 is not plain YAML'):
        find_source(tmp_path, MaskOptions(format='yolo'))
    for file in tmp_path.rglob('*.json'):
        file.unlink()
    with pytest.raises(UserError, match=r'data\.yaml:2 is not plain YAML'):
        find_source(tmp_path)


def test_masks_beside_annotations_are_asked_for(root, drawn):
    write_layout(root, drawn, 'images/{split}/{name}.jpg', 'masks/{split}/{name}.png', write_index)
    write_names(root, drawn)
    with pytest.raises(UserError, match=r'in 2 ways: say which with --data-format masks or --data-format coco$'):
        read_labels(root)
    assert len(read_labels(root, options=MaskOptions(format='masks')).classes) == 19
    assert len(read_labels(root, options=MaskOptions(format='coco')).classes) == 1 + len(class_names(drawn))
    with pytest.raises(
        UserError, match="format 'rle' of masks does not exist: take one of masks, coco-panoptic, coco"
    ):
        read_labels(root, options=MaskOptions(format='rle'))


def test_explicit_files_are_read(root, drawn):
    given = f'{root}/annotations/instances_train2017.json,{root}/annotations/instances_val2017.json'
    assert len(find_masks(given, 'training')) == 6 and len(find_masks(given, 'validation')) == 3
    single = f'{root}/annotations/instances_val2017.json:{root}/val2017'
    assert len(find_masks(single, 'training')) == 3
    with pytest.raises(NoData):
        find_masks(single, 'validation')


def test_drawn_masks_are_checked_and_kept(root, monkeypatch):
    labels = read_labels(root)
    pairs = find_masks(root, 'training')
    scans = check_masks(pairs, len(labels.classes), False, labels.reader)
    monkeypatch.setattr(AnnotationSource, 'read', None)
    assert check_masks(pairs, len(labels.classes), False, labels.reader) == scans
    before = labels.reader.digest
    change(root, lambda content: content['annotations'].pop())
    assert read_labels.__defaults__[2] == AS_FOUND and labels.reader.digest != before


def test_a_mask_kind_is_for_files(root):
    with pytest.raises(UserError, match='--mask-labels color is for masks in files: leave it out for'):
        read_labels(root, options=MaskOptions('color'))


SQUARE = '{} 0 0 {} 0 {} 1 0 1\n'


def test_label_maps_drawn_from_yolo_follow_the_labels(tmp_path):
    lines = {f'labels/{one}.txt': SQUARE.format(0, 1, 1) for one in ('train/a', 'val/b')}
    images = {'images/train/a.png': None, 'images/val/b.png': None}
    config = {'data.yaml': 'train: images/train\nval: images/val\nnames: n.list\n', 'n.list': 'cat\ndog\n'}
    root = write_files(tmp_path, {**images, **lines, **config})

    def labels() -> list[int]:
        source = find_source(root)
        (pair,) = source.find('training').pairs
        return np.unique(source.read(pair[1])).tolist()

    assert labels() == [1]
    (root / 'labels/train/a.txt').write_text(SQUARE.format(1, 0.5, 0.5))
    assert labels() == [0, 2]
    (root / 'n.list').write_text('cat\nbird\n')
    assert read_labels(root).classes[1:] == ['cat', 'bird']
    (root / 'labels/train/a.txt').unlink()
    (root / 'labels/train').rmdir()
    write_files(root, {'images/train/a.txt': SQUARE.format(0, 0.5, 0.5)})
    assert labels() == [0, 1]
