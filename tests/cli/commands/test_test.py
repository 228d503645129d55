"""``test``: checkpoints and places for results that it refuses, the data that it needs, and files of predictions."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from convnext_dense.analysis.coco_predictions import WriteCocoPredictions
from convnext_dense.cli import run_verb
from convnext_dense.tasks import TASKS
from tests.helpers import coco_files, processes
from tests.helpers.mask_folder import CLASSES as LABELS
from tests.helpers.mask_folder import relabel, write_mask_folder
from tests.helpers.run_tool import test
from tests.helpers.small_models import CLASSES, write_checkpoint, write_config

IDS = [7, 2, 90]  # of the checkpoint's classes


def test_checkpoint_of_another_model(error, image_folder, checkpoint):
    assert test(image_folder, checkpoint) == 2
    assert 'is of another model than this config' in error()


def test_results_that_cannot_be_written_are_said_before_the_test(error, image_folder, tmp_path, checkpoint):
    for arguments in (('--out', str(tmp_path)), ('--show-dir', str(checkpoint))):
        assert test(image_folder, checkpoint, *arguments) == 2
        assert 'cannot be written' in error()
    out, show = tmp_path / 'metrics.json', tmp_path / 'show'
    assert test(image_folder, checkpoint, '--out', str(out), '--show-dir', str(show)) == 2
    assert 'another model' in error()
    assert not out.exists()
    assert not show.exists()
    assert test(image_folder, checkpoint, '--show', '0') == 2
    assert 'draw at least 1' in error()


@pytest.fixture(scope='module')
def detector(tmp_path_factory) -> list[str]:
    """Config and checkpoint of a detector with random weights."""
    folder = tmp_path_factory.mktemp('detector')
    config = write_config('detection', folder)
    return [str(config), str(write_checkpoint(config, folder / 'd.pth', classes=CLASSES, category_ids=IDS))]


@pytest.fixture
def predict(detector, tmp_path, monkeypatch):
    """Write a COCO file, test the detector on it alone, and return the exit code."""
    monkeypatch.chdir(tmp_path)
    coco_files.draw(tmp_path / 'images', coco_files.content())

    def run(content: dict, *arguments: str) -> int:
        Path('one.json').write_text(json.dumps(content))
        options = [f'test_dataloader.{key}' for key in ('num_workers=0', 'dataset.pipeline.1.scale=(80,60)')]
        argv = [*detector, '--data', 'one.json:images', *arguments, '--cfg-options', *options]
        return run_verb(
            'test',
            [
                *argv,
                'test_dataloader.persistent_workers=False',
                'model.test_cfg.rcnn.score_thr=0.0',
                'model.test_cfg.rcnn.max_per_img=60',
            ],
        )

    return run


def test_one_annotated_file_is_enough_and_its_predictions_have_its_ids(predict, capsys):
    content = coco_files.content()
    assert predict(content, '--out', 'metrics.json', '--out-predictions', 'results.json') == 0
    truth = COCO('one.json')
    results = truth.loadRes('results.json')
    assert set(results.imgToAnns) <= {0, 1, 4, 9} and len(results.anns) > 10
    assert {entry['category_id'] for entry in results.anns.values()} <= {7, 2, 0}
    metrics = json.loads(Path('metrics.json').read_text())['metrics']
    for kind, name in (('bbox', 'box'), ('segm', 'mask')):
        evaluation = COCOeval(truth, results, kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        assert metrics[f'raw/{name}_AP'] == pytest.approx(100 * evaluation.stats[0], abs=1e-6)
        assert metrics[f'raw/{name}_AP50'] == pytest.approx(100 * evaluation.stats[1], abs=1e-6)


@pytest.mark.parametrize(('categories', 'ids'), [([('blue', 7), ('green', 5)], [1, 5, 7]), (None, IDS)])
def test_images_without_annotations_are_predicted(predict, capsys, categories, ids):
    content = coco_files.content()
    del content['annotations'], content['categories']
    if categories is not None:  # in another order, and some of them: the checkpoint's id of red is taken
        content['categories'] = [{'id': number, 'name': name} for name, number in categories]
    assert predict(content, '--out-predictions', 'results.json') == 0
    assert 'one.json has no annotations: nothing is measured' in capsys.readouterr().out
    results = json.loads(Path('results.json').read_text())
    assert results and {entry['category_id'] for entry in results} <= set(ids)
    assert {entry['image_id'] for entry in results} == {0, 1, 4, 9}
    if categories is not None:
        assert len(COCO('one.json').loadRes('results.json').anns) == len(results)


def test_categories_of_a_file_are_joined_by_name(predict, error):
    content = coco_files.content()
    content['categories'] = [{'id': 7, 'name': 'red'}]
    content['annotations'] = [a for a in content['annotations'] if a['category_id'] == 7]
    assert predict(content, '--out', 'red.json') == 0
    assert json.loads(Path('red.json').read_text())['per_class']['raw'].keys() == {'red'}
    content['categories'].append({'id': 40, 'name': 'sky'})
    assert predict(content) == 2
    assert 'sky' in error()


def test_what_needs_annotations_says_so(predict, error, image_folder, checkpoint):
    content = coco_files.content()
    del content['annotations']
    assert predict(content) == 2
    assert 'one.json has no annotations' in error()
    assert test(image_folder, checkpoint, '--out-predictions', 'p.json') == 2
    assert error().endswith('demo writes its predictions for a folder of images')
    assert not Path('p.json').exists()


def wrapped_config(folder: Path, detector: list[str], *datasets: str) -> str:
    """The detector's config with a test set of these, in a wrapper."""
    path = folder / 'wrapped.py'
    path.write_text(
        f"_base_ = {detector[0]!r}\nload = [dict(type='mmcv.LoadImageFromFile')]\n"
        "own = dict(type='convnext_dense.CocoDataset', annotations='one.json', images='images', test_mode=True,\n"
        "    pipeline=[dict(type='convnext_dense.LoadImage'), dict(type='mmdet.Resize', scale=(80, 60),"
        " keep_ratio=True), dict(type='mmdet.PackDetInputs', meta_keys=('img_id', 'img_path', 'ori_shape',"
        " 'img_shape', 'scale_factor', 'instances'))])\n"
        "theirs = dict(type='mmdet.CocoDataset', ann_file='one.json', data_prefix=dict(img='images/'),"
        " test_mode=True, metainfo=dict(classes=('red', 'green', 'blue')), pipeline=load + own['pipeline'][1:])\n"
        'del load\n'
        f'test_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(_delete_=True,'
        f" type='ConcatDataset', datasets=[{', '.join(datasets)}]))\n"
        'model = dict(test_cfg=dict(rcnn=dict(score_thr=0.0, max_per_img=60)))\n'
    )
    return str(path)


