"""Chosen classes from training to a test on the same raw data: the checkpoint keeps the choice."""

import json
from pathlib import Path

import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from convnext_dense.cli import run_verb
from convnext_dense.data.class_choice import ClassChoice, Merge, as_choice
from tests.e2e.test_dense import DET, run
from tests.helpers import coco_files, run_tool

FLAGS = ('--classes', 'warm', '--merge', 'red,green->warm', '--ignore-classes', 'blue')
CHOICE = ClassChoice(('warm',), (Merge(('red', 'green'), 'warm'),), ('blue',))


def one_line(capsys) -> str:
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith('error: ')]
    return line


def test_a_detector_of_chosen_classes_is_tested_on_the_raw_file_without_the_flags(coco, tmp_path, capsys):
    work_dir, out, results = tmp_path / 'w', tmp_path / 'metrics.json', tmp_path / 'results.json'
    train = ('train', DET, coco, '--work-dir', work_dir, '--pretrained', 'none', '--epochs', 1)
    assert run(*train, *FLAGS) == 0
    content = torch.load(work_dir / 'epoch_1.pth', weights_only=True)
    meta = content['meta']['dataset_meta']
    assert (meta['classes'], meta['category_ids'], as_choice(meta['choice'])) == (['warm'], [8], CHOICE)
    assert content['state_dict']['roi_head.bbox_head.0.fc_cls.weight'].shape[0] == 2
    log = next(work_dir.glob('*/*.log')).read_text()
    said = (
        "1 class of 3 by choice (warm): 4 annotations of red, green are 'warm'; 2 annotations of 1 class that is ign"
    )
    assert f'train2017: {said}' in log and f'val2017: {said}' in log

    capsys.readouterr()
    low = ('model.test_cfg.rcnn.score_thr=0.0',)
    wanted = ('--out', out, '--out-predictions', results)
    assert run('test', DET, coco, work_dir, *wanted, options=low) == 0  # a config without a choice, and raw data
    by_hand = coco_files.content()
    by_hand['categories'] = [{'id': 8, 'name': 'warm'}]
    for annotation in by_hand['annotations']:
        if annotation['category_id'] == 0:
            annotation['iscrowd'] = 1
        annotation['category_id'] = 8
    (tmp_path / 'by_hand.json').write_text(json.dumps(by_hand))
    truth = COCO(str(tmp_path / 'by_hand.json'))
    metrics = json.loads(out.read_text())
    assert list(metrics['per_class']['raw']) == ['warm']
    for kind, name in (('bbox', 'box'), ('segm', 'mask')):
        evaluation = COCOeval(truth, truth.loadRes(str(results)), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        assert abs(metrics['metrics'][f'raw/{name}_AP'] - 100 * evaluation.stats[0]) < 1e-6
    assert {entry['category_id'] for entry in json.loads(results.read_text())} == {8}

    capsys.readouterr()
    assert run('test', DET, coco, work_dir, '--classes', 'red') == 2
    assert "trained with --classes warm --merge 'green,red->warm' --ignore-classes blue, and" in one_line(capsys)
    assert run(*train, '--resume', *FLAGS[:4], '--ignore-classes', 'blue') == 0  # the same
    capsys.readouterr()
    assert run(*train, '--resume', *FLAGS[:4]) == 2
    said = one_line(capsys)
    assert (
        "the run had --classes warm --merge 'green,red->warm' --ignore-classes blue and now has --classes warm" in said
    )
    assert run(*train, '--resume') == 2
    assert "; its run had --classes warm --merge 'green,red->warm' --ignore-classes blue" in one_line(capsys)


def test_a_classifier_of_chosen_classes(image_folder, tmp_path, capsys):
    work_dir, flags = tmp_path / 'w', ('--merge', 'blue,green->cold')
    assert run_tool.train(image_folder, work_dir, *flags, '--epochs', '1') == 0
    assert run_tool.train(image_folder, tmp_path / 'all', '--pretrained', str(work_dir), '--epochs', '1') == 0
    log = Path(next((tmp_path / 'all').glob('*/*.log'))).read_text()
    assert 'it is for 2 classes, 1 of them named as in the data and learned anew: red' in log
    capsys.readouterr()
    assert run_verb('test', [str(work_dir), '--out', str(tmp_path / 'm.json')]) == 0
    assert "val: 2 classes of 3 by choice (cold, red): 12 images of blue, green are 'cold'" in capsys.readouterr().out
    assert json.loads((tmp_path / 'm.json').read_text())['metrics']['raw/images'] == 18
    assert (
        run_verb(
            'demo', [str(work_dir), str(image_folder / 'val' / 'red' / '00.jpg'), '--out-dir', str(tmp_path / 'd')]
        )
        == 0
    )
