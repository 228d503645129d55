"""What the page shows of a run: from all its files, or from those that there are."""

import json

from PIL import Image

from convnext_dense.analysis.page.content import describe_run, read_files
from tests.helpers import example_diagnoses as examples
from tests.helpers.written_runs import LOSS, write_metrics, write_run

TOP1 = {**LOSS, 'val/raw/top1': [(1, 40.0), (2, 71.0)], 'val/raw/images': [(2, 60)], 'epoch': [(50, 2.0)]}


def command(verb, *arguments):
    return ' '.join(map(str, (verb, *arguments)))


def describe(run, most=300):
    return describe_run(read_files(run), run.name, 0, most, command)


def test_a_run_with_everything(tmp_path):
    run = write_run(tmp_path / 'run', TOP1, [])
    (run / 'commands.txt').write_text('train a\ntrain a\n\n')
    (run / 'convnext_a.py').write_text("task = 'classification'\n")
    write_metrics(run, {'raw/top1': 75.0, 'raw/images': 960}, {'raw': {'cat': {'top1': 50.0}}})
    examples.write(examples.classification(run / 'diagnosis', 20), run / 'diagnosis')
    content = describe(run)
    assert content.missing == content.summary['missing'] == content.summary['problems'] == []
    assert [one['name'] for one in content.summary['headlines']] == ['top-1', 'calibration error']
    assert content.summary['compared']['weights'] == 'EMA' and content.summary['compared']['images'] == 20
    assert content.details['commands'] == ['train a', f'convnext-dense test {run}', 'convnext-dense diagnose run']
    assert content.details['config'] == {'name': 'convnext_a.py', 'text': "task = 'classification'\n"}
    assert 'on 60 images; the test has 75.0 on 960 images' in content.details['last_value']
    assert content.details['results_note'].startswith('Averaged weights (EMA) on 20 images of `data/things`.')
    assert len(content.images.records) == 20 and content.details['numbers'][19] == 19
    assert dict(content.summary['facts'])['length'] == '2 epochs'


def test_what_is_missing_is_said_with_the_command_that_adds_it(tmp_path):
    run = write_run(tmp_path / 'run', TOP1, [])
    content = describe(run)
    assert content.missing == ['test results', 'diagnosis']
    assert [one['command'] for one in content.summary['missing']] == [f'test {run} --diagnose']
    assert [(one['name'], one['value']) for one in content.summary['headlines']] == [('top-1, last validation', 71.0)]
    write_metrics(run, {'raw/top1': 75.0})
    content = describe(run)
    assert content.missing == ['diagnosis']
    assert [one['command'] for one in content.summary['missing']] == [f'diagnose {run}']
    assert [(one['name'], one['value']) for one in content.summary['headlines']] == [('top-1', 75.0)]


def test_a_diagnosis_alone(tmp_path):
    folder = tmp_path / 'found'
    examples.write(examples.detection(folder, 3), folder)
    content = describe(folder)
    assert content.missing == content.summary['problems'] == []
    assert content.summary['task'] == 'detection' and content.details['panels'] == []
    assert content.summary['kinds'] == {'objects': True, 'truth': True, 'maps': False}


def test_broken_files_are_said_and_the_rest_is_shown(tmp_path):
    entries = [{'file': 'a.png', 'path': 'a.png', 'caption': 'c'}]
    run = write_run(tmp_path / 'run', LOSS, entries)
    (run / '20260102' / 'vis_data').mkdir(parents=True)
    (run / '20260102' / 'vis_data' / 'scalars.csv').write_text('step,name,value\nx,y\n')
    (run / 'metrics.json').write_text('{"metrics": 3}')
    (run / 'diagnosis').mkdir()
    (run / 'diagnosis' / 'diagnosis.json').write_text('{')
    content = describe(run)
    problems = ' '.join(content.summary['problems'])
    for words in ('diagnosis.json` cannot be read', 'scalars.csv line 2 is not', 'metrics.json` cannot be read'):
        assert words in problems
    assert [one['caption'] for one in content.images.records] == ['c']
    json.dumps([content.summary, content.details])


def test_the_task_is_known_by_what_was_logged(tmp_path):
    run = write_run(tmp_path / 'run', {**LOSS, 'val/raw/mIoU': [(1, 3.0)]}, [])
    assert describe(run).summary['task'] == 'segmentation'
    assert describe(write_run(tmp_path / 'other', LOSS, [])).summary['task'] == ''


def write_pretraining(folder):
    """A run in pre-training with a test, whose drawings have two parts: the left one red, the right one blue."""
    logged = {**LOSS, 'val/raw/reconstruction_loss': [(1, 0.9)], 'val/raw/linear_top1': [(1, 60.0)]}
    run = write_run(folder, logged, [])
    (run / 'fcmae.py').write_text("task = 'pretraining'\nmodel = dict(mask_ratio=0.6)\n")
    write_metrics(run, {'raw/reconstruction_loss': 0.85, 'raw/images': 2})
    entries = []
    for number in range(2):
        drawing = Image.new('RGB', (90, 50), 'white')
        for left, color in ((0, 'red'), (50, 'blue')):
            drawing.paste(color, (left, 10, left + 40, 50))
        drawing.save(run / 'show' / f'{number}.png')
        panels = [{'name': 'original', 'box': [0, 10, 40, 40]}, {'name': 'composed', 'box': [50, 10, 40, 40]}]
        entries.append({'file': f'{number}.png', 'path': f'd/{number}.jpg', 'caption': 'loss 0.8', 'panels': panels})
    (run / 'show' / 'predictions.json').write_text(json.dumps(entries))
    return run


def test_a_run_in_pre_training(tmp_path):
    run = write_pretraining(tmp_path / 'run')
    content = describe(run)
    assert content.missing == content.summary['missing'] == content.summary['problems'] == []
    assert dict(content.summary['facts'])['mask ratio'] == '0.6'
    (step,) = content.summary['steps']
    assert step['advice'] == f'Fine-tune: `train CONFIG --data LABELED --pretrained {run}`' and step['rule'] == ''
    assert content.summary['panels'] == ['original', 'composed'] and len(content.images.records) == 2
    assert 'Features on labeled images, top-1' in [panel['title'] for panel in content.details['panels']]
    (headline,) = content.summary['headlines']
    assert (headline['unit'], headline['lower_is_better']) == ('', True)
    (run / 'metrics.json').unlink()
    content = describe(run)
    assert content.missing == ['test results'] and content.summary['missing'][0]['command'] == f'test {run}'
