"""``test --diagnose`` of all tasks: the main numbers are those that the test prints, to the last digits.

So is it with tiles, with several views, and in several processes.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convnext_dense.cli import run_verb
from tests.helpers import coco_files, mask_folder, panoptic_heads, processes
from tests.helpers.small_models import write_checkpoint, write_config

HERE = ['--cfg-options', 'test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False']
TILES = ['--tile', '32', '48', '--overlap', '0.3']
FEW = ['model.test_cfg.rcnn.max_per_img=8', 'test_dataloader.dataset.most_lost=1.0']
NAMES = {
    'detection': {'box AP': 'box_AP', 'box AP50': 'box_AP50', 'mask AP': 'mask_AP', 'mask AP75': 'mask_AP75'},
    'segmentation': {'mIoU': 'mIoU', 'mean accuracy': 'mAcc', 'pixel accuracy': 'aAcc'},
    'panoptic': {'PQ': 'PQ', 'SQ': 'SQ', 'RQ of things': 'RQ_things', 'PQ of stuff': 'PQ_stuff'},
}


def write_manifest(root: Path) -> None:
    """Make a folder that is taken for the work dir of a run."""
    (root / 'checkpoints.json').write_text('{}')


@pytest.fixture(scope='module')
def roots(tmp_path_factory) -> dict[str, Path]:
    """A folder of each task with data, a config ``TASK.py`` and random weights ``model.pth``."""
    made = {task: tmp_path_factory.mktemp(task) for task in NAMES}
    coco_files.write(made['detection'] / 'data', coco_files.content(), 'val')
    mask_folder.write_mask_folder(made['segmentation'] / 'data')
    panoptic_heads.write_panoptic_data(made['panoptic'] / 'data')
    things = [*panoptic_heads.THINGS, *panoptic_heads.STUFF]
    metas = {
        'detection': {'classes': ['red', 'green', 'blue']},
        'segmentation': {'classes': list(mask_folder.CLASSES), 'reduce_zero_label': True},
        'panoptic': {'classes': things, 'stuff_classes': panoptic_heads.STUFF},
    }
    for task, root in made.items():
        if task == 'panoptic':
            panoptic_heads.write_panoptic_head('mask2former', root).rename(root / 'panoptic.py')
        else:
            write_config(task, root)
        write_checkpoint(root / f'{task}.py', root / 'model.pth', **metas[task])
        write_manifest(root)
    annotate_what_is_found(made['detection'])
    return made


def annotate_what_is_found(root: Path) -> None:
    """Make annotations of some of the objects that the detector finds, so that its AP is not 0."""
    found = root / 'found.json'
    argv = [str(root / 'detection.py'), str(root / 'model.pth'), '--data', str(root / 'data'), *HERE, *FEW]
    argv[4:4] = ['--out-predictions', str(found), '--out', str(root / 'metrics.json')]
    assert run_verb('test', argv) == 0
    (file,) = (root / 'data').rglob('*val*.json')
    content = json.loads(file.read_text())
    ids = {image['id'] for image in content['images']}
    content['annotations'] = [
        {
            **{key: one[key] for key in ('image_id', 'category_id', 'segmentation')},
            'bbox': [one['bbox'][0] + 1, *one['bbox'][1:]],
            'id': number,
            'area': one['bbox'][2] * one['bbox'][3],
            'iscrowd': 0,
        }
        for number, one in enumerate(json.loads(found.read_text()), 1)
        if one['image_id'] in ids and number % 3
    ]
    file.write_text(json.dumps(content))


def diagnosed(root: Path, task: str, *more: str, options: tuple[str, ...] = ()) -> tuple[dict, dict]:
    """Test and diagnose; returns the metrics and the diagnosis."""
    out = root / f'metrics_{os.getpid()}.json'  # processes of one test must not write to one file
    argv = [str(root / f'{task}.py'), str(root / 'model.pth'), '--data', str(root / 'data'), '--out', str(out)]
    few = FEW if task == 'detection' else []
    assert run_verb('test', [*argv, *more, '--diagnose', *HERE, *few, *options]) == 0
    return json.loads(out.read_text())['metrics'], json.loads((root / 'diagnosis/diagnosis.json').read_text())


def check_equal(metrics: dict, diagnosis: dict, finds: bool = True) -> None:
    headlines = {one['name']: one['value'] for one in diagnosis['headlines']}
    names = NAMES[diagnosis['task']]
    assert names.keys() <= headlines.keys()
    expected = {ours: metrics[f'raw/{name}'] for ours, name in names.items()}
    assert {name: headlines[name] for name in names} == pytest.approx(expected, abs=1e-9)
    if finds:
        assert any(value > 1 for value in expected.values())
    assert diagnosis['tested_images'] == metrics['raw/images'] == len(diagnosis['images'])


@pytest.mark.parametrize('tiles', [False, True], ids=['whole', 'tiles'])
@pytest.mark.parametrize('task', NAMES)
def test_the_numbers_are_those_of_the_test(roots, task, tiles):
    metrics, diagnosis = diagnosed(roots[task], task, *(TILES if tiles else []))
    check_equal(metrics, diagnosis, finds=task == 'segmentation' or (task == 'detection' and not tiles))
    for image in diagnosis['images']:
        assert Image.open(roots[task] / 'diagnosis' / image['file']).size == (image['width'], image['height'])
    assert (roots[task] / 'diagnosis/records.npz').is_file() and (roots[task] / 'diagnosis/suspects.csv').is_file()


@pytest.mark.parametrize('tiles', [False, True], ids=['whole', 'tiles'])
def test_label_maps_are_those_of_the_data(roots, tiles):
    root = roots['segmentation']
    _, diagnosis = diagnosed(root, 'segmentation', *(TILES if tiles else []))
    for image in diagnosis['images']:
        mask = root / 'data/annotations/validation' / f'{Path(image["path"]).stem}.png'
        true = np.asarray(Image.open(mask)).astype(np.uint8) - np.uint8(1)  # 0 becomes 255, unlabeled
        assert np.array_equal(np.asarray(Image.open(root / 'diagnosis' / image['truth_map'])), true)
        predicted = np.asarray(Image.open(root / 'diagnosis' / image['predicted_map']))
        assert predicted.shape == true.shape and predicted.max() < len(mask_folder.CLASSES)


@pytest.mark.parametrize('task', ['segmentation', pytest.param('detection', marks=pytest.mark.faults)])
def test_several_views_are_diagnosed(roots, task):
    metrics, diagnosis = diagnosed(roots[task], task, '--tta')
    check_equal(metrics, diagnosis, finds=task != 'detection')
    headlines = {one['name']: one['value'] for one in diagnosis['headlines']}
    plain = {one['name']: one['value'] for one in diagnosed(roots[task], task)[1]['headlines']}
    assert headlines != plain


def test_two_processes_find_what_one_does(roots, tmp_path):
    one = diagnosed(roots['segmentation'], 'segmentation')[1]

    def test(rank: int) -> int:
        metrics, two = diagnosed(roots['segmentation'], 'segmentation', options=('launcher=pytorch',))
        check_equal(metrics, two)
        same = two['headlines'] == one['headlines'] and two['sections'] == one['sections']
        return 0 if same and torch.distributed.get_world_size() == 2 else 3

    ended = processes.run(test, tmp_path)
    assert [process.code for process in ended] == [0, 0], [process.err[-2000:] for process in ended]
