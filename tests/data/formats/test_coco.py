"""Reading COCO files as tools write them."""

import json

import pytest

from convnext_dense.data.detection.coco import read_coco, read_header
from convnext_dense.data.formats.base import Source
from convnext_dense.data.formats.coco import CocoFormat
from convnext_dense.errors import UserError
from tests.helpers import coco_files
from tests.helpers.drawn_truth import check_equals_drawn, check_trains_alike, class_names, drawn_images, write_coco


@pytest.mark.parametrize('masks', [True, False])
def test_a_coco_file_equals_what_is_drawn(tmp_path, drawn, masks):
    images = drawn_images(drawn, 'train')
    file = write_coco(tmp_path / 'a.json', images, class_names(drawn), masks)
    source = Source(file, drawn / 'coco/train2017')
    check_equals_drawn(source, images, masks)
    check_trains_alike(source, source, masks)
