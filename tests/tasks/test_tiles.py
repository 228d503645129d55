import pytest

from convnext_dense.config.read import read_config
from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.tasks import innermost_datasets
from convnext_dense.tasks.config_parts import LOADERS
from convnext_dense.tasks.tiles import (
    TileOptions,
    describe_tiles,
    seen_in_testing,
    seen_in_training,
    tile_datasets,
    tiles_of,
    tiles_of_run,
)
from convnext_dense.tiling.settings import TileSettings

SEGMENTOR, DETECTOR = 'configs/seg/upernet_convnext_a_ade20k.py', 'configs/det/mask_rcnn_convnext_t_coco.py'
RTMDET, PANOPTIC = 'configs/det/rtmdet_convnext_t_coco.py', 'configs/panoptic/mask2former_convnext_a_coco.py'
CLASSIFIER = 'configs/classification/convnext_t.py'


def read(path=SEGMENTOR, size=None, options=None, image_size=None, data=None, **others):
    tiles = TileOptions(None if size is None else ImageSize(*size), **others)
    return read_config(path, options, data, needs_data=False, image_size=image_size, tiles=tiles)


def datasets(cfg):
    return [one for key in LOADERS for one in innermost_datasets(cfg[key].dataset)]


@pytest.mark.parametrize('path', [SEGMENTOR, DETECTOR, RTMDET, PANOPTIC])
def test_tiles_enter_the_network_at_their_own_size(path):
    cfg = read(path, (640, 640), overlap=0.5, empty_share=0.0)
    assert tiles_of(cfg) == TileSettings(ImageSize(640, 640), 0.5, 0.0)
    assert seen_in_testing(cfg).factor(ImageSize(5000, 7000)) == 1.0
    assert [one.pop('tiles') for one in datasets(cfg)] == [cfg.pop('tiles')] * 3
    assert cfg.to_dict() == read(path, image_size=ImageSize(640, 640)).to_dict()


@pytest.mark.parametrize(('path', 'size'), [(SEGMENTOR, (320, 640)), (DETECTOR, (640, 320)), (DETECTOR, (320, 640))])
def test_tiles_that_are_no_squares_do_too(path, size):
    assert seen_in_testing(read(path, size)).factor(ImageSize(3000, 3000)) == 1.0


@pytest.mark.parametrize(
    ('size', 'data', 'resized'),
    [
        ((256, 256), 'sample', (427, 256)),  # of (320, 192) around crops of 128
        ((32, 48), 'sample', (53, 32)),
        ((640, 512), 'sample-large', (640, 640)),  # of squares
        ((32, 48), 'sample-large', (48, 48)),
    ],
)
def test_recipes_whose_crops_are_not_the_resized_size_do_too(size, data, resized):
    cfg = read(SEGMENTOR, size, data=data)
    assert seen_in_testing(cfg).factor(ImageSize(3000, 3000)) == 1.0
    assert [step.scale for step in cfg.test_dataloader.dataset.pipeline if 'scale' in step] == [resized]
    assert seen_in_training(cfg).crop == min(size)  # a tile
    plain = read(SEGMENTOR, data=data)
    in_training = [seen_in_training(one).scales[0][0] / seen_in_testing(one).scales[0][0] for one in (plain, cfg)]
    assert in_training[0] == pytest.approx(in_training[1], rel=0.01)
    before = read(SEGMENTOR, size, data=data, of_run=lambda cfg: None)
    assert read(SEGMENTOR, data=data, of_run=lambda one: tiles_of_run(before)).to_dict() == before.to_dict()


@pytest.mark.parametrize(('path', 'data'), [(SEGMENTOR, None), (SEGMENTOR, 'sample'), (DETECTOR, None)])
def test_another_image_size_enlarges_them(path, data):
    size = ImageSize(640, 640)
    cfg = read(path, (320, 320), image_size=size, data=data)
    assert seen_in_testing(cfg).factor(ImageSize(3000, 3000)) == 2.0
    assert describe_tiles(cfg, TileOptions(ImageSize(320, 320)), size) == (
        'images are taken in tiles of 320 x 320 pixels with an overlap of 0.2, which enter the network enlarged 2 '
        'times in testing; as --tile says'
    )


