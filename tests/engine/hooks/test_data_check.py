"""The check of the data before the first step."""

import logging
import re
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import ConcatDataset

from convnext_dense.data.classification.dataset import ImageFolder
from convnext_dense.data.detection.dataset import CocoDataset
from convnext_dense.data.foreign import with_seeds
from convnext_dense.data.seen_sizes import SeenSizes
from convnext_dense.data.segmentation.dataset import MaskFolder
from convnext_dense.engine.hooks.data_check import (
    MAX_DECODED,
    DataCheck,
    check_bands,
    check_headers,
    check_same_classes,
    describe_dataset,
    measure_some,
)
from convnext_dense.errors import UserError
from convnext_dense.io.opening import AS_USUAL
from convnext_dense.models.segmentor import SegBandPreprocessor
from tests.helpers import coco_files
from tests.helpers.mask_folder import write_mask_folder

LOAD = [dict(type='convnext_dense.LoadImage')]


def test_coco(tmp_path):
    data = coco_files.content()
    data['categories'].append({'id': 50, 'name': 'gray'})
    file, folder = coco_files.write(tmp_path, data)
    dataset = CocoDataset(str(file), str(folder), LOAD)
    # red 2, green 1 and a crowd, blue 2, gray none
    assert describe_dataset(dataset) == (
        '4 images, 4 classes of 0 (gray) to 2 (red) objects to learn in the file; without an example: gray'
    )
    check_headers(dataset)
    Image.new('RGB', (coco_files.HEIGHT, coco_files.WIDTH)).save(folder / '001.png')
    with pytest.raises(
        UserError, match=r'001.png .it is 80 x 60, its annotations say 60 x 80, height x width.: .*--on-bad-image skip'
    ):
        check_headers(dataset)
    (folder / '001.png').write_bytes(b'')
    with pytest.raises(UserError, match=r'001.png .it has zero bytes'):
        check_headers(dataset)


@pytest.mark.parametrize(
    ('counts', 'expected'),
    [
        ([500], '500 images, 1 class (a) of 500 things'),
        ([250, 250], '500 images, 2 classes, each of 250 things'),
        ([1, 499], '500 images, 2 classes of 1 (a) to 499 (b) things'),
        ([0, 500], '500 images, 2 classes of 0 (a) to 500 (b) things; without an example: a'),
        ([0], '500 images, 1 class (a) of 0 things; without an example: a'),
    ],
)
def test_classes_of_the_same_number_are_not_a_range(counts, expected):
    sized = type('Sized', (SimpleNamespace,), {'__len__': lambda self: 500})
    dataset = sized(metainfo={'classes': 'abc'[: len(counts)]}, class_counts=counts, counted_units='things')
    assert describe_dataset(dataset) == expected


def test_masks(tmp_path, monkeypatch):
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))
    dataset = MaskFolder(str(write_mask_folder(tmp_path / 'data')), 'training', LOAD)
    assert describe_dataset(dataset) == '4 images, 5 classes'
    (tmp_path / 'data' / 'images' / 'training' / '03.png').unlink()
    with pytest.raises(UserError, match=r'03.png .No such file'):
        check_headers(dataset)


def deep_folder(root, dtype, high, count=10):
    rng = np.random.default_rng(0)
    for split in ('train', 'val'):
        for name in ('a', 'b'):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                Image.fromarray((rng.random((48, 64)) * high).astype(dtype)).save(root / split / name / f'{i}.tif')
    return root


def said_of(dataset, caplog, **sizes) -> list[tuple[str, str]]:
    """What the hook logs of a data set for training and validation, without the lines about its classes."""
    logger = logging.getLogger('data_check')
    loop = SimpleNamespace(dataloader=SimpleNamespace(dataset=dataset))
    with caplog.at_level(logging.INFO, 'data_check'):
        DataCheck(**sizes).before_train(SimpleNamespace(train_loop=loop, val_loop=loop, logger=logger))
    lines = [(record.levelname, record.getMessage()) for record in caplog.records]
    return [line for line in lines if not re.search(r'classes(, each)? of', line[1])]


