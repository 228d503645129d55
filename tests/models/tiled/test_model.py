"""Images by tiles: what a network sees in the tiles is what is there, for all kinds of models, sizes and overlaps."""

import threading

import numpy as np
import pytest
import torch
from mmengine.model import BaseTTAModel

from convnext_dense.errors import BadImage, UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.io.windowed_image import WindowedImage
from convnext_dense.models.tiled import TiledModel
from convnext_dense.tiling.settings import TileSettings
from tests.helpers.tile_scenes import Scene, in_order
from tests.helpers.tiled_models import Detector, Panoptic, Segmentor, as_image, pack

SIZES = [(96, 128), (101, 67), (33, 150), (30, 20)]
OVERLAPS = [0, 0.2, 0.35, 0.5]
TILES = [(32, 48), (640, 640)]


def tiled(model, size=(32, 48), overlap=0.2, batch=1, whole=False):
    return TiledModel(model, pack, TileSettings.of(dict(size=size, overlap=overlap, whole=whole)), batch)


@pytest.fixture(autouse=True)
def small_images(monkeypatch):
    """Images and tiles smaller than a network takes."""
    monkeypatch.setattr('convnext_dense.models.network_input.TOTAL_STRIDE', 1)


def numbered(scene):
    """An image with the number of its object, from 1, in each pixel."""
    numbers = np.zeros(scene.size, int)
    for number, mask in enumerate(scene.masks, 1):
        numbers[mask] = number
    return numbers


@pytest.mark.parametrize('tile', TILES)
@pytest.mark.parametrize('overlap', OVERLAPS)
@pytest.mark.parametrize('size', SIZES)
def test_objects_are_those_of_the_image(size, overlap, tile):
    numbers = numbered(Scene(size, cell=22, seed=1))
    done = []
    model = tiled(Detector(), tile, overlap, batch=3)
    found = model.objects(WindowedImage.of(as_image(numbers)), done.append)
    assert sum(done) == model.count(ImageSize(*size)) == sum(map(len, model.model.batches))
    assert all(len(batch) <= 3 for batch in model.model.batches)
    whole = Detector().see(numbers, pack({'img': as_image(numbers), 'ori_shape': size})['data_samples'])
    expected = whole.pred_instances
    assert in_order(found.boxes, found.labels) == in_order(expected.bboxes.numpy(), expected.labels.numpy())
    assert found.labels.dtype == np.int64
    order = np.argsort(-expected.scores.numpy(), kind='stable')
    if len(model.model.batches) > 1:
        assert found.scores.tolist() == expected.scores.numpy()[order].tolist()
        for mask, k in zip(found.masks, order, strict=True):
            np.testing.assert_array_equal(mask.full(ImageSize(*size)), expected.masks[k])


def test_masks_without_boxes_get_the_boxes_around_them():
    numbers = numbered(Scene((96, 128), cell=22))
    images = [WindowedImage.of(as_image(numbers)) for _ in range(2)]
    with_boxes, without = (
        tiled(Detector(with_boxes=b)).objects(i) for b, i in zip((True, False), images, strict=True)
    )
    assert len(without) > 9
    np.testing.assert_array_equal(with_boxes.boxes, without.boxes)


def test_boxes_alone():
    found = tiled(Detector(with_masks=False)).objects(WindowedImage.of(as_image(numbered(Scene((96, 128), cell=22)))))
    assert len(found) and found.masks is None


@pytest.mark.parametrize('tile', TILES)
@pytest.mark.parametrize('overlap', OVERLAPS)
@pytest.mark.parametrize('size', SIZES)
def test_labels_are_those_of_the_image(size, overlap, tile):
    numbers = np.random.default_rng(0).integers(0, 3, size)
    model, done = tiled(Segmentor(), tile, overlap, batch=2), []
    grid, blocks = model.label_blocks(WindowedImage.of(as_image(numbers)), advance=done.append)
    labels = np.full(size, 9)
    for block in blocks:
        labels[block.window.slices] = block.labels
    np.testing.assert_array_equal(labels, numbers)
    assert sum(done) == grid.predictions == len(list(grid.order()))
    assert model.model.test_cfg == {'keep_logits': False}


