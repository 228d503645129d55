"""Errors that say where an image folder lies."""

import pytest

from convnext_dense.data.classification.find import files_by_class, find_split, scan_classes
from convnext_dense.errors import NoData, UserError
from tests.helpers.layouts import touch

GOOD = ('train/cat/1.jpg', 'train/dog/2.jpg', 'val/cat/3.jpg')


@pytest.mark.parametrize(
    ('files', 'given', 'said'),
    [
        (
            GOOD,
            '',
            '{root} holds class folders in train/ and val/ one level deeper, in {root}/data: give --data {root}/d',
        ),
        (GOOD, '..', 'holds class folders in train/ and val/ two levels deeper, in .*/data: give --data'),
        (GOOD, 'data/train', '{root}/data/train is the train folder of a data set itself: .*, --data {root}/data$'),
        (GOOD, 'data/train/cat', 'is the train/cat folder of a data set itself: .*, --data {root}/data$'),
        (
            ('images/cat/1.jpg', 'images/dog/1.jpg', 'README.txt'),
            'data',
            r'{root}/data holds class folders \(cat, dog\) one level deeper: give --data {root}/data/images$',
        ),
        (
            ('cat.0.jpg', 'cat.1.jpg', 'dog.0.jpg'),
            'data',
            r'{root}/data holds 3 images in no class folder, such as cat.0.jpg: if the names tell the classes, wr',
        ),
        (('annotations/instances_val2017.json',), 'data', '{root}/data holds COCO files: take a config of a detector'),
        (
            ('train/_annotations.coco.json',),
            'data',
            'has no class folders: .*; .* holds COCO files: take a config of a',
        ),
        (('images/train/1.jpg', 'annotations/train/1.png'), 'data', 'with masks: take a config of a segmentor'),
        (('notes.txt',), 'data', 'give another root with --data PATH, or take --data sample, which needs no data$'),
    ],
)
def test_an_error_says_where_the_data_lie(tmp_path, files, given, said):
    touch(tmp_path / 'own' / 'data', *files)
    with pytest.raises(NoData, match=said.format(root=tmp_path / 'own')) as error:
        scan_classes(tmp_path / 'own' / given)
    assert 'expected train/<class>/*.jpg' in str(error.value) and '\n' not in str(error.value)


@pytest.mark.parametrize('name', ['valid', 'validation', 'test', 'Val'])
def test_a_validation_folder_of_another_name_is_taken_and_said(tmp_path, name):
    touch(tmp_path, 'Training/cat/1.jpg', 'Training/dog/1.jpg', f'{name}/dog/2.jpg')
    assert scan_classes(tmp_path) == ['cat', 'dog']
    found = files_by_class(tmp_path, 'val', ['cat', 'dog'])
    assert found.files == [[], [f'{tmp_path}/{name}/dog/2.jpg']]
    assert found.notes == [f'{tmp_path}/{name} is taken for val']
    assert files_by_class(tmp_path, 'train', ['cat', 'dog']).notes == [f'{tmp_path}/Training is taken for train']


def test_of_several_names_the_usual_one_is_taken_and_equal_ones_are_refused(tmp_path):
    touch(tmp_path, 'train/cat/1.jpg', 'valid/cat/2.jpg', 'test/cat/3.jpg')
    assert find_split(tmp_path, 'val') == tmp_path / 'valid'
    touch(tmp_path, 'validation/cat/2.jpg')
    with pytest.raises(UserError, match='holds valid/ and validation/, which may both be for val: rename the right'):
        find_split(tmp_path, 'val')
    touch(tmp_path, 'val/cat/2.jpg')
    assert find_split(tmp_path, 'val') == tmp_path / 'val'


@pytest.mark.parametrize('files', [('test/1.jpg',), ('test/unknown/1.jpg',), ('test/',), ('valid/',)])
def test_folders_without_ground_truth_are_no_validation_data(tmp_path, files):
    touch(tmp_path, 'train/cat/1.jpg', *files)
    assert find_split(tmp_path, 'val') is None
    assert scan_classes(tmp_path) == ['cat']
    with pytest.raises(NoData, match=f'no data at {tmp_path}/val: expected'):
        files_by_class(tmp_path, 'val', ['cat'])


