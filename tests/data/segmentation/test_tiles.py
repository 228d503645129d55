"""Label maps in tiles: windows of images and masks, empty tiles, those without a label, and windows of all readers."""

from collections import Counter

import numpy as np
import pytest
import tifffile

from convnext_dense.data.sampler import sample_seed
from convnext_dense.data.segmentation import tiles
from convnext_dense.data.segmentation.dataset import MaskFolder
from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.window import Window
from tests.helpers.mask_folder import save

SIZE = ImageSize(150, 230)
TILES = dict(size=64, overlap=0.25, empty_share=0.5)
PIPELINE = [dict(type='convnext_dense.LoadImage'), dict(type='convnext_dense.LoadMask')]


def draw(seed):
    """Class 1 nearly everywhere, a strip without a label on the right, and a bit of class 2 in the upper left."""
    rng = np.random.default_rng(seed)
    labels = np.ones(SIZE, np.uint8)
    labels[:, 150:] = 0
    for _ in range(4):
        y, x = rng.integers(0, 40, 2)
        labels[y : y + 5, x : x + 5] = 2
    return labels, rng.integers(0, 256, (*SIZE, 3), np.uint8)


@pytest.fixture(params=['png', 'tif'])
def root(request, tmp_path):
    for number in range(2):
        labels, pixels = draw(number)
        image = tmp_path / f'images/training/{number}.{request.param}'
        mask = tmp_path / f'annotations/training/{number}.{request.param}'
        if request.param == 'png':
            save(image, pixels)
            save(mask, labels)
            continue
        for file, array, kind in ((image, pixels, 'rgb'), (mask, labels, 'minisblack')):
            file.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(file, array, photometric=kind, tile=(32, 48))
    (tmp_path / 'classes.txt').write_text('one\ntwo\n')
    return tmp_path


def build(root, settings=TILES, **more):
    return MaskFolder(str(root), 'training', PIPELINE, reduce_zero_label=True, tiles=settings, **more)


def all_windows():
    return [Window(top, left, 64, 64) for top in (0, 48, 86) for left in (0, 48, 96, 144, 166)]


def classes_of(number, window):
    shown = set(np.unique(draw(number)[0][window.slices]).tolist()) - {0}
    return {label - 1 for label in shown}


def test_tiles_are_those_that_show_more_than_the_most_frequent_class(root, monkeypatch):
    lines = []
    monkeypatch.setattr('convnext_dense.data.tiles.print_log', lambda line, *_: lines.append(line))
    dataset = build(root)
    places = [(number, window) for number in range(2) for window in all_windows()]
    shown = {(number, *window) for number, window in places if classes_of(number, window) == {0, 1}}
    empty = {(number, *window) for number, window in places if classes_of(number, window) == {0}}
    table = dataset.tile_table
    assert {tuple(row) for row in table.shown.tolist()} == shown and len(shown) >= 2
    assert {tuple(row) for row in table.empty.tolist()} == empty and len(shown) + len(empty) < 30
    assert lines == [
        f'training: 2 images in {len(shown) + len(empty)} tiles of 64 x 64, of which {len(shown)} show something, '
        f'{table.empty_used} of the {len(empty)} empty ones in each epoch; '
        f'{30 - len(shown) - len(empty)} others without a labeled pixel are not used'
    ]
    assert [set(dataset.get_cat_ids(i)) for i in range(len(dataset))] == [{0, 1}] * len(shown) + [
        {0}
    ] * table.empty_used


def test_samples_are_the_windows_of_image_and_mask(root):
    dataset, table = build(root), build(root).tile_table
    moved = Counter()
    for seed in range(3):
        for index in range(len(dataset)):
            sample = dataset[index, sample_seed(seed, 0, index)]
            number = int(sample['path'][-5])
            labels, pixels = draw(number)
            window = sample['window']
            assert (sample['height'], sample['width']) == window.size == (64, 64) and sample['image_size'] == SIZE
            np.testing.assert_array_equal(sample['img'][..., ::-1], pixels[window.slices])
            expected = np.where(labels == 0, 255, labels - 1)[window.slices]
            np.testing.assert_array_equal(sample['gt_seg_map'], expected)
            assert {0, 1} <= set(np.unique(expected)) if index < len(table.shown) else (expected != 255).any()
            moved[window.top % 16, window.left % 16] += 1
    assert len(moved) > 5


def test_what_is_counted_is_kept_until_a_mask_changes(root, monkeypatch):
    build(root)
    read = []
    count = tiles._count
    monkeypatch.setattr(tiles, '_count', lambda *args: read.append(args) or count(*args))
    before = build(root).tile_table
    assert not read
    mask = next((root / 'annotations/training').glob('0.*'))
    labels = np.ones(SIZE, np.uint8)
    labels[100:110] = 2
    if mask.suffix == '.png':
        save(mask, labels)
    else:
        tifffile.imwrite(mask, labels, photometric='minisblack', tile=(32, 48))
    changed = build(root).tile_table
    assert len(read) == 2 and changed.shown.tolist() != before.shown.tolist()
    build(root, {**TILES, 'overlap': 0.5})
    assert len(read) == 4


def test_evaluation_reads_windows_of_whole_images(root):
    dataset = build(root, test_mode=True)
    assert len(dataset) == 2 and dataset.tile_table is None
    sample = dataset[1]
    info = sample['data_samples']
    assert sample['inputs'] == 'not read' and dataset.size_of(info) == SIZE
    labels = np.where(draw(1)[0] == 0, 255, draw(1)[0] - 1)
    for window in all_windows():
        np.testing.assert_array_equal(dataset.read_classes(info, window), labels[window.slices])
    np.testing.assert_array_equal(dataset.read_classes(info), labels)
    with dataset.open_whole(info) as image:
        np.testing.assert_array_equal(image.read(Window(3, 5, 20, 30)), draw(1)[1][3:23, 5:35])


def test_nothing_but_one_class_is_refused(root):
    with pytest.raises(
        UserError, match='nothing to learn from: training: 1 image in 12 tiles of 64 x 64, of which none'
    ):
        labels = np.ones(SIZE, np.uint8)
        labels[:, 150:] = 0
        for mask in (root / 'annotations/training').glob('0.*'):
            save(mask, labels)
        build(root, indices=1)


def test_large_masks_that_are_decoded_for_each_tile_are_named(root, monkeypatch):
    said = []
    monkeypatch.setattr('convnext_dense.data.tiles.print_log', lambda line, *_: said.append(line))
    monkeypatch.setattr('convnext_dense.data.tiles.LARGE_IMAGE', 1000)
    build(root)
    lines = [line for line in said if 'decoded as a whole' in line]
    if (root / 'annotations/training/0.tif').exists():
        assert not lines
    else:
        what = '2 large masks are decoded as a whole for each tile, which is slow and takes memory: 0.png, 1.png: save'
        assert len(lines) == 2 and lines[1].startswith(f'training: {what} them as TIFF in tiles')