@pytest.mark.parametrize('threshold', [0, 0.3, 0.5, 0.8, 1])
def test_one_channel_is_compared_with_its_threshold(threshold):
    numbers = np.arange(64 * 96).reshape(64, 96) % 256
    grid, blocks = tiled(Segmentor(1, threshold)).label_blocks(WindowedImage.of(as_image(numbers)))
    labels = np.concatenate([block.labels for block in blocks])
    assert grid.classes == 2
    np.testing.assert_array_equal(labels, torch.from_numpy(numbers).float().div(255).numpy() > np.float32(threshold))


def test_blocks_go_on_from_any_of_them():
    numbers = np.random.default_rng(0).integers(0, 3, (140, 100))
    blocks = list(tiled(Segmentor()).label_blocks(WindowedImage.of(as_image(numbers)))[1])
    assert len(blocks) > 3
    for position, block in enumerate(blocks[:-1], 1):
        done = []
        model = tiled(Segmentor(), batch=3)
        grid, rest = model.label_blocks(WindowedImage.of(as_image(numbers)), block.next, done.append)
        for one, other in zip(blocks[position:], rest, strict=True):
            assert one.window == other.window
            np.testing.assert_array_equal(one.labels, other.labels)
        assert sum(done) == len(list(grid.order(block.next))) < grid.predictions + 4


def test_views_of_test_time_augmentation():
    """Two views, of which one is flipped: their mean is merged."""

    class TwoViews(BaseTTAModel):
        keeps_scores = False

        def __init__(self):
            super(BaseTTAModel, self).__init__()
            self.module = Segmentor(2)

        def merge_preds(self, data_samples_list):
            raise NotImplementedError

        def test_step(self, data):
            assert self.keeps_scores
            one, other = (
                self.module.test_step(dict(inputs=inputs, data_samples=samples))
                for inputs, samples in zip(data['inputs'], data['data_samples'], strict=True)
            )
            for first, second in zip(one, other, strict=True):
                first.seg_logits.data = first.seg_logits.data * 0.6 + second.seg_logits.data.flip(2) * 0.4
            return one

    def views(results):
        packed = [pack({**results, 'img': image}) for image in (results['img'], results['img'][:, ::-1])]
        return {key: [view[key] for view in packed] for key in packed[0]}

    numbers = np.random.default_rng(0).integers(0, 2, (64, 96))
    model = TwoViews()
    by_tiles = TiledModel(model, views, TileSettings(ImageSize(32, 48)), 2)
    for block in by_tiles.label_blocks(WindowedImage.of(as_image(numbers)))[1]:
        np.testing.assert_array_equal(block.labels, numbers[block.window.slices])
    assert not model.keeps_scores


