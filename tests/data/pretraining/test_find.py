"""All images of a folder, whatever its layout; masks, test images and second paths to a file are left out."""

import os
from pathlib import Path

import pytest

from convnext_dense.data.pretraining.find import check_takes, find_images
from convnext_dense.errors import NoData, UserError


def make(root: Path, *names: str) -> Path:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
    return root


def found(root: Path) -> tuple[list[str], list[str]]:
    files = find_images(str(root))
    return tuple([os.path.relpath(path, root) for path in part] for part in (files.train, files.val))


def test_nested_images_of_any_suffix_are_found_in_order(tmp_path):
    make(tmp_path, 'b.JPG', 'a/z.png', 'a/deep/er/x.webp', 'notes.txt', 'a/.hidden.jpg', '@eaDir/t.jpg', 'c.jpeg')
    assert found(tmp_path) == (['a/deep/er/x.webp', 'a/z.png', 'b.JPG', 'c.jpeg'], [])
    stray = [os.path.relpath(path, tmp_path) for path in find_images(str(tmp_path)).left_out]
    assert stray == ['@eaDir', 'a/.hidden.jpg']


def test_class_folders_may_have_names_of_splits_where_none_is_for_training(tmp_path):
    make(tmp_path, 'test/a.jpg', 'val/b.jpg', 'carnival/c.jpg')
    assert found(tmp_path) == (['carnival/c.jpg', 'test/a.jpg', 'val/b.jpg'], [])


@pytest.mark.parametrize(
    ('train', 'val', 'test'),
    [
        ('train/cat/a.jpg', 'val/cat/b.jpg', 'test/c.jpg'),  # ImageNet
        ('train2017/a.jpg', 'val2017/b.jpg', 'test2017/c.jpg'),  # COCO
        ('images/train/a.jpg', 'images/val/b.jpg', 'images/test/c.jpg'),  # YOLO
        ('train/images/a.jpg', 'valid/images/b.jpg', 'test/images/c.jpg'),  # Roboflow
        ('images/training/a.jpg', 'images/validation/b.jpg', 'images/testing/c.jpg'),  # ADE20K
    ],
)
def test_validation_and_test_images_of_labeled_sets_are_not_trained_on(tmp_path, train, val, test):
    make(tmp_path, train, val, test, 'unlabeled2017/d.jpg')
    assert found(tmp_path) == (sorted([train, 'unlabeled2017/d.jpg']), [val])
    (note,) = find_images(str(tmp_path)).notes
    folder = next(part for part in (Path(test).parent, *Path(test).parents) if part.name.startswith('test'))
    assert note == f'1 image of a test split left out, so that a test of what follows stays one: {folder}'


@pytest.mark.parametrize(
    ('images', 'masks'),
    [
        (['images/a.jpg', 'images/b.jpg'], ['annotations/a.png', 'annotations/b.png']),
        (['JPEGImages/a.jpg', 'JPEGImages/b.jpg'], ['SegmentationClass/a.png', 'SegmentationObject/a.png']),
        (['val2017/7.jpg'], ['annotations/panoptic_val2017/7.png']),
        (
            ['leftImg8bit/ulm/u_1_leftImg8bit.png'],
            [f'gtFine/ulm/u_1_gtFine_{kind}.png' for kind in ('color', 'instanceIds', 'labelIds', 'labelTrainIds')],
        ),
        (['a.jpg', 'b.jpg'], ['a_mask.png', 'b_mask.png']),
        (['a.jpg', 'b.jpg'], ['a.png', 'b.png']),
    ],
)
def test_masks_are_no_images(tmp_path, images, masks):
    make(tmp_path, *images, *masks)
    assert found(tmp_path) == (sorted(images), [])
    (note,) = find_images(str(tmp_path)).notes
    assert note.startswith(f'{len(masks)} masks left out, by the names of folders and files: ')


def test_a_folder_named_as_one_of_masks_without_their_images_is_taken(tmp_path):
    make(tmp_path, 'masks/carnival_1.jpg', 'masks/carnival_2.jpg', 'photos/a.jpg')
    assert found(tmp_path)[0] == ['masks/carnival_1.jpg', 'masks/carnival_2.jpg', 'photos/a.jpg']
    make(tmp_path, 'labels/x.txt')  # of YOLO
    assert len(found(tmp_path)[0]) == 3


def test_a_file_counts_once_however_many_links_lead_to_it(tmp_path):
    root = make(tmp_path / 'data', 'a/1.jpg', 'a/2.jpg')
    (root / 'b').symlink_to(root / 'a')
    (root / 'c.jpg').symlink_to(root / 'a' / '1.jpg')
    assert found(root) == (['a/1.jpg', 'a/2.jpg'], [])
    (note,) = find_images(str(root)).notes
    assert note.startswith('3 paths left out, which lead to the same files as others: ')
    elsewhere = make(tmp_path / 'elsewhere', '9.jpg')
    (root / 'd').symlink_to(elsewhere)
    assert found(root)[0] == ['a/1.jpg', 'a/2.jpg', 'd/9.jpg']


def test_what_is_no_folder_of_images_is_said_in_one_line(tmp_path):
    with pytest.raises(NoData, match=f'{tmp_path}/no does not exist: pre-training takes a folder of images$'):
        find_images(str(tmp_path / 'no'))
    make(tmp_path, 'a.txt', 'b/c.gif')
    with pytest.raises(NoData, match=rf'a.txt is a file: pre-training takes a folder of images, --data {tmp_path}$'):
        find_images(str(tmp_path / 'a.txt'))
    with pytest.raises(NoData, match=rf'{tmp_path} holds no images \(.jpg, .*\), also not in its subfolders, but 1'):
        find_images(str(tmp_path))


def test_a_format_of_annotations_is_refused():
    check_takes(None)
    with pytest.raises(UserError, match='--data-format coco: pre-training takes all images of a folder, whatever'):
        check_takes('coco')
