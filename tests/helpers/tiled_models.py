"""Networks that see perfectly what the pixels of a tile say, in the form of mmdet's and mmseg's models."""

from types import SimpleNamespace

import numpy as np
import torch
from mmengine.structures import BaseDataElement, InstanceData, PixelData

from convnext_dense.io.mask_box import box_around

CLASSES = 3


def pack(results):
    """The end of a pipeline: nothing is resized."""
    image = torch.from_numpy(np.ascontiguousarray(results['img'])).permute(2, 0, 1)
    return {'inputs': image, 'data_samples': BaseDataElement(metainfo={'ori_shape': results['ori_shape']})}


def as_image(numbers):
    """An RGB image whose pixels are numbers up to 255."""
    return np.repeat(numbers.astype(np.uint8)[..., None], 3, axis=2)


class Seeing:
    """What all of them have: the sizes of the batches, and a data sample for each image."""

    def __init__(self):
        self.batches, self.test_cfg = [], {}

    def test_step(self, data):
        assert not torch.is_grad_enabled()
        self.batches.append([tuple(image.shape[1:]) for image in data['inputs']])
        pairs = zip(data['inputs'], data['data_samples'], strict=True)
        return [self.see(image[0].long().numpy(), sample) for image, sample in pairs]


class Detector(Seeing):
    """Objects are the pixels of equal numbers but 0; the class is the number modulo 3."""

    def __init__(self, with_masks=True, with_boxes=True):
        super().__init__()
        self.with_masks, self.with_boxes = with_masks, with_boxes

    def see(self, numbers, sample):
        found = [number for number in np.unique(numbers).tolist() if number]
        masks = np.array([numbers == number for number in found], bool).reshape(-1, *numbers.shape)
        boxes = [box_around(mask) for mask in masks] if self.with_boxes else np.zeros((len(found), 4))
        objects = InstanceData(
            bboxes=torch.tensor(np.array(boxes).reshape(-1, 4), dtype=torch.float32),
            scores=torch.tensor([0.5 + number / 1000 for number in found]),
            labels=torch.tensor([float(number % CLASSES) for number in found]),  # as of some heads without objects
        )
        if self.with_masks:
            objects.masks = torch.from_numpy(masks)
        sample.set_data({'pred_instances': objects})
        return sample


class Segmentor(Seeing):
    """The class of a pixel is its number; of one channel, the number is the probability in 255ths."""

    def __init__(self, channels=CLASSES, threshold=None):
        super().__init__()
        self.out_channels, self.decode_head = channels, SimpleNamespace(threshold=threshold)

    def see(self, numbers, sample):
        assert self.test_cfg['keep_logits']
        scores = torch.from_numpy(numbers)[None].float() / 255
        if self.out_channels > 1:
            scores = torch.from_numpy(np.eye(self.out_channels, dtype=np.float32)[numbers]).permute(2, 0, 1)
        sample.set_data({'seg_logits': PixelData(data=scores)})
        return sample


class Panoptic(Seeing):
    """Numbers from 10 on are things of class number modulo 2, smaller ones stuff of classes 2 to 4, 0 is nothing."""

    things, classes = 2, 5

    def __init__(self):
        super().__init__()
        self.panoptic_fusion_head = SimpleNamespace(num_things_classes=self.things, num_classes=self.classes)

    def see(self, numbers, sample):
        segments = np.full(numbers.shape, self.classes)
        for place, number in enumerate(np.unique(numbers).tolist()):
            if number:
                kind = number % self.things + 1000 * place if number >= 10 else self.things + number - 1
                segments[numbers == number] = kind
        sample.set_data({'pred_panoptic_seg': PixelData(sem_seg=torch.from_numpy(segments)[None].int())})
        return sample
