"""Every command and every piece of Python in the README and the documentation, against the code as it is."""

import re
import shlex
import shutil
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from convnext_dense.adaptation.shipped import find_shipped
from convnext_dense.checkpoints import manifest
from convnext_dense.cli.main import VERBS, build_parser
from convnext_dense.config.find import find_config
from convnext_dense.config.read import read_config
from convnext_dense.registry import MODELS
from tests.helpers.pages import PAGES, ROOT, SHELL, blocks, commands, inline_code, shown_files
from tests.helpers.panoptic_heads import write_panoptic_head
from tests.helpers.small_models import write_checkpoint, write_config

IDS = [str(page.relative_to(ROOT)) for page in PAGES]
OTHERS = ('--nproc_per_node', '--max-restarts', '--signal', '--requeue')  # of torchrun and SLURM
# of benchmarks/
MEASURING = ('--sides', '--peer-sides', '--speed-side', '--rounds', '--most-seconds', '--scan', '--processor-time')
DETECTOR = 'cascade_convnext_t_coco'
PANOPTIC = 'mask2former_convnext_t_coco'


def check(command: str, page: Path) -> None:
    """Raise for a command that does not exist, arguments that it does not take, or files that are not there."""
    words = shlex.split(command, comments=True)
    if words[:1] == ['srun']:
        words = words[1:]
    name, *rest = words
    if name == 'torchrun':
        script = next(place for place, word in enumerate(rest) if not word.startswith('-'))
        name, rest = 'python', rest[script:]
    if name == 'python' and rest[0].startswith('tools/'):
        assert (ROOT / rest[0]).is_file(), f'{rest[0]} does not exist'
        check_verb(Path(rest[0]).stem, rest[1:], page)
    elif name == 'convnext-dense':
        check_verb(rest[0], rest[1:], page)
    elif name == 'python':
        known = rest[:2] == ['-m', 'http.server'] or rest[0] in shown_files(page) or (ROOT / rest[0]).is_file()
        assert known, f'{rest[0]} does not exist'
    elif name == 'make':
        targets = set(re.findall(r'^([a-z-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))
        assert {word for word in rest if '=' not in word} <= targets, command
    elif name == 'pip':
        assert rest == ['install', '.'] or (rest[:2] == ['install', '-r'] and (ROOT / rest[2]).is_file()), command
    elif name == 'tensorboard':
        assert name in {script.name for script in entry_points(group='console_scripts')}
    else:
        assert command in ('. .venv/bin/activate', 'cd my_project', 'export PYTHONPATH=.'), f'unknown: {command}'


def check_verb(verb: str, arguments: list[str], page: Path) -> None:
    """Parse the arguments as the verb would, find its config, and in it the keys of ``--cfg-options``."""
    args = build_parser(verb).parse_args(arguments)
    if verb == 'adapt':
        assert args.list is not None or find_shipped(args.source)
        return
    here = {*shown_files(page), *re.findall(r'--out (\S+\.py)', page.read_text())}
    configs = [word for word in arguments if word.endswith('.py') and word not in here]
    for config in configs:
        assert config.startswith('tools/') or find_config(config), config
    if getattr(args, 'config', None) not in configs:
        return
    cfg = read(args.config)
    for key in getattr(args, 'cfg_options', None) or {}:
        parent = cfg
        for part in key.partition('=')[0].split('.')[:-1]:
            parent = parent[int(part) if isinstance(parent, list | tuple) else part]
        assert isinstance(parent, dict), key


@cache
def read(config: str) -> Config:
    return Config.fromfile(find_config(config))


@pytest.mark.parametrize('page', PAGES, ids=IDS)
def test_every_command_exists_and_takes_its_arguments(page):
    failures = {}
    for command in commands(page):
        try:
            check(command, page)
        except (Exception, SystemExit) as error:
            failures[command] = repr(error)
    assert not failures


def test_the_pages_have_commands_for_every_verb():
    """So that a change of the pages' form does not leave the test above without anything to check."""
    found = [command for page in PAGES for command in commands(page)]
    assert len(found) > 60
    used = {name.replace('_', '-') for name in re.findall(r'(?:tools/|convnext-dense )([\w-]+)', ' '.join(found))}
    assert {verb.replace('_', '-') for verb in VERBS} <= used


@pytest.mark.parametrize(
    'command',
    [
        'make demos',
        'python tools/trains.py configs/classification/convnext_t.py',
        'convnext-dense train configs/classification/convnext_t.py --epoch-count 3',
        'convnext-dense train configs/classification/convnext_tt.py',
        'convnext-dense train configs/classification/convnext_t.py --cfg-options train_dataloader.datasets.root=x',
        'pip install -r requirements/optionals.txt',
        'git push',
    ],
)
def test_a_stale_command_is_found(command, capsys):
    with pytest.raises((Exception, SystemExit)):
        check(command, PAGES[0])


@pytest.mark.parametrize('page', PAGES, ids=IDS)
def test_every_flag_in_the_text_exists(page):
    known = {'--help', '--version', *OTHERS, *MEASURING}
    for verb in VERBS:
        known |= {name for action in build_parser(verb)._actions for name in action.option_strings}
    found = {flag for code in inline_code(page) for flag in re.findall(r'(?<![\w-])--[a-z][\w-]*', code)}
    assert found <= known


@pytest.mark.parametrize('page', PAGES, ids=IDS)
def test_every_block_says_what_it_is(page):
    assert {block.language for block in blocks(page)} <= {'python', 'text', *SHELL}


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    """A folder as the examples expect it: a detector's config and run, a panoptic run, small ones, and some images."""
    root = tmp_path_factory.mktemp('examples')
    config = root / 'configs' / 'det' / f'{DETECTOR}.py'
    config.parent.mkdir(parents=True)
    shutil.move(write_config('detection', root), config)
    panoptic = write_panoptic_head('mask2former', root)
    for name, own, stuff in ((DETECTOR, config, {}), (PANOPTIC, panoptic, {'stuff_classes': ['blue']})):
        work_dir = root / 'work_dirs' / name
        work_dir.mkdir(parents=True)
        write_checkpoint(own, work_dir / 'epoch_1.pth', classes=['red', 'green', 'blue'], **stuff)
        read_config(str(own), needs_data=False).dump(work_dir / own.name)
        (work_dir / manifest.FILE_NAME).write_text('{}')
    pixels = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    for name in ('street', 'a', 'b', 'c'):
        Image.fromarray(pixels).save(root / f'{name}.jpg')
    return root


@pytest.mark.parametrize('page', PAGES, ids=IDS)
def test_every_example_in_python_runs(page, folder, monkeypatch):
    monkeypatch.chdir(folder)
    for block in blocks(page):
        if block.language != 'python':
            continue
        code = compile(block.code, f'{page.name}:{block.line}', 'exec')
        if block.title:  # a file, which tests/docs/test_extending.py uses
            continue
        names: dict = {}
        exec(code, names)
        if 'model' in names:
            backbone = {key: value for key, value in names['model']['backbone'].items() if key != '_delete_'}
            assert MODELS.build(backbone).dims[-1] > 0
        if 'predict' in names:
            assert (folder / 'street_drawn.jpg').is_file()
            (folder / 'street_drawn.jpg').unlink()
