"""Processes that draw a sample, and the digests of its files."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from convnext_dense.sample_data.create import (
    SampleSize,
)


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def start_drawing(root: Path, size: SampleSize) -> subprocess.Popen:
    """Another process that asks for the sample."""
    package = Path(__file__).parents[2] / 'convnext_dense'
    code = f"""
import sys
sys.path.insert(0, {str(package.parent)!r})
from convnext_dense.sample_data.create import SampleSize, ensure_sample
print('ready', flush=True)
sys.stdin.readline()
print(ensure_sample({str(root)!r}, size={size!r}, workers=2))
"""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, '-c', code], stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == 'ready\n'
    return process


def let_draw(process: subprocess.Popen) -> None:
    assert process.stdin is not None
    process.stdin.write('\n')
    process.stdin.flush()
