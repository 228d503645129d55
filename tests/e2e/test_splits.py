"""A data set without validation images, from the flag that splits it to a run that goes on and is tested."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convnext_dense.cli import run_verb
from convnext_dense.data.subset import FILE_NAME, read_split
from convnext_dense.engine.csv_log import read_scalars
from tests.helpers.run_tool import ATTO, SMALL, train

COLORS = {'blue': (40, 60, 220), 'green': (40, 200, 40), 'red': (220, 40, 40)}
GROUP = r'(v\d+)_'


def write_image(path: Path, color: tuple[int, int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((32, 32, 3), color, np.uint8)).save(path)


@pytest.fixture
def unsplit(tmp_path) -> Path:
    """Class folders in no split: 10 images of each color, in 5 videos of 2 frames."""
    for name, color in COLORS.items():
        for number in range(10):
            write_image(tmp_path / 'data' / name / f'v{number // 2}_{number % 2}.png', color)
    return tmp_path / 'data'


def test_a_run_keeps_its_split(unsplit, tmp_path, capsys):
    work_dir, flags = tmp_path / 'w', ('--val-split', '0.2', '--split-group', GROUP)
    assert train(unsplit, work_dir, *flags) == 0
    said = _said(capsys)
    assert said.count('split: 24 images for training, 6 for validation (20.0%), by name, seed 0, in 5 groups') == 1
    before = (work_dir / FILE_NAME).read_text()
    kept = read_split(work_dir / FILE_NAME)
    assert kept.counts == {name: {'train': 8, 'val': 2} for name in COLORS}
    videos = {part: {name.split('/')[1][:2] for name in names} for part, names in kept.names.items()}
    assert len(videos['val']) == 1 and not videos['train'] & videos['val']

    # what comes later is in neither part, and another rule would mix them
    write_image(unsplit / 'blue' / 'v9_0.png', COLORS['blue'])
    cut = ['--resume', str(work_dir / 'epoch_1.pth')]  # into another work dir, which then has the split, too
    assert train(unsplit, tmp_path / 'w2', *flags, *cut) == 0
    said = _said(capsys)
    assert f'1 of 31 images in {unsplit} left out, which are not in {work_dir}/{FILE_NAME}: the split of the' in said
    assert (tmp_path / 'w2' / FILE_NAME).read_text() == before
    assert losses(tmp_path / 'w2') == losses(work_dir)[3:]  # of the same images
    assert train(unsplit, work_dir, '--val-split', '0.3', '--resume') == 2
    assert "has the split --val-split 0.2 --split-group '(v\\d+)_', and now --val-split 0.3 is" in _error(capsys)
    assert train(unsplit, work_dir, '--resume') == 0
    assert "--val-split 0.2 --split-group '(v\\d+)_' is kept, by which the run split its data" in _said(capsys)

    # a split that is gone is made anew, and must be the same
    (work_dir / FILE_NAME).unlink()
    assert train(unsplit, work_dir, *flags, '--epochs', '3', '--resume') == 2  # with the new image
    assert f'the run had a split with the digest {kept.digest} and now has ' in _error(capsys)
    assert not (work_dir / FILE_NAME).exists()
    (unsplit / 'blue' / 'v9_0.png').unlink()
    assert train(unsplit, work_dir, *flags, '--resume') == 0
    assert f'there is no {FILE_NAME} in {work_dir}: the images are split anew, which must give the same' in _said(
        capsys
    )
    assert (work_dir / FILE_NAME).read_text() == before

    # the work dir alone is enough, wherever it and the data are
    moved = shutil.move(work_dir, tmp_path / 'elsewhere' / 'run')
    data = shutil.move(unsplit, tmp_path / 'other')
    assert run_verb('test', [str(moved), '--data', str(data)]) == 0
    metrics = json.loads((moved / 'metrics.json').read_text())['metrics']
    assert metrics['raw/images'] == 6
    said = _said(capsys)
    assert 'split of the run: 6 of 30 images are tested' in said and 'were used in training' not in said
    assert f'have the names in {moved}/{FILE_NAME}, of images in {unsplit}: they are taken for the same' in said

    # what is not known to be the data of the run is tested whole
    (data / 'red' / 'v0_0.png').unlink()
    trained = 24 - ('red/v0_0.png' in kept.names['train'])
    out = ['--out', str(tmp_path / 'm.json'), '--show-dir', str(tmp_path / 'show')]
    assert run_verb('test', [str(moved), '--data', str(data), *out]) == 0
    said = _said(capsys)
    assert f'{data} has 29 of the 30 images of the run: its split does not hold here, all 29 images are taken' in said
    assert f'{trained} of 29 images were used in training' in said
    (tmp_path / 'copied').mkdir()
    copied = [shutil.copy(file, tmp_path / 'copied') for file in (*moved.glob('*.py'), moved / 'epoch_2.pth')]
    assert run_verb('test', [*map(str, copied), '--data', str(data), *out]) == 0
    assert 'there is no split.json of the run, by whose split its images were chosen: all 29 images' in _said(capsys)

    # testing on what was learned is said
    shutil.move(data, unsplit)
    assert run_verb('test', [ATTO, str(moved), '--data', str(unsplit), *out, '--cfg-options', *SMALL]) == 0
    said = _said(capsys)
    assert f'{trained} of 29 images were used in training, by {moved}/{FILE_NAME}: results will look better' in said
    assert "give --val-split 0.2 --split-group '(v\\d+)_' to test on the others" in said


def losses(work_dir: Path) -> list[tuple[int, float]]:
    return read_scalars(work_dir)['train/loss']


def _said(capsys) -> str:
    said = capsys.readouterr()
    return said.out + said.err


def _error(capsys) -> str:
    return next(line for line in _said(capsys).splitlines() if line.startswith('error: '))
