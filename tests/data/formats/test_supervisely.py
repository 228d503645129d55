"""Projects of Supervisely, with files as its server writes them."""

import base64
import io
import json
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data.detection.coco import read_coco
from convnext_dense.data.formats import FORMATS, find_sources
from convnext_dense.data.formats.base import WHOLE, Source
from convnext_dense.data.formats.supervisely import SuperviselyFormat
from convnext_dense.errors import UserError
from tests.helpers.drawn_truth import (
    DrawnImage,
    check_equals_drawn,
    check_trains_alike,
    class_names,
    decode,
    drawn_images,
    with_boxes_of_masks,
    write_coco,
)
from tests.helpers.foreign_folders import FOLDERS, write_folder
from tests.helpers.mutated_files import EXAMPLES, check_mutations

GENERAL = {'description': '', 'labelerLogin': 'me', 'createdAt': '2024-05-01T10:00:00.000Z', 'tags': []}


def pack(pixels: np.ndarray, mode: str = 'RGBA') -> str:
    """Pack a mask like Supervisely: a PNG file whose alpha channel is the mask, or of one bit, as zlib in base64."""
    if mode == 'RGBA':
        image = Image.fromarray(np.repeat(pixels[..., None].astype(np.uint8) * 255, 4, axis=2))
    else:
        image = Image.fromarray(pixels.astype(np.uint8) * 255).convert(mode)
    file = io.BytesIO()
    image.save(file, 'PNG')
    return base64.b64encode(zlib.compress(file.getvalue())).decode()


def rectangle(title: str, x1: float, y1: float, x2: float, y2: float) -> dict:
    points = {'exterior': [[x1, y1], [x2, y2]], 'interior': []}
    return {**GENERAL, 'geometryType': 'rectangle', 'classTitle': title, 'points': points}


def polygon(title: str, exterior: list, interior: tuple = ()) -> dict:
    points = {'exterior': exterior, 'interior': list(interior)}
    return {**GENERAL, 'geometryType': 'polygon', 'classTitle': title, 'points': points}


