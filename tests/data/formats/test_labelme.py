"""LabelMe files as LabelMe and X-AnyLabeling write them."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from convnext_dense.data.check.dataset import check_dataset
from convnext_dense.data.class_choice import ClassChoice
from convnext_dense.data.detection import index
from convnext_dense.data.detection.check import read_coco_files
from convnext_dense.data.detection.coco import read_coco
from convnext_dense.data.detection.dataset import CocoDataset
from convnext_dense.data.formats import find_sources
from convnext_dense.data.formats.base import Source
from convnext_dense.data.formats.labelme import LabelMeFormat
from convnext_dense.evaluation import CocoAP
from convnext_dense.io.image_size import ImageSize
from convnext_dense.tasks.dense import read_as_annotated
from tests.helpers.drawn_truth import (
    check_equals_drawn,
    check_trains_alike,
    class_names,
    write_coco,
)
from tests.helpers.foreign_folders import FOLDERS, write_folder
from tests.helpers.labelme_files import (
    BOX,
    SIZE,
    TRIANGLE,
    content,
    embedded,
    in_base64,
    shape,
    truth,
    write,
    write_drawn,
    write_image,
)
from tests.helpers.mutated_files import EXAMPLES, check_mutations
from tests.helpers.read_source import lines, read, refusal

# The drawn sample


@pytest.mark.parametrize('form', ['polygons', 'boxes', 'masks'])
@pytest.mark.parametrize('apart', [False, True])
def test_the_drawn_sample(drawn, tmp_path, form, apart):
    for split in ('train', 'val'):
        folder = tmp_path / 'annotations' / split if apart else tmp_path / split
        write_drawn(folder, drawn, split, form, tmp_path / 'images' / split if apart else None)
    (tmp_path / 'labels.txt').write_text('\n'.join(['__ignore__', '_background_', *class_names(drawn)]))
    sources = find_sources(str(tmp_path))
    images = {split: truth(drawn, split, form) for split in sources}
    for split, source in sources.items():
        check_equals_drawn(source, images[split], masks=form != 'boxes')
        assert list(read_coco(source).classes) == class_names(drawn)
    coco = write_coco(tmp_path / 'coco.json', images['train'], class_names(drawn), masks=form != 'boxes')
    check_trains_alike(sources['train'], Source(coco, drawn / 'coco/train2017'), masks=form != 'boxes')


# Labels


def test_difficult_and_ignored_shapes_are_ignored_by_rule(tmp_path):
    shapes = [
        BOX,
        shape('cat', [[1, 1], [9, 9]], 'rectangle', difficult=True),
        shape('__ignore__', [[50, 1], [60, 9]], 'rectangle'),
        shape('_background_', [[50, 20], [60, 30]], 'rectangle'),
        shape('cat', [[70, 1], [75, 9]], 'rectangle', difficult='false'),
    ]
    write(tmp_path / 'a.json', *shapes)
    coco = read(tmp_path)
    assert (coco.classes, coco.lost) == (('cat',), 0)
    (annotations,) = coco.annotations.values()
    assert [a.get('ignored', False) for a in annotations] == [False, True, True, False]
    assert sorted(lines(tmp_path)) == [
        '1 annotation ignored, with its area: labeled __ignore__ (a.json: shapes[2])',
        '1 annotation ignored, with its area: marked as difficult (a.json: shapes[1])',
        '1 annotation left out: labeled _background_ (a.json: shapes[3])',
    ]


@pytest.mark.parametrize('choice', [None, ClassChoice(classes=('dog',)), ClassChoice(ignore=('cat',))])
@pytest.mark.parametrize('test_mode', [False, True])
def test_what_is_ignored_without_a_class_is_so_for_every_class(tmp_path, monkeypatch, choice, test_mode):
    """Whichever classes are chosen, and also from the index of large annotations."""
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))
    monkeypatch.setattr(index, 'LARGE_BYTES', 0)
    region = shape('__ignore__', [[50, 1], [60, 9]], 'rectangle')
    write(tmp_path / 'data/a.json', BOX, {**BOX, 'label': 'dog'}, region)
    for _ in range(2):
        dataset = CocoDataset(
            str(tmp_path / 'data'), str(tmp_path / 'data'), [], test_mode=test_mode, format='labelme', choice=choice
        )
        found = [(i['bbox_label'], i['ignore_flag']) for i in dataset.get_data_info(0)['instances']]
        names = dataset.metainfo['classes']
        expected = {('cat', 'dog'): [(0, 0), (1, 0), (-1, 1)], ('dog',): [(0, 0), (-1, 1)]}[names]
        assert found == ([(-1, 1), *expected] if choice and choice.ignore else expected)
        assert dataset.class_counts.tolist() == [1] * len(names)


def test_a_detection_on_a_region_without_a_class_is_no_false_positive():
    """Of the second class, with a higher score than the object beside it."""
    truth = [
        {'bbox': [0, 0, 9, 9], 'bbox_label': 1, 'ignore_flag': 0, 'area': 81},
        {'bbox': [20, 0, 30, 9], 'bbox_label': -1, 'ignore_flag': 1, 'area': 90},
    ]
    boxes, scores = torch.tensor([[20.0, 0, 30, 9], [0, 0, 9, 9]]), torch.tensor([0.9, 0.5])
    predicted = dict(bboxes=boxes, scores=scores, labels=torch.tensor([1, 1]))
    sample = dict(img_id=1, img_path='a', ori_shape=(40, 60), instances=truth, pred_instances=predicted)
    for label, expected in ((-1, 100.0), (0, 50.0)):
        truth[1]['bbox_label'] = label
        metric = CocoAP()
        metric.dataset_meta = dict(classes=('cat', 'dog'), category_ids=(1, 2))
        metric.process(None, [sample])
        assert metric.evaluate(1)['box_AP'] == pytest.approx(expected, abs=0.5)


def test_classes_are_those_of_all_splits_sorted(tmp_path):
    write(tmp_path / 'train/a.json', shape('zebra', BOX['points'], 'rectangle'), BOX)
    write(tmp_path / 'val/b.json', shape('ant', BOX['points'], 'rectangle'))
    for split in ('train', 'val'):
        source = find_sources(str(tmp_path))[split]
        assert read_coco(source).classes == ('ant', 'cat', 'zebra')
        assert [c['name'] for c in LabelMeFormat().read_categories(source)] == ['ant', 'cat', 'zebra']


def test_a_label_that_is_not_listed_is_refused(tmp_path):
    write(tmp_path / 'a.json', BOX, TRIANGLE)
    (tmp_path / 'labels.txt').write_text('__ignore__\n_background_\ncat\n')
    expected = "a.json: shapes[1] is of the class 'dog', which labels.txt does not have: add it there, or correct it"
    assert refusal(tmp_path) == expected


def test_a_label_of_a_number_is_text_and_spaces_around_do_not_count(tmp_path):
    write(tmp_path / 'a.json', shape(7, BOX['points'], 'rectangle'), shape(' cat ', BOX['points'], 'rectangle'))
    assert read(tmp_path).classes == ('7', 'cat')


@pytest.mark.parametrize('label', [None, '', '  ', ['cat']])
def test_a_missing_label_is_refused(tmp_path, label):
    write(tmp_path / 'a.json', BOX, shape(label, BOX['points'], 'rectangle'))
    assert refusal(tmp_path) == 'a.json: shapes[1] has no label: give it one in LabelMe'


# Images


@pytest.mark.parametrize(
    ('written', 'file'),
    [
        ('..\\images\\a.png', 'images/a.png'),
        ('../images/a.png', 'images/a.png'),
        ('C:\\Users\\me\\Desktop\\cats\\a.png', 'images/a.png'),
        ('/home/me/cats/a.png', 'images/a.png'),
        ('/home/me/cats/images/part/a.png', 'pictures/images/part/a.png'),
        ('A.PNG', 'photos/deep/a.png'),
        ('https://example.com/b/a.png?x=1', 'elsewhere/a.png'),
        (None, 'images/a.png'),
    ],
)
def test_the_image_is_found_from_any_machine(tmp_path, written, file):
    write_image(tmp_path / file)
    path = write(tmp_path / 'annotations/a.json', BOX, image='')
    path.write_text(json.dumps({**content(written, [BOX])}))
    (image,) = read(tmp_path).images
    assert image['file_name'] == str(Path(file)) or (tmp_path / image['file_name']).samefile(tmp_path / file)


def test_an_image_of_another_split_is_never_taken(tmp_path):
    write(tmp_path / 'train/a.json', BOX)
    write(tmp_path / 'val/a.json', BOX)
    (tmp_path / 'val/a.png').unlink()
    assert refusal(tmp_path).startswith(
        '1 image of 1 not found in ROOT, or in several places there (a.png of val/a.json)'
    )


def test_among_images_of_one_name_that_of_the_own_split_is_taken(tmp_path):
    for split in ('train', 'val'):
        write_image(tmp_path / 'images' / split / 'a.png')
        write(tmp_path / 'labels' / split / 'a.json', BOX, image='a.png')
    (image,) = read(tmp_path).images
    assert image['file_name'] == 'images/val/a.png'


def test_one_of_several_images_of_a_name_is_not_guessed(tmp_path):
    for part in ('one', 'two'):
        write_image(tmp_path / 'images' / part / 'a.png')
    write(tmp_path / 'json/a.json', BOX, image='a.png')
    assert '(a.png of json/a.json)' in refusal(tmp_path)


def test_an_image_that_was_renamed_with_its_file_is_taken_and_said(tmp_path):
    write_image(tmp_path / 'new.png')
    write(tmp_path / 'new.json', BOX, image='old.png')
    expected = '1 image whose imagePath is not there: the image of the name of its JSON file is taken (new.json)'
    assert lines(tmp_path) == [expected]


def test_images_without_a_file_are_counted(tmp_path):
    write(tmp_path / 'a.json', BOX)
    write_image(tmp_path / 'b.png')
    write_image(tmp_path / 'c.png')
    assert len(read(tmp_path).images) == 1
    expected = '2 images left out: without a LabelMe file, so that they may not be annotated yet (b.png, c.png)'
    assert lines(tmp_path) == [expected]


def test_an_image_with_a_file_without_shapes_has_no_objects(tmp_path):
    write(tmp_path / 'a.json', BOX)
    write(tmp_path / 'b.json')
    assert [len(a) for a in read(tmp_path).annotations.values()] == [1, 0]


def test_the_size_is_that_of_the_image_and_said(tmp_path):
    write(tmp_path / 'a.json', BOX, size=(30, 40))
    (image,) = read(tmp_path).images
    assert (image['height'], image['width']) == SIZE
    (line,) = lines(tmp_path)
    assert line == (
        '1 image whose imageHeight and imageWidth are not its own, which are taken: was it resized after annotation? '
        '(a.json (30 x 40, the image: 60 x 80))'
    )


@pytest.mark.parametrize('written', [(80, 60), None])
def test_sizes_are_upright_as_labelme_shows_the_image(tmp_path, written):
    write_image(tmp_path / 'a.png', SIZE, orientation=6)
    write(tmp_path / 'a.json', BOX, image='a.png', size=written)
    (image,) = read(tmp_path).images
    assert (image['height'], image['width']) == (80, 60)
    assert lines(tmp_path) == []


def test_annotations_of_an_image_as_stored_are_of_that_size(tmp_path):
    write_image(tmp_path / 'a.png', SIZE, orientation=6)
    write(tmp_path / 'a.json', BOX, image='a.png', size=SIZE)
    (image,) = read(tmp_path).images
    assert (image['height'], image['width']) == SIZE


# Images inside of the files


def test_an_embedded_image_is_trained_on(tmp_path):
    pixels, data = embedded()
    write(tmp_path / 'a.json', BOX, image='gone.png', data=data)
    source = find_sources(str(tmp_path))['val']
    (image,) = read_coco(source).images
    assert image['file_name'] == 'a.json'
    load = [dict(type='convnext_dense.LoadImage')]
    dataset = CocoDataset(str(source.annotations), str(source.images), load, format='labelme', test_mode=True)
    np.testing.assert_array_equal(dataset[0]['img'][..., ::-1], pixels)


def test_the_embedded_image_is_taken_where_the_file_was_resized(tmp_path):
    write_image(tmp_path / 'a.png', (30, 40))
    write(tmp_path / 'a.json', BOX, image='a.png', data=embedded()[1])
    (image,) = read(tmp_path).images
    assert (image['file_name'], image['height'], image['width']) == ('a.json', *SIZE)
    assert lines(tmp_path) == []


def test_a_file_that_fits_is_taken_before_the_embedded_image(tmp_path):
    write(tmp_path / 'a.json', BOX, data=embedded()[1])
    assert read(tmp_path).images[0]['file_name'] == 'a.png'


def test_check_data_decodes_embedded_images(tmp_path):
    _, data = embedded()
    write(tmp_path / 'a.json', BOX, image='gone.png', data=data)
    write(tmp_path / 'b.json', BOX, image='gone2.png', data=data[: len(data) // 2])
    source = find_sources(str(tmp_path))['val']
    records = read_coco_files(
        {'val': dict(annotations=str(source.annotations), images=str(source.images), format='labelme')}
    )
    result = check_dataset(records, 1)
    assert [finding.message for finding in result.findings if finding.level == 'problem'] == [
        "1 image that can't be decoded"
    ]
    assert not [finding for finding in result.findings if 'another format' in finding.message]


# Finding


def test_without_splits_all_folders_are_read(tmp_path):
    for name in ('a.json', 'part/b.json', 'part/deep/c.json'):
        write(tmp_path / name, BOX)
    source = find_sources(str(tmp_path), 'train')['train']
    assert source == Source(tmp_path, tmp_path, 'labelme')
    assert len(read_coco(source).images) == 3


@pytest.mark.parametrize(('val', 'parent'), [('val', '.'), ('valid', 'annotations'), ('Validation', 'json')])
def test_splits_are_folders(tmp_path, val, parent):
    write(tmp_path / parent / 'train/a.json', BOX)
    write(tmp_path / parent / val / 'deep/b.json', BOX)
    sources = find_sources(str(tmp_path))
    assert sources == {
        'train': Source(tmp_path / parent / 'train', tmp_path, 'labelme'),
        'val': Source(tmp_path / parent / val, tmp_path, 'labelme'),
    }


def test_a_test_split_is_for_val_if_there_is_no_other(tmp_path, caplog):
    write(tmp_path / 'train/a.json', BOX)
    write(tmp_path / 'test/b.json', BOX)
    with caplog.at_level(logging.WARNING, 'mmengine'):
        assert find_sources(str(tmp_path))['val'].annotations == tmp_path / 'test'


def test_two_folders_of_a_split_are_refused(tmp_path):
    write(tmp_path / 'val/a.json', BOX)
    write(tmp_path / 'valid/b.json', BOX)
    assert refusal(tmp_path) == 'val and valid are both for val: move one of them away'


def test_files_beside_the_splits_are_refused(tmp_path):
    write(tmp_path / 'train/a.json', BOX)
    write(tmp_path / 'b.json', BOX)
    assert refusal(tmp_path) == 'ROOT has LabelMe files in train/ and beside: move the latter into one of them'


def test_other_json_files_beside_are_counted(tmp_path):
    write(tmp_path / 'a.json', BOX)
    (tmp_path / 'info.json').write_text('{"name": "cats"}')
    assert lines(tmp_path) == ['1 file left out: not of LabelMe (info.json)']


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('{"imagePath": "a.png"', 'b.json is not JSON'),
        ('{"imagePath": "a.png"}', 'b.json has no list of shapes'),
        ('{"imagePath": "a.png", "shapes": 3}', 'b.json has no list of shapes'),
        ('{"imagePath": "a.png", "shapes": [3]}', 'b.json: shapes[0] is no shape of LabelMe'),
        ('[' * 100_000, 'b.json is not JSON'),
        ('{"label": "\udcff"}', 'b.json is not JSON'),
    ],
)
def test_a_damaged_file_is_named(tmp_path, text, message):
    write(tmp_path / 'a.json', BOX)
    (tmp_path / 'b.json').write_bytes(text.encode('utf-8', 'surrogateescape'))
    assert refusal(tmp_path).startswith(message)


def test_an_image_that_cannot_be_read_and_has_no_size_is_named(tmp_path):
    write(tmp_path / 'a.json', BOX, size=None)
    (tmp_path / 'a.png').write_bytes(b'')
    assert refusal(tmp_path).startswith('a.png, the image of a.json, cannot be read (it has zero bytes)')


def test_a_file_that_begins_with_its_image_is_recognized(tmp_path):
    """As older versions wrote them."""
    _, data = embedded((300, 400))
    own = content('a.png', [BOX], (300, 400))
    (tmp_path / 'a.json').write_text(
        json.dumps({'imageData': data, **{k: v for k, v in own.items() if k != 'imageData'}})
    )
    assert find_sources(str(tmp_path), 'train')['train'].format == 'labelme'


# Files that are changed at random


def shapes_in(text: bytes) -> list[dict] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found.get('shapes') if isinstance(found, dict) else None


def count_shapes(text: bytes) -> int | None:
    found = shapes_in(text)
    return len(found) if isinstance(found, list) else None


@pytest.mark.parametrize('examples', EXAMPLES)
def test_no_object_of_a_changed_file_is_lost_without_being_counted(tmp_path, examples):
    png = in_base64(Image.fromarray(np.full((4, 4), 1, np.uint8)))
    path = write(
        tmp_path / 'a.json',
        BOX,
        TRIANGLE,
        shape('cat', [[30, 30], [33, 34]], 'circle'),
        shape('dog', [[1, 1], [9, 1], [9, 9]], group_id=1),
        shape('dog', [[20, 1], [29, 1], [29, 9]], group_id=1),
        shape('cat', [[50, 30], [53, 33]], 'mask', mask=png),
        shape('cat', [[5, 5]], 'point'),
        shape('__ignore__', [[60, 1], [70, 9]], 'rectangle'),
        shape('cat', [[60, 20], [70, 30]], 'rectangle', difficult=True),
    )
    write(tmp_path / 'b.json', BOX)  # of which nothing is changed

    def count(text: bytes) -> int | None:
        """Count the shapes of both files; a file of another kind is left out and named."""
        found = count_shapes(text)
        return None if found is None else found + 1

    read_files, refused = check_mutations(path, Source(tmp_path, tmp_path, 'labelme'), examples, count)
    assert min(read_files, refused) > examples / 10


@pytest.mark.parametrize('folder', FOLDERS)
def test_data_of_other_tools_are_left_to_them(tmp_path, folder):
    found = LabelMeFormat().find(write_folder(tmp_path, folder))
    assert (found is not None) == (folder in ('labelme',))


@pytest.mark.parametrize('orientation', [1, 3, 4, 6])
@pytest.mark.parametrize('size', [(60, 80), (64, 64)])
def test_images_are_trained_on_as_labelme_shows_them(tmp_path, orientation, size):
    """Upright, also if turning keeps their size, so that the box is on the same pixels."""
    stored = write_image(tmp_path / 'a.png', size, orientation)
    with Image.open(stored) as image:
        upright = np.asarray(ImageOps.exif_transpose(image))
    for written in (None, upright.shape[:2]):
        write(tmp_path / 'a.json', BOX, image='a.png', size=written)
        source = find_sources(str(tmp_path))['val']
        load = [dict(type='convnext_dense.LoadImage')]
        dataset = CocoDataset(str(source.annotations), str(source.images), load, format='labelme', test_mode=True)
        np.testing.assert_array_equal(dataset[0]['img'][..., ::-1], upright)
        records = read_coco_files(
            {'val': dict(annotations=str(source.annotations), images=str(source.images), format='labelme')}
        )
        assert not [f for f in check_dataset(records, 1).findings if 'takes as stored' in f.message]
        drawn = read_as_annotated(str(stored), ImageSize.of(upright), is_upright=dataset.metainfo['is_upright'])
        np.testing.assert_array_equal(drawn, upright)
