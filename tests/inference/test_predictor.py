"""Predictors: the numbers of the test pipeline, at the size of the upright image, whatever the image is like."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.model import revert_sync_batchnorm
from PIL import Image

from convnext_dense.config.read import read_config
from convnext_dense.engine.building import build_model
from convnext_dense.errors import UserError
from convnext_dense.inference import predictor as inference
from convnext_dense.inference.predictor import Predictor
from convnext_dense.io.image_size import ImageSize
from convnext_dense.registry import DATASETS, FUNCTIONS
from convnext_dense.results.colors import palette
from convnext_dense.tasks import set_classes
from tests.conftest import write_image_folder
from tests.helpers import coco_files
from tests.helpers.mask_folder import write_mask_folder
from tests.helpers.other_heads import DETECTORS, SEGMENTORS, write_head
from tests.helpers.small_models import CLASSES, CONFIGS, write_checkpoint, write_config

TASKS = list(CONFIGS)
load = partial(inference.load, device='cpu')


@pytest.fixture(scope='module')
def files(tmp_path_factory) -> Path:
    """``TASK.py`` and ``TASK.pth`` of each task."""
    folder = tmp_path_factory.mktemp('models')
    for task in TASKS:
        write_checkpoint(write_config(task, folder), folder / f'{task}.pth', classes=CLASSES)
    return folder


def predictor(files: Path, task: str, **arguments) -> Predictor:
    return load(files / f'{task}.py', files / f'{task}.pth', data='sample', **arguments)


@pytest.fixture(scope='module')
def predictors(files) -> dict[str, Predictor]:
    return {task: predictor(files, task) for task in TASKS}


def scene(width: int, height: int, seed: int = 0) -> np.ndarray:
    """A smooth colored image without any symmetry."""
    noise = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))


def numbers(result) -> list[np.ndarray]:
    """All that a result has found."""
    if hasattr(result, 'boxes'):
        return [result.boxes, result.scores, result.labels] + ([] if result.masks is None else [result.masks])
    return [result.labels] if hasattr(result, 'colors') else [result.scores]


def same(one, other, tolerance: float = 0) -> bool:
    pairs = zip(numbers(one), numbers(other), strict=True)
    return all(a.shape == b.shape and np.allclose(a, b, rtol=0, atol=tolerance) for a, b in pairs)


def data_of(task: str, root: Path) -> Path:
    if task == 'classification':
        return write_image_folder(root, val=3)
    if task == 'segmentation':
        write_mask_folder(root)
        (root / 'classes.txt').write_text('\n'.join('abcde'))
        return root
    for split in ('train', 'val'):
        coco_files.write(root, coco_files.content(), split)
    return root


@pytest.mark.parametrize('task', TASKS)
def test_predictions_are_those_of_the_test_pipeline(files, tmp_path, task):
    root = data_of(task, tmp_path / 'data')
    cfg = read_config(str(files / f'{task}.py'), data=str(root))
    model = revert_sync_batchnorm(build_model(cfg)).eval()
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'weights.pth')
    predict = load(files / f'{task}.py', tmp_path / 'weights.pth')
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    collate = FUNCTIONS.get(cfg.test_dataloader.collate_fn.type)
    assert len(dataset) >= 2
    for index in range(2):
        batch = collate([dataset[index]])
        with torch.inference_mode():
            (expected,) = model.test_step(batch)
        result = predict(batch['paths'][0])
        assert result.path == batch['paths'][0]
        if task == 'classification':
            assert np.array_equal(result.scores, expected['scores'])
        elif task == 'segmentation':
            assert np.array_equal(result.labels, expected.pred_sem_seg.data[0])
            assert result.labels.shape == expected.ori_shape
        else:
            assert len(result.boxes) > 3
            for name, found in zip(('bboxes', 'scores', 'labels', 'masks'), numbers(result), strict=True):
                assert np.array_equal(found, expected.pred_instances[name])


@pytest.mark.parametrize('task', TASKS)
def test_the_test_set_may_be_inside_wrappers(files, predictors, tmp_path, task):
    def wrapped(*changes: dict) -> str:
        cfg = read_config(str(files / f'{task}.py'), data='sample', needs_data=False)
        parts = [{**cfg.test_dataloader.dataset, **change} for change in changes]
        repeated = dict(type='RepeatDataset', times=2, dataset=parts[0])
        cfg.test_dataloader.dataset = dict(type='ConcatDataset', datasets=[repeated, *parts[1:]])
        cfg.dump(tmp_path / 'wrapped.py')
        return str(tmp_path / 'wrapped.py')

    places = ({'annotations': 'a.json'}, {'annotations': 'b.json'}) if task == 'detection' else ({}, {'root': 'b'})
    image, plain = scene(90, 70), predictors[task]
    found = load(wrapped(*places), files / f'{task}.pth')
    assert found.input_shape == plain.input_shape
    assert same(found(image), plain(image))
    key = 'transform' if task == 'classification' else 'pipeline'
    with pytest.raises(UserError, match=f'the 2 data sets of test_dataloader have different values of {key}'):
        load(wrapped({}, {key: {} if key == 'transform' else []}), files / f'{task}.pth')


def odd_images(folder: Path) -> dict[str, tuple[Path, tuple[int, int]]]:
    """Files of every kind, with the height and width of the upright image."""
    rgb = Image.fromarray(scene(70, 50))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    kinds = {
        'exif.jpg': (rgb, (70, 50)),
        'gray.png': (rgb.convert('L'), (50, 70)),
        'gray16.png': (Image.fromarray(scene(70, 50)[:, :, 0].astype(np.uint16) * 257), (50, 70)),
        'rgba.png': (rgb.convert('RGBA'), (50, 70)),
        'palette.png': (rgb.convert('P'), (50, 70)),
        'cmyk.jpg': (rgb.convert('CMYK'), (50, 70)),
        'bits.png': (rgb.convert('1'), (50, 70)),
        'one.png': (rgb.crop((0, 0, 1, 1)), (1, 1)),
        'large.jpg': (rgb.resize((4000, 3000)), (3000, 4000)),
    }
    images = {}
    for name, (image, size) in kinds.items():
        image.save(folder / name, **({'exif': exif} if name == 'exif.jpg' else {}))
        images[name] = (folder / name, size)
    return images


def test_every_kind_of_image_has_a_result_of_its_upright_size(predictors, tmp_path):
    for name, (path, (height, width)) in odd_images(tmp_path).items():
        scores, found, labels = (predictors[task](path) for task in TASKS)
        assert scores.scores.shape == (3,) and scores.scores.sum() == pytest.approx(1), name
        assert found.size == (height, width) and found.masks.shape == (len(found.boxes), height, width), name
        if name != 'one.png':
            assert found.boxes[:, 2].max() > width / 2 and found.boxes[:, 3].max() > height / 2
        assert (found.boxes >= 0).all() and (found.boxes <= [width, height] * 2).all()
        assert labels.labels.shape == (height, width) and labels.labels.max() < 3, name


@pytest.mark.parametrize('task', TASKS)
def test_a_turned_image_is_the_upright_one(predictors, tmp_path, task):
    upright, exif = scene(96, 64), Image.Exif()
    exif[0x0112] = 6
    turned = Image.fromarray(np.rot90(upright))
    turned.save(tmp_path / 'turned.png', exif=exif)
    expected = predictors[task](upright)
    assert same(predictors[task](tmp_path / 'turned.png'), expected)
    with Image.open(tmp_path / 'turned.png') as image:
        assert same(predictors[task](image), expected)
    assert not same(predictors[task](turned), expected)


@pytest.mark.parametrize('task', TASKS)
def test_a_batch_gives_what_its_images_give_alone(predictors, task):
    sizes = [(96, 64), (64, 96), (96, 64), (80, 80), (64, 96), (96, 64)]
    images = [scene(*size, seed=seed) for seed, size in enumerate(sizes)]
    alone = [predictors[task](image) for image in images]
    assert not same(alone[0], alone[2])
    for one, batched in zip(alone, predictors[task].batch(iter(images), batch_size=4), strict=True):
        assert same(one, batched, 1e-4)  # boxes are in pixels


def test_images_are_taken_as_they_are_needed(predictors):
    taken = []

    def images():
        for seed in range(5):
            taken.append(seed)
            yield scene(32, 32, seed)

    results = predictors['classification'].batch(images(), batch_size=2)
    next(results)
    assert taken == [0, 1]
    assert len(list(results)) == 4


def test_images_that_cannot_be_used_are_handed_back(predictors, tmp_path):
    bad = tmp_path / 'bad.jpg'
    bad.write_bytes(b'no image')
    images = [scene(40, 40), bad, scene(2000, 1), scene(2000, 3), scene(40, 40).astype(float), scene(50, 40)]
    failed = []
    results = list(predictors['segmentation'].batch(images, 3, lambda image, error: failed.append(str(error))))
    assert [result.labels.shape for result in results] == [(40, 40), (40, 50)]
    assert failed == [
        f'bad image {bad} (not an image)',
        'bad image array (height 1, width 2000: too thin for the network)',
        'bad image array (height 3, width 2000: too thin for the network)',
        'an image as an array is uint8 (H, W, 3) in RGB, not float64 (40, 40, 3)',
    ]
    with pytest.raises(UserError, match='bad image'):
        predictors['segmentation'](bad)


def test_classes_and_colors_come_from_the_checkpoint(files, tmp_path, predictors):
    meta = {'classes': ['sea', 'sky', 'sun'], 'palette': [[1, 2, 3], [4, 5, 6], [7, 8, 9]]}
    path = write_checkpoint(files / 'segmentation.py', tmp_path / 'seg.pth', **meta)
    result = load(files / 'segmentation.py', path, data='sample')(scene(64, 48))
    assert (result.names, result.colors.tolist()) == (meta['classes'], meta['palette'])
    path = write_checkpoint(files / 'segmentation.py', path, classes=CLASSES, palette='random')
    for predict in (load(files / 'segmentation.py', path), predictors['segmentation']):
        assert np.array_equal(predict.classes.colors, palette(3))

    path = write_checkpoint(files / 'detection.py', tmp_path / 'det.pth', classes=CLASSES, category_ids=[7, 2, 90])
    result = load(files / 'detection.py', path, data='sample')(scene(96, 64))
    assert [entry['category_id'] for entry in result.as_json()] == [[7, 2, 90][k] for k in result.labels]
    assert [entry['category'] for entry in result.as_json()] == [CLASSES[k] for k in result.labels]

    # as mmcv wrote it before mmengine
    content = torch.load(path, weights_only=True)
    torch.save({**content, 'meta': {'CLASSES': ('a', 'b', 'c')}}, path)
    assert load(files / 'detection.py', path).names == ['a', 'b', 'c']


def test_label_maps_have_the_numbers_of_the_masks_that_the_checkpoint_was_trained_on(files, tmp_path):
    for ignored, meaning in ((True, 'ignore'), (False, 'class')):
        meta = {'classes': CLASSES, 'reduce_zero_label': ignored}
        path = write_checkpoint(files / 'segmentation.py', tmp_path / 'seg.pth', **meta)
        result = load(files / 'segmentation.py', path, data='sample')(scene(64, 48))
        result.save_labels(tmp_path / 'labels.png')
        with Image.open(tmp_path / 'labels.png') as labels:
            assert np.array_equal(np.asarray(labels), result.labels + int(ignored))
        assert load(files / 'segmentation.py', path, label_zero=meaning).classes.first_label == int(ignored)
        with pytest.raises(UserError, match=r'label 0 of the masks was .* in the training of .*: leave out'):
            load(files / 'segmentation.py', path, label_zero='class' if ignored else 'ignore')
    with pytest.raises(UserError, match='--label-zero is for the masks of segmentation'):
        load(files / 'classification.py', files / 'classification.pth', label_zero='class')


@pytest.mark.parametrize('task', TASKS)
def test_a_checkpoint_without_names_still_has_its_number_of_classes(files, tmp_path, predictors, task):
    state = torch.load(files / f'{task}.pth', weights_only=True)['state_dict']
    if task == 'classification':  # as the official files are
        state = {name.removeprefix('backbone.'): tensor for name, tensor in state.items()}
    torch.save({'model': state}, tmp_path / 'official.pth')
    predict = load(files / f'{task}.py', tmp_path / 'official.pth', data='sample')
    assert predict.names == ['class_0', 'class_1', 'class_2']
    assert same(predict(scene(64, 48)), predictors[task](scene(64, 48)))


def test_a_config_from_mmseg_or_an_earlier_run_needs_no_more_memory(files, predictors):
    found = predictor(files, 'segmentation', options={'model.type': 'mmseg.EncoderDecoder'})
    assert type(found.model) is type(predictors['segmentation'].model)
    one, other = (p(scene(70, 50)) for p in (found, predictors['segmentation']))
    assert same(one, other)


def test_averaged_weights(files, tmp_path, predictors):
    content = torch.load(files / 'classification.pth', weights_only=True)
    average = {name: tensor * 0.5 for name, tensor in content['state_dict'].items()}
    torch.save({**content, 'ema_state_dict': average}, tmp_path / 'epoch_3.pth')
    raw, ema = (load(files / 'classification.py', tmp_path, weights=w, data='sample') for w in ('raw', 'ema'))
    assert same(raw(scene(64, 48)), predictors['classification'](scene(64, 48)))
    assert torch.equal(ema.model.head.weight, raw.model.head.weight * 0.5)
    with pytest.raises(UserError, match='holds no ema weights'):
        predictor(files, 'classification', weights='ema')


def test_sample_settings_need_no_sample(files, predictors, monkeypatch):
    monkeypatch.setattr('convnext_dense.sample_data.create.ensure_sample', lambda: 1 / 0)
    assert predictor(files, 'classification')._transform.transforms[1].size == (48, 48)
    assert load(files / 'classification.py', files / 'classification.pth')._transform.transforms[1].size == (224, 224)
    predict = predictor(files, 'detection', options={'model.test_cfg.rcnn.max_per_img': 5})
    assert len(predict(scene(96, 64)).boxes) == 5


class Canary:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_checkpoint_that_would_run_code_is_refused(files, tmp_path):
    content = torch.load(files / 'detection.pth', weights_only=True)
    evil, canary = tmp_path / 'evil.pth', tmp_path / 'canary'
    torch.save({**content, 'meta': {'dataset_meta': Canary(canary)}}, evil)
    with pytest.raises(UserError, match=f'checkpoint {evil} .* could run code'):
        load(files / 'detection.py', evil)
    assert not canary.exists()
    torch.save(
        {**content, 'meta': {'cfg': f"open({str(canary)!r}, 'w')", 'config': f'open({str(canary)!r}, "w")'}}, evil
    )
    load(files / 'detection.py', evil)
    assert not canary.exists()


def test_a_checkpoint_of_another_kind_is_named(files, tmp_path):
    for task, other in (('detection', 'segmentation'), ('classification', 'detection')):
        with pytest.raises(UserError, match=rf'^checkpoint \S+{other}.pth is for {other}, the config for {task}: '):
            load(files / f'{task}.py', files / f'{other}.pth')
    with pytest.raises(
        UserError, match=r'is of another model than this config: its .* V1 atto \(backbone\.\S+ is \(8, 3, 4, 4\) i'
    ):
        load('configs/classification/convnext_a.py', files / 'classification.pth')
    state = torch.load(files / 'detection.pth', weights_only=True)['state_dict']
    trunk = {name: tensor for name, tensor in state.items() if name.startswith('backbone.')}
    torch.save({'state_dict': trunk}, tmp_path / 'trunk.pth')
    with pytest.raises(UserError, match=r'trunk.pth has no head for detection'):
        load(files / 'detection.py', tmp_path / 'trunk.pth')


def test_a_gpu_that_is_not_there(files, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(UserError, match='device cuda: torch finds no GPU'):
        predictor(files, 'classification', device='cuda')


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('task', TASKS)
def test_a_gpu_gives_what_the_cpu_gives(files, predictors, task):
    gpu = predictor(files, task, device=None)
    assert next(gpu.model.parameters()).is_cuda
    one, other = gpu(scene(96, 64)), predictors[task](scene(96, 64))
    for a, b in zip(numbers(one), numbers(other), strict=True):
        assert a.shape == b.shape
        assert np.mean(np.isclose(a, b, rtol=1e-2, atol=1e-2)) > 0.99


@pytest.mark.parametrize('name', [*DETECTORS, *SEGMENTORS])
def test_a_model_with_any_head_predicts_for_the_classes_that_its_checkpoint_names(name, tmp_path):
    config = write_head(name, tmp_path)
    cfg = read_config(str(config), needs_data=False)
    set_classes(cfg, len(CLASSES))
    model = revert_sync_batchnorm(build_model(cfg)).eval()
    meta = {'convnext_dense': '0.1.0', 'cfg': cfg.pretty_text, 'dataset_meta': {'classes': CLASSES}}
    torch.save({'state_dict': model.state_dict(), 'meta': meta}, tmp_path / 'w.pth')
    named = load(config, tmp_path / 'w.pth')
    torch.save({'state_dict': model.state_dict(), 'meta': {'convnext_dense': '0.1.0'}}, tmp_path / 'w.pth')
    unnamed = load(config, tmp_path / 'w.pth')
    assert (named.names, unnamed.names) == (CLASSES, ['class_0', 'class_1', 'class_2'])
    result = named(scene(96, 64))
    assert same(unnamed(scene(96, 64)), result)
    assert result.labels.max(initial=0) < 3
    if name in DETECTORS:
        assert len(result.boxes) and result.boxes.max() <= 96
    other = 'fcn' if name in DETECTORS else 'fcos'
    with pytest.raises(
        UserError, match=rf'w.pth is for {cfg.task}, the config for (detection|segmentation): take one'
    ):
        torch.save({'state_dict': model.state_dict(), 'meta': meta}, tmp_path / 'w.pth')
        load(write_head(other, tmp_path), tmp_path / 'w.pth')


def test_a_whole_image_is_predicted_in_pixels_of_the_network(predictors):
    for task, predict in predictors.items():
        image = scene(90, 70)
        pixels, (own,) = predict.predict_whole([image])
        inputs, (result, other) = predict.predict_whole([image, scene(90, 70, 1)], ImageSize(64, 96))
        assert inputs.shape == (2, 3, 64, 96) and inputs.dtype == torch.float32, task
        assert -0.01 < inputs.min() < 60 and 180 < inputs.max() < 255.01
        assert not same(result, other)
        if task == 'classification':
            assert same(own, predict(image))
            continue
        height, width = pixels.shape[2:]
        assert inputs[0].equal(inputs[0].round())
        for found, size in ((own, (height, width)), (result, (64, 96))):
            assert (found.size if task == 'detection' else found.labels.shape) == size
        shown = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float()
        enlarged = torch.nn.functional.interpolate(shown, (height, width), mode='bilinear')
        assert (enlarged - pixels).abs().mean() < 2, task  # RGB in its place
