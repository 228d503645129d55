"""RLEs of masks, to the byte those of pycocotools."""

import tracemalloc

import numpy as np
import pytest
import torch
from pycocotools import mask as rle

from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.results.rle import decode_mask, encode_crops, encode_masks
from convnext_dense.tiling.tile_objects import MaskCrop


def test_no_masks_are_no_rles():
    assert encode_masks(np.zeros((0, 4, 5), bool)) == []


def test_many_masks_in_any_layout_are_what_they_were():
    many = np.random.default_rng(0).random((19, 5, 7)) < 0.5
    decoded = rle.decode([{**mask, 'counts': mask['counts'].encode()} for mask in encode_masks(many[:, ::-1])])
    assert np.array_equal(decoded.transpose(2, 0, 1), many[:, ::-1])


def odd_masks() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    masks = {f'{h} x {w}': rng.random((6, h, w)) < 0.5 for h, w in ((1, 1), (1, 9), (9, 1), (2, 2), (5, 7), (40, 33))}
    masks |= {'empty': np.zeros((2, 4, 5), bool), 'full': np.ones((2, 4, 5), bool)}
    masks['every pixel alone'] = np.eye(20, dtype=bool).reshape(20, 4, 5)
    masks['every column alone'] = np.eye(5, dtype=bool)[:, None].repeat(4, 1)
    masks['every row alone'] = np.eye(4, dtype=bool)[:, :, None].repeat(5, 2)
    masks['more than 255'] = rng.random((300, 3, 4)) < 0.5
    masks['more than 65535 pixels'] = (np.mgrid[:300, :400].sum(0) % 250 < 120)[None]
    masks['column order'] = np.asfortranarray(masks['5 x 7'])
    masks['mirrored'] = masks['5 x 7'][::-1, ::-1, ::-2]
    masks['turned'] = masks['5 x 7'].transpose(0, 2, 1)
    masks['one for all'] = np.broadcast_to(masks['5 x 7'][0], (3, 5, 7))
    return masks


@pytest.mark.parametrize(('kind', 'masks'), odd_masks().items(), ids=odd_masks().keys())
def test_rles_are_those_of_pycocotools_to_the_byte(kind, masks):
    one_by_one = [rle.encode(np.asfortranarray(mask, dtype=np.uint8)) for mask in masks]
    expected = [{'size': m['size'], 'counts': m['counts'].decode()} for m in one_by_one]
    assert encode_masks(masks) == expected
    assert encode_masks(torch.from_numpy(masks.copy())) == expected


def test_masks_in_all_forms_of_coco_files_are_decoded():
    expected = np.zeros((4, 6), bool)
    expected[1:3, 2:5] = True
    (compressed,) = encode_masks(expected[None])
    runs = {'size': [4, 6], 'counts': [9, 2, 2, 2, 2, 2, 5]}
    for mask in (compressed, runs, [[2, 1, 5, 1, 5, 3, 2, 3]], [[2, 1, 4, 1, 4, 3, 2, 3], [4, 1, 5, 1, 5, 3, 4, 3]]):
        assert np.array_equal(decode_mask(mask, ImageSize(4, 6)), expected)


@pytest.mark.parametrize(('kind', 'masks'), odd_masks().items(), ids=odd_masks().keys())
def test_rles_of_crops_are_those_of_the_whole_masks(kind, masks):
    size = ImageSize(*masks.shape[1:])
    assert encode_crops([MaskCrop.of(mask) for mask in masks], size) == encode_masks(masks)
    whole = [MaskCrop(0, 0, mask) for mask in masks]
    assert encode_crops(whole, size) == encode_masks(masks), 'crops need not be tight'


def test_rles_of_crops_take_the_memory_of_the_crops():
    size, crop = ImageSize(60_000, 60_000), MaskCrop(40_000, 59_990, np.ones((20, 10), bool))
    tracemalloc.start()
    (encoded,) = encode_crops([crop], size)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000 and rle.area(encoded) == 200 and rle.toBbox(encoded).tolist() == [59_990, 40_000, 10, 20]
    with pytest.raises(UserError, match=r'the image has 70000 x 70000 pixels, .* 4,294,967,295 at most: cut it'):
        encode_crops([crop], ImageSize(70_000, 70_000))