def test_a_wrapped_coco_file_needs_no_annotations_either(predict, detector, tmp_path, capsys):
    content = coco_files.content()
    del content['annotations'], content['categories']
    (tmp_path / 'one.json').write_text(json.dumps(content))
    config = wrapped_config(tmp_path, detector, 'own')
    assert run_verb('test', [config, detector[1], '--out-predictions', 'results.json']) == 0
    assert 'one.json has no annotations: nothing is measured' in capsys.readouterr().out
    results = json.loads(Path('results.json').read_text())
    assert {entry['image_id'] for entry in results} == {0, 1, 4, 9}
    assert {entry['category_id'] for entry in results} <= set(IDS)


@pytest.mark.parametrize(
    ('datasets', 'said'),
    [
        (['theirs'], 'the ids of a COCO file that this package reads, and the test set is a CocoDataset of mmdet'),
        (['own', 'own'], 'the ids of one COCO file, and the test set has 2 data sets: test them one by one'),
    ],
)
def test_predictions_without_the_ids_of_one_file_are_refused_before_the_test(
    predict, detector, tmp_path, error, datasets, said
):
    (tmp_path / 'one.json').write_text(json.dumps(coco_files.content()))
    config = wrapped_config(tmp_path, detector, *datasets)
    assert run_verb('test', [config, detector[1], '--out-predictions', 'results.json']) == 2
    assert said in error()
    assert not Path('results.json').exists()


def test_predictions_of_all_processes_are_written(tmp_path, monkeypatch):
    def sample(image: int) -> DetDataSample:
        found = InstanceData(
            bboxes=torch.tensor([[1.0, 2, 4, 6]]), scores=torch.ones(1), labels=torch.tensor([image % 2])
        )
        return DetDataSample(metainfo=dict(img_id=image), pred_instances=found)

    def run(rank: int) -> int:
        torch.distributed.init_process_group('gloo', rank=rank, world_size=2)
        dataset = SimpleNamespace(dataset=SimpleNamespace(metainfo={'category_ids': (7, 90)}))
        info = SimpleNamespace(get_info=lambda name: 'raw')
        runner = SimpleNamespace(
            test_dataloader=SimpleNamespace(dataset=dataset), message_hub=info, logger=logging.getLogger()
        )
        hook = WriteCocoPredictions(TASKS['detection'], tmp_path / 'p.json')
        hook.before_test(runner)
        for number, batch in enumerate([[rank], [2 + rank], [4] if rank == 0 else [0]]):  # 0 again, as padding
            hook.after_test_iter(runner, number, None, [sample(image) for image in batch])
        hook.after_test_epoch(runner)
        return 0

    assert [ended.code for ended in processes.run(run, tmp_path)] == [0, 0]
    written = json.loads((tmp_path / 'p.json').read_text())
    pairs = sorted((entry['image_id'], entry['category_id']) for entry in written)
    assert pairs == [(0, 7), (1, 90), (2, 7), (3, 90), (4, 7)]
    assert written[0]['bbox'] == [1, 2, 3, 4]


def test_masks_keep_the_meaning_of_label_0_of_the_training(tmp_path, capsys, error):
    """The data alone would take 0 for a class: without the last one, there are as many labels as names."""
    config = write_config('segmentation', tmp_path)
    root = relabel(write_mask_folder(tmp_path / 'data'), lambda labels: np.minimum(labels, 4))
    known = write_checkpoint(config, tmp_path / 'known.pth', classes=LABELS, reduce_zero_label=True)
    silent = write_checkpoint(config, tmp_path / 'silent.pth', classes=LABELS)
    options = ('test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False')
    for checkpoint, said in ((known, 'is ignored'), (silent, 'is a class')):
        argv = [str(config), str(checkpoint), '--data', str(root), '--cfg-options', *options]
        assert run_verb('test', argv) == 0
        assert f'label 0 of the masks {said}' in capsys.readouterr().out
    assert run_verb('test', [str(config), str(known), '--data', str(root), '--label-zero', 'class']) == 2
    assert 'label 0 of the masks was ignored in the training of the checkpoint: leave out --label-zero' in error()
