"""Image folders: what is read, what is said when it can't be."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from PIL import Image
from torch.utils.data import DataLoader

from convnext_dense.data import ImageFolder
from convnext_dense.data.class_choice import as_choice
from convnext_dense.data.classification.check import read_image_folder
from convnext_dense.data.classification.dataset import collate_images, scan_classes
from convnext_dense.errors import UserError
from convnext_dense.io.images import read_image

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
RECIPE = dict(
    input_size=32, interpolation='bicubic', auto_augment='rand-m9-mstd0.5-inc1', re_prob=0.25, re_mode='pixel'
)


def folder(root, split='train', **options) -> ImageFolder:
    transform = RECIPE if split == 'train' else dict(input_size=32)
    return ImageFolder(str(root), split, transform, **options)


def test_classes_files_and_labels(image_folder):
    data = folder(image_folder)
    assert data.metainfo == {'classes': ['blue', 'green', 'red']}
    assert len(data) == 48
    assert [data[i]['label'] for i in (0, 15, 16, 47)] == [0, 0, 1, 2]
    assert data[47]['path'] == str(image_folder / 'train' / 'red' / '15.jpg')
    assert len(folder(image_folder, 'val')) == 18


def test_a_part_takes_the_first_of_each_class(image_folder):
    data = folder(image_folder, per_class=3)
    names = [f'{name}/{i:02d}.jpg' for name in ('blue', 'green', 'red') for i in range(3)]
    assert [str(data[i]['path']) for i in range(9)] == [str(image_folder / 'train' / name) for name in names]
    assert [data[i]['label'] for i in range(9)] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    with pytest.raises(UserError, match='per_class 0 is too small: take at least 1'):
        folder(image_folder, per_class=0)


def test_augmentation_follows_the_seed_alone(image_folder):
    data = folder(image_folder)
    torch.manual_seed(0)
    first = data[(5, 11)]['image']
    torch.rand(100)
    assert torch.equal(data[(5, 11)]['image'], first)
    others = [data[(5, seed)]['image'] for seed in range(4)]
    assert all(not torch.equal(other, first) for other in others)


def test_workers_make_the_same_images(image_folder):
    """Also of an image that comes twice, and whatever the worker has drawn before."""
    data, keys = folder(image_folder), [(5, 11), (40, 3), (5, 12), (5, 11), (0, 3)]
    batches = DataLoader(data, batch_size=2, sampler=keys, num_workers=2, collate_fn=collate_images)
    inputs = torch.cat([batch['inputs'] for batch in batches])
    assert torch.equal(inputs, torch.stack([data[key]['image'] for key in keys]))


def test_many_seeds_never_fail_and_erase_a_quarter(image_folder):
    """Some of RandAugment's strengths are rare: they must all work with the installed Pillow."""
    data = folder(image_folder)
    images = [data[(i % 48, i)]['image'] for i in range(600)]
    assert all(i.shape == (3, 32, 32) and i.isfinite().all() for i in images)
    brightest = ((torch.ones(3) - MEAN) / STD)[:, None, None] + 1e-4
    erased = sum(bool((i > brightest).any()) for i in images)  # noise of the erased part goes beyond white
    assert 0.17 < erased / 600 < 0.33


@pytest.mark.parametrize('mode', ['L', 'RGBA', 'P', 'CMYK', '1', 'I;16'])
def test_images_of_any_mode_become_rgb(tmp_path, mode):
    path = tmp_path / ('x.tif' if mode == 'CMYK' else 'x.png')
    Image.new(mode, (3, 2)).save(path)
    assert read_image(str(path)).mode == 'RGB'


def spoil(path) -> str:
    path.write_bytes(path.read_bytes()[:300])
    return str(path)


def test_a_bad_image_stops_with_its_path(own_image_folder):
    bad = spoil(own_image_folder / 'train' / 'blue' / '03.jpg')
    with pytest.raises(UserError, match='--on-bad-image skip') as error:
        folder(own_image_folder)[3]
    assert bad in str(error.value)


def test_a_skipped_image_is_replaced_in_training_and_left_out_in_evaluation(own_image_folder):
    bad = spoil(own_image_folder / 'train' / 'blue' / '03.jpg')
    sample = folder(own_image_folder, on_bad_image='skip')[3]
    assert sample['path'].endswith('04.jpg')
    assert sample['skipped'] == [bad]

    bad = spoil(own_image_folder / 'val' / 'green' / '00.jpg')
    data = folder(own_image_folder, 'val', on_bad_image='skip')
    batch = collate_images([data[i] for i in range(6)])
    assert batch['inputs'].shape == (5, 3, 32, 32)
    assert batch['labels'].tolist() == [0, 0, 1, 2, 2]
    assert batch['skipped'] == [bad]
    assert bad not in batch['paths']
    assert len(collate_images([data[2]])['inputs']) == 0


