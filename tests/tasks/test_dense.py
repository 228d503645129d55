"""Detection and segmentation together: images as the network takes them, and samples of noise."""

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from PIL import Image

from convnext_dense.config.read import read_config
from convnext_dense.errors import UserError
from convnext_dense.io.image_size import ImageSize
from convnext_dense.tasks import task_of
from convnext_dense.tasks.dense import read_as_annotated
from convnext_dense.weights.preprocessing import Preprocessing
from tests.helpers.small_models import CONFIGS


@pytest.mark.parametrize('task', ['detection', 'segmentation'])
def test_an_image_is_prepared_as_bgr_with_its_own_size(task):
    cfg = read_config(f'configs/{CONFIGS[task][0]}', needs_data=False)
    image = np.full((60, 90, 3), (200, 100, 50), np.uint8)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        transform = task_of(cfg).build_transform(cfg.test_dataloader.dataset)
        prepared = task_of(cfg).prepare(transform, image, None)
        assert prepared.tensor[:, 20, 20].tolist() == [50, 100, 200]
        assert prepared.sample.ori_shape == (60, 90)
        assert min(prepared.tensor.shape[1:]) in (512, 800)
        with pytest.raises(UserError, match=r'bad image array \(height 1, width 4000: too thin for the network\)'):
            task_of(cfg).prepare(transform, np.zeros((1, 4000, 3), np.uint8), None)


@pytest.mark.parametrize('task', ['detection', 'segmentation'])
def test_samples_of_noise_have_random_annotations(task):
    cfg = read_config(f'configs/{CONFIGS[task][0]}', needs_data=False)
    rng = np.random.default_rng(0)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        one, other = (task_of(cfg).random_sample(rng, ImageSize(64, 96), 5) for _ in range(2))
    assert one['inputs'].shape == (3, 64, 96) and not (one['inputs'] == other['inputs']).all()
    if task == 'detection':
        found = one['data_samples'].gt_instances
        assert len(found.bboxes) == len(found.masks) == 10 and set(found.labels.tolist()) <= set(range(5))
    else:
        labels = one['data_samples'].gt_sem_seg.data
        assert labels.shape == (1, 64, 96) and 1 < len(labels.unique()) <= 5


def test_an_image_is_turned_to_fit_its_annotations(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = str(tmp_path / 'turned.png')
    Image.fromarray(np.arange(24, dtype=np.uint8).reshape(2, 4, 3)).save(path, exif=exif)
    as_stored, upright = read_as_annotated(path, ImageSize(2, 4)), read_as_annotated(path, ImageSize(4, 2))
    assert as_stored.ravel().tolist() == list(range(24))
    assert np.array_equal(upright, np.rot90(as_stored, -1))


@pytest.mark.parametrize('config', ['det/cascade_convnext_t_coco.py', 'seg/upernet_convnext_t_ade20k.py'])
def test_the_normalization_is_that_of_the_models_preprocessor(config):
    cfg = read_config(f'configs/{config}', needs_data=False)
    task = task_of(cfg)
    assert task.preprocessing(cfg).is_imagenets
    part = cfg.model.data_preprocessor
    rgb = Preprocessing((0.48145466, 0.4578275, 0.40821073), (0.1, 0.2, 0.3))
    task.set_preprocessing(cfg, rgb, ('mean', 'std', 'input_size'))
    assert (part.mean, part.std) == ([122.7709383, 116.7460125, 104.0937362], [25.5, 51.0, 76.5])
    assert task.preprocessing(cfg) == rgb  # to the last digit, whatever was rounded
    part.bgr_to_rgb = False
    assert task.preprocessing(cfg) == Preprocessing(rgb.mean[::-1], rgb.std[::-1], bgr=True)
    part.rgb_to_bgr = True
    assert task.preprocessing(cfg) == rgb
    part.mean = 'imagenet'
    assert task.preprocessing(cfg) is None
    cfg.model.data_preprocessor = None
    assert task.preprocessing(cfg) is None
