"""Near-constant, clipped and scaled images, and those that the network enlarges."""

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data.check import NOTE, PROBLEM, WARNING, check_dataset
from convnext_dense.data.check.values import find_enlarged, find_value_faults
from convnext_dense.data.classification.check import read_image_folder
from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.images import ImageValues, measure_values, open_image
from convnext_dense.io.value_range import ValueRange

RNG = np.random.default_rng(0)
SHARES = RNG.random((20, 30))
EIGHT = (SHARES * 255).astype(np.uint8)


def measured(tmp_path, images, value_range=None) -> list[tuple[str, ImageValues]]:
    found = []
    for number, pixels in enumerate(images):
        file = tmp_path / f'{number}.tif'
        Image.fromarray(pixels).save(file)
        with open_image(file) as image:
            found.append((file.name, measure_values(image, value_range)))
    return found


@pytest.mark.parametrize(
    ('images', 'value_range', 'level', 'said', 'fix'),
    [
        ([(SHARES * 4095).astype(np.uint16)], None, PROBLEM, '1 16-bit image of 1 near-constant: ', '0 4095'),
        ([(SHARES * 1023).astype(np.uint16)] * 2, None, PROBLEM, '2 16-bit images of 2 near-constant: ', '0 1023'),
        ([(SHARES * 0.04).astype(np.float32)], None, PROBLEM, '1 float image of 1 near-constant: ', '0 0.04'),
        ([(SHARES * 16383).astype(np.uint16)], None, WARNING, '1 16-bit image of 1 dark: ', '0 16383'),
        ([(SHARES * 15).astype(np.uint8)] * 2 + [EIGHT], None, PROBLEM, '2 8-bit images of 3 near-constant: ', '0 15'),
        ([(SHARES * 4095).astype(np.uint16)], (0, 255), PROBLEM, '1 16-bit image of 1 clipped: ', '0 4095'),
        ([(SHARES - 20).astype(np.float32)], (0, 1), PROBLEM, '1 float image of 1 clipped: ', '-20 -19'),
        ([EIGHT], (0, 4095), PROBLEM, '1 8-bit image of 1 near-constant: ', '0 255'),
        ([SHARES.astype(np.float32)], None, NOTE, '1 float image of 1, in which 0 to 1 become', ''),
        ([(SHARES * 4095).astype(np.uint16)], (0, 4095), NOTE, '1 16-bit image of 1, in which 0 to 4095 become', ''),
        ([(SHARES * 65535).astype(np.uint16)], None, NOTE, '1 16-bit image of 1, in which 0 to 65535 become', ''),
        ([(SHARES * 4000 - 2000).astype(np.float32)], (-1000, 1500), NOTE, 'in which -1000 to 1500 become', ''),
    ],
)
def test_what_becomes_of_the_values(tmp_path, images, value_range, level, said, fix):
    value_range = ValueRange(*value_range) if value_range else None
    [finding] = find_value_faults('train', measured(tmp_path, images, value_range))
    assert (finding.level, finding.split) == (level, 'train')
    assert said in finding.message
    assert ('--value-range ' + fix in finding.fix) if level != NOTE else not finding.fix


def test_usual_images_are_not_named(tmp_path):
    blank = np.full((20, 30), 7, np.uint8)  # as an empty page: no range fixes it
    dark = (SHARES * 10).astype(np.uint8)
    assert not list(find_value_faults('train', measured(tmp_path, [EIGHT, EIGHT, dark, blank, blank, blank])))
    assert not list(find_value_faults('train', []))


@pytest.mark.parametrize(('depth', 'problems'), [(np.uint8, 0), (np.uint16, 2), (np.int32, 2)])
def test_a_folder_is_checked_as_it_is_trained(tmp_path, depth, problems):
    for split in ('train', 'val'):
        for number, name in enumerate('ab'):
            (tmp_path / split / name).mkdir(parents=True)
            pixels = (RNG.random((40, 40)) * (255 if depth == np.uint8 else 4095)).astype(depth)
            Image.fromarray(pixels).save(tmp_path / split / name / f'{number}.tif')
    sources = {split: {'root': str(tmp_path), 'split': split} for split in ('train', 'val')}
    data = read_image_folder(sources)
    found = check_dataset(data, 1).findings
    assert sum(finding.level == PROBLEM for finding in found) == problems
    if depth == np.int32:
        assert 'whose values can mean several ranges' in found[0].message
        assert '--value-range 0 4095' in found[0].items[0]
    data.value_range = ValueRange(0, 255 if depth == np.uint8 else 4095)
    assert not [finding for finding in check_dataset(data, 1).findings if finding.level == PROBLEM]


def test_images_that_are_enlarged():
    sizes = [ImageSize(240, 320)] * 3 + [ImageSize(480, 640)]
    [finding] = find_enlarged('train', sizes, 640, False)
    assert 'images of 240 x 320 (height x width, the median of 4) are enlarged 2.7 times' in finding.message
    assert finding.fix.startswith('--image-size 240 320 ')
    [finding] = find_enlarged('train', [ImageSize(28, 40)], 224, True)
    assert finding.fix.startswith('--image-size 32 32 ')
    for side in (320, None):
        assert not list(find_enlarged('train', sizes, side, False))
    assert not list(find_enlarged('train', [], 640, False))
    assert not list(find_enlarged('train', [ImageSize(480, 640)], 640, False))  # COCO, by its recipe