def bitmap(title: str, pixels: np.ndarray, mode: str = 'RGBA') -> dict:
    """Write the part of a mask that is not empty, with its origin."""
    ys, xs = np.nonzero(pixels)
    part = pixels[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    content = {'data': pack(part, mode), 'origin': [int(xs.min()), int(ys.min())]}
    return {**GENERAL, 'geometryType': 'bitmap', 'classTitle': title, 'bitmap': content}


def write_project(root: Path, titles: list[str], tags: tuple[str, ...] = ()) -> None:
    root.mkdir(parents=True, exist_ok=True)
    classes = [{'title': title, 'shape': 'any', 'color': '#123456', 'id': 7 + n} for n, title in enumerate(titles)]
    meta = {'classes': classes, 'tags': [{'name': name, 'value_type': 'none', 'color': '#000000'} for name in tags]}
    (root / 'meta.json').write_text(json.dumps({**meta, 'projectType': 'images'}))


def write_image(dataset: Path, name: str, objects: list, size=(60, 80), tags=(), image: Path | None = None) -> Path:
    for folder in ('ann', 'img'):
        (dataset / folder).mkdir(parents=True, exist_ok=True)
    if image is None:
        Image.new('RGB', size[::-1]).save(dataset / 'img' / name)
    else:
        shutil.copy(image, dataset / 'img' / name)
    content = {
        'description': '',
        'tags': [{'id': 1, 'tagId': 2, 'name': tag, 'value': None, 'labelerLogin': 'me'} for tag in tags],
        'size': {'height': size[0], 'width': size[1]},
        'objects': objects,
    }
    file = dataset / 'ann' / f'{name}.json'
    file.write_text(json.dumps(content))
    return file


def write_drawn(dataset: Path, images: list[DrawnImage], masks: bool) -> None:
    for image in images:
        objects = []
        for one in image.objects:
            x, y, w, h = map(round, one.box)
            if not masks:
                objects.append(rectangle(one.name, x, y, x + w - 1, y + h - 1))  # the last pixel belongs to it
            elif isinstance(one.segmentation, list):
                rings = [np.array(points, float).reshape(-1, 2).tolist() for points in one.segmentation]
                key = f'instance {len(objects)}' if len(rings) > 1 else None
                objects += [{**polygon(one.name, ring), 'instance': key} for ring in rings]
            else:
                objects.append(bitmap(one.name, one.mask))
        write_image(dataset, image.file.name, objects, (image.height, image.width), image=image.file)


@pytest.mark.parametrize('masks', [True, False])
def test_a_project_equals_what_is_drawn(tmp_path, drawn, masks):
    names = class_names(drawn)
    write_project(tmp_path, names)
    for split in ('train', 'val'):
        write_drawn(tmp_path / split, drawn_images(drawn, split), masks)
    sources = find_sources(str(tmp_path))
    assert sources == {split: Source(tmp_path, tmp_path, 'supervisely', split) for split in ('train', 'val')}
    for split, source in sources.items():
        images = drawn_images(drawn, split)
        images = with_boxes_of_masks(images) if masks else images
        check_equals_drawn(source, images, masks)
        coco = Source(write_coco(tmp_path / f'{split}.json', images, names, masks), drawn / f'coco/{split}2017')
        check_trains_alike(source, coco, masks)


def read(root: Path, split: str = WHOLE) -> tuple[list[list], list[str]]:
    """Return the boxes and the lines about a split."""
    coco = read_coco(SuperviselyFormat().find(root)[split])
    boxes = [one['bbox'] for of_image in coco.annotations.values() for one in of_image]
    return boxes, [f'{fault.line} ({", ".join(map(str, fault.ids))})' for fault in coco.faults]


def test_pixels_and_positions(tmp_path):
    """Whole numbers are pixels: of a rectangle the last one is a part, of a polygon the middle counts."""
    write_project(tmp_path, ['a'])
    shapes = [
        rectangle('a', 6, 5, 7, 6),
        rectangle('a', 9, 8, 3, 2),  # from the lower right
        rectangle('a', 6.5, 5.25, 8.5, 7.25),
        polygon('a', [[6, 5], [8, 5], [8, 7]]),
        polygon('a', [[6.5, 5.0], [8.5, 5.0], [8.5, 7.0]]),
    ]
    write_image(tmp_path / 'ds', 'a.jpg', shapes)
    boxes, lines = read(tmp_path)
    assert boxes == [[6, 5, 2, 2], [3, 2, 7, 7], [6.5, 5.25, 2, 2], [6.5, 5.5, 2, 2], [6.5, 5, 2, 2]]
    assert [line for line in lines if 'box only' not in line] == []


@pytest.mark.parametrize('mode', ['RGBA', '1', 'L', 'P'])
def test_bitmaps(tmp_path, mode):
    pixels = np.zeros((60, 80), bool)
    pixels[10:20, 30:45] = pixels[12:17, 20:50] = True
    pixels[14, 33] = False
    write_project(tmp_path, ['a'])
    write_image(tmp_path / 'ds', 'a.jpg', [bitmap('a', pixels, mode)])
    ((one,),) = read_coco(SuperviselyFormat().find(tmp_path)[WHOLE]).annotations.values()
    assert one['bbox'] == [20, 10, 30, 10] and one['area'] == pixels.sum()
    assert (decode(one['segmentation'], 60, 80) == pixels).all()


def test_a_bitmap_that_extends_beyond_the_image_is_cut(tmp_path):
    write_project(tmp_path, ['a'])
    one = bitmap('a', np.ones((10, 10), bool))
    one['bitmap']['origin'] = [-4, 55]
    write_image(tmp_path / 'ds', 'a.jpg', [one, bitmap('a', np.ones((10, 10), bool))])
    ((found, _),) = read_coco(SuperviselyFormat().find(tmp_path)[WHOLE]).annotations.values()
    mask = decode(found['segmentation'], 60, 80)
    assert found['bbox'] == [0, 55, 6, 5] and mask.sum() == 30 and mask[55:60, 0:6].all()


def test_holes_are_left_out_of_the_mask(tmp_path):
    write_project(tmp_path, ['a'])
    outline = [[10.0, 10.5], [50.0, 10.5], [50.0, 40.5], [10.0, 40.5]]
    hole = [[20.0, 20.5], [30.0, 20.5], [30.0, 30.5], [20.0, 30.5]]
    write_image(tmp_path / 'ds', 'a.jpg', [polygon('a', outline, (hole,)), polygon('a', outline)])
    ((one, whole),) = read_coco(SuperviselyFormat().find(tmp_path)[WHOLE]).annotations.values()
    mask, full = (decode(a['segmentation'], 60, 80) for a in (one, whole))
    assert full.sum() - mask.sum() == 100 and not mask[22:29, 21:29].any() and mask[12:18, 12:48].all()


def test_figures_of_an_instance_are_one_object(tmp_path):
    write_project(tmp_path, ['a', 'b'])
    parts = [
        {**polygon('a', [[5.5, 5.5], [9.5, 5.5], [9.5, 9.5]]), 'instance': 'e0a1'},
        {**polygon('a', [[35.5, 25.5], [39.5, 25.5], [39.5, 29.5]]), 'instance': 'e0a1'},
        {**polygon('a', [[5.5, 5.5], [9.5, 5.5], [9.5, 9.5]]), 'instance': None},
        {**polygon('b', [[5.5, 5.5], [9.5, 5.5], [9.5, 9.5]]), 'instance': 'e0a1'},
    ]
    write_image(tmp_path / 'ds', 'a.jpg', parts)
    boxes, lines = read(tmp_path)
    assert boxes == [[5.5, 5.5, 34, 24], [5.5, 5.5, 4, 4], [5.5, 5.5, 4, 4]]
    assert lines == ['1 annotation joined: part of an instance (ds/ann/a.jpg.json: objects[1])']


def test_shapes_without_area_are_counted(tmp_path):
    write_project(tmp_path, ['a'])
    others = [
        {**rectangle('a', 1, 2, 3, 4), 'geometryType': 'point', 'points': {'exterior': [[5, 6]], 'interior': []}},
        {**rectangle('a', 1, 2, 3, 4), 'geometryType': 'line'},
        {**GENERAL, 'geometryType': 'graph', 'classTitle': 'a', 'nodes': {'x': {'loc': [5, 6]}}},
    ]
    write_image(tmp_path / 'ds', 'a.jpg', [rectangle('a', 1, 2, 3, 4), *others])
    boxes, lines = read(tmp_path)
    assert boxes == [[1, 2, 3, 3]]
    assert lines == [
        f'1 annotation left out: {kind}, which has no area (ds/ann/a.jpg.json: objects[{number}])'
        for number, kind in enumerate(('point', 'line', 'graph'), 1)
    ]


# -- splits and layouts


def lay(root: Path, *datasets: str, tags: dict[str, tuple[str, ...]] | None = None) -> None:
    write_project(root, ['a'], tuple({tag for names in (tags or {}).values() for tag in names}))
    for dataset in datasets:
        name = f'{dataset.replace("/", "-").replace(".", "x")}.jpg'
        write_image(root / dataset, name, [rectangle('a', 1, 2, 30, 40)], tags=(tags or {}).get(dataset, ()))


@pytest.mark.parametrize(
    ('datasets', 'tags', 'splits'),
    [
        (['ds0', 'ds1'], {}, {WHOLE: ['ds0', 'ds1']}),
        (['train', 'Validation', 'test'], {}, {'train': ['train'], 'val': ['Validation'], 'test': ['test']}),
        (['ds0', 'ds1'], {'ds0': ('train',), 'ds1': ('val',)}, {'train': ['ds0'], 'val': ['ds1']}),
        (['train', 'val'], {'train': ('val', 'night')}, {'val': ['train', 'val']}),
        (['ds0'], {'ds0': ('night',)}, {WHOLE: ['ds0']}),
        (['train', 'train/datasets/day', 'val/datasets/day'], {}, {'train': ['train', 'train/datasets/day'],
                                                                   'val': ['val/datasets/day']}),
        (['train/datasets/val'], {}, {'val': ['train/datasets/val']}),  # the innermost tells it
        (['.'], {}, {WHOLE: ['.']}),
    ],
)  # fmt: skip
def test_splits(tmp_path, datasets, tags, splits):
    lay(tmp_path, *datasets, tags=tags)
    assert [name for name, form in FORMATS.items() if form.find(tmp_path)] == ['supervisely']
    found = SuperviselyFormat().find(tmp_path)
    read = {
        split: [str(Path(image['file_name']).parent.parent) for image in read_coco(source).images]
        for split, source in found.items()
    }
    assert read == splits


def test_images_in_no_split_are_counted(tmp_path):
    lay(tmp_path, 'ds0', 'ds1', 'ds2', tags={'ds0': ('train',), 'ds1': ('val',)})
    assert read(tmp_path, 'train')[1] == [
        '1 image left out: neither a tag nor its data set tells the split (ds2/ann/ds2.jpg.json)'
    ]


def test_a_data_set_of_a_project_may_be_given(tmp_path):
    lay(tmp_path, 'ds0', 'ds1')
    assert [len(boxes) for boxes, _ in (read(tmp_path / 'ds0'), read(tmp_path))] == [1, 2]


def test_a_project_without_meta_has_the_classes_that_occur(tmp_path):
    lay(tmp_path, 'ds0')
    (tmp_path / 'meta.json').unlink()
    write_image(tmp_path / 'ds0', 'b.jpg', [rectangle('z', 1, 2, 3, 4), rectangle('1', 1, 2, 3, 4)])
    source = SuperviselyFormat().find(tmp_path)[WHOLE]
    assert [one['name'] for one in SuperviselyFormat().read_categories(source)] == ['1', 'a', 'z']
    assert read_coco(source).classes == ('1', 'a', 'z')


def test_old_exports(tmp_path):
    """Classes in a list, annotation files without the suffix of the image, no geometryType."""
    (tmp_path / 'classes.json').write_text(json.dumps([{'title': 'b', 'shape': 'polygon'}, {'title': 'a'}]))
    file = write_image(tmp_path / 'ds0', 'a.png', [])
    old = {'classTitle': 'a', 'bitmap': None, 'type': None, 'points': {'exterior': [[5, 5], [9, 5], [9, 9]]}}
    content = {'tags': ['train'], 'objects': [old], 'size': {'width': '80', 'height': 60.0}}
    file.unlink()
    (tmp_path / 'ds0/ann/a.json').write_text(json.dumps(content))
    coco = read_coco(SuperviselyFormat().find(tmp_path)[WHOLE])
    assert coco.classes == ('b', 'a')
    assert [one['bbox'] for of_image in coco.annotations.values() for one in of_image] == [[5.5, 5.5, 4, 4]]


def test_images_without_an_annotation_file_are_counted(tmp_path):
    lay(tmp_path, 'train', 'val')
    Image.new('RGB', (9, 9)).save(tmp_path / 'val/img/x.png')
    assert read(tmp_path, 'train')[1] == []
    assert read(tmp_path, 'val')[1] == ['1 image left out: without a file in ann (val/img/x.png)']


# -- bad input


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        ({'classTitle': 'b'}, r"ds/ann/a.jpg.json: objects\[1\] is of the class 'b', which .*meta.json does not have"),
        ({'classTitle': None}, r'ds/ann/a.jpg.json: objects\[1\] has no classTitle: correct or remove it'),
    ],
)
def test_classes_that_are_not_known_are_refused(tmp_path, change, said):
    write_project(tmp_path, ['a'])
    write_image(tmp_path / 'ds', 'a.jpg', [rectangle('a', 1, 2, 3, 4), {**rectangle('a', 1, 2, 3, 4), **change}])
    with pytest.raises(UserError, match=said):
        read(tmp_path)


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'points': {'exterior': [[1, 2]]}}, 'rectangle of 1 points'),
        ({'points': None}, 'shape without points'),
        ({'points': {'exterior': [[1, 2], [3, None]]}}, 'points that are no finite number'),
        ({'geometryType': 'polygon', 'points': {'exterior': [[1, 2], [3, 4]]}}, 'polygon of 2 points'),
        ({'geometryType': 'mesh'}, "shape 'mesh', which is not known"),
        ({'geometryType': 'bitmap', 'bitmap': {'data': 'eJw=', 'origin': [1, 2]}}, 'mask that is no PNG image'),
        (
            {'geometryType': 'bitmap', 'bitmap': {'data': '!', 'origin': [1, 2]}},
            'bitmap that is no zlib file in base64',
        ),
        (
            {'geometryType': 'bitmap', 'bitmap': {'data': pack(np.ones((2, 2))), 'origin': [1.5, 2]}},
            'origin is no pixel',
        ),
        ({'geometryType': 'bitmap', 'bitmap': {'data': pack(np.zeros((2, 2))), 'origin': [1, 2]}}, 'without pixels'),
        ({'geometryType': 'bitmap'}, 'bitmap without data and origin'),
    ],
)
def test_unreadable_objects_are_named_with_their_reason(tmp_path, change, reason):
    write_project(tmp_path, ['a'])
    write_image(tmp_path / 'ds', 'a.jpg', [rectangle('a', 1, 2, 3, 4), {**rectangle('a', 1, 2, 3, 4), **change}])
    (line,) = [line for line in read(tmp_path)[1] if 'ignored' in line]
    assert reason in line and line.endswith('(ds/ann/a.jpg.json: objects[1])')


