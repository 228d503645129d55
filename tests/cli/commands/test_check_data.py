"""``check_data`` from its command line, and what ``train`` checks before it starts."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convnext_dense.cli import run_verb
from tests.helpers import coco_files, panoptic_files
from tests.helpers.mask_folder import relabel, write_mask_folder
from tests.helpers.run_tool import ATTO, ROOT, train

DETECTOR, SEGMENTOR = 'configs/det/cascade_convnext_a_coco.py', 'configs/seg/upernet_convnext_a_ade20k.py'


def check_data(data: Path | str, *arguments: str, config: str = ATTO) -> int:
    return run_verb('check_data', [config, '--data', str(data), '--workers', '1', *arguments])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))


def test_a_good_image_folder_is_reported_and_drawn(own_image_folder, tmp_path, capsys):
    file, sheet = tmp_path / 'check.json', tmp_path / 'check.png'
    assert check_data(own_image_folder) == 0
    few = '24 training images are fewer than one batch (128 x 1 processes): take --batch 24 or less'
    assert f'warning  train: {few}' in capsys.readouterr().out
    options = ('--json', str(file), '--sheet', str(sheet), '--cfg-options', 'train_dataloader.batch_size=24')
    assert check_data(own_image_folder, *options) == 0
    said = capsys.readouterr().out
    assert 'classification, 3 classes' in said
    assert 'ready for training: no problems found' in said
    content = json.loads(file.read_text())
    assert content['problems'] == 0
    assert content['splits']['train']['images'] == content['splits']['train']['readable'] == 24
    assert content['splits']['val']['size'] == {'smallest': [48, 48], 'median': [48, 48], 'largest': [48, 48]}
    assert content['classes'][2] == {'name': 'red', 'train': {'images': 8}, 'val': {'images': 2}}
    drawn = np.asarray(Image.open(sheet)).astype(int)
    for color in ((40, 60, 220), (40, 200, 60), (220, 50, 40)):
        assert (abs(drawn - color).max(axis=-1) < 40).mean() > 0.05


def test_bad_images_are_named_everywhere(own_image_folder, tmp_path, capsys):
    bad = own_image_folder / 'train' / 'red' / '02.jpg'
    bad.write_bytes(bad.read_bytes()[:400])
    shutil.copy(own_image_folder / 'train' / 'red' / '00.jpg', own_image_folder / 'val' / 'red' / 'known.jpg')
    file, sheet = tmp_path / 'check.json', tmp_path / 'check.png'
    assert check_data(own_image_folder, '--json', str(file), '--sheet', str(sheet)) == 1
    said = capsys.readouterr().out
    assert "problem  train: 1 image that can't be decoded: restore or remove them" in said
    assert f'{bad} (' in said
    assert 'fix the problems before training: 2 problems' in said
    findings = json.loads(file.read_text())['findings']
    assert [f['images'] for f in findings if 'decoded' in f['message']] == [[str(bad)]]
    drawn = np.asarray(Image.open(sheet))
    assert (drawn[12:236, 12:236] == 225).all()  # in its place, first of all


def test_data_of_three_tasks_meet_configs_of_others(own_image_folder, tmp_path, capsys):
    coco, masks = tmp_path / 'coco', write_mask_folder(tmp_path / 'masks')
    for split in ('train', 'val'):
        coco_files.write(coco, coco_files.content(), split)
    folders = {ATTO: own_image_folder, DETECTOR: coco, SEGMENTOR: masks}
    for config in folders:
        for own, folder in folders.items():
            code = check_data(folder, '--sheet', str(tmp_path / 'sheet.png'), config=config)
            said = capsys.readouterr()
            if config == own:
                assert code == (0 if config == ATTO else 1)  # theirs have the same images in both splits
                assert 'written: ' in said.out
            elif (config, own) == (SEGMENTOR, DETECTOR):  # label maps are drawn from its objects
                assert code == 1 and 'masks are drawn from COCO' in said.out
                assert 'written: ' in said.out
            else:
                assert code == 2
                assert said.err.startswith('error: no ') and 'expected' in said.err


def _write_coco(root: Path) -> None:
    for split in ('train', 'val'):
        coco_files.write(root, coco_files.content(), split)


def _detach(root: Path) -> None:
    for split in ('train', 'val'):
        file = root / f'annotations/instances_{split}2017.json'
        content = json.loads(file.read_text())
        content['annotations'] = [
            {k: v for k, v in one.items() if k != 'segmentation'} for one in content['annotations']
        ]
        file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ('config', 'write', 'spoil', 'found'),
    [
        (
            'seg/mask2former_convnext_a_ade20k.py',
            write_mask_folder,
            lambda root: relabel(root, lambda labels: labels + 60 * (labels == 5)),
            '4 masks with labels above 4: the labels of 5 classes go up to 4',
        ),
        ('det/mask2former_convnext_a_coco.py', _write_coco, _detach, 'has no masks, which the pipeline loads'),
        (
            'panoptic/mask2former_convnext_a_coco.py',
            panoptic_files.write_panoptic_set,
            lambda root: panoptic_files.change(root, lambda content: content['annotations'][0]['segments_info'].pop()),
            "1 PNG file that can't be used",
        ),
    ],
)
def test_configs_of_mask2former_have_the_checks_of_their_tasks(config, write, spoil, found, tmp_path, capsys):
    data = tmp_path / 'data'
    write(data)
    argv = {'config': f'configs/{config}'}
    check_data(data, '--sheet', str(tmp_path / 'good.png'), **argv)
    said = capsys.readouterr().out
    assert (tmp_path / 'good.png').exists() and found not in said
    spoil(data)
    assert check_data(data, **argv) == 1
    said = capsys.readouterr().out
    assert [line for line in said.splitlines() if line.startswith('problem  train: ') and found in line], said


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (('--json', '{file}/check.json'), 'check.json cannot be written'),
        (('--sheet', '{file}/check.png'), 'check.png cannot be written'),
        (('--sheet', 'sheet'), 'give it the suffix of an image format'),
        (('--workers', '0'), '--workers 0: take at least 1'),
    ],
)
def test_arguments_that_cannot_work(own_image_folder, tmp_path, capsys, arguments, said):
    (tmp_path / 'file').touch()
    assert check_data(own_image_folder, *(a.format(file=tmp_path / 'file') for a in arguments)) == 2
    assert said in capsys.readouterr().err


def test_small_objects_of_large_images_are_said_with_tiles_that_help(tmp_path, capsys):
    root = tmp_path / 'data'
    (root / 'annotations').mkdir(parents=True)
    for split in ('train', 'val'):
        (root / split).mkdir()
        Image.new('L', (2600, 2400), 99 if split == 'train' else 30).save(root / split / '0.png')
        things = [
            {'id': k + 1, 'image_id': 1, 'category_id': 1, 'bbox': [k * 50, 90, 12, 12], 'area': 144, 'iscrowd': 0}
            for k in range(8)
        ]
        for thing in things:
            x, y, side, _ = thing['bbox']
            thing['segmentation'] = [[x, y, x + side, y, x + side, y + side, x, y + side]]
        content = {
            'images': [{'id': 1, 'file_name': '0.png', 'width': 2600, 'height': 2400}],
            'annotations': things,
            'categories': [{'id': 1, 'name': 'car'}],
        }
        (root / 'annotations' / f'instances_{split}2017.json').write_text(json.dumps(content))
        (root / split).rename(root / f'{split}2017')
    file = tmp_path / 'check.json'
    check_data(root, '--json', str(file), config=DETECTOR)
    said = capsys.readouterr().out
    message, fix = said.partition('warning  train: images of 2400 x 2600')[2].splitlines()[0].split(': --tile')
    assert message == (
        ' (height x width, the median of 1) are shrunk 3.8 times on average before the network sees them; 100% of 8 '
        'objects come out under 8 pixels: the median object has 12 pixels a side, and 3.2 in the network'
    )
    assert fix == ' 640 trains and predicts on tiles at their own size'
    assert fix.strip() in json.dumps(json.loads(file.read_text())['findings'])
    check_data(root, '--tile', '640', config=DETECTOR)
    said = capsys.readouterr().out
    assert 'tiles of 640 x 640 pixels with an overlap of 0.2, which enter the network at their own size' in said
    assert 'train: 1 image in 25 tiles of 640 x 640 with an overlap of 0.2' in said
    assert 'shrunk' not in said and 'come out' not in said


def test_splits_that_exist_are_checked_alone(own_image_folder, tmp_path, capsys):
    coco, masks = tmp_path / 'coco', write_mask_folder(tmp_path / 'masks')
    file, folder = coco_files.write(coco, coco_files.content(), 'train')
    shutil.rmtree(own_image_folder / 'val')
    for kind in ('images', 'annotations'):
        shutil.rmtree(masks / kind / 'validation')
    for config, data in (
        (ATTO, own_image_folder),
        (DETECTOR, coco),
        (DETECTOR, f'{file}:{folder}'),
        (SEGMENTOR, masks),
    ):
        assert check_data(data, config=config) == 0
        said = capsys.readouterr().out
        assert 'warning  val: no data for this split, so that training neither measures anything' in said
        assert 'ready for training' in said
    (own_image_folder / 'train').rename(own_image_folder / 'val')
    json_file = tmp_path / 'check.json'
    assert check_data(own_image_folder, '--json', str(json_file)) == 1
    assert 'problem  train: no data for this split, so that no run can train: add some' in capsys.readouterr().out
    assert json.loads(json_file.read_text())['splits']['val']['images'] == 24


def test_no_data(tmp_path, capsys):
    (tmp_path / 'empty').mkdir()
    for folder in ('nothing', 'empty'):
        assert check_data(tmp_path / folder) == 2
        assert '--data PATH, or take --data sample' in capsys.readouterr().err


def test_a_parent_folder_is_not_taken_but_named_with_the_flag_to_give(own_image_folder, capsys):
    assert check_data(own_image_folder.parent) == 2
    assert f'one level deeper, in {own_image_folder}: give --data {own_image_folder}\n' in capsys.readouterr().err
    assert check_data(own_image_folder / 'val') == 2
    assert f'give the folder around it, --data {own_image_folder}\n' in capsys.readouterr().err


def test_training_opens_some_images_first(own_image_folder, tmp_path, capsys):
    assert train(own_image_folder, tmp_path / 'good', '--epochs', '1') == 0
    said = capsys.readouterr().out
    assert 'train: 24 images, 3 classes, each of 8 images' in said
    (own_image_folder / 'val' / 'red' / '01.jpg').write_text('<html>not found</html>')
    assert train(own_image_folder, tmp_path / 'bad', '--epochs', '1') == 2
    error = capsys.readouterr().err
    assert '01.jpg (it is an HTML page)' in error and 'check_data.py' in error
    assert train(own_image_folder, tmp_path / 'skip', '--epochs', '1', '--on-bad-image', 'skip') == 0


def test_training_checks_all_images_when_asked(own_image_folder, tmp_path, capsys):
    bad = own_image_folder / 'train' / 'red' / '02.jpg'
    bad.write_bytes(bad.read_bytes()[:-300])  # its header is whole
    assert train(own_image_folder, tmp_path / 'w', '--epochs', '1', '--check-data') == 2
    said = capsys.readouterr()
    assert f'{bad} (' in said.out
    assert 'the data have 1 problem, named above: fix them, or train without --check-data' in said.err
    assert not list(tmp_path.glob('w/*/vis_data'))
    assert train(own_image_folder, tmp_path / 'w', '--epochs', '1', '--check-data', '--on-bad-image', 'skip') == 0


def test_interrupting_ends_all_processes(tmp_path):
    """An image that is a pipe keeps a worker waiting for as long as it takes."""
    root = tmp_path / 'images'
    for split in ('train', 'val'):
        for name in ('a', 'b'):
            (root / split / name).mkdir(parents=True)
            os.mkfifo(root / split / name / 'pipe.jpg')
    command = [sys.executable, 'tools/check_data.py', ATTO, '--data', str(root), '--workers', '2']
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 100
    while len(workers := forks(process.pid)) < 2 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(workers) == 2, process.communicate(timeout=5)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert error.splitlines() == ['interrupted']
    assert not any(Path(f'/proc/{pid}').exists() for pid in workers)


def forks(pid: int) -> list[str]:
    """Child processes that are copies of the process, not the commands that some import runs."""
    own, found = Path(f'/proc/{pid}/cmdline').read_bytes(), []
    for child in Path(f'/proc/{pid}/task/{pid}/children').read_text().split():
        with contextlib.suppress(OSError):  # it has ended
            if Path(f'/proc/{child}/cmdline').read_bytes() == own:
                found.append(child)
    return found
