"""Panoptic segmentation from training to the files for a server, which measure as the test does."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from convnext_dense.cli import run_verb
from convnext_dense.engine.csv_log import read_scalars
from convnext_dense.evaluation.panoptic import PanopticQuality
from convnext_dense.inference.files import IMAGES, RESULTS
from convnext_dense.inference.predictor import load
from tests.helpers.panoptic_heads import STUFF, THINGS, write_panoptic_data, write_panoptic_head

IDS = [7, 3, 40, 50, 60]  # by label


def train(work_dir: Path, config: str, data: str, *arguments: str) -> dict:
    argv = [config, '--data', data, '--epochs', '12', '--work-dir', str(work_dir), *arguments]
    argv += ['--cfg-options', 'train_cfg.val_interval=6', 'test_cfg.weights=raw']
    argv += ['default_hooks.checkpoint.interval=6', 'default_hooks.checkpoint.keep=2']
    assert run_verb('train', argv) == 0
    return torch.load(work_dir / 'epoch_12.pth', weights_only=True)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_resumed_runs_are_those_that_were_not(tmp_path):
    """With boxes, masks and regions at once; heads with queries are resumed by tests/engine/test_point_sampling.py."""
    data, config = str(write_panoptic_data(tmp_path / 'data')), str(write_panoptic_head('panoptic_fpn', tmp_path))
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    one = train(whole, config, data)
    shutil.copytree(whole, cut)
    (cut / 'epoch_12.pth').unlink()
    other = train(cut, config, data, '--resume')
    assert all(torch.equal(tensor, other['state_dict'][name]) for name, tensor in one['state_dict'].items())
    assert read_scalars(whole)['val/raw/PQ'] == read_scalars(cut)['val/raw/PQ']


@pytest.mark.faults
def test_panoptic_runs_are_tested_and_drawn(tmp_path, capsys):
    data, config = str(write_panoptic_data(tmp_path / 'data')), str(write_panoptic_head('panoptic_fpn', tmp_path))
    use_names(data)
    whole = tmp_path / 'whole'
    meta = train(whole, config, data)['meta']['dataset_meta']
    assert (meta['thing_classes'], meta['stuff_classes'], meta['category_ids']) == (THINGS, STUFF, IDS)

    assert run_verb('test', [str(whole), '--out-predictions', str(tmp_path / 'p.json'), '--show', '2']) == 0
    metrics = json.loads((whole / 'metrics.json').read_text())['metrics']
    assert metrics['raw/PQ'] > 5, 'it finds some of the stuff'
    assert measure(tmp_path / 'p.json', tmp_path / 'p', data) == pytest.approx(metrics['raw/PQ'])
    captions = [entry['caption'] for entry in json.loads((whole / 'show/predictions.json').read_text())]
    assert len(captions) == 2 and all('annotated segments are found' in caption for caption in captions)

    file = f'{data}/annotations/panoptic_val2017.json'
    demo = [str(whole), f'{data}/val2017', '--out-dir', str(tmp_path / 'out'), '--annotations', file]
    assert run_verb('demo', demo) == 0
    assert measure(tmp_path / 'out' / RESULTS, tmp_path / 'out', data) == pytest.approx(metrics['raw/PQ'])
    assert run_verb('demo', demo[:-2]) == 0
    images = json.loads((tmp_path / 'out' / IMAGES).read_text())
    assert [one['isthing'] for one in images['categories']] == [1, 1, 0, 0, 0]
    result = load(whole)(f'{data}/val2017/200.png')
    assert result.segments and all(one.name in (THINGS if one.isthing else STUFF) for one in result.segments)
    for verb in ('report', 'flops'):
        assert run_verb(verb, [str(whole) if verb == 'report' else config]) == 0
    capsys.readouterr()
    assert run_verb('test', [config, str(whole), '--data', data, '--tta']) == 2
    assert 'the segments of several views have no scores by which to merge them' in capsys.readouterr().err
    assert run_verb('demo', [str(whole), f'{data}/val2017', '--score', '0.5', '--out-dir', str(tmp_path / 'x')]) == 2
    assert 'a model for panoptic have no scores: leave it out, or set the threshold' in capsys.readouterr().err
    assert run_verb('flops', [str(whole), '--depth', '0']) == 0
    assert f'{counted(whole):,}, all trained' in capsys.readouterr().out


def counted(work_dir: Path) -> int:
    """The parameters of the model that a run trained."""
    return sum(parameter.numel() for parameter in load(work_dir).model.parameters())


def use_names(data: str) -> None:
    """Name the images of the file for validation by texts, some of which look like numbers."""
    file = Path(data, 'annotations/panoptic_val2017.json')
    content = json.loads(file.read_text())
    names = {one['id']: name for one, name in zip(content['images'], ('town/a 1', '000200'), strict=True)}
    for one in content['images']:
        one['id'] = names[one['id']]
    for one in content['annotations']:
        one['image_id'] = names[one['image_id']]
    file.write_text(json.dumps(content))


def measure(results: Path, folder: Path, data: str) -> float:
    """PQ of a results file with its PNG files, as COCO's server has them."""
    content = json.loads(Path(data, 'annotations/panoptic_val2017.json').read_text())
    truth = {one['image_id']: one for one in content['annotations']}
    metric = PanopticQuality()
    metric.dataset_meta = {'classes': [*THINGS, *STUFF], 'stuff_classes': STUFF}
    for entry in json.loads(results.read_text())['annotations']:
        ids = np.asarray(Image.open(folder / entry['file_name'])).astype(int) @ np.array([1, 256, 65536])
        found = np.full(ids.shape, 5)
        for number, one in enumerate(entry['segments_info'], 1):
            assert (ids == one['id']).sum() == one['area']
            found[ids == one['id']] = IDS.index(one['category_id']) + 1000 * number
        own = truth[entry['image_id']]
        segments = [
            dict(id=one['id'], label=IDS.index(one['category_id']), iscrowd=one['iscrowd'], area=one['area'])
            for one in own['segments_info']
        ]
        file = f'{data}/annotations/panoptic_val2017/{own["file_name"]}'
        metric.process(
            None,
            [
                {
                    'img_id': entry['image_id'],
                    'panoptic': {'segments_file': file, 'segments': segments},
                    'pred_panoptic_seg': {'sem_seg': torch.from_numpy(found)[None]},
                }
            ],
        )
    return metric.evaluate(2)['PQ']