def test_of_several_data_sets_one_has_to_be_given(tmp_path):
    for name in ('one', 'two words'):
        touch(tmp_path / name, *GOOD)
    with pytest.raises(
        NoData, match=f'{tmp_path} holds 2 data sets .*: give one of them, such as --data {tmp_path}/one$'
    ):
        scan_classes(tmp_path)
    with pytest.raises(NoData, match=f"the folder around it, --data '{tmp_path}/two words'$"):
        scan_classes(tmp_path / 'two words' / 'val')


def test_a_relative_path_stays_relative(tmp_path, monkeypatch):
    touch(tmp_path / 'flowers' / 'data', *GOOD)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NoData, match=r'flowers holds .* one level deeper, in flowers/data: give --data flowers/data$'):
        scan_classes('flowers')
    with pytest.raises(NoData, match=r'the folder around it, --data flowers/data$'):
        scan_classes('flowers/data/train')
    monkeypatch.chdir(tmp_path / 'flowers' / 'data' / 'train')
    with pytest.raises(NoData, match=f'the folder around it, --data {tmp_path}/flowers/data$'):
        scan_classes('.')


STRAY = (
    *('train/.ipynb_checkpoints/1-checkpoint.jpg', 'train/@eaDir/1.jpg', 'train/__MACOSX/cat/._1.jpg'),
    *('train/cat/.ipynb_checkpoints/1-checkpoint.jpg', 'train/cat/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg'),
    *('train/cat/._1.jpg', 'train/cat/Thumbs.db', 'train/cat/.hidden/deep/2.jpg', 'train/dog/#recycle/2.jpg'),
)


def test_stray_files_are_neither_classes_nor_images(tmp_path):
    touch(tmp_path, *STRAY, 'train/cat/1.jpg', 'train/dog/more/2.jpg')
    classes = scan_classes(tmp_path)
    found = files_by_class(tmp_path, 'train', classes)
    assert classes == ['cat', 'dog']
    assert found.files == [[f'{tmp_path}/train/cat/1.jpg'], [f'{tmp_path}/train/dog/more/2.jpg']]
    assert [path.removeprefix(f'{tmp_path}/train/') for path in found.left_out] == [
        *('.ipynb_checkpoints', '@eaDir', '__MACOSX', 'cat/._1.jpg', 'cat/.hidden', 'cat/.ipynb_checkpoints'),
        *('cat/@eaDir', 'dog/#recycle'),
    ]


def test_links_in_circles_are_followed_no_further(tmp_path):
    files = [f'train/{name}/{number}.jpg' for name in ('cat', 'dog') for number in range(6)]
    touch(tmp_path / 'data', *files)
    touch(tmp_path / 'elsewhere', 'far/7.jpg')
    train = tmp_path / 'data' / 'train'
    (train / 'cat' / 'itself').symlink_to('.')
    (train / 'cat' / 'up').symlink_to('..')
    (train / 'dog' / 'root').symlink_to(tmp_path)
    (train / 'all').symlink_to('.')  # a class folder
    (train / 'dog' / 'linked').symlink_to(tmp_path / 'elsewhere')
    (tmp_path / 'elsewhere' / 'far' / 'back').symlink_to(train / 'dog')  # through another folder
    classes = scan_classes(tmp_path / 'data')
    found = files_by_class(tmp_path / 'data', 'train', classes)
    assert classes == ['cat', 'dog']
    assert [len(of_class) for of_class in found.files] == [6, 7]
    assert found.files[1][-1].endswith('dog/linked/far/7.jpg')
    assert sorted(path.removeprefix(f'{train}/') for path in found.left_out) == [
        *('all', 'cat/itself', 'cat/up', 'dog/linked/far/back', 'dog/root'),
    ]