def test_values_are_said_in_one_line_of_each_split(tmp_path, caplog):
    root = deep_folder(tmp_path, np.uint16, 4095)
    transform = dict(input_size=32)
    said = said_of(ImageFolder(str(root), 'train', transform), caplog, side=112, square=True)
    near_constant, enlarged, of_val = said
    assert near_constant[0] == of_val[0] == 'WARNING'
    assert near_constant[1].startswith(f'train: {MAX_DECODED} 16-bit images of {MAX_DECODED} near-constant: ')
    assert near_constant[1].endswith('--value-range 0 4095')
    assert enlarged[0] == 'INFO'
    assert 'enlarged 2.3 times' in enlarged[1] and '--image-size 48 48' in enlarged[1]
    caplog.clear()
    dataset = ImageFolder(str(root), 'train', transform, value_range=(0, 4095))
    levels = {level for level, _ in said_of(dataset, caplog)}
    assert levels == {'INFO'}
    black = ImageFolder(str(root), 'train', transform)
    assert dataset[0]['image'].std() > 0.3 > 0.2 > black[0]['image'].std()


def test_objects_that_come_out_small_are_said_for_training_alone(tmp_path, caplog):
    file, folder = coco_files.write(tmp_path, coco_files.content())  # 5 objects, and a crowd
    dataset = CocoDataset(str(file), str(folder), LOAD)
    [(level, line)] = said_of(dataset, caplog, seen=SeenSizes(((16, 20),)))
    assert level == 'WARNING'
    assert line.startswith(
        'train: images of 60 x 80 (height x width, the median of 4) are shrunk 4.0 times on average'
    )
    assert line.endswith(': --tile 64 trains and predicts on tiles at their own size')
    assert '80% of 5 objects come out under 8 pixels: the median object has 24.5 pixels a side, and 6.1 in' in line
    caplog.clear()
    assert said_of(dataset, caplog, seen=SeenSizes(((60, 80),))) == []


def test_an_ambiguous_range_stops_the_run_before_it_starts(tmp_path, caplog):
    root = deep_folder(tmp_path, np.int32, 4095, count=2)
    dataset = ImageFolder(str(root), 'train', dict(input_size=32))
    with pytest.raises(UserError, match=r'bad image .*0.tif \(integers of .* --value-range 0 4095'):
        said_of(dataset, caplog)
    dataset.on_bad_image = 'skip'
    assert measure_some(dataset) == []


def test_dense_data_sets_know_their_range(tmp_path, monkeypatch):
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))
    load = dict(type='convnext_dense.LoadImage', value_range=(0, 15))
    root = write_mask_folder(tmp_path / 'data')
    dataset = MaskFolder(str(root), 'training', [load])
    assert dataset.value_range == (0, 15)
    file = root / 'images' / 'training' / '00.png'
    levels = np.asarray(Image.open(file))
    expected = np.clip(levels * 17.0, 0, 255).astype(np.uint8)
    assert np.array_equal(dataset[0]['img'], expected[..., ::-1])
    assert {values.outside > 0 for _, values in measure_some(dataset)} == {True}
    assert MaskFolder(str(root), 'training', LOAD).value_range is None


def test_what_a_data_set_says_is_logged_once_in_training(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))
    dataset = MaskFolder(str(write_mask_folder(tmp_path / 'data')), 'training', LOAD)
    dataset.remarks.append((True, 'a class is absent'))
    lines = [(level, text.split(' (')[0]) for level, text in said_of(dataset, caplog)]
    assert lines.count(('INFO', 'label 0 of the masks is ignored')) == 1
    assert lines.count(('WARNING', 'a class is absent')) == 1


def test_the_classes_of_all_parts_are_compared():
    def part(*classes: str) -> SimpleNamespace:
        return SimpleNamespace(metainfo={'classes': classes})

    both = SimpleNamespace(datasets=[part('cat', 'dog'), part('dog', 'cat')])
    check_same_classes(part('cat', 'dog'), SimpleNamespace(datasets=[part('cat', 'dog')]))
    for training, validation in ((both, part('cat', 'dog')), (part('cat', 'dog'), both)):
        with pytest.raises(UserError, match='class 0 is cat in one part of the data and dog in another'):
            check_same_classes(training, validation)


