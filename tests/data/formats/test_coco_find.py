"""Finding COCO files in known layouts, and errors that say where the data lie."""

import json

import pytest

from convnext_dense.data.detection.coco import read_coco
from convnext_dense.data.formats import FORMATS, find_sources
from convnext_dense.data.formats.base import WHOLE, Source
from convnext_dense.data.formats.coco import CocoFormat
from convnext_dense.data.formats.coco_find import find_coco, find_splits
from convnext_dense.errors import NoData, UserError
from tests.helpers import coco_files
from tests.helpers.coco_layouts import LAYOUTS_OF_TOOLS, write_layout
from tests.helpers.foreign_folders import FOLDERS, write_folder
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


# -- layouts of other tools, with the files and folders that they write


@pytest.mark.parametrize('tool', LAYOUTS_OF_TOOLS)
def test_layouts_of_tools(tmp_path, tool):
    files, images, folders = LAYOUTS_OF_TOOLS[tool]
    write_layout(tmp_path, files, images)
    found = find_splits(tmp_path)
    assert {split: str(source.images.relative_to(tmp_path)) for split, source in found.items()} == folders
    assert {source.annotations for source in found.values()} <= {tmp_path / file for file in files}
    assert [name for name, form in FORMATS.items() if form.find(tmp_path)] == ['coco']
    assert all('raw' not in str(source.annotations.relative_to(tmp_path)) for source in found.values())


def test_a_split_of_lvis_has_images_of_other_splits(tmp_path):
    urls = [f'http://images.cocodataset.org/{name}.jpg' for name in ('train2017/000000391895', 'val2017/000000000139')]
    data = coco_files.content()
    data['images'] = [{'id': n, 'coco_url': url, 'height': 60, 'width': 80} for n, url in enumerate(urls)]
    (tmp_path / 'lvis_v1_val.json').write_text(json.dumps(data))
    touch(tmp_path, 'images/train2017/000000391895.jpg', 'images/val2017/000000000139.jpg')
    assert find_splits(tmp_path) == {'val': Source(tmp_path / 'lvis_v1_val.json', tmp_path / 'images')}


@pytest.mark.parametrize(
    'text',
    [
        '{"_via_settings": {}, "_via_img_metadata": {"a.jpg12": {"filename": "a.jpg", "regions": []}}}',
        '{"version": "5.0", "shapes": [], "imagePath": "a.jpg", "imageData": null}',
        '{"name": "x", "images": "none", "annotations": []}',
        '{"name": "my-app", "version": "1.0.0"}',
        '{"classes": ["a"], "labels": {"a": 0}}',
        '{"info": {"images": [{"file_name": "a.jpg"}]}, "categories": []}',
        '{"images": ["a.jpg"], "categories": [1]}',
        '[{"image_id": 1, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 0.5}]',
        '{"images": [{"file_name": "a.jpg"}], ',
        'not even JSON',
        '',
    ],
)
def test_other_json_is_not_taken(tmp_path, text, caplog):
    write_layout(tmp_path, {'train.json': 'a.jpg'}, ['a.jpg'])
    (tmp_path / 'val.json').write_text(text)
    (tmp_path / 'labels.json').write_text(text)
    assert find_splits(tmp_path) == {'train': Source(tmp_path / 'train.json', tmp_path)}
    (tmp_path / 'train.json').unlink()
    with pytest.raises(NoData, match=r'labels\.json, val\.json: say which with'):
        find_splits(tmp_path)
    assert not caplog.text


def test_a_file_whose_name_tells_no_split_is_named(tmp_path, caplog):
    write_layout(tmp_path, {'train.json': 'a.jpg', 'val.json': 'b.jpg', 'all.json': 'a.jpg'}, ['a.jpg', 'b.jpg'])
    assert find_splits(tmp_path).keys() == {'train', 'val'}
    assert 'all.json in' in caplog.text and 'left out, since the name tells no split' in caplog.text


@pytest.mark.parametrize(
    ('files', 'said'),
    [
        (
            ['a.json', 'b.json'],
            r'holds 2 COCO files, and no name tells the split of a.json, b.json: say which with '
            r'--data {root}/a.json:IMAGES,{root}/b.json:IMAGES, training first',
        ),
        (
            ['annotations/all.json', 'val.json'],
            r'no name tells the split of annotations/all.json: say which with '
            r'--data {root}/annotations/all.json:IMAGES,{root}/val.json:IMAGES',
        ),
        (['a.json', 'b.json', 'c.json'], '3 COCO files, .* say which with --data TRAIN.json:IMAGES,VAL.json:IMAGES'),
        (['train.json', 'val.json', 'trainval.json'], 'trainval.json may be for training or for validation'),
        (['trainval.json', 'val.json'], 'trainval.json may be for training or for validation: .* training first'),
        (['minival.json', 'val.json'], r'2 files match .*val.* \(minival.json, val.json\)'),
        (['valid/a.json', 'val/a.json'], r'2 files in .* may be for val \(val/a.json, valid/a.json\)'),
    ],
)
def test_what_tells_no_split_is_asked_for(tmp_path, files, said):
    write_layout(tmp_path, dict.fromkeys(files, 'a.jpg'), ['a.jpg', 'images/a.jpg'])
    with pytest.raises(UserError, match=said.format(root=tmp_path)) as error:
        find_splits(tmp_path)
    assert not isinstance(error.value, NoData) and '\n' not in str(error.value)