def test_a_line_says_who_says_it():
    options = TileOptions(ImageSize(640, 512), whole=True)
    cfg = read(DETECTOR, (640, 512), whole=True)
    assert describe_tiles(cfg, options) == (
        'images are taken in tiles of 640 x 512 pixels with an overlap of 0.2, which enter the network at their own '
        'size in testing, and as a whole, shrunk, for large things; as --tile says, which implies --image-size 640 512'
    )
    assert describe_tiles(cfg).endswith(f'; as {DETECTOR} says')
    assert describe_tiles(read()) == ''


def test_a_config_can_state_them_with_its_own_sizes():
    cfg = read(options={'tiles.size': 640, 'tiles.least_visible': 0.5})
    assert tiles_of(cfg) == TileSettings(ImageSize(640, 640), least_visible=0.5)
    assert seen_in_testing(cfg).factor(ImageSize(3000, 3000)) == 0.8  # 512 of 640
    assert 'shrunk 1.25 times' in describe_tiles(cfg)


def test_a_loader_may_be_left_out():
    assert read(SEGMENTOR, (320, 320), {'val_dataloader': None, 'val_evaluator': None, 'val_cfg': None}).tiles


def test_without_tiles_nothing_changes():
    plain = read_config(DETECTOR, needs_data=False)
    assert read(DETECTOR).to_dict() == plain.to_dict()
    assert not [one for one in datasets(plain) if 'tiles' in one]


@pytest.fixture
def saved(tmp_path):
    def save(*args, **kwargs):
        cfg = read(*args, **kwargs)
        for key in ('sample_settings', 'pretrained'):
            cfg.pop(key, None)
        cfg.dump(tmp_path / 'config.py')
        return str(tmp_path / 'config.py')

    return save


def read_saved(path, size=None, options=None, **others):
    tiles = TileOptions(None if size is None else ImageSize(*size), **others)
    return read_config(path, options, needs_data=False, saved=True, tiles=tiles)


def test_those_of_a_run_hold_and_flags_override_them(saved):
    path = saved(DETECTOR, (320, 320), image_size=ImageSize(640, 640), least_visible=0.6)
    kept = read_saved(path)
    assert tiles_of(kept) == TileSettings(ImageSize(320, 320), least_visible=0.6)
    assert [one.tiles for one in datasets(kept)] == [kept.tiles] * 3
    assert describe_tiles(kept).endswith(f'; as {path} says')
    other = read_saved(path, overlap=0.4, whole=True)
    assert tiles_of(other) == TileSettings(ImageSize(320, 320), 0.4, least_visible=0.6, whole=True)
    assert [one.tiles for one in datasets(other)] == [other.tiles] * 3
    assert describe_tiles(other, TileOptions(None, 0.4, whole=True)).endswith(
        f'; as {path} says, but for --overlap, --whole-image'
    )
    same = read_saved(path, (320, 320))
    assert seen_in_testing(same).factor(ImageSize(3000, 3000)) == 2.0  # as the run had them
    assert seen_in_testing(read_saved(path, (480, 480))).factor(ImageSize(3000, 3000)) == 1.0


def test_none_leaves_those_of_a_run_out(saved):
    cfg = read_saved(saved(SEGMENTOR, (320, 320)), options={'tiles': None})
    assert tiles_of(cfg) is None
    assert not [one for one in datasets(cfg) if 'tiles' in one]


@pytest.mark.parametrize(('image_size', 'crop'), [(None, 320), (ImageSize(640, 640), 640)])
def test_a_resumed_run_keeps_its_own(image_size, crop):
    before = read(SEGMENTOR, (320, 320), overlap=0.3, image_size=image_size)

    def of_run(cfg):
        return tiles_of_run(before)

    cfg = read(SEGMENTOR, of_run=of_run)
    assert tiles_of(cfg) == TileSettings(ImageSize(320, 320), 0.3)
    assert seen_in_training(cfg).crop == crop
    assert cfg.to_dict() == before.to_dict()
    assert read(SEGMENTOR, (320, 320), of_run=of_run).to_dict() == cfg.to_dict()
    assert describe_tiles(cfg, TileOptions(of_run=of_run)).endswith('; as the run has them')
    assert tiles_of_run(read()) is None