def test_an_image_that_vanishes_is_looked_for_again_and_named(own_image_folder, monkeypatch):
    data, skipping = folder(own_image_folder), folder(own_image_folder, on_bad_image='skip')
    gone, broken = own_image_folder / 'train' / 'blue' / '03.jpg', own_image_folder / 'train' / 'blue' / '05.jpg'
    content, tried = gone.read_bytes(), []
    gone.unlink()
    spoil(broken)

    def read(self, original=Path.read_bytes):
        tried.append(self)
        if tried == [gone] * 3:
            gone.write_bytes(content)
        return original(self)

    monkeypatch.setattr(Path, 'read_bytes', read)
    assert data[3]['path'] == str(gone)  # it came back
    gone.unlink()
    with pytest.raises(UserError, match=f'bad image {gone} \\(No such file or directory, 4 times, errno 2\\): .*skip'):
        data[3]
    assert skipping[3]['skipped'] == [str(gone)]
    with pytest.raises(UserError, match=r'05\.jpg'):
        data[5]
    assert tried.count(broken) == 1  # no patience makes it better


def test_no_readable_image_at_all_is_an_error(own_image_folder):
    for path in own_image_folder.glob('train/*/*.jpg'):
        spoil(path)
    with pytest.raises(
        UserError, match=r'20 training images in a row are unreadable, .*the last one a bad image .*: check the disk'
    ):
        folder(own_image_folder, on_bad_image='skip')[0]


@pytest.mark.parametrize(
    ('spoiling', 'said'),
    [
        (lambda root: shutil.rmtree(root), '--data sample'),
        (lambda root: shutil.rmtree(root / 'val'), 'val: expected train/<class>'),
        (lambda root: shutil.rmtree(root / 'train'), 'train: expected train/<class>'),
        (lambda root: [shutil.rmtree(p) for p in (root / 'train').iterdir()], 'has no class folders'),
        (lambda root: (root / 'val' / 'violet').mkdir(), 'violet is a class that .* does not have'),
        (lambda root: (root / 'train' / 'azure').mkdir(), 'azure holds no images'),
        (lambda root: [p.unlink() for p in (root / 'val' / 'red').iterdir()], 'red holds no images'),
    ],
)
def test_a_wrong_layout_is_named(own_image_folder, spoiling, said):
    spoiling(own_image_folder)
    with pytest.raises(UserError, match=said):
        scan_classes(own_image_folder)
        folder(own_image_folder, 'train')
        folder(own_image_folder, 'val')


def test_validation_images_alone_are_enough_to_test(own_image_folder):
    shutil.rmtree(own_image_folder / 'train')
    data = folder(own_image_folder, 'val')
    assert data.metainfo == {'classes': ['blue', 'green', 'red']}
    assert len(data) == 6


def test_a_class_without_validation_images_is_allowed(own_image_folder):
    shutil.rmtree(own_image_folder / 'val' / 'red')
    assert len(folder(own_image_folder, 'val')) == 4


CHOICES = [
    ({'classes': ['red', 'blue']}, ['red', 'blue'], {'red': 'red', 'blue': 'blue'}),
    (
        {'merge': [{'classes': ['blue', 'red'], 'into': 'warm'}]},
        ['warm', 'green'],
        {'blue': 'warm', 'red': 'warm', 'green': 'green'},
    ),
    (
        {'classes': ['red', 'green'], 'merge': [{'classes': ['blue'], 'into': 'green'}]},
        ['red', 'green'],
        {'red': 'red', 'green': 'green', 'blue': 'green'},
    ),
    ({'ignore': ['green']}, ['blue', 'red'], {'blue': 'blue', 'red': 'red'}),
]


