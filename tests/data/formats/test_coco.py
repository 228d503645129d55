"""Reading COCO files as tools write them."""

import json

import pytest

from convnext_dense.data.detection.coco import read_coco, read_header
from convnext_dense.data.formats.base import Source
from convnext_dense.data.formats.coco import CocoFormat, check_kind
from convnext_dense.errors import UserError
from tests.helpers import coco_files
from tests.helpers.drawn_truth import check_equals_drawn, check_trains_alike, class_names, drawn_images, write_coco
from tests.helpers.mutated_files import EXAMPLES, check_mutations


@pytest.mark.parametrize('masks', [True, False])
def test_a_coco_file_equals_what_is_drawn(tmp_path, drawn, masks):
    images = drawn_images(drawn, 'train')
    file = write_coco(tmp_path / 'a.json', images, class_names(drawn), masks)
    source = Source(file, drawn / 'coco/train2017')
    check_equals_drawn(source, images, masks)
    check_trains_alike(source, source, masks)


def write(tmp_path, data: dict, file: str = 'a.json') -> Source:
    coco_files.draw(tmp_path, coco_files.content())
    (tmp_path / file).write_text(json.dumps(data))
    return Source(tmp_path / file, tmp_path)


def roboflow(supercategories: tuple[str, ...] = ('none', 'colors', 'colors', 'colors'), used: bool = False) -> dict:
    """Return categories as Roboflow exports them: a group with the id 0 before the classes, which count from 1."""
    data = coco_files.content()
    names = ('colors', 'red', 'green', 'blue')
    data['categories'] = [
        {'id': number, 'name': name, 'supercategory': group}
        for number, (name, group) in enumerate(zip(names, supercategories, strict=True))
    ]
    ids = {old: names.index(name) for name, old in coco_files.CATEGORIES.items()}
    for annotation in data['annotations']:
        annotation['category_id'] = ids[annotation['category_id']]
    if used:
        data['annotations'][0]['category_id'] = 0
    return data


def test_the_group_that_roboflow_adds_is_no_class(tmp_path):
    source = write(tmp_path, roboflow())
    coco = read_coco(source)
    assert coco.classes == read_header(source).classes == ('red', 'green', 'blue')
    assert coco.category_ids == (1, 2, 3)
    assert [fault.line for fault in coco.faults if fault.part == 'category'] == [
        "1 category left out: 'colors', Roboflow's group of the others, which no object has"
    ]
    in_utf_16 = Source(tmp_path / 'b.json', tmp_path)
    in_utf_16.annotations.write_text(json.dumps(roboflow()), 'utf-16')
    assert read_header(in_utf_16).classes == read_coco(in_utf_16).classes == ('red', 'green', 'blue')


@pytest.mark.parametrize(
    ('supercategories', 'used'),
    [
        (('none', 'colors', 'colors', 'colors'), True),
        (('none', 'none', 'none', 'none'), False),  # as of version 3 of some exports
        (('none', 'colors', 'colors', 'tones'), False),
        (('colors', 'colors', 'colors', 'colors'), False),
    ],
)
def test_any_other_class_stays(tmp_path, supercategories, used):
    source = write(tmp_path, roboflow(supercategories, used))
    assert read_coco(source).classes == read_header(source).classes == ('colors', 'red', 'green', 'blue')


def test_a_single_class_stays(tmp_path):
    data = coco_files.content()
    data['categories'] = [{'id': 0, 'name': 'thing', 'supercategory': 'none'}]
    for annotation in data['annotations']:
        annotation['category_id'] = 0
    source = write(tmp_path, data)
    assert read_coco(source).classes == read_header(source).classes == ('thing',)


def lvis(tmp_path) -> Source:
    """Write a file as LVIS has it: no file names, no crowds, classes in snake case with synonyms."""
    data = coco_files.content()
    for image in data['images']:
        image['coco_url'] = f'http://images.cocodataset.org/train2017/{image.pop("file_name")}'
        image |= {'neg_category_ids': [2], 'not_exhaustive_category_ids': []}
    data['images'][1]['neg_category_ids'] = []
    data['categories'] = [
        {'id': number, 'name': f'{name}_(color)', 'synonyms': [name], 'synset': f'{name}.n.01', 'frequency': 'r'}
        for name, number in coco_files.CATEGORIES.items()
    ]
    for annotation in data['annotations']:
        del annotation['iscrowd']
    coco_files.draw(tmp_path / 'train2017', coco_files.content())
    (tmp_path / 'lvis_v1_train.json').write_text(json.dumps(data))
    return CocoFormat().find(tmp_path)['train']


