"""The doctor on machines of stand-ins, each broken in one way, and on this one.

A machine is a bare virtual environment: only the standard library and the packages that a test writes are there.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from convnext_dense.cli import run_verb
from convnext_dense_doctor import console, machine, packages
from convnext_dense_doctor.load import Load

ATTO = 'configs/classification/convnext_a.py'
ROOT = Path(__file__).parents[2]
DOCTOR = ROOT / 'tools' / 'doctor.py'

TORCH = """
from torch import version
__version__ = version.__version__
class cuda:
    is_available = staticmethod(lambda: False)
def get_num_threads():
    return 3
def tensor(values, device=None):
    return values
"""
OPS = """
class Kept(list):
    tolist = lambda self: list(self)
def nms(boxes, scores, threshold):
    return None, Kept([1, 2])
def roi_align(plane, rois, *args):
    return Kept([[[[11, 12], [21, 22]]]])
"""
# distribution, version, requirements, and what is in its modules
HEALTHY = {
    'convnext_dense': (
        'convnext-dense',
        '0.1.0',
        ['torch<2.16,>=2.6', 'torchvision<0.30,>=0.21', 'onedl-mmcv<2.4,>=2.3.6', 'opencv-python-headless<6,>=4.10'],
        {'models/__init__': '', 'models/detector': 'import mmdet.models', 'models/segmentor': 'import mmseg.models'},
    ),
    'torch': ('torch', '2.11.0', [], {'': TORCH, 'version': "__version__ = '2.11.0+cpu'\ncuda = hip = None\n"}),
    'torchvision': (
        'torchvision',
        '0.26.0',
        ['numpy', 'torch (==2.11.0)'],
        {'': 'import torch', 'version': "__version__ = '0.26.0+cpu'\n"},
    ),
    'mmcv': ('onedl-mmcv', '2.3.6', [], {'': 'import mmengine', 'ops': OPS, '_ext': ''}),
    'mmengine': ('onedl-mmengine', '0.10.12', [], {'': 'import cv2, torch'}),
    'mmdet': ('onedl-mmdetection', '3.5.1', [], {'': 'import mmcv', 'models': 'import mmcv'}),
    'mmseg': ('onedl-mmsegmentation', '1.4.2', [], {'': 'import mmcv', 'models': 'import mmcv'}),
    'cv2': ('opencv-python-headless', '5.0.0', [], {}),
    'timm': ('timm', '1.0.31', [], {'': 'import torch'}),
    'numpy': ('numpy', '2.4.6', [], {}),
    'PIL': ('pillow', '12.3.0', [], {}),
    'pycocotools': ('pycocotools', '2.0.11', [], {}),
}


class Machine:
    """A bare Python, and what is installed in it."""

    def __init__(self, folder: Path) -> None:
        venv.EnvBuilder(symlinks=True).create(folder)
        self.python = folder / 'bin' / 'python'
        self.site = next(folder.glob('lib/python*/site-packages'))
        for module, (name, version, requires, code) in HEALTHY.items():
            self.distribution(name, version, requires, module)
            self.module(module, **{'': '', **code})

    def module(self, package: str, **code: str) -> None:
        for name, text in code.items():
            file = self.site / package / f'{name or "__init__"}.py'
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def distribution(self, name: str, version: str, requires: list[str] | None = None, writes: str = '') -> None:
        for old in self.site.glob(f'{name.replace("-", "_")}-*.dist-info'):
            shutil.rmtree(old)
        folder = self.site / f'{name.replace("-", "_")}-{version}.dist-info'
        folder.mkdir()
        lines = [f'Requires-Dist: {line}' for line in requires or []]
        (folder / 'METADATA').write_text('\n'.join([f'Name: {name}', f'Version: {version}', *lines]))
        (folder / 'top_level.txt').write_text(f'{writes}\n')

    def doctor(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        kept = {name: os.environ[name] for name in ('PATH', 'HOME') if name in os.environ}
        command = [str(self.python), str(DOCTOR), *arguments]
        return subprocess.run(command, env={**kept, **environment}, capture_output=True, text=True, timeout=60)

    def findings(self, level: str, **environment: str) -> dict[str, str]:
        """What is said at a level, with its fix; the exit code is as it should be."""
        done = self.doctor('--json', **environment)
        content = json.loads(done.stdout)
        assert done.returncode == (1 if content['problems'] else 0), done.stderr
        return {f['what']: f['fix'] for f in content['findings'] if f['level'] == level}

    def problem(self, **environment: str) -> tuple[str, str]:
        """The one problem that there is."""
        [problem] = self.findings('problem', **environment).items()
        return problem


@pytest.fixture
def broken(tmp_path) -> Machine:
    """A healthy machine, to be broken."""
    return Machine(tmp_path / 'machine')


def test_a_healthy_machine(broken):
    done = broken.doctor()
    assert done.returncode == 0, done.stdout
    assert not [line for line in done.stdout.splitlines() if line.startswith('problem')]
    for said in (
        'torch 2.11.0, torchvision 0.26.0, onedl-mmcv 2.3.6',
        'torch 2.11.0+cpu with torchvision 0.26.0+cpu',
        'mmseg.models, convnext_dense.models.detector',
        f"mmcv's ops: compiled, {broken.site / 'mmcv' / '_ext.py'}; nms and RoIAlign are right",
        'torch uses 3 threads',
    ):
        assert said in done.stdout, said


def test_a_torchvision_of_another_torch(broken):
    broken.distribution('torchvision', '0.26.0', ['torch (==2.10.0)'])
    what, fix = broken.problem()
    assert 'it was made for torch 2.10.0' in what
    assert fix == 'pip install torch==2.11.0 torchvision'
    broken.distribution('torchvision', '0.25.0')  # of a build that does not say which
    what, fix = broken.problem()
    assert 'torch 2.11.0 goes with torchvision 0.26' in what


@pytest.mark.parametrize(('minor', 'vision'), [(6, 21), (11, 26), (14, 29), (15, 29), (15, 30)])
def test_pairs(minor, vision):
    assert vision in packages.partners(minor)
    assert vision - 2 not in packages.partners(minor)


def test_a_torch_for_the_cpu_beside_a_torchvision_for_cuda(broken):
    broken.module('torchvision', version="__version__ = '0.26.0+cu130'\n")
    broken.module('torchvision', **{'': "raise RuntimeError('operator torchvision::nms does not exist')"})
    broken.module('timm', **{'': 'import torchvision'})
    fix = (
        'pip install --force-reinstall --no-deps torchvision==0.26.0 --index-url https://download.pytorch.org/whl/cpu'
    )
    pair, failed = broken.findings('problem').items()
    assert 'one is made for cpu, the other for cu130' in pair[0]
    assert 'torchvision cannot be imported: operator torchvision::nms does not exist' in failed[0]
    assert pair[1] == failed[1] == fix
    assert 'because of that timm cannot be imported' in broken.findings('warning')


@pytest.mark.parametrize(
    ('name', 'beside', 'module'),
    [
        ('mmcv', 'onedl-mmcv', 'mmcv'),
        ('mmcv-full', 'onedl-mmcv', 'mmcv'),
        ('mmengine', 'onedl-mmengine', 'mmengine'),
        ('mmdet', 'onedl-mmdetection', 'mmdet'),
        ('mmsegmentation', 'onedl-mmsegmentation', 'mmseg'),
        ('opencv-python', 'opencv-python-headless', 'cv2'),
        ('a_fork_of_timm', 'timm', 'timm'),  # found by what it writes
    ],
)
def test_two_distributions_of_one_import(tmp_path, monkeypatch, name, beside, module):
    machine = Machine(tmp_path / 'machine')
    machine.distribution(name, '1.2.3', writes=module)
    monkeypatch.setattr(sys, 'path', [str(machine.site)])
    [twins] = [f for f in packages.look() if f.check == 'twins']
    assert twins.level == 'problem'
    name = packages.normalized(name)
    assert f'{beside} {HEALTHY[module][1]} and {name} 1.2.3 are installed side by side' in twins.what
    assert re.match(rf"pip uninstall -y {beside} {name}; pip install --no-deps '?{beside}", twins.fix)


def test_two_builds_of_opencv_of_one_version_are_a_warning(broken):
    broken.distribution('opencv-python', '5.0.0', writes='cv2')
    assert broken.findings('problem') == {}
    [what] = [what for what in broken.findings('warning') if 'side by side' in what]
    assert 'both write cv2' in what


def test_an_opencv_that_needs_libgl(broken):
    broken.module('cv2', **{'': "raise ImportError('libGL.so.1: cannot open shared object file: No such file')"})
    code = 'try:\n    import cv2\nexcept ImportError:\n    raise ImportError("no") from None'
    broken.module('convnext_dense', **{'': code})
    what, fix = broken.problem()
    assert what.startswith('cv2 cannot be imported: libGL.so.1')
    assert fix.startswith('apt-get install libgl1') and 'opencv-python-headless' in fix
    [rest] = [what for what in broken.findings('warning') if 'because of that' in what]
    assert 'mmengine, mmcv, convnext_dense, mmdet' in rest


@pytest.mark.parametrize('name', ['mmpretrain', 'transformers'])
def test_a_broken_package_that_mmdet_tries_to_import(broken, name):
    broken.distribution(name, '1.2.0')
    broken.module('timm', **{'': "def old():\n    raise RuntimeError('not made for this torch')"})
    broken.module(name, **{'': 'import timm\ntimm.old()'})
    broken.module('mmdet', models=f'try:\n    import {name}\nexcept ImportError:\n    pass')
    what, fix = broken.problem()
    assert f'mmdet.models cannot be imported, because {name} is installed and broken: not made for this torch' in what
    assert fix == f'pip uninstall -y {name}, which this project does not need'
    broken.module(name, **{'': "raise ImportError('mmdet does without it')"})
    assert broken.findings('problem') == {}


def test_a_torch_that_cannot_be_imported(broken):
    broken.module('torch', **{'': "raise OSError('libcudart.so.13: cannot open shared object file')"})
    what, fix = broken.problem()
    assert what.startswith('torch cannot be imported: libcudart')
    assert fix.startswith('pip install --force-reinstall torch==2.11.0 torchvision')


def test_a_package_that_is_absent_or_too_old(broken):
    shutil.rmtree(broken.site / 'mmcv')
    shutil.rmtree(next(broken.site.glob('onedl_mmcv-*')))
    broken.distribution('torch', '2.5.1')
    problems = broken.findings('problem')
    both = "pip install 'torch<2.16,>=2.6' 'torchvision<0.30,>=0.21'"
    assert problems['torch 2.5.1 is installed, and <2.16,>=2.6 is needed'] == both
    assert problems['onedl-mmcv is not installed'] == "pip install 'onedl-mmcv<2.4,>=2.3.6'"
    assert [fix for what, fix in problems.items() if 'made for torch 2.11.0' in what] == [both]
    assert len(problems) == 3
    assert any('because of that mmcv, mmdet' in what for what in broken.findings('warning'))


def test_a_module_that_ends_python(broken):
    broken.module('timm', **{'': 'import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)'})
    what, fix = broken.problem()
    assert what == 'timm cannot be imported: it ends Python with SIGSEGV'
    assert fix.startswith('pip install --force-reinstall --no-deps timm')


def test_ops_that_are_wrong_or_of_another_torch(broken):
    broken.module('mmcv', ops=OPS.replace('[1, 2]', '[1, 0, 2]').replace('22]', '23]'))
    what, fix = broken.problem()
    assert 'nms on cpu keeps [1, 0, 2] where [1, 2] is right' in what and 'RoIAlign on cpu gives' in what
    assert '--no-deps --no-cache-dir onedl-mmcv' in fix
    broken.module('mmcv', ops="raise ImportError('_ext.so: undefined symbol: _ZN2at')")
    what, fix = broken.problem()
    assert "mmcv's ops do not work: _ext.so: undefined symbol" in what
    assert '--no-deps --no-cache-dir onedl-mmcv' in fix


def test_a_gpu_that_torch_cannot_use(broken, tmp_path):
    """nvidia-smi says that there is one."""
    tool = tmp_path / 'bin' / 'nvidia-smi'
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\necho 535.54.03\n')
    tool.chmod(0o755)
    path = f'{tool.parent}:{os.environ["PATH"]}'
    what, _ = broken.problem(PATH=path)
    assert what == 'this machine has a GPU (driver 535.54.03), and torch is a build for the CPU'
    broken.module('torch', version="__version__ = '2.11.0+cpu'\ncuda = '13.0'\nhip = None\n")
    init = "is_available = staticmethod(lambda: False)\n    def init():\n        raise RuntimeError('driver too old')"
    broken.module('torch', **{'': TORCH.replace('is_available = staticmethod(lambda: False)', init)})
    what, fix = broken.problem(PATH=path)
    assert 'that torch, made for CUDA 13.0, cannot use: driver too old' in what
    assert 'take a newer driver' in fix
    hidden = broken.findings('ok', PATH=path, CUDA_VISIBLE_DEVICES='')
    assert any('hidden by CUDA_VISIBLE_DEVICES' in what for what in hidden)


def test_shared_memory_is_held_against_what_loader_workers_need(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, 'SHARED', tmp_path)
    monkeypatch.setattr(machine, 'cores', lambda: 8)
    need = 8 * 2 * 128 * 3 * 224 * 224 * 4
    for free, level in ((need, 'ok'), (need - 1, 'warning'), (64 * 2**20, 'problem')):
        usage = shutil._ntuple_diskusage(2 * free, free, free)
        monkeypatch.setattr(machine.shutil, 'disk_usage', lambda _, usage=usage: usage)
        [finding] = machine._shared_memory()
        assert finding.level == level
    assert finding.fix.startswith('docker run --shm-size=2g')


def test_folders_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'file' / 'cache'))
    folders = {finding.what.partition(':')[0]: finding for finding in machine._folders()}
    assert folders['work dirs'].level == 'ok' and str(tmp_path / 'work_dirs') in folders['work dirs'].what
    assert folders['cache'].level == 'problem' and 'export CONVNEXT_DENSE_CACHE' in folders['cache'].fix
    assert not (tmp_path / 'work_dirs').exists()


def test_too_many_threads(monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '999')
    assert next(iter(machine._cores())).level == 'warning'


def test_the_command_survives_a_package_that_cannot_be_imported(broken):
    broken.module('convnext_dense', **{'': "raise ImportError('no')"})
    start = 'import sys; from convnext_dense_doctor import console; sys.exit(console())'
    environment = {**os.environ, 'PYTHONPATH': f'{broken.site}:{ROOT}'}

    def run(*arguments: str, cwd: Path = broken.site) -> subprocess.CompletedProcess:
        command = [broken.python, '-c', start, *arguments]
        return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=60)

    done = [run('doctor'), run('train')]
    assert done[0].returncode == 1
    assert 'problem  convnext_dense cannot be imported: no\n         fix: make install' in done[0].stdout
    assert done[1].returncode == 1
    assert done[1].stderr.startswith(
        'error: the package cannot be imported (no): `convnext-dense doctor` explains why'
    )
    # the package is fine, and what it needs is not installed: wrong arguments are still answered
    done = [run('train', cwd=ROOT), run('train', ATTO, '--data', 'sample', cwd=ROOT)]
    assert [one.returncode for one in done] == [2, 1]
    assert done[0].stderr.startswith('error: CONFIG is missing, for example: convnext-dense train configs/')
    assert "(ModuleNotFoundError: No module named '" in done[1].stderr and done[1].stderr.count('\n') == 1
    assert '`convnext-dense doctor` explains why' in done[1].stderr


def test_all_ways_to_the_doctor_are_one(monkeypatch, capsys):
    for look in ('packages', 'imports', 'machine'):
        monkeypatch.setattr(f'convnext_dense_doctor.{look}.look', lambda: iter(()))
    monkeypatch.setattr(sys, 'argv', ['convnext-dense', 'doctor', '--json'])
    assert console() == 0
    one = capsys.readouterr().out
    assert run_verb('doctor', ['--json']) == 0
    assert capsys.readouterr().out == one
    assert json.loads(one)['findings'] == []


def test_this_machine_imports_everything_and_its_ops_are_right():
    """The real packages."""
    done = subprocess.run([sys.executable, str(DOCTOR), '--json'], capture_output=True, text=True, timeout=110)
    findings = {f['check']: f for f in json.loads(done.stdout)['findings'] if f['check'] in ('imports', 'ops', 'pair')}
    assert {f['level'] for f in findings.values()} == {'ok'}, findings
    assert 'convnext_dense.models.segmentor' in findings['imports']['what']
    assert 'nms and RoIAlign are right' in findings['ops']['what']


@pytest.mark.parametrize(
    ('average', 'busy', 'level', 'said', 'fix'),
    [
        (0.4, 0.0, 'ok', 'load average 0.4, other processes use 0.0 of 4 cores', None),
        (4.1, 0.0, 'warning', 'load average 4.1, other processes use 0.0 of 4 cores: beside busy', 'end them'),
        (4.1, None, 'warning', 'load average 4.1: beside busy processes a training step takes longer', 'end them'),
        (0.4, 2.0, 'warning', 'load average 0.4, other processes use 2.0 of 4 cores: beside', 'OMP_NUM_THREADS=2,'),
        (0.4, None, 'ok', 'load average 0.4', None),
    ],
)
def test_a_loaded_machine_is_said_with_what_helps(monkeypatch, average, busy, level, said, fix):
    read = None if busy is None else Load(4, busy)
    monkeypatch.setattr(machine.LoadMeter, 'read', lambda _: read)
    monkeypatch.setattr(machine.time, 'sleep', lambda _: None)
    monkeypatch.setattr(machine.os, 'cpu_count', lambda: 4)
    monkeypatch.setattr(machine.os, 'getloadavg', lambda: (average, 9, 9))
    [finding] = machine._load()
    assert finding.level == level and finding.what.startswith(said)
    assert finding.fix is None if fix is None else fix in finding.fix


def test_the_cache_folder_is_the_packages(monkeypatch, tmp_path):
    from convnext_dense.io.cache import cache_folder

    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path))
    assert machine._cache_folder() == cache_folder() == tmp_path


def test_a_figure_library_that_cannot_be_imported(broken):
    broken.module('matplotlib', **{'': "raise ImportError('numpy.core.multiarray failed to import')"})
    what, fix = broken.problem()
    assert what.startswith('matplotlib cannot be imported') and 'matplotlib, built for this numpy' in fix


def test_the_probe_imports_as_a_run_does_without_what_it_does_not_need():
    """Importing these would double the time."""
    probe = ROOT / 'convnext_dense_doctor' / 'probe.py'
    command = [sys.executable, '-X', 'importtime', str(probe), 'convnext_dense', 'mmdet.models', 'facts']
    env = {**os.environ, 'PYTHONPATH': str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, env=env)
    lines = [json.loads(line[2:]) for line in done.stdout.splitlines() if line.startswith('@@')]
    assert lines[3]['name'] == 'mmdet.models' and lines[3]['error'] is None and 'ops_wrong' in lines[-1]['facts']
    imported = {line.rpartition('|')[2].strip() for line in done.stderr.splitlines()}
    assert 'mmdet.models.backbones' in imported
    libraries = ('transformers.', 'imgaug.', 'numba.', 'scipy.', 'matplotlib.')
    assert not [name for name in imported if name.startswith(libraries)]