def test_data_sets_of_others_are_refused_where_they_are_read():
    foreign = {f'{key}.dataset.type': 'mmdet.CocoDataset' for key in LOADERS}
    cfg = read(DETECTOR, (640, 640), options=foreign)  # such as to predict
    assert tiles_of(cfg)
    with pytest.raises(UserError) as error:
        tile_datasets(cfg)
    assert str(error.value) == (
        'tiles of 640 x 640: train_dataloader reads a mmdet.CocoDataset, which has no tiles: take CocoDataset, '
        'MaskFolder or PanopticDataset of this package, or leave out --tile'
    )


def test_tiles_of_a_data_set_alone_are_refused():
    with pytest.raises(UserError, match=r'train_dataloader\.dataset\.tiles is set alone: set tiles at the top of the'):
        read(options={'train_dataloader.dataset.tiles': {'size': 64}})


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        (
            dict(path=CLASSIFIER, size=(640, 640)),
            '--tile 640 is for detection and segmentation: leave it out for clas',
        ),
        (dict(path=CLASSIFIER, overlap=0.2), '--overlap 0.2 is for detection and segmentation'),
        (dict(path=CLASSIFIER, options={'tiles.size': 64}), 'tiles is for detection and segmentation'),
        (dict(overlap=0.3), '--overlap 0.3 belongs to --tile, which is not given'),
        (dict(empty_share=0.3), '--empty-tiles 0.3 belongs to --tile, which is not given'),
        (dict(path=DETECTOR, whole=True), '--whole-image belongs to --tile, which is not given'),
        (
            dict(size=(640, 640), whole=True),
            '--whole-image adds objects that are found in the whole image, and is for',
        ),
        (
            dict(path=PANOPTIC, options={'tiles': {'size': 640, 'whole': True}}),
            'tiles.whole adds objects that are found in the whole image, and is for detection: leave it out',
        ),
        (
            dict(size=(64, 96), image_size=ImageSize(32, 32)),
            'tiles of 64 x 96 are shrunk to 21 x 32 before they enter the network in testing, whose stride is 32: tak',
        ),
        (dict(options={'tiles.size': 16}), 'tiles of 16 x 16 pixels are smaller than the stride of the networks, 32'),
        (dict(options={'tiles': {'size': 64, 'overlap': 0.6}}), 'an overlap of 0.6 is not a share of a tile'),
        (dict(options={'tiles.overlap': 0.2}), 'tiles={'),
        (
            dict(size=(640, 320), options={'tiles.overlap': 0.2}),
            '--tile 640 320 and --cfg-options tiles.overlap=... both set tiles: leave out one of them',
        ),
        (
            dict(size=(640, 640), options={'model.data_preprocessor.size': (512, 512)}),
            'tiles of 640 x 640, by --tile or of the run, and --cfg-options model.data_preprocessor.size=... both set',
        ),
    ],
)
def test_what_can_not_be_is_refused(given, message):
    with pytest.raises(UserError) as error:
        read(**given)
    assert str(error.value).startswith(message)
    assert '\n' not in str(error.value)


def own_config(folder, *loaders):
    """Write a config of which these loaders pass images on at their own size."""
    steps = "[dict(type='convnext_dense.LoadImage'), dict(type='mmseg.PackSegInputs')]"
    changes = [f'{loader} = dict(dataset=dict(pipeline={steps}))' for loader in loaders]
    path = folder / 'own.py'
    path.write_text('\n'.join(["_base_ = 'convnext_dense::seg/upernet_convnext_a_ade20k.py'", *changes]))
    return str(path)


def test_pipelines_without_sizes_pass_tiles_on_as_they_are(tmp_path):
    cfg = read(own_config(tmp_path, *LOADERS), (640, 640))
    assert 'at their own size' in describe_tiles(cfg)
    assert cfg.model.test_cfg.crop_size == (512, 512)  # nothing is set


def test_pipelines_that_resize_without_a_size_to_set_are_refused(tmp_path):
    with pytest.raises(UserError) as error:
        read(own_config(tmp_path, 'train_dataloader'), (640, 640))
    assert str(error.value).startswith(
        'tiles of 640 x 640 are to enter the network at their own size, which can not be set (--image-size 640 640: '
        'the training pipeline of this config has no crop to set): state tiles=dict(size=(640, 640)) in the config'
    )