def test_lvis(tmp_path):
    coco = read_coco(lvis(tmp_path))
    assert coco.classes == ('red_(color)', 'green_(color)', 'blue_(color)')
    assert [image['file_name'] for image in coco.images] == [f'train2017/00{n}.png' for n in (0, 1, 4, 9)]
    assert sum(map(len, coco.annotations.values())) == 6
    lines = [fault.line for fault in coco.faults]
    assert '4 images fixed: without file_name, which coco_url tells' in lines
    (federated,) = [line for line in lines if 'LVIS' in line]
    assert federated.startswith('3 images in which not all classes are annotated, as in LVIS')
    assert "differs from LVIS' AP" in federated


@pytest.mark.parametrize(
    ('keys', 'said'),
    [
        (
            {'id': 1, 'image_id': 0, 'caption': 'a red thing'},
            'has captions of images, not objects: take the file with',
        ),
        ({'image_id': 0, 'file_name': '0.png', 'segments_info': []}, 'has segments of panoptic masks, not objects'),
    ],
)
def test_files_of_other_annotations_are_refused(tmp_path, keys, said):
    data = coco_files.content()
    data['annotations'] = [keys]
    if 'caption' in keys:
        del data['categories']
    source = write(tmp_path, data)
    with pytest.raises(UserError, match=said) as error:
        read_header(source)
        read_coco(source)
    assert '\n' not in str(error.value)
    with pytest.raises(UserError, match=said):  # rather than to answer that there are no masks
        check_kind(source.annotations)


def test_keypoints_are_objects_with_boxes(tmp_path):
    data = coco_files.content()
    for annotation in data['annotations']:
        annotation |= {'keypoints': [10, 20, 2], 'num_keypoints': 1}
    assert sum(map(len, read_coco(write(tmp_path, data)).annotations.values())) == 6


def test_label_studio(tmp_path):
    """Its ids count from 0; brushes are RLE, boxes have an empty list; images are named on Windows' way."""
    data = {'images': [], 'categories': [{'id': 0, 'name': 'red'}, {'id': 1, 'name': 'green'}], 'annotations': []}
    image = {'width': 80, 'height': 60, 'id': 0, 'file_name': 'images\\000.png'}
    data['images'] = [image, {**image, 'id': 1, 'file_name': '/data/upload/1/0a1b2c3d-001.png'}]
    shared = {'iscrowd': 0, 'ignore': 0}
    box = {'id': 0, 'image_id': 0, 'category_id': 0, 'segmentation': [], 'bbox': [5.5, 6.25, 20.5, 30.0], 'area': 615}
    polygon = [5.0, 6.0, 25.0, 6.0, 25.0, 36.0]
    drawn = {**box, 'id': 1, 'category_id': 1, 'segmentation': [polygon], 'bbox': [5.0, 6.0, 20.0, 30.0], 'area': 300}
    brush = {**coco_files.annotation(2, 1, 'red', [40, 10, 25, 12], form='runs'), 'category_id': 0}
    data['annotations'] = [box | shared, drawn | shared, brush | shared]
    coco_files.draw(tmp_path / 'images', coco_files.content())
    (tmp_path / 'result.json').write_text(json.dumps(data))
    coco = read_coco(CocoFormat().find(tmp_path)['whole'])
    assert [image['file_name'] for image in coco.images] == ['000.png', '001.png']
    found = [one for of_image in coco.annotations.values() for one in of_image]
    assert [one['bbox'] for one in found] == [[5.5, 6.25, 20.5, 30], [5, 6, 20, 30], [40, 10, 25, 12]]
    assert ['segmentation' in one for one in found] == [False, True, True]
    assert coco.lost == 0 and coco.name == tmp_path.name


def test_messages_name_the_folder_of_files_with_the_same_name(tmp_path):
    assert Source(tmp_path / 'valid/labels.json', tmp_path).name == 'valid'
    assert Source(tmp_path / 'valid/_annotations.coco.json', tmp_path).name == 'valid'
    assert Source(tmp_path / 'annotations/instances_val2017.json', tmp_path).name == 'val2017'


@pytest.mark.parametrize('examples', EXAMPLES)
def test_each_object_of_a_changed_file_is_accounted_for(tmp_path, examples):
    data = roboflow()
    data['images'][1]['not_exhaustive_category_ids'] = [1]
    source = write(tmp_path, data)
    source.annotations.write_text(json.dumps(data, indent=0))

    def count(text: bytes) -> int | None:
        try:
            found = json.loads(text)['annotations']
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        return len(found) if isinstance(found, list) else None

    read_files, refused = check_mutations(source.annotations, source, examples, count)
    assert min(read_files, refused) > examples / 10
