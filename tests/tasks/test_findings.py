from convnext_dense.diagnosis.records import DetectedImage
from convnext_dense.tasks.diagnosed_images import detected
from convnext_dense.tasks.findings import have_masks
from tests.tasks.test_diagnosed_images import detector_outputs


def records(masks: bool) -> list[DetectedImage]:
    return [detected(output).record for output in detector_outputs(masks, count=4)]


def test_masks_are_measured_where_the_metric_does():
    with_masks, boxes_only = records(True), records(False)
    assert have_masks(with_masks)
    assert not have_masks(boxes_only)
    assert not have_masks([])
    assert not have_masks([*with_masks, *boxes_only])
