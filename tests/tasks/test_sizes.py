"""Settings that state one size: they follow the crop in training, contradict it, or are all set at once."""

from pathlib import Path

import pytest
from mmengine.config import Config

from convnext_dense.config.read import join_preprocessors, read_config
from convnext_dense.engine.settings import check_settings
from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.tasks import task_of
from convnext_dense.tasks.sizes import Precedence, check_image_size, set_at, value_at

ROOT = Path(__file__).parents[2]
UPERNET = 'configs/seg/upernet_convnext_t_ade20k.py'
CASCADE = 'configs/det/cascade_convnext_t_coco.py'
TINY = 'configs/classification/convnext_t.py'
CROP, PAD = 'train_dataloader.dataset.pipeline.3.crop_size', 'model.data_preprocessor.size'
WINDOW, STRIDE = 'model.test_cfg.crop_size', 'model.test_cfg.stride'


def read(config, options=None, **kwargs):
    return read_config(str(config), options, needs_data=False, **kwargs)


def sizes(cfg) -> tuple:
    test = cfg.model.test_cfg
    return tuple(cfg.model.data_preprocessor.size), tuple(test.crop_size), tuple(test.stride)


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({}, ((512, 512), (512, 512), (341, 341))),
        ({CROP: (64, 64)}, ((64, 64), (64, 64), (43, 43))),
        ({CROP: 640}, ((640, 640), (640, 640), (426, 426))),
        ({CROP: (96, 160)}, ((96, 160), (96, 160), (64, 107))),
        ({CROP: (64, 64), PAD: (64, 64)}, ((64, 64), (64, 64), (43, 43))),
        ({CROP: (64, 64), WINDOW: (128, 128)}, ((64, 64), (128, 128), (85, 85))),
        ({CROP: (64, 64), STRIDE: (32, 32)}, ((64, 64), (64, 64), (32, 32))),
        ({WINDOW: (64, 96)}, ((512, 512), (64, 96), (42, 64))),
    ],
)
def test_sizes_follow_the_crop(options, expected):
    assert sizes(read(UPERNET, options)) == expected


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({CROP: (64, 64), PAD: (128, 128)}, f'{PAD} is 128 x 128 and {CROP} 64 x 64, which state one size'),
        ({PAD: (64, 64)}, f'{PAD} is 64 x 64 and {CROP} 512 x 512, which state one size'),
        ({STRIDE: (600, 600)}, 'stride is 600 x 600 and model.test_cfg.crop_size 512 x 512: windows this far apart'),
        ({WINDOW: (64, 64), STRIDE: (64, 65)}, 'stride is 64 x 65 and model.test_cfg.crop_size 64 x 64'),
    ],
)
def test_contradictions_are_named(options, said):
    with pytest.raises(UserError, match=said):
        read(UPERNET, options)


OWN_CROP = (
    "train_dataloader = dict(dataset=dict(pipeline=[dict(type='convnext_dense.RandomCrop', crop_size=(64, 64))]))"
)
OWN_PAD = 'model = dict(data_preprocessor=dict(size=({0}, {0})))'


@pytest.mark.parametrize(
    ('lines', 'expected'),
    [
        ([OWN_CROP], (64, 64)),
        ([OWN_CROP, OWN_PAD.format(64)], (64, 64)),
        ([OWN_CROP, OWN_PAD.format(128)], None),
        ([OWN_PAD.format(128)], None),
    ],
)
def test_own_configs(tmp_path, lines, expected):
    file = tmp_path / 'own.py'
    file.write_text('\n'.join([f"_base_ = '{ROOT / UPERNET}'", *lines]))
    if expected is None:
        with pytest.raises(UserError, match=f'{PAD} is 128 x 128 and .*pipeline.* state one size'):
            read(file)
        return
    assert sizes(read(file)) == (expected, (64, 64), (43, 43))
    derived = tmp_path / 'derived.py'
    derived.write_text("_base_ = './own.py'")
    assert sizes(read(derived)) == (expected, (64, 64), (43, 43))


def test_bases_that_differ_follow_the_crop(tmp_path):
    bases = [str(ROOT / 'configs/_base_' / name) for name in ('datasets/ade20k_640.py', 'models/upernet.py')]
    text = (ROOT / UPERNET).read_text()
    text = text[text.index('sample_settings') :]
    file = tmp_path / 'own.py'
    file.write_text(f'_base_ = {[*bases, str(ROOT / "configs/_base_/schedules/ade20k_160k.py")]}\n{text}')
    assert sizes(read(file)) == ((640, 640), (640, 640), (426, 426))


