"""The files that configs are made of: each whole and of one subject, one level deep, none left over."""

from pathlib import Path

import pytest
from mmengine.config import Config

from convnext_dense.config.find import packaged_configs
from convnext_dense.config.sample import OF_BANDS
from convnext_dense.config.source import Source
from convnext_dense.tasks import TASKS

CONFIGS = Path(__file__).parents[2] / 'configs'
BASES = sorted(path.relative_to(CONFIGS / '_base_').as_posix() for path in (CONFIGS / '_base_').rglob('*.py'))
# the bases that have a base themselves
HAVE_A_BASE = {
    'models/light_cascade_mask_rcnn.py': ['models/cascade_mask_rcnn.py'],
    # detectors without masks, which leave out a head
    'models/cascade_rcnn.py': ['models/cascade_mask_rcnn.py'],
    'models/light_cascade_rcnn.py': ['models/light_cascade_mask_rcnn.py'],
    'models/faster_rcnn.py': ['models/mask_rcnn.py'],
    'models/light_faster_rcnn.py': ['models/mask_rcnn.py'],
    'models/light_dino.py': ['models/dino.py'],
    # COCO with other augmentation
    'datasets/coco_detr.py': ['datasets/coco.py'],
    'datasets/coco_lsj.py': ['datasets/coco.py'],
    'datasets/coco_mosaic.py': ['datasets/coco.py'],
    # fewer classes, and light heads
    'models/mask2former_instances.py': ['models/mask2former.py'],
    'models/light_mask2former.py': ['models/mask2former.py'],
    'models/light_mask2former_instances.py': ['models/light_mask2former.py'],
    'models/light_mask2former_segmentor.py': ['models/mask2former_segmentor.py'],
    # hooks and the log count epochs or steps as the schedule does: two files can't both set parts of one dict
    'schedules/imagenet_300_epochs.py': ['runtime.py'],
    'schedules/fcmae_1600_epochs.py': ['runtime.py'],
    'schedules/coco_3x.py': ['runtime.py'],
    'schedules/coco_12_epochs.py': ['runtime.py'],
    'schedules/coco_100_epochs.py': ['runtime.py'],
    'schedules/ade20k_40k.py': ['runtime.py'],
    'schedules/coco_50_epochs.py': ['runtime.py'],
    'schedules/ade20k_160k.py': ['runtime.py'],
    'schedules/ade20k_160k_poly09.py': ['runtime.py'],
}


def bases(source: Source) -> list[str]:
    return [base.file.relative_to(CONFIGS).as_posix().removeprefix('_base_/') for base in source.bases]


@pytest.mark.parametrize('name', [name for name in BASES if not name.startswith('sample/')])
def test_a_base_has_no_base_of_its_own(name):
    assert bases(Source(CONFIGS / '_base_' / name)) == HAVE_A_BASE.get(name, [])


def test_a_recipe_is_a_data_set_a_model_and_a_schedule():
    recipes = 0
    for file in packaged_configs().values():
        found = bases(Source(file.resolve()))
        if len(found) > 1:
            assert [base.split('/')[0] for base in found] == ['datasets', 'models', 'schedules'], file
            recipes += 1
        else:  # a diff of another config
            assert not found[0].startswith(('datasets/', 'models/', 'schedules/', 'runtime')), file
    assert recipes == 25


def test_every_base_is_in_use():
    used = {f'_base_/sample/{task.adaptation.sample}' for task in TASKS.values() if task.adaptation}
    used |= {OF_BANDS, *(task.large_settings for task in TASKS.values())}
    for file in packaged_configs().values():
        source = Source(file.resolve())
        settings = Source(CONFIGS / source.value('sample_settings'))
        used |= {path.relative_to(CONFIGS).as_posix() for path in (*source.files(), *settings.files())}
    assert {f'_base_/{name}' for name in BASES} <= used


def test_the_detectors_have_in_common_what_their_heads_share():
    """Both files are whole, to be read from top to bottom; they must not drift apart."""
    plain, cascade = (
        Config.fromfile(CONFIGS / '_base_' / 'models' / f'{name}.py').model.to_dict()
        for name in ('mask_rcnn', 'cascade_mask_rcnn')
    )
    for model in (plain, cascade):
        del model['type'], model['rpn_head']['loss_bbox'], model['train_cfg']['rcnn']
        del model['train_cfg']['rpn']['allowed_border'], model['train_cfg']['rpn_proposal']['max_per_img']
        for key in ('type', 'bbox_head', 'num_stages', 'stage_loss_weights'):
            model['roi_head'].pop(key, None)
    assert plain == cascade


def test_the_two_sizes_of_ade20k_differ_in_sizes_alone():
    small, large = ((CONFIGS / '_base_' / 'datasets' / f'ade20k{end}.py').read_text() for end in ('', '_640'))
    for of_512, of_640 in (
        ('(2048, 512)', '(2560, 640)'),
        ('(512, 512)', '(640, 640)'),
        ('(256, 384, 512, 640, 768, 896)', '(320, 480, 640, 800, 960, 1120)'),
        ('512 pixels', '640 pixels'),
    ):
        small = small.replace(of_512, of_640)
    assert small == large
