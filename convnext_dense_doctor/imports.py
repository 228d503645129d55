"""Checks that import packages: everything that training needs, with causes of failures, mmcv's ops, and the GPU."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import probe
from .findings import OK, PROBLEM, WARNING, Finding
from .packages import TWINS, distribution_of, normalized, pair, requirement_of, requirements, versions

# Modules that training imports, each after its dependencies.
MODULES = (
    *('numpy', 'PIL', 'cv2', 'torch', 'torchvision', 'timm', 'pycocotools', 'mmengine', 'mmcv', 'convnext_dense'),
    *('mmdet', 'mmseg', 'mmdet.models', 'mmseg.models', 'convnext_dense.models.detector'),
    'convnext_dense.models.segmentor',
)
# Optional modules for figures, checked if they are installed.
LATER = ('matplotlib',)
# Packages that mmdet and mmseg import if they are installed, but that this project does not need.
OPTIONAL = ('mmpretrain', 'mmcls', 'transformers', 'apex', 'xformers', 'flash_attn')
TIMEOUT = 600  # seconds for the whole probe
NO_LIBRARY = re.compile(r'lib(GL|EGL|gthread|glib|SM|ICE|Xext|Xrender|xcb)[\w.-]*: cannot open shared object')
OTHER_BUILD = re.compile(r'torchvision::nms does not exist|compiled with different CUDA|undefined symbol')
OLD_NUMPY = re.compile(r'compiled using NumPy 1|numpy\.core\.multiarray failed|_ARRAY_API not found|numpy\.dtype size')
NO_OPS = 'pip install --force-reinstall --no-deps --no-cache-dir onedl-mmcv, which leaves the ops to torchvision'


def look() -> Iterator[Finding]:
    """Check the imports, the ops and the GPU."""
    modules, facts = try_out()
    broken = [name for name, module in modules.items() if module['error']]
    # missing packages are reported by packages.look
    absent = {distribution_of(line) for line in requirements()} - versions().keys()
    blamed: set[str] = set()
    said: set[str] = set()
    for name in broken:
        culprit = culprit_of(name, modules[name]['error'], {other.partition('.')[0] for other in blamed})
        if culprit not in blamed:
            blamed.add(culprit)
            if _distribution(culprit) not in absent:
                said.add(name)
                yield _explained(name, culprit, modules[name]['error'])
    rest = [name for name in broken if name not in said]
    if rest:
        what = f'because of that {", ".join(rest)} cannot be imported'
        yield Finding('imports', WARNING, what, 'fix the above first')
    good = [name for name, module in modules.items() if not module['error']]
    if good:
        yield Finding('imports', OK, f'imported: {", ".join(good)}')
    if facts is not None:
        yield from _ops(facts, modules)
        yield from _gpu(facts)
        if 'threads' in facts:
            yield Finding('threads', OK, f'torch uses {facts["threads"]} threads')


def try_out() -> tuple[dict[str, dict[str, Any]], dict[str, Any] | None]:
    """Run the probe, again without the module if one ends its process.

    Returns:
        The probe's result of each module, and of torch and the ops; None if it did not get that far.
    """
    modules: dict[str, dict[str, Any]] = {}
    left = [*MODULES, *(name for name in LATER if find_spec(name)), probe.FACTS]
    while left:
        said, end = _probe(left)
        begun = None
        for line in said:
            if 'begin' in line:
                begun = line['begin']
                left.remove(begun)
            elif 'name' in line:
                modules[line['name']] = line
                begun = None
            else:
                return modules, line['facts']
        if begun is None:
            return modules, None
        error: dict[str, Any] = {'type': 'Death', 'message': end, 'missing': None, 'trail': [], 'behind': []}
        if begun == probe.FACTS:
            return modules, {'ops_error': end}
        modules[begun] = {'name': begun, 'version': None, 'file': None, 'error': error}
        # what comes after it would end the process too, if it imports it
        left = [name for name in left if name == probe.FACTS or begun.partition('.')[0] not in ('torch', 'numpy')]
    return modules, None


def _probe(names: list[str]) -> tuple[list[dict[str, Any]], str]:
    """Run the probe once, and return its results and a description of how it ended."""
    command = [sys.executable, '-W', 'ignore', str(Path(probe.__file__)), *names]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
        output, end = done.stdout, f'it ends Python with exit code {done.returncode}'
        if done.returncode < 0:
            end = f'it ends Python with {signal.Signals(-done.returncode).name}'
    except subprocess.TimeoutExpired as error:
        output, end = error.stdout or b'', f'it takes more than {TIMEOUT // 60} minutes'
    lines = output.decode(errors='replace').splitlines()
    return [json.loads(line[len(probe.MARK) :]) for line in lines if line.startswith(probe.MARK)], end


def culprit_of(name: str, error: dict[str, Any], blamed: set[str]) -> str:
    """Return the module that caused a failed import: a known cause, or the last module that the error passed."""
    own = name.partition('.')[0]
    trail = [
        m
        for m in error['trail']
        if m not in ('__main__', 'probe') and m not in getattr(sys, 'stdlib_module_names', ())
    ]
    missing = (error['missing'] or '').partition('.')[0]
    reached = [*trail, *error['behind'], *([missing] if missing else []), own]
    before = [module for module in reached if module in blamed]
    if error['missing'] == 'mmcv._ext' and 'convnext_dense' in blamed:
        return 'convnext_dense'  # it would have provided the module
    if before:
        return before[-1]
    optional = [module for module in reached if module in OPTIONAL]
    if optional:
        return optional[0]
    return missing or (trail[-1] if trail else own)


def _explained(name: str, culprit: str, error: dict[str, Any]) -> Finding:
    message = error['message']
    through = '' if name.partition('.')[0] == culprit else f', because of {culprit}'
    what = f'{name} cannot be imported{through}: {message}'
    library = NO_LIBRARY.search(message)
    if culprit in OPTIONAL:
        what = f'{name} cannot be imported, because {culprit} is installed and broken: {message}'
        fix = f'pip uninstall -y {_distribution(culprit)}, which this project does not need'
    elif error['missing'] and find_spec(culprit) is None:
        fix = f'pip install {requirement_of(_distribution(culprit))}'
    elif library or culprit == 'cv2':
        fix = (
            'apt-get install libgl1 libglib2.0-0, or take the build of OpenCV that needs neither: '
            'pip install --force-reinstall --no-deps opencv-python-headless'
        )
    elif error['missing'] == 'mmcv._ext':
        what = f'{name} cannot be imported: mmcv has no compiled ops, and convnext_dense does not serve them'
        fix = 'make install, or pip install --no-deps -e . in the clone'
    elif OTHER_BUILD.search(message) and culprit == 'mmcv':
        fix = NO_OPS
    elif OTHER_BUILD.search(message) or culprit in ('torch', 'torchvision'):
        installed = versions()
        torch = installed.get('torch', '').partition('+')[0]
        fix = next((one.fix for one in pair(installed) if one.level == PROBLEM), None) or (
            f'pip install --force-reinstall torch{torch and "==" + torch} torchvision, which brings two of one kind'
        )
    elif OLD_NUMPY.search(message):
        fix = f'pip install --upgrade --force-reinstall --no-deps {_distribution(culprit)}, built for this numpy'
    else:
        wanted = requirement_of(_distribution(culprit))
        fix = f'pip install --force-reinstall --no-deps {wanted}'
        if culprit == 'convnext_dense':
            fix = 'make install, or pip install --no-deps -e . in the clone'
    return Finding('imports', PROBLEM, what, fix)


def _distribution(module: str) -> str:
    """Return the distribution from which this project takes a module."""
    return TWINS[module][0] if module in TWINS else normalized(module)


def _ops(facts: dict[str, Any], modules: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    if 'ops_error' in facts and modules.get('convnext_dense', {}).get('error') is None:
        yield Finding('ops', PROBLEM, f"mmcv's ops do not work: {facts['ops_error']}", NO_OPS)
    elif facts.get('ops_wrong'):
        yield Finding('ops', PROBLEM, f"mmcv's ops are wrong: {'; '.join(facts['ops_wrong'])}", NO_OPS)
    elif 'ops_wrong' in facts:
        source = facts['ops_from'] or 'torchvision'
        where = 'torchvision serves them' if source == 'torchvision' else f'compiled, {source}'
        yield Finding('ops', OK, f"mmcv's ops: {where}; nms and RoIAlign are right")


def _gpu(facts: dict[str, Any]) -> Iterator[Finding]:
    cards, driver = _driver()
    hidden = os.environ.get('CUDA_VISIBLE_DEVICES')
    gpus = facts.get('gpus')
    if gpus:
        said = ', '.join(f'{gpu["name"]} ({gpu["gib"]} GiB, capability {gpu["capability"]})' for gpu in gpus)
        said = f'GPU: {said}; driver {driver or "?"}, torch for CUDA {facts["torch_cuda"]}'
        if all(gpu['adds_up'] for gpu in gpus):
            yield Finding('gpu', OK, said)
        else:
            fix = 'look at dmesg and nvidia-smi -q, and run no training on it'
            yield Finding('gpu', PROBLEM, f'{said}: it computes wrong sums', fix)
    elif 'threads' not in facts:
        return  # torch cannot be imported
    elif cards and hidden is not None and hidden.strip() in ('', '-1'):
        yield Finding('gpu', OK, f'GPU: hidden by CUDA_VISIBLE_DEVICES={hidden!r}; {driver}')
    elif cards and facts['torch_cuda'] is None:
        what = f'this machine has a GPU (driver {driver}), and torch is a build for the CPU'
        yield Finding('gpu', PROBLEM, what, 'pip install --force-reinstall torch torchvision')
    elif cards:
        why = facts.get('gpu_error', 'torch finds none')
        cuda = facts['torch_cuda']
        what = f'this machine has a GPU (driver {driver}) that torch, made for CUDA {cuda}, cannot use: {why}'
        fix = 'take a newer driver, or a torch for an older CUDA: https://pytorch.org/get-started/locally'
        yield Finding('gpu', PROBLEM, what, fix)
    else:
        yield Finding('gpu', OK, 'GPU: none, runs are on the CPU')


def _driver() -> tuple[bool, str]:
    """Return whether there is an NVIDIA GPU, and the version of its driver."""
    try:
        command = ['nvidia-smi', '--query-gpu=driver_version', '--format=csv,noheader']
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode == 0 and done.stdout.strip():
            return True, done.stdout.split()[0]
    except (OSError, subprocess.TimeoutExpired):
        pass
    return Path('/dev/nvidia0').exists(), '?'
