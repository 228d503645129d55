"""Evaluation by tiles against the metrics of whole images, with networks that see what the pixels say."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmcv.transforms import TestTimeAug as Views
from mmengine.dataset import Compose
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.structures import PixelData

from convnext_dense.data.segmentation.dataset import MaskFolder
from convnext_dense.engine import kept_maps
from convnext_dense.engine.tiled_evaluation import TiledEvaluation, without_loading
from convnext_dense.errors import BadImage, UserError
from convnext_dense.evaluation import CocoAP, IoU, PanopticQuality
from convnext_dense.io.windowed_image import WindowedImage
from convnext_dense.tiling.settings import TileSettings
from tests.helpers.mask_folder import save
from tests.helpers.tile_scenes import Scene
from tests.helpers.tiled_models import Detector, Panoptic, Segmentor, as_image, pack

SIZE = (96, 128)


class Images:
    """A data set of arrays, as data sets with tiles are in evaluation."""

    def __init__(self, images, infos, metainfo, on_bad_image='stop', truths=None, by_windows=True, tiles=(32, 48)):
        self.arrays, self.metainfo, self.on_bad_image, self.truths = images, metainfo, on_bad_image, truths
        self.infos = [{'img_path': f'{number}.tif', 'number': number, **info} for number, info in enumerate(infos)]
        self.tiles = None if tiles is None else TileSettings.of(dict(size=tiles))
        self.pipeline = SimpleNamespace(transforms=[pack])
        self.image_count, self.image_info = len(images), self.infos.__getitem__
        self.reader, self.read = SimpleNamespace(reads_windows=lambda path: by_windows), []

    def open_whole(self, info):
        found = self.arrays[info['number']]
        if isinstance(found, Exception):
            raise found
        return WindowedImage.of(found, info['img_path'])

    def read_classes(self, info, window=None):
        self.read.append(window)
        truth = self.truths[info['number']]
        return truth if window is None else truth[window.slices]

    @property
    def batch(self):
        return {'data_samples': self.infos, 'paths': [info['img_path'] for info in self.infos], 'skipped': []}


@pytest.fixture(autouse=True)
def small_images(monkeypatch):
    monkeypatch.setattr('convnext_dense.models.network_input.TOTAL_STRIDE', 1)


def evaluator_of(metric, metainfo):
    evaluator = Evaluator([metric])
    evaluator.dataset_meta = metainfo
    return evaluator


def evaluated(model, dataset, metric, **options):
    evaluator, batch = evaluator_of(metric, dataset.metainfo), dataset.batch
    with torch.no_grad():
        outputs = TiledEvaluation.of(model, dataset, 2).process(batch, evaluator, **options)
    return evaluator.evaluate(len(dataset.infos)), outputs, batch


def maps(count=2):
    rng = np.random.default_rng(0)
    predictions = [rng.integers(0, 3, SIZE) for _ in range(count)]
    truths = [np.where(rng.random(SIZE) < 0.2, 255, rng.integers(0, 3, SIZE)).astype(np.uint8) for _ in range(count)]
    return predictions, truths


def labeled(**options):
    predictions, truths = maps()
    infos = [{'seg_map_path': f'{number}.png'} for number in range(2)]
    images = [as_image(one) for one in predictions]
    return Images(images, infos, {'classes': ('a', 'b', 'c')}, truths=truths, **options)


def iou_of_whole(which=slice(None)):
    metric = IoU()
    metric.dataset_meta = {'classes': ('a', 'b', 'c')}
    for prediction, truth in list(zip(*maps(), strict=True))[which]:
        pairs = (('pred_sem_seg', prediction), ('gt_sem_seg', truth))
        metric.process(None, [{key: {'data': torch.from_numpy(labels)[None]} for key, labels in pairs}])
    return metric.evaluate(2)


def test_label_maps_are_measured_block_by_block():
    shown = []
    dataset = labeled()
    metrics, outputs, _ = evaluated(Segmentor(), dataset, IoU(), show=lambda *numbers: shown.append(numbers))
    assert metrics == iou_of_whole() and metrics['images'] == 2
    assert len(dataset.read) > 2 and None not in dataset.read, 'masks are read by windows'
    for output, prediction, truth in zip(outputs, *maps(), strict=True):
        np.testing.assert_array_equal(output.pred_sem_seg.data[0], prediction)
        np.testing.assert_array_equal(output.gt_sem_seg.data[0], truth)
        assert output.ori_shape == SIZE and output.img_path.endswith('.tif')
    done, totals = zip(*shown, strict=True)
    assert set(totals) == {done[-1]} and done.count(done[-1]) == 2


def test_masks_without_windows_are_read_once():
    dataset = labeled(by_windows=False)
    assert evaluated(Segmentor(), dataset, IoU())[0] == iou_of_whole()
    assert dataset.read == [None, None]


def test_label_maps_of_large_images_are_not_kept(monkeypatch):
    monkeypatch.setattr(kept_maps, 'MOST_DRAWN', 100)
    metrics, outputs, _ = evaluated(Segmentor(), labeled(), IoU())
    assert metrics == iou_of_whole()
    assert all('pred_sem_seg' not in output for output in outputs)


@pytest.mark.parametrize('most', [100, 10**9])
def test_a_diagnosis_gets_confidences_and_of_large_images_counts_and_thinned_maps(monkeypatch, most):
    monkeypatch.setattr(kept_maps, 'MOST_DRAWN', most)
    monkeypatch.setattr('convnext_dense.diagnosis.segmentation.MOST_MEASURED', SIZE[0] * SIZE[1] / 9)
    model = Segmentor()
    model.test_cfg['keep_confidence'] = True
    model.confidence = lambda scores, dim: scores.softmax(dim).amax(dim)
    metrics, outputs, _ = evaluated(model, labeled(), IoU())
    assert metrics == iou_of_whole()
    for output, prediction, truth in zip(outputs, *maps(), strict=True):
        if most > 100:
            assert output.confidence.data.shape == (1, *SIZE) and 0.3 < output.confidence.data.min() <= 1
            continue
        kept, factor = output.thinned, output.thinned['factor']
        assert factor == 3
        np.testing.assert_array_equal(kept['maps']['predicted'], prediction[::3, ::3])
        np.testing.assert_array_equal(kept['maps']['truth'], truth[::3, ::3])
        assert kept['maps']['confidence'].shape == prediction[::3, ::3].shape
        labeled_pixels = truth != 255
        expected = np.zeros((4, 4), int)
        np.add.at(expected, (truth[labeled_pixels], prediction[labeled_pixels]), 1)
        assert kept['pixels'].matrix().tolist() == expected.tolist()


class PixelAccuracy(BaseMetric):
    """A metric of another library, which takes whole label maps."""

    default_prefix = ''

    def process(self, data_batch, data_samples):
        for sample in data_samples:
            self.results.append(float((sample['pred_sem_seg']['data'] == sample['gt_sem_seg']['data']).float().mean()))

    def compute_metrics(self, results):
        return {'right': sum(results) / len(results)}


def test_other_metrics_get_whole_label_maps():
    expected = np.mean([(prediction == truth).mean() for prediction, truth in zip(*maps(), strict=True)])
    assert evaluated(Segmentor(), labeled(), PixelAccuracy())[0]['right'] == pytest.approx(expected)


def numbered(seed):
    scene = Scene(SIZE, cell=22, seed=seed)
    numbers = np.zeros(SIZE, int)
    for number, mask in enumerate(scene.masks, 1):
        numbers[mask] = number
    return numbers


def instances(numbers):
    found = Detector().see(numbers, pack({'img': as_image(numbers), 'ori_shape': SIZE})['data_samples']).pred_instances
    outlines = [[[x1, y1, x2, y1, x2, y2, x1, y2]] for x1, y1, x2, y2 in found.bboxes.tolist()]
    rows = zip(found.bboxes.tolist(), found.labels.tolist(), outlines, strict=True)
    return [
        dict(bbox=box, bbox_label=int(label), ignore_flag=0, area=(box[2] - box[0]) * (box[3] - box[1]), mask=outline)
        for box, label, outline in rows
    ]


@pytest.mark.parametrize('with_masks', [True, False])
def test_objects_are_measured_on_the_whole_image(with_masks):
    """By the ground truth of the objects, and by that of objects that lie elsewhere."""
    meta = {'classes': ('a', 'b', 'c'), 'category_ids': [1, 2, 3]}
    images, others = [numbered(seed) for seed in (1, 2)], [numbered(seed) for seed in (1, 3)]
    infos = [{'img_id': number, 'instances': instances(other)} for number, other in enumerate(others)]
    dataset = Images([as_image(one) for one in images], infos, meta)
    metrics, outputs, _ = evaluated(Detector(with_masks), dataset, CocoAP())
    whole = evaluator_of(CocoAP(), meta)
    for info, numbers in zip(infos, images, strict=True):
        sample = pack({'img': as_image(numbers), 'ori_shape': SIZE})['data_samples']
        sample.set_metainfo(info)
        whole.process([Detector(with_masks).see(numbers, sample)])
    expected = whole.evaluate(2)
    assert metrics == pytest.approx(expected) and 20 < metrics['box_AP'] < 99
    assert ('mask_AP' in metrics) == with_masks
    assert outputs[0].instances == infos[0]['instances']


def test_segments_are_measured_on_the_whole_image(tmp_path):
    from PIL import Image

    names = ('a', 'b', 'x', 'y', 'z')
    numbers = np.where(numbered(1) > 0, numbered(1) + 9, (np.mgrid[: SIZE[0], : SIZE[1]][1] // 50) % 3)
    Image.fromarray(np.stack([numbers, numbers * 0, numbers * 0], axis=-1).astype(np.uint8)).save(tmp_path / 's.png')
    segments = [
        dict(id=one, label=one % 2 if one >= 10 else one + 1, iscrowd=0, area=None)
        for one in np.unique(numbers).tolist()
        if one
    ]
    segments[3]['label'] = 1 - segments[3]['label']  # one is false, and one missed
    info = {'img_id': 5, 'panoptic': dict(segments_file=str(tmp_path / 's.png'), segments=segments)}
    meta = {'classes': names, 'stuff_classes': names[2:]}
    dataset = Images([as_image(numbers)], [info], meta)
    metrics, (output,), _ = evaluated(Panoptic(), dataset, PanopticQuality())
    sample = pack({'img': as_image(numbers), 'ori_shape': SIZE})['data_samples']
    sample.set_metainfo({**info, 'img_path': '0.tif'})
    whole = evaluator_of(PanopticQuality(), meta)
    whole.process([Panoptic().see(numbers, sample)])
    assert metrics == pytest.approx(whole.evaluate(1)) and 50 < metrics['PQ'] < 99
    assert isinstance(output.pred_panoptic_seg, PixelData)


@pytest.mark.parametrize('broken', ['file', 'tile', 'thin'])
def test_an_image_that_cannot_be_used_is_named_or_skipped(broken, monkeypatch):
    monkeypatch.setattr('convnext_dense.models.network_input.TOTAL_STRIDE', 8)

    class Broken(WindowedImage):
        def read(self, window=None):
            if window.top:
                raise UserError('bad image 0.tif (a tile is broken)')
            return super().read(window)

    def dataset(on_bad_image):
        found = labeled(on_bad_image=on_bad_image)
        if broken == 'file':
            found.arrays[0] = BadImage('bad image 0.tif (not an image)')
        elif broken == 'thin':
            found.arrays[0] = found.arrays[0][:7]
        else:
            whole, array = found.open_whole, found.arrays[0]
            found.open_whole = lambda info: whole(info) if info['number'] else Broken(array)
        return found

    with pytest.raises(UserError, match=r'^bad image 0.tif \(.*\): fix or remove it, or skip it with --on-bad-image'):
        evaluated(Segmentor(), dataset('stop'), IoU())
    metrics, outputs, batch = evaluated(Segmentor(), dataset('skip'), IoU())
    assert batch['skipped'] == ['0.tif'] and len(outputs) == 1
    assert metrics == iou_of_whole(slice(1, 2))


def test_errors_of_the_ground_truth_are_not_skipped():
    dataset = labeled(on_bad_image='skip')
    dataset.truths[0] = np.full(SIZE, 7, np.uint8)
    with pytest.raises(UserError, match=r'0.png: pixels of class 7, but the classes are 0 to 2'):
        evaluated(Segmentor(), dataset, IoU())


def test_masks_of_tiles_are_for_our_metric_alone():
    info = {'img_id': 0, 'instances': []}
    dataset = Images([as_image(numbered(1))], [info], {'classes': ('a', 'b', 'c')})
    with pytest.raises(UserError, match='PixelAccuracy takes masks as large as the image'):
        evaluated(Detector(), dataset, PixelAccuracy())


def test_parts_of_a_data_set():
    """Several data sets in one, of the same images with other masks; whole images; different tiles."""
    one, other = labeled(), labeled()
    for info in other.infos:
        info['seg_map_path'] = f'other/{info["seg_map_path"]}'
    both = SimpleNamespace(datasets=[one, other])
    tiled = TiledEvaluation.of(Segmentor(), both, 1)
    evaluator = evaluator_of(IoU(), one.metainfo)
    tiled.process({'data_samples': [one.infos[0], other.infos[1]], 'skipped': []}, evaluator)
    assert one.read and other.read
    assert evaluator.evaluate(2) == iou_of_whole()
    assert TiledEvaluation.of(Segmentor(), labeled(tiles=None), 1) is None
    assert TiledEvaluation.of(Segmentor(), range(3), 1) is None
    with pytest.raises(UserError, match=r'different tiles .32 x 48 by 0.2, none.: give all the same'):
        TiledEvaluation.of(Segmentor(), SimpleNamespace(datasets=[one, labeled(tiles=None)]), 1)


def test_real_parts_of_a_data_set_are_told_apart_by_their_images(tmp_path):
    predictions, _ = maps()
    parts = []
    for name, numbers in zip('ab', predictions, strict=True):
        save(tmp_path / name / 'images/validation/1.png', as_image(numbers))
        save(tmp_path / name / 'annotations/validation/1.png', numbers.astype(np.uint8))
        (tmp_path / name / 'classes.txt').write_text('x\ny\nz\n')
        load = [dict(type='convnext_dense.LoadImage')]
        options = dict(reduce_zero_label=False, test_mode=True, tiles=dict(size=32))
        parts.append(MaskFolder(str(tmp_path / name), 'validation', load, **options))
        parts[-1].pipeline.transforms.append(pack)
    tiled = TiledEvaluation.of(Segmentor(), SimpleNamespace(datasets=parts), 4)
    evaluator = evaluator_of(IoU(), parts[0].metainfo)
    tiled.process({'data_samples': [part[0]['data_samples'] for part in parts], 'skipped': []}, evaluator)
    assert evaluator.evaluate(2)['mIoU'] == 100


def test_steps_that_load_are_left_out_of_all_views():
    class LoadMask:
        def __call__(self, results):
            raise AssertionError('annotations are not loaded')

    def add(number):
        return lambda results: {**results, 'sum': results.get('sum', 0) + number}

    views = Views([[add(1), add(5)], [LoadMask()], [add(2)]])
    pipeline = Compose([LoadMask(), add(10), views])
    assert without_loading(pipeline)({}) == {'sum': [13, 17]}
    assert len(pipeline.transforms) == len(views.subroutines[0].transforms) == 3, 'it is not changed'
