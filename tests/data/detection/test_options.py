"""Options that messages about COCO files name."""

from convnext_dense.config.read import read_config
from convnext_dense.data.detection.options import boxes_alone, for_each_data_set, to_learn_boxes, without_masks

LOAD = dict(type='mmdet.LoadAnnotations', with_bbox=True, with_mask=True)


def test_a_setting_for_each_data_set():
    options = for_each_data_set('box_format=xyxy').split()
    assert options == ['--cfg-options', *(f'{s}_dataloader.dataset.box_format=xyxy' for s in ('train', 'val', 'test'))]


def test_the_step_that_loads_masks_is_named_by_its_place():
    nested = [dict(type='LoadImage'), dict(type='RandomApply', transforms=[dict(type='Flip'), LOAD])]
    assert without_masks(nested).endswith(' train_dataloader.dataset.pipeline.1.transforms.1.with_mask=False')
    switched_off = [dict(type='mmdet.LoadAnnotations', with_bbox=True)]
    assert without_masks(switched_off).endswith('.pipeline.0.with_mask=False')
    assert boxes_alone([LOAD]).startswith('--cfg-options model.roi_head.mask_head=None model.roi_head.mask_roi_extr')
    assert without_masks([LOAD]) in to_learn_boxes([LOAD]) and boxes_alone([LOAD]) in to_learn_boxes([LOAD])


def test_the_options_leave_the_masks_of_a_packaged_config_out():
    cfg = read_config('configs/det/cascade_convnext_a_coco.py', needs_data=False)
    options = boxes_alone(cfg.train_dataloader.dataset.pipeline).split()[1:]
    assert options[-1] == 'train_dataloader.dataset.pipeline.1.with_mask=False'
    changed = read_config('configs/det/cascade_convnext_a_coco.py', options=_values(options), needs_data=False)
    assert changed.train_dataloader.dataset.pipeline[1].with_mask is False
    assert changed.model.roi_head.mask_head is None and changed.model.roi_head.mask_roi_extractor is None


def _values(options: list[str]) -> dict:
    return {key: {'None': None, 'False': False}[value] for key, value in (option.split('=') for option in options)}
