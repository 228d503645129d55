"""``--value-range`` and ``--image-size`` from training to what is done with the checkpoint."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convnext_dense import load
from convnext_dense.cli import run_verb
from convnext_dense.errors import UserError
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


def write_pages(root: Path) -> Path:
    """Two classes of TIFF files with two pages each, of which the second tells them."""
    for split, count in (('train', 8), ('val', 2)):
        for name, level in (('dark', 10), ('bright', 200)):
            (root / split / name).mkdir(parents=True)
            for i in range(count):
                pages = [Image.fromarray(np.full((40, 40), value + i, np.uint8)) for value in (100, level)]
                pages[0].save(root / split / name / f'{i}.tif', save_all=True, append_images=pages[1:])
    return root


def test_pages_and_the_limit_of_pixels_from_check_to_demo(tmp_path, capsys):
    data, run = write_pages(tmp_path / 'data'), tmp_path / 'run'
    check = [ATTO, '--data', str(data), '--workers', '1']
    assert run_verb('check_data', check) == 1
    assert 'it has 2 pages, the first of 40 x 40: choose one with --page NUMBER' in capsys.readouterr().out
    assert run_verb('check_data', [*check, '--page', '2', '--max-pixels', '1599']) == 1
    assert 'images of more pixels than are decoded: set the limit: --max-pixels N' in capsys.readouterr().out
    settings = ['--page', '2', '--max-pixels', '1600']
    argv = [ATTO, '--data', str(data), '--epochs', '1', '--image-size', '32', '32']
    refused = [*argv, '--work-dir', str(tmp_path / 'refused'), '--cfg-options', *OPTIONS, *BATCH]
    assert run_verb('train', refused) == 2
    assert 'choose one with --page NUMBER' in capsys.readouterr().err
    assert run_verb('train', [*argv, *settings, '--work-dir', str(run), '--cfg-options', *OPTIONS, *BATCH]) == 0

    predict = load(run)
    assert predict.opening == (2, 1600)
    scores = predict(data / 'val' / 'bright' / '0.tif').scores
    assert np.array_equal(predict(np.full((40, 40, 3), 200, np.uint8)).scores, scores)
    np.save(tmp_path / 'a.npy', np.full((40, 40, 3), 200 / 255, np.float32))
    assert np.array_equal(load(run, page=1)(tmp_path / 'a.npy').scores, scores)
    with pytest.raises(UserError, match=r'a.npy \(a .npy file has one page, and --page 2 asks for another\)'):
        predict(tmp_path / 'a.npy')
    assert predict(data / 'val' / 'bright' / '0.tif').draw()[:40, :40].mean() > 150  # of the second page
    pages = [Image.new('L', (40, 41))] * 2
    pages[0].save(tmp_path / 'large.tif', save_all=True, append_images=pages[1:])
    demo = ['demo', [str(run), str(tmp_path / 'large.tif'), '--out-dir', str(tmp_path / 'demo')]]
    assert run_verb(*demo) == 1
    assert 'has 1,640 pixels (41 x 40), more than 1,600' in capsys.readouterr().err
    assert run_verb(demo[0], [*demo[1], '--max-pixels', '1640']) == 0
    assert run_verb('test', [str(run), '--weights', 'raw', '--max-pixels', '2000', '--show', '1']) == 0
    assert 'max_pixels' not in capsys.readouterr().err  # no difference to the run's predictions
