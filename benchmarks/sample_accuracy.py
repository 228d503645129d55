"""Train and test a config on the sample by the two tools, and keep the result beside this file.

python benchmarks/sample_accuracy.py configs/classification/convnext_a.py
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from mmengine.utils.dl_utils import collect_env

from convnext_dense.data.sample import ensure_sample

ROOT = Path(__file__).parents[1]


def main(config: str) -> None:
    ensure_sample()
    with tempfile.TemporaryDirectory() as work_dir:
        out = Path(work_dir, 'metrics.json')
        start = time.perf_counter()
        train = ['tools/train.py', config, '--data', 'sample', '--work-dir', work_dir]
        subprocess.run([sys.executable, *train], cwd=ROOT, check=True)
        seconds = time.perf_counter() - start
        test = ['tools/test.py', config, work_dir, '--data', 'sample', '--out', str(out)]
        subprocess.run([sys.executable, *test], cwd=ROOT, check=True)
        metrics = json.loads(out.read_text())['metrics']
    result = {
        'config': config,
        'seconds': round(seconds, 1),
        'metrics': {name: round(value, 4) for name, value in metrics.items()},
        'environment': {
            'cpu': cpu_name(),
            'cores': os.cpu_count(),
            'gpu': collect_env()['CUDA available'],
            'torch': torch.__version__,
            'python': platform.python_version(),
        },
    }
    path = Path(__file__).with_name(f'sample_{Path(config).stem}.json')
    path.write_text(json.dumps(result, indent=2) + '\n')
    print(f'{path.name}: {result["metrics"]} in {seconds:.0f} s')


def cpu_name() -> str:
    for line in Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            return line.split(':')[1].strip()
    return platform.processor()


if __name__ == '__main__':
    main(sys.argv[1])
