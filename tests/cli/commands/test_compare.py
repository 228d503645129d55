"""The verb compare, from records on disk to the terminal and a file."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convnext_dense.cli.commands.compare import _table
from convnext_dense.cli.main import main
from convnext_dense.diagnosis.findings.comparison_sections import difference_cells
from convnext_dense.diagnosis.intervals import Difference, Quantity
from convnext_dense.diagnosis.record_file import RunInfo, write_records
from convnext_dense.diagnosis.records import ClassifiedImage
from tests.diagnosis.findings.test_comparison import classified_runs
from tests.helpers.detected_images import random_images

INFO = RunInfo('classification', ['cat', 'dog', 'cow'], None, 'data/pets', 'best.pth', 'ema')


@pytest.fixture
def two(tmp_path):
    """Two diagnosed runs, of which the second is better."""
    folders = [tmp_path / 'a', tmp_path / 'b']
    for folder, run in zip(folders, classified_runs(200, seed=0), strict=True):
        (folder / 'diagnosis').mkdir(parents=True)
        write_records(folder / 'diagnosis/records.npz', INFO, run.records)
    return [str(folder) for folder in folders]


def test_what_is_printed_and_written(two, tmp_path, capsys):
    out = tmp_path / 'out.json'
    assert main(['compare', *two, '--out', str(out), '--resamples', '200']) == 0
    printed = capsys.readouterr().out.splitlines()
    content = json.loads(out.read_text())
    assert printed[0] == f'before: {two[0]} (averaged weights of best.pth)'
    assert '200 images, 200 resamples, intervals of 95%' in printed
    top1 = content['differences'][0]
    assert top1['metric'] == 'top1' and top1['clear'] and top1['difference'] > 0
    line = next(line for line in printed if line.startswith('top-1 '))
    assert line.split() == [
        'top-1',
        *(f'{top1[key]:.2f}' for key in ('before', 'after')),
        f'{top1["difference"]:+.2f}',
        *f'{top1["low"]:+.2f} to {top1["high"]:+.2f}'.split(),
        f'{100 * top1["in_favor"]:.1f}%',
        'clearly',
        'better',
    ]
    assert any(line.startswith('The F1 of ') for line in printed)
    assert f'{len(content["fixed"])} images became right and 0 wrong.' in printed and content['broken'] == []
    assert len(content['changed_images']) == len(content['fixed']) and content['images'] == 200
    assert [section['id'] for section in content['sections']] == ['differences', 'classes', 'images', 'flips']
    assert content['before'] == {
        'run': two[0], 'task': 'classification', 'data': 'data/pets', 'checkpoint': 'best.pth', 'weights': 'ema'
    }  # fmt: skip
    assert printed[-1] == f'the comparison is in {out}'


def test_the_terminal_says_what_the_numbers_do_not_tell(two, capsys):
    assert main(['compare', *two, '--resamples', '200']) == 0
    printed = capsys.readouterr().out
    assert 'not how another training would: runs that differ in their seed alone differ as well.' in printed
    assert re.search(r'^Of 3 classes about 0\.[12] would look clear by chance alone\.$', printed, re.MULTILINE)


def test_a_class_name_stays_on_its_line(two, tmp_path, capsys):
    info = INFO._replace(classes=['cat', 'a\ndog', 'cow'])
    for folder, run in zip(two, classified_runs(200, seed=0), strict=True):
        write_records(Path(folder, 'diagnosis/records.npz'), info, run.records)
    assert main(['compare', *two, '--resamples', '200']) == 0
    printed = capsys.readouterr().out
    assert '\na dog ' in printed and 'a\ndog' not in printed


def test_in_favor_has_the_digits_of_the_page():
    quantity = Quantity('top1', None)
    one = Difference(quantity, 84.7, 71.5, -13.2, -16.0, -10.0, 0.005, 1000)
    (line,) = _table([('top-1', one)], 'metric')[1:]
    assert '0.5%' in line and difference_cells(one)[-1] == 0.5


def test_a_file_that_is_neither_run_nor_checkpoint(two, tmp_path, capsys):
    (tmp_path / 'README.md').write_text('# About')
    assert main(['compare', two[0], str(tmp_path / 'README.md')]) == 2
    said = 'README.md is no run, diagnosis or checkpoint: name the work dir of a diagnosed run'
    assert said in capsys.readouterr().err


def test_folders_of_diagnoses_files_and_checkpoints(two, capsys):
    names = [f'{two[0]}/diagnosis', f'{two[1]}/diagnosis/records.npz']
    assert main(['compare', *names, '--resamples', '100']) == 0
    assert main(['compare', f'{two[0]}/diagnosis/records.npz', f'{two[1]}/diagnosis', '--resamples', '100']) == 0
    assert 'clearly better' in capsys.readouterr().out


def test_detectors(tmp_path, capsys):
    for name, seed in (('a', 0), ('b', 0)):
        (tmp_path / name).mkdir()
        write_records(tmp_path / name / 'records.npz', INFO, random_images(8, 3, seed=seed))
    assert main(['compare', str(tmp_path / 'a'), str(tmp_path / 'b'), '--resamples', '100']) == 0
    printed = capsys.readouterr().out
    assert 'box AP, small objects' in printed and 'No kind of error costs more or less than before.' in printed


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ('nothing', 'no such run: name the work dir of a run, or the folder of a diagnosis'),
        ('empty', 'empty` writes them, then compare again'),
        ('a', 'a and a are the same run: name two runs'),
        ('classes', 'classes has classes that a has not (sheep): compare runs that were trained on the same classes'),
        ('images', '199.jpg: not in the second run, as 1 of 200 images of the other one: test both on the same data'),
        ('damaged', 'cannot be read as records of a run'),
    ],
)
def test_bad_input(two, tmp_path, monkeypatch, capsys, change, message):
    monkeypatch.chdir(tmp_path)
    records = classified_runs(200, seed=0)[0].records
    for name in ('empty', 'classes', 'images', 'damaged'):
        (tmp_path / name).mkdir()
    four = [ClassifiedImage(one.path, np.append(one.scores, 0).astype(np.float32), one.label) for one in records]
    write_records('classes/records.npz', INFO._replace(classes=[*INFO.classes, 'sheep']), four)
    write_records('images/records.npz', INFO, records[:-1])
    (tmp_path / 'damaged/records.npz').write_bytes(b'PK\x03\x04 and nothing else')
    assert main(['compare', 'a', change]) == 2
    error = capsys.readouterr().err
    assert error.startswith('error: ') and message in error and error.count('\n') == 1


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--resamples', '10'], '--resamples 10: intervals need at least 100, take 1000'),
        (['--out-page', 'x.htm'], '--out-page x.htm: name a file that ends in .html'),
        (['--out', 'x.csv'], '--out x.csv: name a file that ends in .json'),
    ],
)
def test_wrong_options(two, capsys, options, message):
    assert main(['compare', *two, *options]) == 2
    assert message in capsys.readouterr().err


def test_neither_torch_nor_mmengine_is_imported(two):
    code = (
        'import sys; from convnext_dense.cli.main import main; code = main(sys.argv[1:]); '
        'heavy = [m for m in ("torch", "mmengine", "mmcv", "matplotlib") if m in sys.modules]; '
        'sys.exit(f"imported {heavy}" if heavy else code)'
    )
    command = [sys.executable, '-c', code, 'compare', *two, '--resamples', '100']
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, '')
