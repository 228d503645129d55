"""Reading image folders for a check."""

from pathlib import Path

import pytest

from convnext_dense.data.check import PROBLEM
from convnext_dense.errors import NoData
from tests.conftest import write_image_folder
from tests.helpers.checked_images import checked_images
from tests.helpers.findings import found


@pytest.fixture
def images(tmp_path) -> Path:
    return write_image_folder(tmp_path / 'images', train=4, val=2)


def test_a_good_image_folder(images):
    checked = checked_images(images)
    assert checked.findings == []
    assert checked.data.classes == ['blue', 'green', 'red']
    assert [counts.units.tolist() for counts in checked.class_counts] == [[4, 4, 4], [2, 2, 2]]
    one = checked.scans[0][0]
    path = images / 'train' / 'blue' / '00.jpg'
    assert (one.header.size, one.header.mode, one.header.format) == ((48, 48), 'RGB', 'JPEG')
    assert one.file_size == path.stat().st_size


def test_class_folders_that_do_not_fit_are_problems(images):
    (images / 'train' / 'azure').mkdir()
    (images / 'train' / 'brown').mkdir()
    assert found(checked_images(images), PROBLEM) == {'train: 2 class folders that hold no images': ['azure', 'brown']}
    (images / 'val' / 'yellow').mkdir()
    [problem] = [f.message for f in checked_images(images).findings if f.level == PROBLEM]
    assert 'val/yellow is a class that' in problem


def test_an_empty_folder_is_no_data(images, tmp_path):
    for path in images.glob('val/*/*'):
        path.unlink()
    with pytest.raises(NoData, match='val holds no images'):
        checked_images(images)
    with pytest.raises(NoData, match='no data at'):
        checked_images(tmp_path / 'nothing')