def test_one_folder_around_the_classes_is_no_class(tmp_path):
    touch(tmp_path, 'train/train/cat/1.jpg', 'train/train/dog/1.jpg', 'val/cat/1.jpg')
    with pytest.raises(
        UserError, match=f'train holds one folder, train, .*(cat, dog).*: .* move them up into {tmp_path}/'
    ):
        scan_classes(tmp_path)
    touch(tmp_path / 'other', 'train/cat/1.jpg', 'train/dog/1.jpg', 'val/images/cat/1.jpg')
    with pytest.raises(UserError, match=r'val/images holds class folders \(cat\) one level deeper: move them up into'):
        scan_classes(tmp_path / 'other')


def test_images_of_unread_formats_and_in_no_class_are_told_apart_from_none(tmp_path):
    touch(tmp_path, 'train/cat/1.gif', 'train/cat/2.gif', 'train/cat/notes.txt')
    with pytest.raises(NoData, match=r'train holds no images \(.*\), but 2 .gif, 1 .txt: expected'):
        files_by_class(tmp_path, 'train', ['cat'])
    touch(tmp_path / 'flat', 'train/1.jpg', 'train/2.jfif')
    with pytest.raises(NoData, match='train has no class folders, but 2 images directly in it: expected'):
        scan_classes(tmp_path / 'flat')
    touch(tmp_path / 'mixed', 'train/cat/1.jfif', 'train/2.jpg')
    found = files_by_class(tmp_path / 'mixed', 'train', ['cat'])
    assert [len(of_class) for of_class in found.files] == [1]
    assert found.notes == [f'1 image directly in {tmp_path}/mixed/train left out: in no class folder']


def test_classes_are_joined_by_name_and_unknown_ones_refused(tmp_path):
    touch(tmp_path, 'train/bird/1.jpg', 'train/cat/1.jpg', 'train/dog/1.jpg', 'val/cat/2.jpg', 'val/dog/3.jpg')
    assert [len(files) for files in files_by_class(tmp_path, 'val', ['dog', 'cow', 'cat']).files] == [1, 0, 1]
    touch(tmp_path / 'other', 'val/cat/1.jpg', 'val/eel/1.jpg', 'val/yak/1.jpg')
    said = r'val/eel is a class that is not among the known ones \(cat, dog\) \(2 such: eel, yak\): add'
    with pytest.raises(UserError, match=said):
        files_by_class(tmp_path / 'other', 'val', ['cat', 'dog'])


def test_class_folders_in_no_split_are_for_training(tmp_path):
    touch(
        tmp_path,
        'dog/1.jpg',
        'cat/2.jpg',
        'cat/deep/3.jpg',
        'cow/deep/4.jpg',
        'notes/a.txt',
        'loose.jpg',
        '.git/1.jpg',
    )
    assert scan_classes(tmp_path) == ['cat', 'cow', 'dog']
    assert find_split(tmp_path, 'train') == tmp_path and find_split(tmp_path, 'val') is None
    found = files_by_class(tmp_path, 'train', ['cat', 'cow', 'dog'])
    assert [[path.removeprefix(f'{tmp_path}/') for path in files] for files in found.files] == [
        ['cat/2.jpg', 'cat/deep/3.jpg'],
        ['cow/deep/4.jpg'],
        ['dog/1.jpg'],
    ]
    assert found.notes == [
        f'the 3 folders in {tmp_path}, which are in no split, are the classes',
        f'left out in {tmp_path}: notes, without images of a class',
        f'1 image directly in {tmp_path} left out: in no class folder',
    ]
    assert found.left_out == [f'{tmp_path}/.git']
    with pytest.raises(UserError, match=r'cow is a class that is not among the known ones \(cat, dog\)'):
        files_by_class(tmp_path, 'train', ['cat', 'dog'])
    with pytest.raises(NoData, match=f'no data at {tmp_path}/val: expected'):
        files_by_class(tmp_path, 'val', ['cat', 'cow', 'dog'])
