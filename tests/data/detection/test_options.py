"""Options and configs that messages about COCO files name."""

import re

from convnext_dense.config.find import packaged_configs
from convnext_dense.config.option_value import parse_value
from convnext_dense.config.read import read_config
from convnext_dense.data.detection.options import BOXES_ALONE, FOR_BOXES, for_each_data_set


def test_a_setting_for_each_data_set():
    options = for_each_data_set('box_format=xyxy').split()
    assert options == ['--cfg-options', *(f'{s}_dataloader.dataset.box_format=xyxy' for s in ('train', 'val', 'test'))]


def test_the_option_leaves_the_masks_of_a_packaged_config_out():
    flag, option = BOXES_ALONE.split()
    key, value = option.split('=')
    assert flag == '--cfg-options'
    changed = read_config('configs/det/cascade_convnext_a_coco.py', {key: parse_value(value)}, needs_data=False)
    assert changed.train_dataloader.dataset.pipeline[1].with_mask is False
    assert changed.model.roi_head.mask_head is None and changed.model.roi_head.mask_roi_extractor is None


def test_the_config_for_boxes_exists():
    (name,) = re.findall(r'configs/\S+\.py', FOR_BOXES)
    assert name in packaged_configs()
    assert read_config(name, needs_data=False).model.roi_head.mask_head is None