@pytest.mark.parametrize(
    ('file', 'text', 'said'),
    [
        ('ds/ann/a.jpg.json', '{"size": ', r'ds/ann/a.jpg.json is not JSON'),
        ('ds/ann/a.jpg.json', '{"objects": {}}', r'a.jpg.json has no list of objects: it is not of Supervisely'),
        ('ds/ann/a.jpg.json', '{"objects": [1]}', r'objects\[0\] has no classTitle'),
        ('ds/ann/b.jpg.json', '{"objects": []}', r'1 image of 2 not in img \(of ds/ann/b.jpg.json\): download'),
        ('meta.json', '{"classes": [], "tags": []}', 'meta.json has no classes'),
        ('meta.json', '{"classes": [{"title": " "}]}', 'meta.json has a class without a title'),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path, file, text, said):
    write_project(tmp_path, ['a'])
    write_image(tmp_path / 'ds', 'a.jpg', [rectangle('a', 1, 2, 3, 4)])
    (tmp_path / file).write_text(text)
    with pytest.raises(UserError, match=said) as error:
        read(tmp_path)
    assert '\n' not in str(error.value)


def test_a_bomb_is_not_unpacked(tmp_path):
    write_project(tmp_path, ['a'])
    bomb = {'data': base64.b64encode(zlib.compress(bytes(400_000_000), 1)).decode(), 'origin': [0, 0]}
    one = {**GENERAL, 'geometryType': 'bitmap', 'classTitle': 'a', 'bitmap': bomb}
    write_image(tmp_path / 'ds', 'a.jpg', [rectangle('a', 1, 2, 3, 4), one])
    assert any('mask that is no PNG image' in line for line in read(tmp_path)[1])


@pytest.mark.parametrize('examples', EXAMPLES)
def test_each_object_of_a_changed_file_is_accounted_for(tmp_path, examples):
    pixels = np.zeros((60, 80), bool)
    pixels[10:20, 30:45] = True
    outline = [[10, 10], [50, 10], [50, 40]]
    objects = [rectangle('a', 1, 2, 30, 40), polygon('b', outline, ([[20, 12], [30, 12], [30, 20]],))]
    objects += [bitmap('a', pixels), {**polygon('a', outline), 'instance': 'x'}, rectangle('b', 1, 1, 2, 2)]
    objects += [
        {**rectangle('a', 4, 5, 30, 40), 'instance': 'x'},
        {**rectangle('a', 1, 2, 3, 4), 'geometryType': 'line'},
    ]
    write_project(tmp_path, ['a', 'b'])
    write_image(tmp_path / 'ds', 'a.png', [rectangle('a', 1, 2, 30, 40)])
    path = write_image(tmp_path / 'ds', 'b.png', objects)
    path.write_text(json.dumps(json.loads(path.read_text()), indent=1))

    def count(text: bytes) -> int | None:
        try:
            found = json.loads(text)['objects']
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        return len(found) + 1 if isinstance(found, list) else None

    source = Source(tmp_path, tmp_path, 'supervisely', WHOLE)
    read_files, refused = check_mutations(path, source, examples, count)
    assert min(read_files, refused) > examples / 10


@pytest.mark.parametrize('examples', EXAMPLES)
def test_a_changed_list_of_classes_is_read_or_refused(tmp_path, examples):
    write_project(tmp_path, ['a', 'b'], ('train', 'val'))
    for name, tags in (('a.png', ('train',)), ('b.png', ('val',))):
        write_image(tmp_path / 'ds', name, [rectangle('a', 1, 2, 30, 40), rectangle('b', 1, 2, 30, 40)], tags=tags)
    source = Source(tmp_path, tmp_path, 'supervisely', 'val')
    read_files, refused = check_mutations(tmp_path / 'meta.json', source, examples, lambda text: 2)
    assert min(read_files, refused) > examples / 20


@pytest.mark.parametrize('name', FOLDERS)
def test_folders_of_other_formats_are_not_taken(tmp_path, name):
    assert bool(SuperviselyFormat().find(write_folder(tmp_path, name))) == (name in ('supervisely',))


def test_holes_of_a_polygon_far_outside_are_not_drawn(tmp_path):
    write_project(tmp_path, ['a'])
    far = polygon('a', [[0, 0], [1e9, 5], [5, 1e9]])
    far['points']['interior'] = [[[1, 1], [3, 1], [3, 3]]]
    write_image(tmp_path / 'ds', 'x.png', [far, polygon('a', [[0, 0], [9, 0], [9, 9]])])
    boxes, lines = read(tmp_path)
    assert len(boxes) == 2 and 'polygon far outside its image (ds/ann/x.png.json: objects[0])' in lines[0]
