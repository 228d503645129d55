"""Sizes of images in detectors' configs, where several steps state one."""

from convnext_dense.config.read import read_config
from convnext_dense.io.image_size import ImageSize
from convnext_dense.tasks import task_of
from convnext_dense.tasks.pipelines import kind_of, mean_side, steps_of
from tests.helpers.small_models import ROOT


def sizes(part: object) -> list[tuple[str, tuple]]:
    keys = ('scale', 'img_scale', 'crop_size', 'size')
    return [(kind_of(step), tuple(step[key])) for step in steps_of(part) for key in keys if step.get(key)]


def test_one_size_sets_mosaics_crops_and_pads_of_all_pipelines():
    cfg = read_config('configs/det/rtmdet_convnext_t_coco.py', needs_data=False)
    task_of(cfg).set_image_size(cfg, ImageSize(320, 320))
    assert sizes(cfg.train_dataloader.dataset) == [
        ('Mosaic', (320, 320)),
        ('RandomResize', (640, 640)),
        ('RandomCrop', (320, 320)),
        ('Pad', (320, 320)),
        ('MixUp', (320, 320)),
    ]
    assert sizes(cfg.custom_hooks) == [('RandomResize', (320, 320)), ('RandomCrop', (320, 320)), ('Pad', (320, 320))]
    assert sizes(cfg.test_dataloader.dataset) == [('Resize', (320, 320)), ('Pad', (320, 320))]
    views = [('Resize', (side, side)) for side in (320, 160, 480)]
    assert sizes(cfg.tta_pipeline) == [*views, ('Pad', (480, 480))]


def test_images_that_are_not_square_are_padded_to_squares_of_their_longer_side():
    cfg = read_config('configs/det/rtmdet_convnext_t_coco.py', needs_data=False)
    task_of(cfg).set_image_size(cfg, ImageSize(320, 480))
    assert sizes(cfg.test_dataloader.dataset) == [('Resize', (320, 480)), ('Pad', (480, 480))]
    assert sizes(cfg.train_dataloader.dataset)[2:] == [
        ('RandomCrop', (320, 320)),
        ('Pad', (320, 320)),
        ('MixUp', (320, 320)),
    ]


def test_the_images_of_a_mosaic_are_half_as_large_as_it():
    cfg = read_config('configs/det/rtmdet_convnext_t_coco.py', needs_data=False)
    assert mean_side(cfg) == 0.5 * 1280 * (0.1 + 2.0) / 2


def test_batches_are_padded_no_further_than_the_sample_s_images(tmp_path):
    pad = dict(type='mmdet.BatchFixedSizePad', size=(1024, 1024), img_pad_value=0)
    file = tmp_path / 'own.py'
    base = f'_base_ = {str(ROOT / "configs/det/mask2former_convnext_t_coco.py")!r}\n'
    own = f'model = dict(data_preprocessor=dict(batch_augments=[{pad!r}]))\n'
    for sample, size in (("'convnext_dense::_base_/sample/any_detector.py'", (320, 320)), (None, (1024, 1024))):
        file.write_text(base + own + f'sample_settings = {sample}\n')
        data = 'sample' if sample else None
        cfg = read_config(str(file), data=data, needs_data=False)
        assert tuple(cfg.model.data_preprocessor.batch_augments[0].size) == size
    file.write_text(base + own + 'sample_settings = "convnext_dense::_base_/sample/any_detector.py"\n')
    chosen = {'model.data_preprocessor.batch_augments.0.size': (512, 512)}
    cfg = read_config(str(file), chosen, data='sample', needs_data=False)
    assert tuple(cfg.model.data_preprocessor.batch_augments[0].size) == (512, 512)