@pytest.mark.parametrize(('choice', 'classes', 'new'), CHOICES)
def test_chosen_images_are_those_of_folders_that_were_changed_by_hand(image_folder, tmp_path, choice, classes, new):
    for file in sorted(image_folder.rglob('*.jpg')):
        split, own = file.relative_to(image_folder).parts[:2]
        if own in new:
            (tmp_path / split / new[own]).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, tmp_path / split / new[own] / f'{own}_{file.name}')
    for split in ('train', 'val'):
        data, by_hand = folder(image_folder, split, choice=choice), folder(tmp_path, split, classes=classes)
        assert data.metainfo == {'classes': classes, 'choice': as_choice(choice).as_config()}
        assert data.class_counts.tolist() == by_hand.class_counts.tolist()
        assert [data.get_cat_ids(i) for i in range(len(data))] == [by_hand.get_cat_ids(i) for i in range(len(by_hand))]
        for index in (0, len(data) // 2, len(data) - 1):
            one, other = data[index, 7], by_hand[index, 7]
            assert one['label'] == other['label'] and torch.equal(one['image'], other['image'])


def test_names_that_a_folder_lacks_are_refused_unless_the_classes_of_all_parts_are_known(image_folder):
    with pytest.raises(UserError, match=r"names 'rde' \(did you mean 'red'\?\): there are 3 classes in .*: blue, gre"):
        folder(image_folder, choice={'classes': ['rde', 'blue']})
    part = folder(image_folder, choice={'classes': ['sky', 'red']}, classes=['sky', 'red'])
    assert part.class_counts.tolist() == [0, 16]
    with pytest.raises(UserError, match=r'has 1 class that are not among the known ones .sky.: red: leave'):
        folder(image_folder, choice={'classes': ['sky', 'red']}, classes=['sky'])
    with pytest.raises(UserError, match='has no image of a chosen class: 0 classes of 3 by choice'):
        folder(image_folder, choice={'classes': ['sky']}, classes=['sky'])


def test_one_line_says_how_many_images_are_left_out_and_an_empty_folder_is_no_matter(own_image_folder, caplog):
    (own_image_folder / 'train' / 'empty').mkdir()
    choice = {'classes': ['warm'], 'merge': [{'classes': ['blue'], 'into': 'warm'}], 'ignore': ['green']}
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    assert len(folder(own_image_folder, choice=choice, per_class=5)) == 5
    logger.removeHandler(caplog.handler)
    assert (
        "train: 1 class of 4 by choice (warm): 8 images of blue are 'warm'; 8 images of 2 classes that are not chosen "
        '(empty, red) are left out; 8 images of 1 class that is ignored (green) are left out'
    ) in caplog.messages
    with pytest.raises(UserError, match=r'class folder .*empty holds no images'):
        folder(own_image_folder, choice={'ignore': ['green']})


def test_a_check_counts_chosen_images(image_folder):
    choice = {'classes': ['red', 'cold'], 'merge': [{'classes': ['blue', 'green'], 'into': 'cold'}]}
    found = read_image_folder({s: dict(root=image_folder, split=s, choice=choice) for s in ('train', 'val')})
    assert found.classes == ['red', 'cold']
    labels = [[image.label for image in split.images] for split in found.splits]
    assert labels == [[0] * 16 + [1] * 32, [0] * 6 + [1] * 12]
    assert [f.message for f in found.findings] == [
        f"2 classes of 3 by choice (red, cold): {count} images of blue, green are 'cold'" for count in (32, 12)
    ]


def test_some_images_of_a_data_set_prepared_for_evaluation(image_folder):
    whole = folder(image_folder)
    part = whole.chosen(np.array([47, 0, 1])).prepared_by(dict(input_size=40, crop_ratio=1.0))
    assert [part[i]['path'] for i in range(3)] == [whole.image(i)[0] for i in (47, 0, 1)]
    assert [part[i]['label'] for i in range(3)] == [2, 0, 0]
    assert part.class_counts.tolist() == [2, 0, 1]
    evaluated = ImageFolder(str(image_folder), 'val', dict(input_size=40, crop_ratio=1.0), source='train')
    assert torch.equal(part[0]['image'], evaluated[47]['image'])
    assert len(whole) == 48 and whole.training and whole[0]['image'].shape == (3, 32, 32)


def test_arrays_are_images_up_to_the_limit(tmp_path):
    for split, name in ((split, name) for split in ('train', 'val') for name in ('cat', 'dog')):
        (tmp_path / split / name).mkdir(parents=True)
        np.save(tmp_path / split / name / '1.npy', np.full((40, 40, 3), 51 / 255, np.float32))
    found = folder(tmp_path, 'val', max_pixels=1600)[0]['image']
    assert torch.allclose(found, ((51 / 255 - MEAN) / STD)[:, None, None].expand(3, 32, 32), atol=1e-5)
    with pytest.raises(UserError, match=r'1.npy \(it has 1,600 pixels .* --max-pixels 1600'):
        folder(tmp_path, 'val', max_pixels=1599)[0]
