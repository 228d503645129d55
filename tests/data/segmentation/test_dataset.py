"""Image/mask folders through mmseg's own transforms: the right labels, in the right places."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import ClassBalancedDataset
from PIL import Image
from torch.utils.data import DataLoader

import convnext_dense.data.segmentation.dataset
import convnext_dense.models.segmentor  # noqa: F401  (both register what the pipelines name)
from convnext_dense.data import SeededSampler
from convnext_dense.data.dense import collate_dense
from convnext_dense.errors import UserError
from convnext_dense.results.colors import class_colors
from tests.helpers.mask_folder import COLORS, draw_labels, relabel, save, save_with_palette
from tests.helpers.mask_samples import COLOR, CROP, FLIP, RESIZE, arrays, colors_of, mask_folder


def test_labels_are_the_masks_less_one_and_zero_is_ignored(root):
    data = mask_folder(root)
    assert len(data) == 4
    for index in range(4):
        image, classes = arrays(data[index])
        labels = draw_labels(index)
        assert np.array_equal(classes[labels > 0], labels[labels > 0].astype(int) - 1)
        assert (classes[labels == 0] == 255).all()
        assert np.array_equal(image, COLORS[labels])


def test_where_zero_is_a_class_labels_stay_and_255_is_ignored(root):
    labels = draw_labels(0)
    labels[10:20] = 255
    save(root / 'annotations' / 'training' / '00.png', labels)
    (root / 'classes.txt').unlink()
    data = mask_folder(root, reduce_zero_label=False)
    assert data.metainfo['classes'] == ('class_0', 'class_1', 'class_2', 'class_3', 'class_4', 'class_5')
    assert np.array_equal(arrays(data[0])[1], labels)


def test_palette_and_16_bit_masks_give_the_same_labels(root):
    folder = root / 'annotations' / 'training'
    before = [arrays(mask_folder(root)[index])[1] for index in range(2)]
    save_with_palette(folder / '00.png', draw_labels(0))
    save(folder / '01.png', draw_labels(1).astype(np.uint16))
    assert [Image.open(folder / name).mode for name in ('00.png', '01.png')] == ['P', 'I;16']
    after = [arrays(mask_folder(root)[index])[1] for index in range(2)]
    assert all(np.array_equal(*pair) for pair in zip(before, after, strict=True))


def test_both_splits_and_the_checkpoint_know_what_zero_means(root):
    for split in ('training', 'validation'):
        assert mask_folder(root, split=split).metainfo['reduce_zero_label'] is True
    relabel(root, lambda labels: np.minimum(labels, 4))
    for split in ('training', 'validation'):
        data = mask_folder(root, split=split)
        assert data.metainfo['reduce_zero_label'] is data.reduce_zero_label is False
        labels = np.minimum(draw_labels(1), 4)
        assert np.array_equal(arrays(data[1])[1], labels)


def test_training_says_what_zero_means_and_which_classes_are_absent(root):
    relabel(root, lambda labels: np.where(labels == 2, 1, labels), ['training'])
    (_, line), (is_warning, absent) = mask_folder(root).remarks
    assert line.startswith('label 0 of the masks is ignored (') and 'classes.txt has 5 names, and label 5 occu' in line
    said = '1 of 5 classes without an example in the training masks, which are not learned: green'
    assert (is_warning, absent) == (True, said)
    relabel(root, lambda labels: np.minimum(labels, 4))
    data = mask_folder(root, test_mode=True, reduce_zero_label=False, split='validation')
    assert data.remarks == [(False, "label 0 of the masks is a class, 'red': as set")]
    [(is_warning, line)] = mask_folder(root, reduce_zero_label=True).remarks[:1]
    assert is_warning and 'as set, although' in line


def test_augmentation_follows_the_seed_alone(root):
    data = mask_folder(root, RESIZE, CROP, FLIP, COLOR)
    first = data[1, 5]
    np.random.rand(10), torch.rand(10)
    again, other = data[1, 5], data[1, 6]
    assert torch.equal(first['inputs'], again['inputs'])
    assert torch.equal(first['data_samples'].gt_sem_seg.data, again['data_samples'].gt_sem_seg.data)
    assert not torch.equal(first['inputs'], other['inputs'])


def test_a_loader_with_workers_gives_what_the_data_set_gives(root):
    data = mask_folder(root, CROP, FLIP)
    sampler = SeededSampler(data, shuffle=True, seed=1)
    loader = DataLoader(data, batch_size=2, sampler=sampler, num_workers=1, collate_fn=collate_dense)
    batches = list(loader)
    together = [inputs for batch in batches for inputs in batch['inputs']]
    assert all(torch.equal(inputs, data[key]['inputs']) for inputs, key in zip(together, sampler, strict=True))
    names = [os.path.basename(path) for batch in batches for path in batch['paths']]
    assert sorted(names) == ['00.png', '01.png', '02.png', '03.png']


def test_samples_say_what_mmseg_asks(root):
    meta = mask_folder(root, split='validation', test_mode=True)[1]['data_samples'].metainfo
    assert meta['img_path'] == str(root / 'images' / 'validation' / '01.png')
    assert meta['seg_map_path'] == str(root / 'annotations' / 'validation' / '01.png')
    assert meta['ori_shape'] == (40, 56)
    assert meta['reduce_zero_label'] is True


def test_classes_and_their_colors_come_from_the_root(root):
    names = ['wall', 'sky', 'tree', 'road', 'car', 'sign']
    (root / 'classes.txt').write_text('\n'.join(names))
    metainfo = mask_folder(root).metainfo
    assert metainfo['classes'] == tuple(names)
    assert metainfo['palette'] == class_colors(metainfo['classes']).tolist()


def test_an_image_is_turned_where_its_mask_was_made_for_the_turned_one(root):
    labels = draw_labels(0)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    path = root / 'images' / 'training' / '00.png'
    Image.fromarray(COLORS[labels]).save(path, exif=exif)
    stored, _ = arrays(mask_folder(root)[0])
    assert np.array_equal(stored, COLORS[labels])

    upright = np.rot90(labels, -1)
    save(root / 'annotations' / 'training' / '00.png', upright)
    turned, classes = arrays(mask_folder(root)[0])
    assert np.array_equal(turned, COLORS[upright])
    assert np.array_equal(turned, colors_of(classes))


def test_bad_masks_are_named_before_the_first_sample(root):
    save(root / 'annotations' / 'validation' / '01.png', np.full((40, 56), 9, np.uint8))
    mask_folder(root)
    with pytest.raises(UserError, match=r'validation .* 1 with labels above 5 \(01.png 9\)'):
        mask_folder(root, split='validation')


@pytest.mark.parametrize(
    'spoil',
    [
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.write_text('a mask'),
        lambda path: path.unlink(),
    ],
    ids=['truncated', 'no image', 'gone'],
)
def test_a_mask_that_turns_bad_during_training_is_named(root, spoil):
    data = mask_folder(root, on_bad_image='skip')
    path = root / 'annotations' / 'training' / '02.png'
    spoil(path)
    with pytest.raises(UserError, match='bad mask') as error:
        data[2, 0]
    assert str(path) in str(error.value)
    data[1, 0]


@pytest.mark.parametrize('kind', ['images', 'annotations'])
def test_a_hiccup_of_the_disk_passes_and_a_longer_one_is_named(root, kind, monkeypatch):
    data = mask_folder(root)
    good, path, tried = data[1, 3], root / kind / 'training' / '01.png', []

    def read(self, original=Path.read_bytes):
        if self == path:
            tried.append(self)
            if len(tried) <= failures:
                raise OSError(errno.EIO, 'Input/output error', str(self))
        return original(self)

    monkeypatch.setattr(Path, 'read_bytes', read)
    failures = 3
    assert torch.equal(data[1, 3]['inputs'], good['inputs'])
    assert len(tried) == 4
    failures = 99
    with pytest.raises(UserError, match=f'bad (image|mask) {path} \\(Input/output error, 4 times, errno 5\\)'):
        data[1, 3]


def test_a_fault_of_the_pipeline_is_not_blamed_on_the_mask(root):
    data = mask_folder(root, dict(type='convnext_dense.RandomCrop', crop_size=(8, 8), cat_max_ratio='most'))
    with pytest.raises(TypeError):
        data[0]


def test_an_unreadable_image_stops_or_is_skipped(root):
    for split in ('training', 'validation'):
        (root / 'images' / split / '01.png').write_bytes(b'no image')
    with pytest.raises(UserError, match=r'01.png .*--on-bad-image skip'):
        mask_folder(root)[1]
    sample = mask_folder(root, on_bad_image='skip')[1, 3]
    assert sample['path'].endswith('02.png')
    assert [os.path.basename(path) for path in sample['skipped']] == ['01.png']
    data = mask_folder(root, split='validation', test_mode=True, on_bad_image='skip')
    batch = collate_dense([data[0], data[1]])
    assert len(batch['inputs']) == len(batch['data_samples']) == 1
    with pytest.raises(UserError, match="'ignore' does not exist"):
        mask_folder(root, on_bad_image='ignore')


def test_the_classes_that_a_mask_shows_are_balanced(root):
    folder = root / 'annotations' / 'training'
    save(folder / '01.png', np.full_like(draw_labels(1), 255))
    save(folder / '02.png', np.where(draw_labels(2) == 5, 5, 0).astype(np.uint8))
    for place in (0, 3):
        save(folder / f'{place:02d}.png', np.minimum(draw_labels(place), 4))
    data = mask_folder(root)
    assert [data.get_cat_ids(place) for place in range(4)] == [[0, 1, 2, 3], [], [4], [0, 1, 2, 3]]
    assert mask_folder(root, indices=[2]).get_cat_ids(0) == [4]
    data = mask_folder(root, classes=['pink', 'blue', 'green', 'red', 'gray', 'yellow'])
    assert [sorted(data.get_cat_ids(place)) for place in (0, 2)] == [[1, 2, 3, 5], [0]]
    balanced = ClassBalancedDataset(data, oversample_thr=0.5)
    assert balanced.repeat_indices == [0, 1, 2, 2, 3]


def test_where_zero_is_a_class_it_is_shown(root):
    (root / 'classes.txt').unlink()
    assert mask_folder(root, reduce_zero_label=False).get_cat_ids(0) == [0, 1, 2, 3, 4, 5]
