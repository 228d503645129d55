"""Finding COCO files in known layouts, and errors that say where the data lie."""

import json

import pytest

from convnext_dense.data.formats.base import Source
from convnext_dense.data.formats.coco import find_coco
from convnext_dense.errors import NoData, UserError
from tests.helpers import coco_files
from tests.helpers.drawn_truth import check_equals_drawn, check_trains_alike, class_names, drawn_images, write_coco
from tests.helpers.layouts import touch

COCO = ('annotations/instances_train2017.json', 'annotations/instances_val2017.json')
ROBOFLOW = ('train/_annotations.coco.json', 'valid/_annotations.coco.json')
OTHER = ('annotations/my_train_set.json', 'annotations/val.json')


@pytest.mark.parametrize(
    ('files', 'folders'),
    [
        (COCO, ('train2017', 'val2017')),
        (COCO, ('images/train2017', 'images/val2017')),
        (ROBOFLOW, ('train', 'valid')),
        (OTHER, ('train', 'val')),
        (OTHER, ('images/train', 'images/val')),
        (OTHER, ('images', 'images')),
        (OTHER, ('.', '.')),
        (OTHER, ('annotations', 'annotations')),
    ],
)
def test_layouts(tmp_path, files, folders):
    coco_files.lay_out(tmp_path, *files, folders=folders)
    expected = {
        split: Source(tmp_path / file, tmp_path / folder)
        for split, file, folder in zip(('train', 'val'), files, folders, strict=True)
    }
    assert find_coco(str(tmp_path)) == expected


def test_coco_is_found_among_its_other_files(tmp_path):
    others = ('annotations/captions_train2017.json', 'annotations/person_keypoints_train2017.json')
    coco_files.lay_out(tmp_path, COCO[1], *others, folders=('val2017',))
    assert find_coco(str(tmp_path)) == {'val': Source(tmp_path / COCO[1], tmp_path / 'val2017')}


def test_the_folder_is_the_first_that_holds_the_first_image(tmp_path):
    coco_files.lay_out(tmp_path, OTHER[0], folders=('images',))
    (tmp_path / 'train').mkdir()
    assert find_coco(str(tmp_path))['train'].images == tmp_path / 'images'


def test_file_names_may_have_folders_and_any_letters_and_come_late_in_the_file(tmp_path):
    data = coco_files.content()
    data['images'][0]['file_name'] = 'part "1"/ä\\b.png'
    late = {'annotations': data['annotations'], 'categories': data['categories'], 'images': data['images']}
    coco_files.lay_out(tmp_path, OTHER[1])
    (tmp_path / OTHER[1]).write_text(json.dumps(late))
    image = tmp_path / 'val' / 'part "1"' / 'ä\\b.png'
    image.parent.mkdir(parents=True)
    image.touch()
    assert find_coco(str(tmp_path))['val'].images == tmp_path / 'val'


@pytest.mark.parametrize(
    'elsewhere',
    [
        {'info': {'file_name': 'no.png'}},
        {'info': {'images': [{'file_name': 'no.png'}]}},
        {'annotations': [{'segments': {'file_name': 'no.png'}}]},
        {'info': {'description': '"images": [{"file_name": "no.png"}]'}},
    ],
)
def test_only_a_file_name_of_an_image_of_the_file_counts(tmp_path, elsewhere):
    coco_files.lay_out(tmp_path, OTHER[1], folders=('val',))
    images = [{'extra': {'file_name': 'no.png'}, **image} for image in coco_files.content()['images']]
    (tmp_path / OTHER[1]).write_text(json.dumps({**elsewhere, 'images': images}))
    assert find_coco(str(tmp_path))['val'].images == tmp_path / 'val'


@pytest.mark.parametrize('name', ['C:\\x\\000.png', 'https://a.org/000.png', '000.PNG', 'data/val/000.png'])
def test_the_folder_is_found_by_names_of_other_tools(tmp_path, name):
    data = coco_files.content()
    data['images'][0]['file_name'] = name
    coco_files.lay_out(tmp_path, OTHER[1], folders=('val',))
    for encoding in ('utf-8', 'utf-16'):
        (tmp_path / OTHER[1]).write_text(json.dumps(data), encoding)
        assert find_coco(str(tmp_path))['val'].images == tmp_path / 'val'


def test_files_by_name(tmp_path):
    coco_files.lay_out(tmp_path, 'a/one.json', 'b/two.json', folders=('photos', 'b/val'))
    one, two = tmp_path / 'a/one.json', tmp_path / 'b/two.json'
    expected = {'train': Source(one, tmp_path / 'photos'), 'val': Source(two, tmp_path / 'b/val')}
    assert find_coco(f'{one}:{tmp_path / "photos"},{two}') == expected
    assert find_coco(f'{one}:{tmp_path / "photos"}, {two}:{tmp_path / "b/val"}') == expected
    assert find_coco(str(two)) == {'val': expected['val']}


