"""The methods that a demo calls for every result, whatever it is of."""

import numpy as np
import pytest
from PIL import Image

from convnext_dense.results import Classification
from tests.results.conftest import HEIGHT, NAMES, WIDTH


@pytest.fixture
def classification(path) -> Classification:
    return Classification(path, np.eye(len(NAMES), dtype=np.float32)[1], NAMES)


def test_only_detections_have_scores_to_leave_out(classification, detection, segmentation):
    assert classification.above(1) is classification and segmentation.above(1) is segmentation
    assert len(detection.above(0.4).boxes) == 2


def test_only_segmentations_leave_a_file_beside_the_drawing(classification, detection, segmentation, tmp_path):
    classification.save_extra_files()
    detection.save_extra_files()
    segmentation.save_extra_files(tmp_path / 'labels.png')
    assert np.array_equal(np.asarray(Image.open(tmp_path / 'labels.png')), segmentation.labels)


def test_frames_of_one_size_give_drawings_of_one_size(classification, detection, segmentation):
    frame = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for result in (classification, detection):
        assert np.array_equal(result.draw_frame(frame), result.draw(image=frame))
    assert np.array_equal(segmentation.draw_frame(frame), segmentation.draw(image=frame, legend_rows=3))
