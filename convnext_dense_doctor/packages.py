"""Checks of the installed packages by their metadata; none of them is imported."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from .findings import OK, PROBLEM, WARNING, Finding

OURS = 'convnext-dense'
OPENCV = 'opencv-python-headless'
# Distributions that install the same module; the first is the one that this project requires.
TWINS = {
    'mmengine': ('onedl-mmengine', 'mmengine', 'mmengine-lite'),
    'mmcv': ('onedl-mmcv', 'mmcv', 'mmcv-full', 'mmcv-lite'),
    'mmdet': ('onedl-mmdetection', 'mmdet'),
    'mmseg': ('onedl-mmsegmentation', 'mmsegmentation'),
    'cv2': (OPENCV, 'opencv-python', 'opencv-contrib-python', 'opencv-contrib-python-headless'),
    'PIL': ('pillow', 'pillow-simd'),
    'torch': ('torch',),
    'torchvision': ('torchvision',),
    'timm': ('timm',),
}


def look() -> Iterator[Finding]:
    """Check Python, the versions, torch with torchvision, and packages that overwrite each other."""
    yield _python()
    installed = versions()
    yield from _required(installed)
    yield from pair(installed)
    yield from _twins(installed)


def versions() -> dict[str, str]:
    """Return the version of each installed distribution by its normalized name."""
    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata['Name']
        if name:  # a partly removed distribution has no name
            found.setdefault(normalized(name), distribution.version)  # the first on the path is imported
    return found


def normalized(name: str) -> str:
    return re.sub(r'[-_.]+', '-', name).lower()


def requirements() -> list[str]:
    """Return the project's requirements, such as ``torch>=2.6,<2.16``, of the installed package or else the clone."""
    try:
        lines = [line for line in metadata.requires(OURS) or [] if ';' not in line]
    except metadata.PackageNotFoundError:
        lines = []
    file = Path(__file__).parents[1] / 'requirements' / 'runtime.txt'
    if not lines and file.is_file():
        lines = [line.split('#')[0].strip() for line in file.read_text().splitlines()]
    return [line for line in lines if line]


def requirement_of(name: str) -> str:
    """Return the requirement of a distribution for pip, or only the name if there is none."""
    return next((f"'{line}'" for line in requirements() if distribution_of(line) == name), name)


def _python() -> Finding:
    said = f'Python {platform.python_version()}, {platform.platform()}, {sys.executable}'
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        fix = 'take Python 3.10 to 3.13: make install PYTHON=python3.12'
        return Finding('python', PROBLEM, f'{said}: this Python is not supported', fix)
    return Finding('python', OK, said)


def _required(installed: dict[str, str]) -> Iterator[Finding]:
    if OURS not in installed:
        fix = 'make install, or pip install --no-deps -e . in the clone'
        yield Finding('packages', WARNING, f'{OURS} is not installed: there is no command convnext-dense', fix)
    good, absent = [], []
    for line in requirements():
        name = distribution_of(line)
        version = installed.get(name)
        if version is None and name == OPENCV:  # another build will do if it can be imported
            version = next((installed[twin] for twin in TWINS['cv2'] if twin in installed), None)
        if version is None:
            absent.append((name, f"'{line}'"))
        elif not _is_within(version, line):
            asked = ','.join(sign + bound for sign, bound in _bounds(line))
            what = f'{name} {version} is installed, and {asked} is needed'
            fix = _both() if name in ('torch', 'torchvision') else f"pip install '{line}'"
            yield Finding('packages', PROBLEM, what, fix)
        else:
            good.append(f'{name} {version}')
    if absent:
        names, lines = zip(*absent)  # noqa: B905 - must run in Python 3.9 to report it as too old
        what = f'{", ".join(names)} {"is" if len(names) == 1 else "are"} not installed'
        yield Finding('packages', PROBLEM, what, 'make install' if not good else f'pip install {" ".join(lines)}')
    if good:
        yield Finding('packages', OK, ', '.join(good))


def distribution_of(requirement: str) -> str:
    """Return the normalized name in a requirement such as ``torch>=2.6,<2.16``."""
    return normalized(re.split(r'[^\w.-]', requirement)[0])


def _bounds(requirement: str) -> list[tuple[str, str]]:
    return re.findall(r'(>=|<=|==|!=|<|>)\s*([\d.]+)', requirement)


def _is_within(version: str, requirement: str) -> bool:
    return all(_holds(version, sign, bound) for sign, bound in _bounds(requirement))


