"""``--value-range`` and ``--image-size`` from training to what is done with the checkpoint."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convnext_dense import load
from convnext_dense.cli import run_verb
from tests.helpers.run_tool import ATTO

OPTIONS = [f'{split}_dataloader.num_workers=0' for split in ('train', 'val', 'test')]
BATCH = ['train_dataloader.batch_size=4', 'train_cfg.total_batch_size=4']


def write_12_bits(root: Path) -> Path:
    """Two classes, dark and bright, of 12 bits in 16, as instruments write them."""
    rng = np.random.default_rng(0)
    for split, count in (('train', 8), ('val', 3)):
        for name, level in (('dark', 0), ('bright', 1600)):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = level + rng.integers(0, 2400, (40, 40))
                Image.fromarray(pixels.astype(np.uint16)).save(root / split / name / f'{i}.png')
    return root


def test_a_run_on_12_bits_from_check_to_demo(tmp_path, capsys):
    data, run = write_12_bits(tmp_path / 'data'), tmp_path / 'run'
    images = ['--value-range', '0', '4095', '--image-size', '32', '32']
    assert run_verb('check_data', [ATTO, '--data', str(data), '--workers', '1']) == 1
    assert '--value-range 0 4095' in capsys.readouterr().out
    assert run_verb('check_data', [ATTO, '--data', str(data), '--workers', '1', *images]) == 0
    argv = [ATTO, '--data', str(data), '--work-dir', str(run), '--epochs', '1', *images]
    assert run_verb('train', [*argv, '--cfg-options', *OPTIONS, *BATCH]) == 0
    log = next(run.rglob('*.log')).read_text()
    assert 'crops of 32 x 32 in training, crops of 32 x 32 in validation, crops of 32 x 32 in testing' in log
    assert 'train: 16 16-bit images of 16, in which 0 to 4095 become the gray levels 0 to 255' in log
    assert '4 optimizer steps of 4 of 16 images: --epochs 75 makes 300' in log
    capsys.readouterr()

    predict = load(run)
    assert (predict.input_shape, predict.value_range) == ((32, 32), (0, 4095))
    file = data / 'val' / 'bright' / '0.png'
    deep = np.asarray(Image.open(file))
    eight = np.repeat((deep / 4095 * 255).round().astype(np.uint8)[..., None], 3, axis=2)
    assert np.array_equal(predict(file).scores, predict(eight).scores)
    drawn = predict(file).draw()[:40, :40]
    assert drawn.mean() == pytest.approx(predict(eight).draw(image=eight)[:40, :40].mean())
    assert run_verb('test', [str(run), '--weights', 'raw', '--show', '1']) == 0
    assert run_verb('demo', [str(run), str(file), '--out-dir', str(tmp_path / 'demo')]) == 0
    assert np.asarray(Image.open(tmp_path / 'demo' / '0.png'))[:40, :40].mean() == pytest.approx(drawn.mean(), abs=2)

    fresh = load(ATTO, run, image_size=(64, 64), options={'model.mixup': None})
    assert fresh.input_shape == (64, 64) and fresh.value_range is None
    assert 'test_dataloader.dataset.value_range' in capsys.readouterr().err