def test_the_settings_for_the_sample_are_kept_and_follow_options():
    assert sizes(read(UPERNET, data='sample')) == ((128, 128), (192, 192), (128, 128))
    assert sizes(read(UPERNET, {CROP: (64, 64)}, data='sample'))[0] == (64, 64)


def test_padding_after_a_crop_follows_it(tmp_path):
    steps = "[dict(type='mmseg.RandomCrop', crop_size=(64, 96)), dict(type='mmcv.Pad', size={})]"
    file = tmp_path / 'base.py'
    file.write_text(
        f"_base_ = '{ROOT / UPERNET}'\ntrain_dataloader = dict(dataset=dict(pipeline={steps.format((512, 512))}))"
    )
    with pytest.raises(UserError, match=r'pipeline.1.size is 512 x 512 and .*pipeline.0.crop_size 64 x 96'):
        read(file)  # both in one file
    file.write_text(file.read_text().replace('(512, 512)', '(96, 64)'))  # width first
    cfg = read(file, {'train_dataloader.dataset.pipeline.0.crop_size': (128, 160)})
    assert cfg.train_dataloader.dataset.pipeline[1].size == (160, 128)
    assert sizes(cfg)[0] == (128, 160)


def test_padding_of_batches_follows_the_crop_of_a_detector(tmp_path):
    file = tmp_path / 'own.py'
    file.write_text(f"""
_base_ = '{ROOT / CASCADE}'
train_dataloader = dict(dataset=dict(pipeline=[
    dict(type='convnext_dense.LoadImage'),
    dict(type='mmcv.RandomResize', scale=(1024, 1024), ratio_range=(0.1, 2.0), keep_ratio=True),
    dict(type='mmdet.RandomCrop', crop_type='absolute', crop_size=(1024, 1024)),
]))
model = dict(data_preprocessor=dict(batch_augments=[dict(type='mmdet.BatchFixedSizePad', size=(1024, 1024))]))
""")
    cfg = read(file, {'train_dataloader.dataset.pipeline.2.crop_size': (320, 256)})  # mmdet's are width first
    assert cfg.model.data_preprocessor.batch_augments[0].size == (256, 320)
    cfg = read(file, image_size=ImageSize(400, 667))  # half of the scale in testing
    assert cfg.train_dataloader.dataset.pipeline[2].crop_size == (512, 512)
    assert cfg.model.data_preprocessor.batch_augments[0].size == (512, 512)
    with pytest.raises(UserError, match=r'batch_augments.0.size is 64 x 64 and .*crop_size 1024 x 1024'):
        read(file, {'model.data_preprocessor.batch_augments.0.size': (64, 64)})


def test_image_size_of_detection():
    cfg = read(CASCADE, image_size=ImageSize(240, 320))
    choice = cfg.train_dataloader.dataset.pipeline[3].transforms
    expected = [(round(side * 240 / 800), 320) for side in range(480, 801, 32)]
    assert choice[0][0].scales == choice[1][2].scales == expected
    assert choice[1][0].scales == [(120, 320), (150, 320), (180, 320)]
    assert choice[1][1].crop_size == (115, 180)
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.pipeline[1].scale == (320, 240)
    assert [step.scale for step in cfg.tta_pipeline[1].transforms[0]] == [(480, 180), (480, 240), (480, 300)]
    task = task_of(cfg)
    assert (task.input_shape(cfg), task.counted_shape(cfg)) == ((256, 320), (256, 320))  # multiples of the stride
    assert task.training_side(cfg) == pytest.approx(192, abs=0.5)
    assert task.describe_sizes(cfg) == (
        'shorter sides of 144 to 240 pixels in training, shorter sides of 240, longer sides of at most 320, in testing'
    )
    recipe = read(CASCADE)
    assert task.counted_shape(recipe) == (800, 1280)
    assert read(CASCADE, image_size=ImageSize(800, 1333)).to_dict() == recipe.to_dict()


