"""RLEs of masks, to the byte those of pycocotools."""

import numpy as np
import pytest
import torch
from pycocotools import mask as rle

from convnext_dense.results.rle import decode_mask, encode_masks


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
        assert np.array_equal(decode_mask(mask, (4, 6)), expected)