def _holds(version: str, sign: str, bound: str) -> bool:
    one, other = release(version), release(bound)
    length = max(len(one), len(other))
    one, other = ([*numbers, *[0] * (length - len(numbers))] for numbers in (one, other))
    return {'>=': one >= other, '<': one < other, '<=': one <= other, '>': one > other}.get(
        sign, (one == other) == (sign == '==')
    )


def release(version: str) -> list[int]:
    """Return the numbers of a version: ``[2, 11, 0]`` for ``2.11.0+cu130``."""
    numbers = re.match(r'\d+(\.\d+)*', version)
    return [int(number) for number in numbers[0].split('.')] if numbers else []


# -- torch and torchvision


def pair(installed: dict[str, str]) -> Iterator[Finding]:
    """Check that torchvision is compiled for this torch, which its requirements name, and for the same devices."""
    torch, vision = installed.get('torch'), installed.get('torchvision')
    if torch is None or vision is None:
        return  # already reported
    torch_build, vision_build = build('torch') or torch, build('torchvision') or vision
    plain = '.'.join(map(str, release(torch)))
    pins = [re.search(r'==\s*([\d.]+)', line) for line in metadata.requires('torchvision') or [] if _is_torch(line)]
    pinned = next((pin[1] for pin in pins if pin), None)
    if pinned is not None:
        fits = release(pinned) == release(torch)
        wanted = f'it was made for torch {pinned}'
    else:
        numbers = partners(release(torch)[1]) if release(torch)[:1] == [2] else []
        fits = not numbers or release(vision)[1] in numbers
        wanted = f'torch {plain} goes with torchvision {" or ".join(f"0.{number}" for number in numbers)}'
    said = f'torch {torch_build} with torchvision {vision_build}'
    if not fits:
        # the only torchvision that pip can take with this torch is its own
        fix = f'pip install torch=={plain} torchvision' if _is_within(torch, requirement_of('torch')) else _both()
        yield Finding('pair', PROBLEM, f'{said}: {wanted}', fix)
        return
    tags = [text.partition('+')[2] for text in (torch_build, vision_build)]
    if all(tags) and tags[0] != tags[1]:
        what = f'{said}: one is made for {tags[0]}, the other for {tags[1]}'
        number = '.'.join(map(str, release(vision)))
        index = f'https://download.pytorch.org/whl/{tags[0]}'
        fix = f'pip install --force-reinstall --no-deps torchvision=={number} --index-url {index}'
        yield Finding('pair', PROBLEM, what, fix)
    else:
        yield Finding('pair', OK, said)


def _both() -> str:
    return f'pip install {requirement_of("torch")} {requirement_of("torchvision")}'


def partners(minor: int) -> list[int]:
    """Return the N of the torchvision 0.N that belong to torch 2.minor: 21 for 6, and so on; 2.15 has 0.29, too."""
    return [29, 30] if minor == 15 else [minor + 15]


def build(name: str) -> str | None:
    """Read the version with the kind of device, such as ``2.11.0+cu130``, which the metadata lacks, from the files."""
    try:
        spec = find_spec(name)
        file = Path(spec.origin).with_name('version.py') if spec and spec.origin else None
        text = file.read_text(encoding='utf-8') if file else ''
    except (OSError, ImportError, ValueError):
        return None
    found = re.search(r"^__version__ = ['\"](.+?)['\"]", text, re.MULTILINE)
    return found[1] if found else None


def _is_torch(line: str) -> bool:
    return bool(re.match(r'torch\s*[(=]', line))


# -- twins


def _twins(installed: dict[str, str]) -> Iterator[Finding]:
    """Find distributions that have overwritten each other's files."""
    named = metadata.packages_distributions() if sys.version_info >= (3, 10) else {}
    for module, group in TWINS.items():
        names = [name for name in group if name in installed]
        names += sorted({normalized(name) for name in named.get(module, ())} - set(names))
        if len(names) < 2:
            continue
        said = ' and '.join(f'{name} {installed.get(name, "")}'.strip() for name in names)
        what = f'{said} are installed side by side, and both write {module}: what is imported is a mixture'
        if module == 'cv2' and len({installed.get(name) for name in names}) == 1:
            level, what = WARNING, f'{said} are installed side by side, and both write {module}'
        else:
            level = PROBLEM
        fix = f'pip uninstall -y {" ".join(names)}; pip install --no-deps {requirement_of(group[0])}'
        yield Finding('twins', level, what, fix)