def test_image_size_of_classification():
    cfg = read(TINY, image_size=ImageSize(96, 96))
    loaders = (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader)
    assert [loader.dataset.transform.input_size for loader in loaders] == [96] * 3
    assert task_of(cfg).input_shape(cfg) == task_of(cfg).counted_shape(cfg) == (96, 96)
    with pytest.raises(
        UserError, match='--image-size 96 128: classification takes squares, such as --image-size 96 96'
    ):
        read(TINY, image_size=ImageSize(96, 128))
    other = read(TINY, {'train_dataloader.dataset.transform.input_size': 64})
    assert task_of(other).describe_sizes(other).endswith('224 x 224 in testing; --image-size sets all')


def test_image_size_and_options():
    size = ImageSize(96, 96)
    with pytest.raises(UserError, match=f'--image-size 96 96 and --cfg-options {CROP}=... both set {CROP}'):
        read(UPERNET, {CROP: (64, 64)}, image_size=size)
    with pytest.raises(UserError, match=r'both set test_dataloader.dataset.transform.input_size'):
        read(TINY, {'test_dataloader.dataset.transform': dict(input_size=64)}, image_size=size)
    assert sizes(read(UPERNET, {STRIDE: (32, 32)}, image_size=size)) == ((96, 96), (96, 96), (32, 32))


@pytest.mark.parametrize('size', [(31, 320), (320, 0), (-1, -1)])
def test_sizes_that_are_too_small(size):
    with pytest.raises(UserError, match=f'^--image-size {size[0]} {size[1]}: take sides of at least 32 pixels$'):
        check_image_size(ImageSize(*size))


def test_precedence():
    file, base = Precedence(0, 'own.py'), Precedence(-1, 'base.py')
    assert file.overrides(base) and file.overrides(file)
    assert not base.overrides(file) and not base.overrides(Precedence(-1, 'other.py'))


def test_values_at_keys():
    cfg = read(UPERNET)
    keys = ('train_dataloader', 'dataset', 'pipeline', 3, 'crop_size')
    set_at(cfg, keys, (7, 8))
    assert value_at(cfg, keys) == (7, 8)
    assert value_at(cfg, (*keys[:3], 99, 'crop_size')) is None
    assert value_at(cfg, ('model', 'absent', 'size')) is None


OUTER = """
padding = dict(size=({0}, {0}), type='mmseg.SegDataPreProcessor', _delete_=True)
data_preprocessor = dict(size=({0}, {0}), type='mmseg.SegDataPreProcessor')
model = dict(data_preprocessor=padding)
"""


@pytest.mark.parametrize(
    ('lines', 'arguments', 'expected'),
    [
        ([OUTER.format(512)], {'image_size': ImageSize(64, 96)}, (64, 96)),
        ([OUTER.format(512)], {'options': {CROP: (64, 64)}}, (64, 64)),
        ([OUTER.format(512)], {'options': {CROP: (64, 64), PAD: (64, 64)}}, (64, 64)),
        ([OWN_CROP, OUTER.format(64)], {}, (64, 64)),
        ([OUTER.format(512)], {}, (512, 512)),
    ],
)
def test_a_preprocessor_beside_the_model_is_the_model_s(tmp_path, lines, arguments, expected):
    """As mmseg's configs have it: once at the top level, and as the same value in the model."""
    file = tmp_path / 'own.py'
    file.write_text('\n'.join([f"_base_ = '{ROOT / UPERNET}'", *lines]))
    cfg = read(file, **arguments)
    assert sizes(cfg)[0] == expected
    assert cfg.get('data_preprocessor') is None
    check_settings({'cfg': cfg, 'model': cfg.model, 'data_preprocessor': cfg.get('data_preprocessor')})


def test_another_preprocessor_beside_the_model_is_refused(tmp_path):
    file = tmp_path / 'own.py'
    file.write_text(f"_base_ = '{ROOT / UPERNET}'\ndata_preprocessor = dict(type='mmseg.SegDataPreProcessor')\n")
    cfg = read(file, image_size=ImageSize(64, 96))
    with pytest.raises(UserError, match=r'data_preprocessor and model.data_preprocessor to different values'):
        check_settings({'cfg': cfg, 'model': cfg.model, 'data_preprocessor': cfg.data_preprocessor})


def test_a_model_without_a_preprocessor_takes_the_one_beside_it():
    cfg = Config(dict(model=dict(type='a'), data_preprocessor=dict(size=(64, 64))))
    join_preprocessors(cfg)
    assert cfg.to_dict() == dict(model=dict(type='a', data_preprocessor=dict(size=(64, 64))))