def test_what_wrapped_data_sets_say_is_logged_once(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))
    parts = [MaskFolder(str(write_mask_folder(tmp_path / name)), 'training', LOAD) for name in 'ab']
    parts[0].remarks.append((True, 'a class is absent'))
    parts[1].remarks.append((True, 'another class is absent'))
    said = said_of(with_seeds(ConcatDataset([ConcatDataset([parts[0], parts[0]]), parts[1]])), caplog)
    lines = [(level, text.split(' (')[0]) for level, text in said]
    assert lines.count(('INFO', 'label 0 of the masks is ignored')) == 1
    assert lines.count(('WARNING', 'a class is absent')) == lines.count(('WARNING', 'another class is absent')) == 1


def bands_checked(folder, values, mean, std, caplog, on_bad_image='stop', **bands):
    """Check one image of bands against what a model normalizes with, and return what is logged."""
    np.save(folder / 'a.npy', values)
    used = dict(bands=(1, 2), stored_bands=values.shape[2], dtype=values.dtype.name) | bands
    methods = {'__len__': lambda _: 1, 'image': lambda *_: (str(folder / 'a.npy'), None)}
    dataset = type('Images', (), {**methods, 'on_bad_image': on_bad_image, 'opening': AS_USUAL})
    model = SimpleNamespace(data_preprocessor=SegBandPreprocessor(mean=mean, std=std, **used))
    caplog.clear()
    check_bands(dataset(), model, 'train', logging.getLogger())
    return [record.getMessage() for record in caplog.records]


def test_bands_are_checked_against_what_the_model_normalizes_with(tmp_path, caplog):
    values = np.random.default_rng(0).integers(0, 4096, (40, 50, 3)).astype(np.uint16)
    assert bands_checked(tmp_path, values, [2000.0] * 2, [1200.0] * 2, caplog) == []
    (line,) = bands_checked(tmp_path, values, [32000.0] * 2, [18900.0] * 2, caplog)
    assert line.startswith('train: 1 image of 1 near-constant after normalization: band ')
    assert 'the statistics have a mean of 32000 and a std of 18900: measure the statistics of these images' in line
    with pytest.raises(
        UserError, match=r'^train: 1 image of 1 far from the statistics .* a mean of 0.4 and a std of 0'
    ):
        bands_checked(tmp_path, values, [0.4] * 2, [0.2] * 2, caplog)
    for kind, message in (
        (dict(stored_bands=6), 'it has 3 bands of uint16, and mean and std are of images with 6 bands of uint16'),
        (dict(dtype='uint8'), 'it has 3 bands of uint16, and mean and std are of images with 3 bands of uint8'),
        (dict(bands=(1, 4), stored_bands=None), '--bands 1,4: there is no band 4, since it has bands 1 to 3'),
    ):
        with pytest.raises(UserError, match=f'^bad image .*a.npy .{message}'):
            bands_checked(tmp_path, values, [2000.0] * 2, [1200.0] * 2, caplog, **kind)
    assert bands_checked(tmp_path, values, [2000.0] * 2, [1200.0] * 2, caplog, 'skip', dtype='uint8') == []


def test_of_tiled_images_a_part_is_measured(tmp_path, monkeypatch):
    """The images themselves may be too large to be decoded."""
    data = coco_files.content()
    for number, image in enumerate(data['images']):
        image['file_name'] = f'{number}.tif'
    file, folder = coco_files.write(tmp_path, data)
    tiles = dict(size=32, overlap=0)

    def build(**load):
        steps = [dict(LOAD[0], max_pixels=5, **load)]
        return CocoDataset(annotations=str(file), images=str(folder), pipeline=steps, tiles=tiles)

    dataset = build()
    table = dataset.tile_table
    assert describe_dataset(dataset).startswith(f'{len(table)} tiles of 4 images, 3 classes of ')
    assert [header.size for header in check_headers(dataset)] == [(60, 80), (60, 80), (80, 60), (60, 80)]
    for (path, values), image in zip(measure_some(dataset), data['images'], strict=True):
        height, width = image['height'], image['width']
        top, left = (height - 32) // 2, (width - 32) // 2
        middle = np.asarray(Image.open(path))[top : top + 32, left : left + 32]
        assert values.levels == (middle.min(), middle.max())
    for path in folder.iterdir():
        Image.fromarray(np.asarray(Image.open(path).convert('F'))).save(path)
    with pytest.raises(UserError, match=r'0.tif \(its values are float32, of which windows are read'):
        measure_some(build())