@pytest.mark.parametrize(
    ('files', 'value', 'said'),
    [
        ((), '{}', r'no COCO data at .*expected annotations/instances_.*--data sample'),
        ((), '{}/no.json', r'no annotations at .*no\.json'),
        (('a.json',), ',{}/a.json', 'no COCO files can be read from'),
        (('a.json',), '{0}/a.json,{0}/a.json,{0}/a.json', '3 COCO files in'),
        (('a.json',), '{}/a.json', r'000\.png, the first image in .*a\.json, is not in'),
        ((*OTHER, 'annotations/train_2.json'), '{}', r'2 files match .*train.* \(my_train_set.json, train_2.json\)'),
        (('annotations/trainval.json',), '{}', r'trainval.json may be for training or for validation'),
    ],
)
def test_what_is_not_found_or_ambiguous_is_named(tmp_path, files, value, said):
    coco_files.lay_out(tmp_path, *files)
    with pytest.raises(UserError, match=said) as error:
        find_coco(value.format(tmp_path))
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('text', ['', '{"images": []}'])
def test_a_file_that_names_no_image(tmp_path, text):
    coco_files.lay_out(tmp_path, OTHER[0])
    (tmp_path / OTHER[0]).write_text(text)
    with pytest.raises(UserError, match=r'my_train_set\.json names no images'):
        find_coco(str(tmp_path))


# -- errors that say where the data lie


@pytest.mark.parametrize(
    ('files', 'given', 'said'),
    [
        (COCO, '', '{root} holds COCO files one level deeper, in {root}/data: give --data {root}/data'),
        (ROBOFLOW, 'data/train', '{root}/data/train is the train folder of a data set itself: give the folder around'),
        (COCO, 'data/annotations', 'give the folder around it, --data {root}/data'),
        (COCO, 'data/images/train2017', 'is the images/train2017 folder of a data set itself: .* --data {root}/data'),
        (('a.json', 'b.json'), 'data', '{root}/data holds a.json, b.json: say which with --data TRAIN.json:IMAGES'),
        (('train/cat/1.jpg',), 'data', '{root}/data holds class folders in train/ and val/: take a classification'),
        (('images/val/1.jpg', 'annotations/val/1.png'), 'data', 'holds images/ .* with masks: take a config of a seg'),
    ],
)
def test_an_error_says_where_the_data_lie(tmp_path, files, given, said):
    touch(tmp_path / 'data', *files, 'images/train2017/', 'train/')
    with pytest.raises(NoData, match=said.format(root=tmp_path)) as error:
        find_coco(str(tmp_path / given))
    assert 'no COCO data at' in str(error.value) and '\n' not in str(error.value)


def test_hidden_files_are_no_annotations(tmp_path):
    coco_files.lay_out(tmp_path, 'annotations/my_train.json', 'annotations/my_val.json', folders=('train', 'val'))
    for name in ('._my_train.json', '.my_val.json.swp.json'):
        (tmp_path / 'annotations' / name).write_bytes(b'no COCO')
    assert {split: paths.annotations.name for split, paths in find_coco(str(tmp_path)).items()} == {
        'train': 'my_train.json',
        'val': 'my_val.json',
    }


@pytest.mark.parametrize('name', ['valid', 'validation', 'val', 'test'])
def test_validation_data_of_roboflow_have_several_names(tmp_path, caplog, name):
    files = ('train/_annotations.coco.json', f'{name}/_annotations.coco.json')
    coco_files.lay_out(tmp_path, *files, folders=('train', name))
    assert find_coco(str(tmp_path))['val'] == Source(tmp_path / files[1], tmp_path / name)
    assert ('is taken for val' in caplog.text) == (name == 'test')


def test_a_test_split_beside_training_is_for_validation(tmp_path, caplog):
    files = ('annotations/instances_train.json', 'annotations/instances_test.json')
    coco_files.lay_out(tmp_path, *files, folders=('train', 'test'))
    assert find_coco(str(tmp_path))['val'] == Source(tmp_path / files[1], tmp_path / 'test')
    assert 'instances_test.json is taken for val' in caplog.text


@pytest.mark.parametrize('split', ['train', 'val'])
def test_a_single_file_is_for_the_split_that_is_read(tmp_path, split):
    coco_files.lay_out(tmp_path, 'one.json', folders=('images',))
    assert find_coco(f'{tmp_path}/one.json:{tmp_path}/images', single=split) == {
        split: Source(tmp_path / 'one.json', tmp_path / 'images')
    }


@pytest.mark.parametrize('masks', [True, False])
def test_a_coco_file_equals_what_is_drawn(tmp_path, drawn, masks):
    images = drawn_images(drawn, 'train')
    file = write_coco(tmp_path / 'a.json', images, class_names(drawn), masks)
    source = Source(file, drawn / 'coco/train2017')
    check_equals_drawn(source, images, masks)
    check_trains_alike(source, source, masks)
