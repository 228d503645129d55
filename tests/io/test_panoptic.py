"""Panoptic ground truth from PNG files."""

import numpy as np
import pytest
from PIL import Image

from convnext_dense.io.color_masks import BadLabels
from convnext_dense.io.panoptic import colors_of_ids, id_of_color, read_segment_ids, read_segments


@pytest.fixture
def ids():
    """Ids that need one, two and three colors."""
    return np.random.default_rng(0).choice([0, 7, 300, 70_000, (1 << 24) - 1], (6, 9))


@pytest.fixture
def png(tmp_path, ids):
    colors = np.stack([ids & 255, ids >> 8 & 255, ids >> 16], axis=2).astype(np.uint8)
    Image.fromarray(colors).save(tmp_path / 'a.png')
    return str(tmp_path / 'a.png')


def truth(png: str, *numbers: int, **others) -> dict:
    segments = [{'id': number, 'label': place, 'iscrowd': 0, 'area': 1} for place, number in enumerate(numbers)]
    return {'segments_file': png, 'segments': segments, **others}


def test_ids_count_red_first(png, ids):
    found = read_segment_ids(png)
    np.testing.assert_array_equal(found, ids)
    assert found.dtype == np.int32


def test_areas_are_those_of_the_pixels(png, ids):
    found, segments = read_segments(truth(png, 7, 300, 70_000, (1 << 24) - 1, 5, size=(6, 9)))
    np.testing.assert_array_equal(found, ids)
    assert [one['area'] for one in segments] == [(ids == one['id']).sum() for one in segments]
    assert segments[4]['area'] == 0 and [one['label'] for one in segments] == [0, 1, 2, 3, 4]


def test_segments_are_joined_to_others_or_become_void(png, ids):
    found, segments = read_segments(truth(png, 7, 70_000, replaced={300: 7, (1 << 24) - 1: 0}))
    np.testing.assert_array_equal(found, np.where(ids == 300, 7, np.where(ids == (1 << 24) - 1, 0, ids)))
    assert [one['area'] for one in segments] == [np.isin(ids, (7, 300)).sum(), (ids == 70_000).sum()]


def test_files_that_do_not_fit_are_refused(png, ids):
    missing = int(np.isin(ids, (300, 70_000)).sum())
    with pytest.raises(
        BadLabels, match=rf'a.png \(with segments that the JSON file lacks: {missing} pixels of 300, 7'
    ):
        read_segments(truth(png, 7, (1 << 24) - 1))
    with pytest.raises(BadLabels, match=r'a.png \(of another size than its image: 6 x 9, annotations: 9 x 6\)$'):
        read_segments(truth(png, 7, 300, 70_000, (1 << 24) - 1, size=(9, 6)))


def test_ids_are_written_as_the_colors_that_are_read(png, ids):
    colors = colors_of_ids(ids)
    np.testing.assert_array_equal(colors, np.asarray(Image.open(png)))
    assert [id_of_color(color) for color in colors.reshape(-1, 3)] == ids.ravel().tolist()
