import pytest

from convnext_dense.config.read import read_config
from convnext_dense.errors import UserError
from convnext_dense.io.band_choice import BandInput
from convnext_dense.io.band_images import ShownBands
from convnext_dense.tasks import task_of
from convnext_dense.tasks.bands import BandOptions, band_input, describe_bands, stats_folder

SEGMENTOR, DETECTOR = 'configs/seg/upernet_convnext_a_ade20k.py', 'configs/det/rtmdet_convnext_t_coco.py'


def read(path=SEGMENTOR, bands=None, options=None, **others):
    return read_config(path, options, needs_data=False, bands=BandOptions(bands, **others))


def test_everything_that_depends_on_the_bands_is_set():
    cfg = read(bands=(8, 4, 3, 2), rgb_bands=(4, 3, 2), display_bands=(8, 4, 3))
    assert cfg.bands == [8, 4, 3, 2]
    assert cfg.model.backbone.in_channels == 4
    part = cfg.model.data_preprocessor
    assert part.type == 'convnext_dense.SegBandPreprocessor'
    assert (part.mean, part.std) == (None, None)
    assert part.bands == [8, 4, 3, 2]
    assert not part.get('bgr_to_rgb')
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        step = cfg[key].dataset.pipeline[0]
        assert (step.bands, step.shown) == ([8, 4, 3, 2], [8, 4, 3])
    assert cfg.tta_pipeline[0].bands == [8, 4, 3, 2]
    assert band_input(cfg) == BandInput((8, 4, 3, 2), (4, 3, 2))
    assert task_of(cfg).value_range(cfg) == ShownBands((8, 4, 3))
    assert describe_bands(cfg) == (
        'images are read as stored, bands 8,4,3,2, of which 4,3,2 are red, green and blue; left out, since they are '
        'for RGB of 8 bits: PhotoMetricDistortion'
    )


def test_a_config_can_name_them():
    cfg = read(options={'bands': (5, 1), 'display_bands': (1, 1, 1)})
    assert cfg.model.backbone.in_channels == 2
    assert task_of(cfg).value_range(cfg) == ShownBands((1, 1, 1))
    assert describe_bands(cfg).startswith('images are read as stored, bands 5,1, none of them red, green or blue')
    assert read(options={'bands': (5, 1)}, bands=(2,)).bands == [2]  # the command line comes first


def test_without_bands_nothing_changes():
    assert read().to_dict() == read_config(SEGMENTOR, needs_data=False).to_dict()
    assert describe_bands(read()) == ''
    assert 'bands' not in str(read().to_dict())


def test_those_of_a_checkpoint_apply_where_nothing_else_names_any():
    trained = BandInput((4, 3, 2, 1), (3, 2, 1), 6, 'uint16')
    cfg = read(trained=trained)
    assert band_input(cfg) == trained._replace(stored=None, dtype=None)
    assert read(bands=(1, 2), trained=trained).bands == [1, 2]


def test_transforms_of_colors_are_left_out_and_named():
    cfg = read(DETECTOR, (1, 2, 3, 4))
    assert cfg.left_out_for_bands == ['YOLOXHSVRandomAug']
    kinds = [step.type for step in cfg.train_dataloader.dataset.pipeline]
    assert 'mmdet.YOLOXHSVRandomAug' not in kinds
    assert 'convnext_dense.MixUp' in kinds
    assert 'YOLOXHSV' not in str(cfg.custom_hooks)
    assert 'mmdet.YOLOXHSVRandomAug' in [s.type for s in read(DETECTOR).train_dataloader.dataset.pipeline]


def test_colors_inside_of_others_are_left_out():
    pipeline = [
        dict(type='convnext_dense.LoadImage'),
        dict(type='mmcv.RandomApply', transforms=[dict(type='mmdet.PhotoMetricDistortion')]),
        dict(type='mmdet.Albu', transforms=[dict(type='RandomGamma'), dict(type='Blur')]),
        dict(type='mmdet.PackDetInputs'),
    ]
    cfg = read(DETECTOR, (1, 2), options={'train_dataloader.dataset.dataset.pipeline': pipeline})
    changed = cfg.train_dataloader.dataset.dataset.pipeline
    assert changed[1].transforms == []
    assert [one.type for one in changed[2].transforms] == ['Blur']
    assert cfg.left_out_for_bands == ['PhotoMetricDistortion', 'RandomGamma', 'YOLOXHSVRandomAug']


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        (dict(path='configs/classification/convnext_t.py', bands=(1, 2)), '--bands is for detection, segmentation'),
        (dict(rgb_bands=(4, 3, 2)), '--rgb-bands 4,3,2 belongs to --bands, which is not given'),
        (dict(bands=(4, 3, 8), rgb_bands=(4, 3, 2)), '--rgb-bands 4,3,2: band 2 is not among the bands 4,3,8'),
        (
            dict(bands=(1, 2), options={'train_dataloader.dataset.pipeline.0.value_range': (0, 9)}),
            '--value-range 0 9 is for images that are read as 8 bits, and --bands 1,2 takes the values as they are',
        ),
        (
            dict(bands=(1, 2), options={'train_dataloader.dataset.pipeline.2.type': 'mmdet.ShearX'}),
            '--bands: mmdet.ShearX in a pipeline is for images of three channels: leave it out',
        ),
        (
            dict(bands=(1, 2), options={'model.data_preprocessor.type': 'mmengine.ImgDataPreprocessor'}),
            '--bands needs a model with DetDataPreprocessor or SegDataPreProcessor as data_preprocessor, and this',
        ),
    ],
)
def test_what_contradicts_bands_is_refused(given, message):
    with pytest.raises(UserError) as error:
        read(**given)
    assert str(error.value).startswith(message)
    assert '\n' not in str(error.value)


def test_the_root_of_the_data(tmp_path):
    cfg = read()
    cfg.train_dataloader.dataset.root = 'data/roofs'
    assert str(stats_folder(cfg)) == 'data/roofs'
    cfg = read(DETECTOR)
    own = cfg.train_dataloader.dataset.dataset
    for folder in ('annotations', 'images', 'labels'):
        (tmp_path / folder).mkdir()
    (tmp_path / 'data.yaml').touch()
    (tmp_path / 'annotations' / 'train.json').touch()
    for annotations in ('annotations/train.json', 'data.yaml', 'labels'):
        own.update(annotations=str(tmp_path / annotations), images=str(tmp_path / 'images'))
        assert stats_folder(cfg) == tmp_path
    own.update(annotations=str(tmp_path / 'annotations' / 'train.json'), images='/proc')
    assert stats_folder(cfg) == tmp_path / 'annotations'
