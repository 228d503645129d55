"""The detector: views of an image are merged in its own coordinates."""

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from convnext_dense.models.detector import DetectorTTA


def test_a_flipped_view_is_turned_back():
    """A view that sees the mirror image finds, turned back, what the upright one found; one of each pair stays."""

    class Detector(torch.nn.Module):
        def test_step(self, data: dict) -> list[DetDataSample]:
            for sample, image in zip(data['data_samples'], data['inputs'], strict=True):
                rows, columns = image[0].nonzero().T
                box = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]).float()
                found = InstanceData(bboxes=box[None], scores=torch.tensor([0.5]), labels=torch.tensor([2]))
                found.masks = image[:1] > 0
                sample.pred_instances = found
            return data['data_samples']

    image = torch.zeros(3, 6, 10)
    image[:, 1:4, 2:5] = 1
    inputs, samples = [[image], [image.flip(-1)]], []
    for flip in (None, 'horizontal'):
        meta = dict(flip=flip is not None, flip_direction=flip, ori_shape=(6, 10))
        samples.append([DetDataSample(metainfo=meta)])
    tta = DetectorTTA(Detector(), nms=dict(type='nms', iou_threshold=0.5), max_per_img=100)
    (merged,) = tta.test_step(dict(inputs=inputs, data_samples=samples))
    assert merged.pred_instances.bboxes.tolist() == [[2, 1, 5, 4]]
    assert torch.equal(merged.pred_instances.masks[0], image[0] > 0)
    assert merged.pred_instances.labels.tolist() == [2]