@pytest.mark.parametrize('overlap', OVERLAPS)
def test_segments_are_those_of_the_image(overlap):
    scene = Scene((96, 128), cell=22, seed=2)
    numbers = np.where(numbered(scene) > 0, numbered(scene) + 9, (np.mgrid[:96, :128][1] // 50) % 3)
    done = []
    model = tiled(Panoptic(), overlap=overlap, batch=2)
    segments = model.segments(WindowedImage.of(as_image(numbers)), done.append)
    assert sum(done) == model.count(ImageSize(96, 128))
    expected = {one: (one % 2 if one >= 10 else 2 + one - 1) for one in np.unique(numbers).tolist() if one}
    assert len(segments.labels) == len(expected)
    for one, label in expected.items():
        (number,) = np.unique(segments.ids[numbers == one]).tolist()
        assert segments.labels[number] == label
        assert (segments.ids == number).sum() == (numbers == one).sum()
    assert (segments.ids[numbers == 0] == 0).all()


def test_the_whole_image_adds_what_is_larger_than_the_overlap():
    """A ring that no tile sees as one, and small things; the whole is seen with half of its detail."""
    numbers = numbered(Scene((320, 320), cell=40))
    y, x = np.mgrid[:320, :320]
    inside = (abs(y - 160) < 130) & (abs(x - 160) < 130)
    numbers[inside & ~((abs(y - 160) < 120) & (abs(x - 160) < 120))] = 200

    class NotInParts(Detector):
        """It does not know the ring by its parts."""

        def see(self, numbers, sample):
            rows, columns = np.nonzero(numbers == 200)
            known = len(rows) and np.ptp(rows) > 64 and np.ptp(columns) > 64
            return super().see(numbers * (numbers == 200) if known else numbers * (numbers != 200), sample)

    done = []
    model = tiled(NotInParts(), (64, 64), 0.2, whole=True)
    found = model.objects(WindowedImage.of(as_image(numbers)), done.append)
    plain = tiled(NotInParts(), (64, 64), 0.2).objects(WindowedImage.of(as_image(numbers)))
    assert sum(done) == model.count(ImageSize(320, 320)) == 6**2 + 1
    rings = found.boxes[np.isclose(found.scores, 0.7)]
    np.testing.assert_allclose(rings, [[31, 31, 290, 290]], atol=2)
    assert len(found) == len(plain) + 1
    (ring,) = (mask for mask, score in zip(found.masks, found.scores, strict=True) if np.isclose(score, 0.7))
    true = numbers == 200
    both = (ring.full(ImageSize(320, 320)) & true).sum()
    assert both > 0.7 * true.sum()


def test_an_image_that_is_too_thin_as_a_whole_is_left_to_its_tiles(monkeypatch):
    """A strip: half as large, it has fewer pixels a side than the network takes."""
    monkeypatch.setattr('convnext_dense.models.network_input.TOTAL_STRIDE', 32)
    said = []
    monkeypatch.setattr('convnext_dense.models.tiled.model.print_log', lambda line, *_: said.append(line))
    image = WindowedImage.of(as_image(numbered(Scene((50, 400)))))
    found = tiled(Detector(), (48, 64), 0.2, whole=True).objects(image)
    plain = tiled(Detector(), (48, 64), 0.2).objects(image)
    np.testing.assert_array_equal(found.boxes, plain.boxes)
    assert len(plain) and said == ['array: too thin for the network when it is shrunk, and predicted in tiles alone']


def test_a_thread_reads_the_next_tiles_while_the_network_works():
    read, entered = [], threading.Event()

    class Watched(WindowedImage):
        def read(self, window=None):
            read.append((threading.current_thread() is threading.main_thread(), window))
            if len(read) > 2:
                entered.set()
            return super().read(window)

    class Waiting(Detector):
        def test_step(self, data):
            assert entered.wait(10), 'the tiles of the next batch are read meanwhile'
            return super().test_step(data)

    tiled(Waiting(), batch=2).objects(Watched(as_image(numbered(Scene((96, 128))))))
    assert not any(in_main for in_main, _ in read)
    windows = [window for _, window in read]
    assert len(windows) == len(set(windows)) > 6, 'each tile is read once'


def test_what_cannot_be_read_or_is_too_thin(monkeypatch):
    class Broken(WindowedImage):
        def read(self, window=None):
            if window.left:
                raise UserError('bad image scene.tif (a tile is broken)')
            return super().read(window)

    before = threading.active_count()
    with pytest.raises(BadImage, match=r'^bad image scene.tif .a tile is broken.$'):
        tiled(Detector()).objects(Broken(np.zeros((64, 96, 3), np.uint8)))
    assert threading.active_count() == before
    monkeypatch.setattr('convnext_dense.models.network_input.TOTAL_STRIDE', 32)
    with pytest.raises(UserError, match=r'bad image array .height 20, width 96: too thin for the network'):
        tiled(Detector()).objects(WindowedImage.of(np.zeros((20, 96, 3), np.uint8)))

    def halved(results):
        return pack({**results, 'img': results['img'][::2, ::2]})

    with pytest.raises(UserError, match=r'^tiles of 32 x 48 pixels are too small for the network in this pipeline'):
        TiledModel(Detector(), halved, TileSettings(ImageSize(32, 48))).objects(
            WindowedImage.of(np.zeros((64, 96, 3), np.uint8))
        )


@pytest.mark.parametrize(
    ('predict', 'message'),
    [('objects', 'predicts no instances: set .*instance_on=True'), ('segments', 'predicts no panoptic segmentation')],
)
def test_models_of_another_kind(predict, message):
    with pytest.raises(UserError, match=message):
        getattr(tiled(Segmentor() if predict == 'segments' else Panoptic()), predict)(
            WindowedImage.of(np.zeros((64, 96, 3), np.uint8))
        )
