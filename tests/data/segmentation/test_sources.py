"""Images with masks in folders: lists of splits, pairs, and what is left out."""

import numpy as np
import pytest

from convnext_dense.data.segmentation.find import find_masks, find_source
from convnext_dense.errors import UserError
from tests.helpers.layouts import touch
from tests.helpers.mask_layouts import check_equals_scenes, scenes, write_index, write_layout, write_names
from tests.helpers.mask_samples import COLOR, CROP, FLIP, RESIZE, mask_folder


def write_lists(root, drawn, **lists):
    (root / 'ImageSets' / 'Segmentation').mkdir(parents=True)
    for name, splits in lists.items():
        stems = [file.stem for split in splits for file, _ in scenes(drawn, split)]
        (root / 'ImageSets' / 'Segmentation' / f'{name}.txt').write_bytes('\r\n'.join(stems).encode('utf-8-sig'))


def test_lists_of_voc_say_the_splits(tmp_path, drawn):
    root = write_layout(tmp_path, drawn, 'JPEGImages/{name}.jpg', 'SegmentationClass/{name}.png', write_index)
    write_names(root, drawn)
    touch(root, 'JPEGImages/unlabeled.jpg', 'SegmentationObject/1.png', 'Annotations/1.xml')
    write_lists(root, drawn, train=['train'], val=['val'], trainval=['train', 'val'])
    check_equals_scenes(root, drawn)
    assert 'ImageSets/Segmentation/train.txt' in find_source(root).line
    (root / 'ImageSets' / 'Segmentation' / 'val.txt').write_text('absent\n')
    with pytest.raises(UserError, match=r'val.txt lists 1 of 1 images that are not there: absent: correct the list'):
        find_masks(root, 'validation')


def test_one_list_is_of_a_data_set_in_no_split(tmp_path, drawn):
    root = write_layout(tmp_path, drawn, 'JPEGImages/{name}.jpg', 'SegmentationClass/{name}.png', write_index)
    write_names(root, drawn)
    write_lists(root, drawn, default=['train', 'val'])
    check_equals_scenes(root, drawn)


def test_data_in_no_split_are_for_training(tmp_path, drawn):
    root = write_layout(tmp_path, drawn, 'images/{name}.jpg', 'masks/{name}.png', write_index)
    assert len(find_masks(root, 'training')) == len(find_masks(root, 'whole')) == 9
    with pytest.raises(
        UserError, match=r'no data for validation at .*in no split and all for training: .*--val-split'
    ):
        find_masks(root, 'validation')


def test_an_image_without_a_mask_is_named_with_the_ending(tmp_path, drawn):
    root = write_layout(tmp_path, drawn, 'train/{name}.jpg', 'train_masks/{name}_mask.gif', write_index)
    write_names(root, drawn)
    (mask, *_) = sorted((root / 'train_masks').iterdir())
    mask.unlink()
    said = r'1 of 9 images in .*train have no mask in .*train_masks: .*; add masks of the same name \(_mask.png\)'
    with pytest.raises(UserError, match=said):
        find_masks(root, 'training')


def test_training_samples_are_those_of_ade20k(tmp_path, drawn):
    """To the last digit, with crops, flips and colors."""
    root = write_layout(tmp_path, drawn, '{split}/{name}.jpg', '{split}_masks/{name}_mask.gif', write_index)
    write_names(root, drawn)
    for split in ('training', 'validation'):
        one, other = (mask_folder(path, RESIZE, CROP, FLIP, COLOR, split=split) for path in (drawn / 'ade20k', root))
        assert len(one) == len(other) > 0 and one.metainfo == other.metainfo
        for index in range(len(one)):
            a, b = one[index, 3], other[index, 3]
            assert np.array_equal(a['inputs'], b['inputs'])
            assert np.array_equal(a['data_samples'].gt_sem_seg.data, b['data_samples'].gt_sem_seg.data)
