"""The adapt command: what it writes, prints and refuses. The adaptation itself has its own tests."""

import subprocess
import sys

import pytest

from convnext_dense.adaptation import Adapted, Notes, find_arch, find_source
from convnext_dense.cli import run_verb
from convnext_dense.cli.commands import adapt as command
from convnext_dense.config.file import parse_file
from tests.helpers.run_tool import ROOT

RETINANET = 'mmdet:retinanet/retinanet_r50_fpn_1x_coco.py'
OUT = 'retinanet_r50_fpn_1x_coco_convnext_t.py'
CONFIG = {'_base_': 'convnext_dense::_base_/runtime.py', 'task': 'detection', 'model': dict(type='mmdet.RetinaNet')}


@pytest.fixture
def adapted(monkeypatch, tmp_path):
    """An adaptation of few words, in an empty folder."""

    def adapt(source: str, arch: str) -> Adapted:
        notes = Notes(['the backbone is a ConvNeXt', 'no frozen norms'], ['whether lr fits'])
        return Adapted(find_source(source), find_arch(arch), CONFIG, notes)

    monkeypatch.setattr(command, 'adapt', adapt)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['convnext-dense'])
    return tmp_path


def test_it_writes_a_config_and_says_what_it_changed_and_what_comes_next(adapted, capsys):
    assert run_verb('adapt', [RETINANET, '--arch', 'tiny']) == 0
    train = f'convnext-dense train {OUT} --data PATH'
    assert capsys.readouterr().out.splitlines() == [
        f'{OUT}: {RETINANET} on ConvNeXt-T',
        'changed:',
        '- the backbone is a ConvNeXt',
        '- no frozen norms',
        'left to decide:',
        '- whether lr fits',
        f'next: {train}',
    ]
    comment = [line for line in (adapted / OUT).read_text().splitlines() if line.startswith('#')]
    assert {f'#   {train}', '# - the backbone is a ConvNeXt', '# - whether lr fits'} <= set(comment)
    cfg = parse_file(adapted / OUT)
    assert (cfg.task, cfg.model.type, cfg.runner_type) == ('detection', 'mmdet.RetinaNet', 'convnext_dense.Runner')


def test_weights_that_must_be_made_first_have_others_in_the_next_command(adapted, capsys, monkeypatch):
    monkeypatch.setitem(CONFIG, 'pretrained', 'work_dirs/convnext_a/epoch_300.pth')
    assert run_verb('adapt', [RETINANET, '--arch', 'atto', '--out', 'a.py']) == 0
    train = 'convnext-dense train a.py --data PATH --pretrained timm:convnext_atto.d2_in1k'
    assert capsys.readouterr().out.splitlines()[-1] == f'next: {train}'
    assert f'#   {train}\n' in (adapted / 'a.py').read_text()


def test_what_is_there_is_replaced_only_on_request(adapted, error):
    argv = [RETINANET, '--arch', 'v2_atto', '--out', 'of/my own.py']
    (adapted / 'of').mkdir()
    assert run_verb('adapt', argv) == 0
    file = adapted / 'of' / 'my own.py'
    assert "#   convnext-dense train 'of/my own.py' --data PATH" in file.read_text()
    file.write_text('mine')
    assert run_verb('adapt', argv) == 2
    assert error() == 'error: of/my own.py exists: name another file with --out, or replace it with --force'
    assert file.read_text() == 'mine'
    assert run_verb('adapt', [*argv, '--force']) == 0
    assert 'ConvNeXt V2-A' in file.read_text()
    source = adapted / 'source.py'
    source.write_text("default_scope = 'mmdet'\nmodel = dict(type='RetinaNet')\n")
    assert run_verb('adapt', ['source.py', '--arch', 'tiny', '--out', './source.py', '--force']) == 2
    assert error() == 'error: --out source.py is the file to read: name another'


@pytest.mark.parametrize(
    ('argv', 'said'),
    [
        ([], 'SOURCE and --arch are missing, for example: convnext-dense adapt mmdet:dino/dino-4scale_r50_8xb2'),
        ([RETINANET], '--arch is missing, for example: '),
        (['--arch', 'tiny'], 'SOURCE is missing, for example: '),
        ([RETINANET, '--arch', 'tinny'], "no ConvNeXt is named 'tinny': did you mean tiny or v2_tiny?"),
        (['mmdet:dino', '--arch', 'tiny'], 'mmdet:dino is a family of configs, such as '),
        (['mmdet:retinnet/x', '--arch', 'tiny'], "mmdet ships no family 'retinnet': did you mean mmdet:retinanet or "),
        ([RETINANET, '--arch', 'tiny', '--out', 'c.yml'], '--out c.yml: name a file that ends in .py'),
        ([RETINANET, '--arch', 'tiny', '--out', 'folder.py'], '--out folder.py is a folder: name the file to write'),
        ([RETINANET, '--arch', 'tiny', '--out', 'file/c.py'], 'file/c.py cannot be written'),
        ([RETINANET, '--list'], f'--list stands alone: convnext-dense adapt --list {RETINANET}'),
        (['--list', 'dinno'], "no config of mmdet or mmseg fits 'dinno': did you mean dino?"),
        (['--list', 'qqqq'], 'fits \'qqqq\': `convnext-dense adapt --list` shows the families'),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(adapted, error, argv, said):
    (adapted / 'folder.py').mkdir()
    (adapted / 'file').touch()
    assert run_verb('adapt', argv) == 2
    assert said in error()
    assert sorted(path.name for path in adapted.iterdir()) == ['file', 'folder.py']


def test_families_are_listed_and_the_configs_of_one(capsys):
    assert run_verb('adapt', ['--list']) == 0
    header, *lines, last = capsys.readouterr().out.splitlines()
    assert header.split('  ')[0] == 'family' and len(lines) > 160
    (line,) = [line for line in lines if line.startswith('mmdet:retinanet ')]
    assert line.split() == ['mmdet:retinanet', 'RetinaNet', '24', 'configs,', 'box', 'AP', 'up', 'to', '41.6']
    assert last == 'the configs of a family: convnext-dense adapt --list FAMILY'
    assert run_verb('adapt', ['--list', 'mmdet:dino']) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert lines[0].split() == ['mmdet:dino/dino-4scale_r50_8xb2-12e_coco.py', 'DINO', 'box', 'AP', '49', '(COCO)']
    assert lines[1].split()[-1] == '-'


def test_what_is_wrong_is_said_without_torch_or_mmengine():
    code = (
        'import sys; from convnext_dense.cli.main import main\n'
        f'codes = [main(["adapt", {RETINANET!r}, "--arch", arch, "--out", out]) '
        'for arch, out in (("tinny", "c.py"), ("tiny", "c.txt"))]\n'
        'main(["adapt", "mmdet:x/y", "--arch", "tiny"])\n'
        'print(codes, *{"torch", "mmengine", "numpy", "yaml", "mmdet"} & sys.modules.keys())'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == '[2, 2]\n'