def test_images_in_several_folders_are_asked_for(tmp_path):
    write_layout(tmp_path, {'annotations.json': 'a.jpg'}, ['x/a.jpg', 'y/a.jpg'])
    with pytest.raises(
        UserError, match=r'a.jpg, the first image in .* several folders \(.*/x, .*/y\): name the folder'
    ):
        find_splits(tmp_path)


def test_more_images_tell_which_of_several_folders(tmp_path):
    data = coco_files.content()
    (tmp_path / 'a.json').write_text(json.dumps(data))
    touch(tmp_path, 'x/000.png', *(f'y/{image["file_name"]}' for image in data['images']))
    assert find_splits(tmp_path)[WHOLE].images == tmp_path / 'y'


def test_a_folder_of_a_data_set_is_still_refused(tmp_path):
    write_layout(
        tmp_path, {'train/_annotations.coco.json': 'a.jpg', 'valid/_annotations.coco.json': 'b.jpg'}, ['train/a.jpg']
    )
    with pytest.raises(NoData, match='train is the train folder of a data set itself: give the folder around it'):
        find_splits(tmp_path / 'train')
    write_layout(tmp_path / 'b', {'annotations/instances_train2017.json': 'a.jpg'}, ['b/train2017/a.jpg'])
    with pytest.raises(UserError, match='annotations is the annotations folder of a data set itself'):
        find_splits(tmp_path / 'b/annotations')


def test_a_folder_of_many_json_files_is_not_opened(tmp_path):
    for number in range(60):
        write_layout(tmp_path, {f'ann/{number}.json': 'a.jpg'}, [])
    with pytest.raises(NoData):
        find_splits(tmp_path)


@pytest.mark.parametrize('name', ['a.jpg', '/data/a.jpg', 'train/a.jpg'])
def test_images_of_another_split_are_not_taken(tmp_path, name):
    write_layout(tmp_path, {'train.json': name}, ['val/a.jpg', 'test/x/a.jpg'])
    with pytest.raises(UserError, match=r'a\.jpg, the first image in .*train.json, is not in'):
        find_splits(tmp_path)


@pytest.mark.parametrize(
    ('file', 'name', 'image', 'folder'),
    [
        ('export/labels.json', 'a.jpg', 'export/data/a.jpg', 'export/data'),
        ('export/result.json', 'images\\a.jpg', 'export/images/a.jpg', 'export/images'),
        ('export/train.json', 'a.jpg', 'export/photos/new/a.jpg', 'export/photos/new'),
        ('x/labels/all.json', 'a.jpg', 'x/images/a.jpg', 'x/images'),
    ],
)
def test_images_of_a_file_that_is_given(tmp_path, file, name, image, folder):
    write_layout(tmp_path, {file: name}, [image, 'elsewhere/a.jpg'])
    assert find_coco(f'{tmp_path}/{file}') == {'val': Source(tmp_path / file, tmp_path / folder)}


@pytest.mark.parametrize('name', FOLDERS)
def test_folders_of_other_formats_are_not_taken(tmp_path, name):
    assert bool(CocoFormat().find(write_folder(tmp_path, name))) == (
        name in ('coco', 'roboflow', 'coco beside images')
    )


def test_a_damaged_file_is_named_as_damaged(tmp_path):
    content = {'images': [{'id': 1, 'file_name': 'a.png'}], 'annotations': [], 'categories': []}
    text = json.dumps(content)
    (tmp_path / 'a.json').write_text(text[: len(text) // 2])
    with pytest.raises(NoData, match=r'a\.json begins as a COCO file and is damaged, after \d+ characters'):
        find_sources(str(tmp_path))
    (tmp_path / 'a.json').write_text(json.dumps([{'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [1, 1, 2, 2]}]))
    with pytest.raises(NoData, match=r'a\.json is a list of annotations or results, not a COCO file'):
        find_sources(str(tmp_path))
    (tmp_path / 'a.json').write_text('{"shapes": [')
    with pytest.raises(NoData, match=r'holds a\.json: say which with'):
        find_sources(str(tmp_path))


@pytest.mark.parametrize('missing', [[0], [0, 1, 2]])
def test_images_that_are_missing_are_counted_though_the_first_is_one(tmp_path, missing):
    names = [f'{number}.png' for number in range(5)]
    images = [{'id': number, 'file_name': name, 'height': 4, 'width': 4} for number, name in enumerate(names)]
    annotation = {'id': 1, 'image_id': 4, 'category_id': 1, 'bbox': [1, 1, 2, 2], 'area': 4, 'iscrowd': 0}
    content = {'images': images, 'annotations': [annotation], 'categories': [{'id': 1, 'name': 'a'}]}
    (tmp_path / 'train.json').write_text(json.dumps(content))
    touch(tmp_path, *(f'photos/{name}' for number, name in enumerate(names) if number not in missing))
    source = find_coco(str(tmp_path))['train']
    assert source.images == tmp_path / 'photos'
    with pytest.raises(UserError, match=rf'{len(missing)} images? of 5 not in .*photos \(0\.png'):
        read_coco(source)


def test_a_file_of_validation_that_lost_its_images_is_named(tmp_path):
    coco_files.lay_out(tmp_path, *COCO, folders=('train2017', 'val2017'))
    content = json.loads((tmp_path / COCO[1]).read_text())
    del content['images']
    (tmp_path / COCO[1]).write_text(json.dumps(content))
    with pytest.raises(UserError, match='instances_val2017'):
        find_coco(str(tmp_path))
