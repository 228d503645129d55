"""Train and test a config on the sample with the two tools, and save the result next to this file.

python benchmarks/sample_accuracy.py configs/classification/convnext_a.py --work-dir work_dirs/backbone
python benchmarks/sample_accuracy.py configs/det/cascade_convnext_a_coco.py
python benchmarks/sample_accuracy.py configs/det/dino_convnext_a_coco.py
python benchmarks/sample_accuracy.py configs/det/cascade_convnext_a_coco.py --pretrained work_dirs/backbone/epoch_3.pth
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from convnext_dense.analysis.environment import environment
from convnext_dense.sample_data.create import ensure_sample

ROOT = Path(__file__).parents[1]


def main(config: str, pretrained: str | None, keep: str | None) -> None:
    ensure_sample()
    with tempfile.TemporaryDirectory() as temporary:
        work_dir = keep or temporary
        out = Path(temporary, 'metrics.json')
        start = time.perf_counter()
        train = ['tools/train.py', config, '--data', 'sample', '--work-dir', work_dir]
        train += ['--pretrained', pretrained] if pretrained else []
        subprocess.run([sys.executable, *train], cwd=ROOT, check=True)
        seconds = time.perf_counter() - start
        test = ['tools/test.py', config, work_dir, '--data', 'sample', '--out', str(out)]
        subprocess.run([sys.executable, *test], cwd=ROOT, check=True)
        metrics = json.loads(out.read_text())['metrics']
    result = {
        'config': config,
        'pretrained': pretrained is not None,
        'seconds': round(seconds, 1),
        'metrics': {name: round(value, 4) for name, value in metrics.items()},
        'environment': environment(),
    }
    start = '_from_backbone' if pretrained else ''
    folder, name = Path(config).parent.name, Path(config).stem  # one name may be in several folders
    path = Path(__file__).with_name(f'sample_{folder}_{name}{start}.json')
    path.write_text(json.dumps(result, indent=2) + '\n')
    print(f'{path.name}: {result["metrics"]} in {seconds:.0f} s')


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('--pretrained', help='start from this checkpoint')
    parser.add_argument('--work-dir', help='keep the run there')
    args = parser.parse_args()
    main(args.config, args.pretrained, args.work_dir)
