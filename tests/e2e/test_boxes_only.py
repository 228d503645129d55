"""A detector with masks on data of boxes alone, in YOLO files, from the first command to the last."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import onnx
import pytest
import torch

from convnext_dense.cli import run_verb
from convnext_dense.config.find import find_run_config
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.inference.files import RESULTS
from tests.e2e.test_dense import DET, SMALL
from tests.helpers import coco_files
from tests.helpers.page_data import page_data
from tests.helpers.run_tool import ROOT

SAID = 'boxes only, since the training data have no masks: mask head, loading of masks and mask AP are left out'


def content(masks: bool) -> dict:
    """COCO's annotations without the crowd, which YOLO can't say."""
    found = coco_files.content()
    found['annotations'] = [one for one in found['annotations'] if not one['iscrowd']]
    for one in found['annotations'] if not masks else ():
        del one['segmentation']
    return found


def write(root: Path, masks: bool) -> Path:
    for split in ('train', 'val'):
        coco_files.write(root, content(masks), split)
    return root


@pytest.fixture(scope='module')
def coco(tmp_path_factory) -> Path:
    """COCO files of the same objects with masks."""
    return write(tmp_path_factory.mktemp('coco'), masks=True)


@pytest.fixture(scope='module')
def boxes(tmp_path_factory) -> Path:
    """A YOLO data set of boxes."""
    root, objects = tmp_path_factory.mktemp('boxes'), content(masks=False)
    labels = {category['id']: label for label, category in enumerate(objects['categories'])}
    for split in ('train', 'val'):
        coco_files.draw(root / 'images' / split, objects)
        (root / 'labels' / split).mkdir(parents=True)
        for image in objects['images']:
            lines = []
            for one in objects['annotations']:
                if one['image_id'] == image['id']:
                    x, y, w, h = one['bbox']
                    center = (x + w / 2) / image['width'], (y + h / 2) / image['height']
                    numbers = (labels[one['category_id']], *center, w / image['width'], h / image['height'])
                    lines.append(' '.join(map(repr, numbers)) + '\n')
            (root / 'labels' / split / image['file_name']).with_suffix('.txt').write_text(''.join(lines))
    names = [category['name'] for category in objects['categories']]
    (root / 'data.yaml').write_text(json.dumps({'train': 'images/train', 'val': 'images/val', 'names': names}))
    return root


def arguments(verb: str, *positional: object, data: Path | None = None) -> list[str]:
    return [DET, *map(str, positional), *(['--data', str(data)] if data else []), '--cfg-options', *SMALL[DET]]


def train(data: Path, work_dir: Path, *more: object) -> int:
    return run_verb('train', arguments('train', '--work-dir', work_dir, '--epochs', 3, *more, data=data))


@pytest.fixture(scope='module')
def run(boxes, tmp_path_factory) -> Path:
    work_dir = tmp_path_factory.mktemp('run')
    assert train(boxes, work_dir, '--pretrained', 'none') == 0
    return work_dir


def log_of(work_dir: Path) -> str:
    return ''.join(path.read_text() for path in sorted(work_dir.glob('*/*.log')))


def test_a_run_has_boxes_alone_says_so_once_and_keeps_it(run):
    assert log_of(run).count(SAID) == 1
    content = torch.load(run / 'epoch_3.pth', weights_only=True)
    assert not any('mask' in name for name in content['state_dict'])
    for text in (content['meta']['cfg'], find_run_config(run).read_text()):
        assert "boxes_only = 'the training data have no masks'" in text and 'mask_head=None' in text
    names = read_scalars(run).keys()
    assert 'val/raw/box_AP' in names and not any('mask' in name for name in names)


def test_losses_and_metrics_are_those_of_a_coco_file_with_the_same_boxes(run, tmp_path):
    assert train(write(tmp_path / 'coco', masks=False), tmp_path / 'run', '--pretrained', 'none') == 0
    own, same = read_scalars(run), read_scalars(tmp_path / 'run')
    names = [name for name in own if 'loss' in name or '_AP' in name]
    assert len(names) > 10 and len(own['train/loss']) == 3
    for name in names:
        assert own[name] == same[name], name


@pytest.mark.faults
def test_a_killed_run_goes_on_to_the_same_end(run, boxes, tmp_path):
    work_dir = tmp_path / 'killed'
    argv = arguments('train', '--work-dir', work_dir, '--epochs', 3, '--pretrained', 'none', data=boxes)
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}  # as in the tests: sums depend on the number of threads
    process = subprocess.Popen([sys.executable, 'tools/train.py', *argv], cwd=ROOT, env=environment)
    end = time.monotonic() + 120
    while not (work_dir / 'epoch_1.pth').exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert train(boxes, work_dir, '--resume') == 0
    own, whole = (torch.load(path / 'epoch_3.pth', weights_only=True)['state_dict'] for path in (work_dir, run))
    assert all(torch.equal(value, whole[name]) for name, value in own.items())


@pytest.mark.parametrize('more', [[], ['--tta']], ids=['one view', 'views'])
def test_its_checkpoint_is_tested_for_boxes_by_any_config_and_data(run, coco, tmp_path, capsys, more):
    out, found = tmp_path / 'metrics.json', []
    show = ['--show-dir', str(tmp_path / 'show')]
    for argv in ([str(run)], arguments('test', run, data=coco)):  # its own data have no masks, the others have
        assert run_verb('test', [*argv[:1], '--out', str(out), *show, *more, *argv[1:]]) == 0
        found.append(json.loads(out.read_text())['metrics'])
        said = capsys.readouterr()
        assert 'warning' not in said.err and 'mask_AP' not in said.out
    assert 'raw/box_AP' in found[0] and found[0] == found[1]


def test_its_predictions_counts_and_page_have_no_masks(run, boxes, coco, tmp_path, capsys):
    image, out = str(boxes / 'images' / 'val' / '000.png'), tmp_path / 'out'
    options = ['--score', '0', '--out-dir', str(out)]
    assert run_verb('demo', [DET, str(run), image, *options, '--cfg-options', *SMALL[DET]]) == 0
    entries = json.loads((out / RESULTS).read_text())
    assert entries and not any('segmentation' in entry for entry in entries)
    assert 'boxes only, since the checkpoint is of a detector without masks: ' in capsys.readouterr().err
    assert run_verb('flops', [str(find_run_config(run)), '--json']) == 0
    of_run = json.loads(capsys.readouterr().out)['params']
    assert run_verb('param_groups', [DET, '--data', str(boxes), '--json']) == 0
    groups = json.loads(capsys.readouterr().out)
    names = [name for group in groups for name in group['params']]
    assert not any('mask' in name for name in names) and any('bbox_head' in name for name in names)
    state = torch.load(run / 'epoch_3.pth', weights_only=True)['state_dict']
    assert of_run == sum(value.numel() for name, value in state.items() if name in names)
    assert run_verb('test', [str(run)]) == run_verb('report', [str(run)]) == 0
    page = page_data(run / 'report.html')
    rows = [row['name'] for row in page['data-run-0']['results']['rows']]
    assert 'box AP' in rows and not any('mask' in name for name in rows)


@pytest.mark.faults
def test_its_file_has_boxes_scores_and_labels_as_predicted(run, boxes, tmp_path, capsys):
    file, image = tmp_path / 'boxes.onnx', boxes / 'images' / 'val' / '000.png'
    argv = [DET, str(run), str(file), '--shape', '128', '128', '--check', str(image), '--cfg-options', *SMALL[DET]]
    assert run_verb('export_onnx', argv) == 0
    said = capsys.readouterr().out
    assert 'scores        float32 (D,), 0 to 1' in said and 'masks' not in said
    assert 'instances' in said and ': ok' in said and 'TOO LARGE' not in said
    model = onnx.load(file)
    assert [output.name for output in model.graph.output] == ['boxes', 'scores', 'labels']
    assert 'masks' not in {entry.key: entry.value for entry in model.metadata_props}['outputs']


@pytest.mark.faults
def test_a_run_goes_on_as_it_began_whatever_masks_the_data_have_now(run, boxes, coco, tmp_path, capsys):
    assert train(coco, run, '--resume') == 0  # which is at its end
    assert 'boxes only, since the checkpoint is of a detector without masks: ' in log_of(run)
    masks = tmp_path / 'masks'
    assert train(coco, masks, '--pretrained', 'none') == 0
    assert train(boxes, masks, '--resume') == 2
    assert capsys.readouterr().err.endswith(
        'epoch_3.pth is of a detector with masks, and this run learns boxes only: take data and config as its run had '
        'them; to go on with these, start a new run from its weights with --pretrained\n'
    )
    start = tmp_path / 'start'
    assert train(boxes, start, '--pretrained', masks / 'epoch_3.pth') == 0
    (line,) = [line for line in log_of(start).splitlines() if 'pretrained: ' in line]
    assert 'fresh: nothing' in line and 'left over in the file: roi_head.mask_head' in line
    assert run_verb('test', [str(masks), '--data', str(boxes)]) == 0
    assert capsys.readouterr().out.count('mask AP is not measured: the ground truth has no masks') == 1
