"""Label maps in files give what those in memory do."""

import dataclasses

import numpy as np
import pytest

from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.tiff_file import write_tiff
from convnext_dense.results import LabelMapFile, label_map
from tests.results.conftest import HEIGHT, NAMES, WIDTH


@pytest.fixture(params=[(0, np.uint8), (1, np.uint8), (1, np.uint16)])
def both(request, segmentation, tmp_path):
    """A segmentation without unlabeled pixels, as predictions are, and the same in a file."""
    first_label, dtype = request.param
    labels = np.where(segmentation.labels == 255, 0, segmentation.labels)
    segmentation = dataclasses.replace(segmentation, labels=labels, first_label=first_label)
    numbers = labels.astype(dtype) + first_label
    write_tiff(tmp_path / 'labels.tif', lambda w: numbers[w.slices], ImageSize.of(labels), np.dtype(dtype))
    of = (segmentation.path, tmp_path / 'labels.tif', NAMES, segmentation.colors, first_label)
    return segmentation, LabelMapFile.of(*of)


def test_entries_and_drawings_are_the_same(both, monkeypatch):
    monkeypatch.setattr(label_map, 'ROWS', 100)
    in_memory, in_file = both
    assert in_file.as_json() == in_memory.as_json()
    assert np.array_equal(in_file.draw(), in_memory.draw())
    shrunk = [dataclasses.replace(result, drawn_side=299) for result in both]
    drawn = [result.draw() for result in shrunk]
    assert np.array_equal(*drawn) and drawn[0].shape[1] == WIDTH


def test_shares_in_the_legend_are_of_all_pixels(segmentation, monkeypatch):
    """Not of those that a shrunk drawing shows: here, of every third row and column."""
    from convnext_dense.results import drawing

    texts = []
    monkeypatch.setattr(drawing, '_write', lambda draw, place, text, *_: texts.append(text))
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    labels[0::3] = 1
    dataclasses.replace(segmentation, labels=labels, drawn_side=299).draw()
    assert texts == ['bird  66.5%', 'boat  33.5%']
