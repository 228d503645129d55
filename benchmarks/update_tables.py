"""Write the tables in the README and the documentation from paper.py and the measurements next to this file.

python benchmarks/update_tables.py           # rewrites the files that would change
python benchmarks/update_tables.py --check   # changes nothing, and fails if one would change

A table stands between the lines ``<!-- table: NAME -->`` and ``<!-- end -->``.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from functools import partial
from pathlib import Path

from convnext_dense import paper

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from benchmarks.fcmae_tables import fcmae_scan, fcmae_transfer  # noqa: E402
from benchmarks.large_tables import large_images, sample_tiles  # noqa: E402
from benchmarks.measurements import machine, results_on  # noqa: E402
from benchmarks.small_tables import small_recipe, small_scan  # noqa: E402


def pages() -> list[Path]:
    """Return the files that may contain tables."""
    return [ROOT / 'README.md', *sorted((ROOT / 'docs').rglob('*.md'))]


SIZES = {'tiny': 't', 'small': 's', 'base': 'b', 'large': 'l', 'xlarge': 'xl'}


def published_by_size() -> str:
    """Make the table of each size's published results on all tasks, with the configs in the header."""
    lines = [
        '| size | parameters | top-1, ImageNet-1k | top-1, 22k then 1k | box / mask AP, COCO | mIoU, ADE20K |',
        '| --- | --- | --- | --- | --- | --- |',
        '| | | `convnext_{size}` | `convnext_{size}_22k_to_1k_384` | `cascade_convnext_{size}_coco` | '
        '`upernet_convnext_{size}_ade20k` |',
    ]
    for arch, letter in SIZES.items():
        of_1k = [row for row in paper.CONVNEXT_1K if (row.arch, row.resolution) == (arch, 224)]
        of_22k = [row for row in paper.CONVNEXT_22K_TO_1K if (row.arch, row.resolution) == (arch, 384)]
        cells = [
            f'{arch}, `{letter}`',
            f'{(of_1k or of_22k)[0].params:g}M',
            ', '.join(f'{row.top1:.1f}' for row in of_1k),
            ', '.join(f'{row.top1:.1f}' for row in of_22k),
            _by_pretraining(paper.CASCADE_COCO, arch, '{} / {}'),
            _by_pretraining(paper.UPERNET_ADE20K, arch, '{}'),
        ]
        lines.append(f'| {" | ".join(cell or "-" for cell in cells)} |')
    return '\n'.join(lines)


def _by_pretraining(rows: tuple[paper.PublishedDense, ...], arch: str, result: str) -> str:
    of_arch = {row.data: result.format(*row.scores) for row in rows if row.arch == arch}
    return ', '.join(f'{scores} (22k)' if data == 'ImageNet-22k' else scores for data, scores in of_arch.items())


def published() -> str:
    lines = [
        '| arch | trained on | resolution | parameters | FLOPs (MACs, as the paper counts) | top-1 |',
        '| --- | --- | --- | --- | --- | --- |',
    ]
    groups = (
        ('ImageNet-1k', paper.CONVNEXT_1K),
        ('ImageNet-22k, then 1k', paper.CONVNEXT_22K_TO_1K),
        ('V2: ImageNet-1k, after FCMAE', paper.CONVNEXTV2_1K),
    )
    for data, rows in groups:
        for row in rows:
            lines.append(
                f'| {row.arch} | {data} | {row.resolution} | {row.params:g}M | {row.macs:g}G | {row.top1:.1f} |'
            )
    return '\n'.join(lines)


def sample() -> str:
    results = [r for r in _results() if 'raw/top1' in r['metrics']]
    lines = [
        '| config | top-1 on 960 unseen images, raw / EMA weights | whole command |',
        '| --- | --- | --- |',
    ]
    for result in results:
        top1 = ' / '.join(f'{result["metrics"][f"{kind}/top1"]:.1f}' for kind in ('raw', 'ema'))
        lines.append(f'| `{result["config"]} --data sample` | {top1} | {_time(result)} |')
    return '\n'.join([*lines, '', f'{_measured(results[0])} Chance is 8.3.'])


PQ_NAMES = {'PQ': 'PQ', 'PQ_things': 'of things', 'PQ_stuff': 'of stuff'}


def sample_dense(metric: str) -> str:
    """Return the runs with this metric."""
    results = [r for r in _results() if metric in r['metrics']]
    if not results:
        return 'Not measured yet: `python benchmarks/sample_accuracy.py CONFIG`.'
    lines = [
        '| config | backbone | on unseen images | whole command |',
        '| --- | --- | --- | --- |',
    ]
    for result in results:
        metrics = result['metrics']
        start = 'trained by `convnext_a.py --data sample`' if result['pretrained'] else 'random'
        if 'raw/mIoU' in metrics:
            scores = f'mIoU {metrics["raw/mIoU"]:.1f}'
        elif 'raw/PQ' in metrics:
            scores = ', '.join(f'{name} {metrics[f"raw/{key}"]:.1f}' for key, name in PQ_NAMES.items())
        else:
            scores = f'box AP50 {metrics["raw/box_AP50"]:.1f}'
            if 'raw/mask_AP50' in metrics:
                scores += f', mask AP50 {metrics["raw/mask_AP50"]:.1f}'
        scores += f' (of {metrics["raw/images"]})'
        lines.append(f'| `{result["config"]} --data sample` | {start} | {scores} | {_time(result)} |')
    return '\n'.join([*lines, '', _measured(results[0])])


def large_annotations() -> str:
    """Return the times and memory to read large annotations."""
    measured = json.loads((HERE / 'large_annotations.json').read_text())
    data = {
        'coco': f'COCO file of {measured["coco_mb"]:,} MB',
        'yolo': f'YOLO, {measured["yolo_images"]:,} images and label files',
    }
    lines = ['| data | read by | seconds | of CPU time | peak memory |', '| --- | --- | --- | --- | --- |']
    for name, row in measured['results'].items():
        kind, what = name.split(': ')
        if 'seconds' in row:
            times = f'{row["seconds"]:.1f} | {row["cpu_seconds"]:.1f} | {row["peak_mb"]:,} MB'
            lines.append(f'| {data[kind]} | {what} | {times} |')
    sizes = ' and '.join(f'{measured["results"][f"{kind}: index"]["mb"]:,} MB' for kind in data)
    environment = measured['environment']
    about = (
        f'Measured with `benchmarks/large_annotations.py` on {machine(environment)}, load {environment["load"]}: '
        f'where other work shares the cores, CPU time counts. The indexes take {sizes}.'
    )
    return '\n'.join([*lines, '', about])


def frozen() -> str:
    """Return memory and time of a training step with a frozen backbone, beside a trained one."""
    path = HERE / 'frozen.json'
    if not path.exists():
        return 'Not measured yet: `python benchmarks/frozen.py --threads 2 --out benchmarks/frozen.json`.'
    result = json.loads(path.read_text())
    lines = ['| model | backbone | step, quartiles | times as fast | memory |', '| --- | --- | --- | --- | --- |']
    for series in result['series']:
        trained = series['rows'][0]
        for row in series['rows']:
            seconds, (fast, slow) = row['seconds']['median'], row['seconds']['quartiles']
            faster = f'{trained["seconds"]["median"] / seconds:.2f}'
            memory = f'{row["memory"] / 2**20:.0f} MiB, {row["memory"] / trained["memory"]:.2f} x'
            cells = [series['about'], row['name'], f'{seconds:.2f} s, {fast:.2f} to {slow:.2f}', faster, memory]
            lines.append(f'| {" | ".join(cells)} |')
    environment = result['environment']
    made = f'Measured with `{result["command"]}` on {machine(environment)}'
    return '\n'.join([*lines, '', f'{made}; threads {environment["threads"]}, load {environment["load"]}.'])


def fcmae() -> str:
    """Return the time of masked pre-training with hidden patches left out in both ways, beside the dense network."""
    result = json.loads((HERE / 'fcmae.json').read_text())
    second = 'processor second' if '--processor-time' in result['command'] else 'second'
    lines = [f'| network | measured | encoder | runs per {second}, quartiles | times as fast | memory |']
    lines.append('| --- | --- | --- | --- | --- | --- |')
    for series in result['series']:
        dense = series['rows'][-1]
        for row in series['rows']:
            seconds, (fast, slow) = row['seconds']['median'], row['seconds']['quartiles']
            faster = f'{dense["seconds"]["median"] / seconds:.2f}'
            memory = f'{row["memory"] / 2**20:.0f} MiB' if row['memory'] else '-'
            rates = f'{1 / seconds:.2f}, {1 / slow:.2f} to {1 / fast:.2f}'
            lines.append(f'| {" | ".join([series["about"], series["what"], row["name"], rates, faster, memory])} |')
    environment = result['environment']
    made = f'Measured with `{result["command"]}` on {machine(environment)}'
    return '\n'.join([*lines, '', f'{made}; threads {environment["threads"]}, load {environment["load"]}.'])


def weights_matrix() -> str:
    """Make the table of published ConvNeXts beside ours; the pretrained tags of timm are with their architecture."""
    content = json.loads((HERE / 'weights_matrix.json').read_text())
    groups: dict[tuple[str, str], list[dict]] = {}
    for row in content['rows']:
        name = row['name'].split('.')[0] if row['package'] == 'timm' else row['name']
        groups.setdefault((row['package'], name), []).append(row)
    lines = ['| library | network | compared | result | largest difference |', '| --- | --- | --- | --- | --- |']
    for (library, name), rows in groups.items():
        known = [row for row in rows if row['difference'] is not None]
        compared = ', '.join(dict.fromkeys(part for row in known for part in row['compared'].split(', ')))
        largest = f'{max(row["difference"] for row in known):.0e}' if known else '-'
        tags = f', {len(rows) - 1} tag{"s" if len(rows) > 2 else ""}' if len(rows) > 1 else ''
        results = Counter(row['result'] for row in rows)
        said = (
            next(iter(results)) if len(results) == 1 else ', '.join(f'{n} {result}' for result, n in results.items())
        )
        reasons = '; '.join(dict.fromkeys(row['note'] for row in rows if row['result'] != 'equal'))
        said += f' ({reasons})' if reasons else ''
        lines.append(f'| {library} | {name}{tags} | {compared} | {said} | {largest} |')
    versions = ', '.join(f'{library} {version}' for library, version in content['versions'].items())
    about = (
        f'{len(content["rows"])} networks and tags, with `benchmarks/weights_matrix.py`, random weights and float64; '
        f'{versions}. mmpretrain is compared by its names alone.'
    )
    return '\n'.join([*lines, '', about])


def heads() -> str:
    """Make the table of the families of mmdet and mmseg, those that work first; one line says how many do."""
    path = HERE / 'heads.json'
    if not path.exists():
        return 'Not measured yet.'
    content = json.loads(path.read_text())
    rows = content['rows']
    works = [row for row in rows if row['result'] == 'works']
    is_backbone = [row for row in rows if row['reason'].startswith('its method is its backbone')]
    others = [row for row in rows if row not in works and row not in is_backbone]
    lines = ['| family | config | trains and predicts | resumes exactly | exported as |', '| --- ' * 5 + '|']
    order = ('builds', 'trains', 'predicts', 'resumes', 'exports', 'works')
    for row in sorted(rows, key=lambda row: row not in works):
        family, (_, _, config) = row['family'], row['config'].rpartition('/')
        if row['result'] == 'not adapted':
            lines.append(f'| {family} | - | no: {row["reason"]} | | |')
            continue
        done = order.index(row['result'])
        why = f'no: {row["reason"]}'
        cells = ['yes' if done > last else why if done >= last - 1 else '' for last in (2, 3)]
        cells.append(row['exports'] if done == 5 else '' if done < 4 else why)
        lines.append(f'| {family} | {config} | {" | ".join(cells)} |')
    adaptable, refused = len(rows) - len(is_backbone), sum(row['result'] == 'not adapted' for row in others)
    rest = f'{refused} are refused, since they learn from other data or models than a ConvNeXt and annotated images'
    if failed := len(others) - refused:
        rest += f', and {failed} fail'
    about = (
        f'Of the {len(rows)} families, the method of {len(is_backbone)} is their backbone. Of the other {adaptable}, '
        f'{len(works)} ({len(works) / adaptable:.0%}) do all of this; {rest}. Measured with '
        f'`python benchmarks/heads.py` on ConvNeXt-A, {machine(content["environment"])}.'
    )
    return '\n'.join([about, '', *lines])


def _results() -> list[dict]:
    return results_on('sample')


def _time(result: dict) -> str:
    environment = result['environment']
    threads = f'{environment["threads"]} thread{"s" if environment["threads"] > 1 else ""}'
    return f'{result["seconds"] / 60:.1f} min, {threads}, load {environment["load"]}'


def _measured(result: dict) -> str:
    environment = result['environment']
    return (
        f'Measured with `benchmarks/sample_accuracy.py` on {machine(environment)}; the sample was there already. '
        'A load above 2 means that other work shared the cores: on idle ones it is faster.'
    )


def rules_of_next_steps() -> str:
    """Make the list of rules by which a diagnosis says what to try next."""
    from convnext_dense.diagnosis.next_steps import RULES

    return '\n'.join(f'- {rule.text}' for rule in RULES)


def suspected_labels(content: dict | None = None) -> str:
    """Make a row for each task of how many corrupted labels are among the first that are suspected."""
    path = HERE / 'suspected_labels.json'
    if content is None and not path.exists():
        return 'Not measured yet: `python benchmarks/suspected_labels.py classification`.'
    content = content or json.loads(path.read_text())
    lines = [
        '| task | model | corrupted labels | of them among as many first suspects | among all suspects |',
        '| --- ' * 5 + '|',
    ]
    for task, row in content.items():
        ((metric, value),) = row['metric'].items()
        kinds = ''
        if len(row['kinds']) > 1:
            kinds = ' (' + ', '.join(f'{kind} {found} of {of}' for kind, (found, of) in row['kinds'].items()) + ')'
        cells = [
            task,
            f'`{" ".join([row["config"], *row["arguments"]])}`, {metric} {value:.1f}',
            f'{row["corrupted"]:,} of {row["labels"]:,}',
            f'**{row["found"] / row["corrupted"]:.0%}**{kinds}',
            f'{row["found_in_all"] / row["corrupted"]:.0%} of {row["suspects"]:,}',
        ]
        lines.append(f'| {" | ".join(cells)} |')
    environment = next(iter(content.values()))['environment']
    return '\n'.join([*lines, '', f'Measured with `benchmarks/suspected_labels.py` on {machine(environment)}.'])


LIBRARIES = ('torchvision', 'timm', 'transformers')
USED = {  # by what tools/benchmark.py measures: whose versions stand below the table
    'forward': LIBRARIES,
    'train': LIBRARIES,
    'loader': ('torchvision', 'timm', 'pillow'),
    'eval': ('onedl-mmsegmentation', 'onedl-mmdetection', 'faster-coco-eval', 'pycocotools'),
    'detector': ('torchvision', 'timm', 'onedl-mmcv', 'onedl-mmdetection'),
    'segmentor': ('torchvision', 'timm', 'onedl-mmcv', 'onedl-mmsegmentation'),
}


def throughput(results: list[dict] | None = None) -> str:
    """Make a row for each measurement and dtype of ours by tools/benchmark.py."""
    if results is None:
        results = [json.loads(path.read_text()) for path in sorted(HERE.glob('throughput_*.json'))]
    if not results:
        return 'Not measured yet.'
    lines = ['| what | ours, quartiles | times as fast as others | memory |', '| --- | --- | --- | --- |']
    for result in results:
        compiled = ', compiled' if result['setting']['compiled'] else ''
        for series in result['series']:
            timed = [row for row in series['rows'] if 'rate' in row]
            for own in (row for row in timed if row['name'] == 'ours'):
                peers = [row for row in timed if row['name'] != 'ours']
                rate, dtype = own['rate'], f', {own["dtype"]}' if own['dtype'] else ''
                cells = [
                    f'{series["what"]}: {series["about"]}{dtype}{compiled}',
                    f'{_short(rate["median"])} {series["unit"]}, {_short(rate["lower_quartile"])} to '
                    f'{_short(rate["upper_quartile"])}',
                    ', '.join(f'{peer["ours_is_faster"][_label(own)]:.2f} x {_label(peer)}' for peer in peers),
                    next((_memory(own, peer) for peer in peers if own['memory'] and peer['memory']), '-'),
                ]
                lines.append(f'| {" | ".join(cells)} |')
    for measured in dict.fromkeys(map(_measured_throughput, results)):
        lines += ['', measured]
    return '\n'.join(lines)


def _short(rate: float) -> str:
    return f'{rate:,.0f}' if rate >= 1000 else f'{rate:.3g}'


def _label(row: dict) -> str:
    return f'{row["name"]} {row["dtype"]}'.strip()


def _memory(own: dict, peer: dict) -> str:
    return f'{own["memory"] / 2**20:.0f} MiB, {own["memory"] / peer["memory"]:.2f} x {_label(peer)}'


def _measured_throughput(result: dict) -> str:
    environment = result['environment']
    used = dict.fromkeys(name for what in result['setting']['what'] for name in USED[what])
    versions = ', '.join(f'{name} {environment[name]}' for name in used if environment.get(name))
    return (
        f'Measured with `{result["command"]}` on {machine(environment)}, {versions}; '
        f'threads {environment["threads"]}, load at the start {environment["load"]}, {environment["date"]}.'
    )


def published_detection() -> str:
    return _published_dense(
        ('Mask R-CNN', paper.MASK_RCNN_COCO, 'box AP {}, mask AP {}'),
        ('Cascade Mask R-CNN', paper.CASCADE_COCO, 'box AP {}, mask AP {}'),
        ('DINO-4scale, 12 epochs', paper.DINO_COCO, 'box AP {}'),
        ('RTMDet-l, 100 epochs', paper.RTMDET_COCO, 'box AP {}'),
    )


def published_segmentation() -> str:
    return _published_dense(('UPerNet', paper.UPERNET_ADE20K, 'mIoU {} single-scale, {} multi-scale'))


def nearest_segmentation() -> str:
    """Make the table of OneFormer's results, the nearest published ones to Mask2Former's on ADE20K."""
    lines = ['| model | backbone | parameters | mIoU, single- / multi-scale | PQ | mask AP |', '| --- ' * 6 + '|']
    for row in paper.ONEFORMER_ADE20K:
        scores = ' / '.join(f'{score:.1f}' for score in row.miou)
        lines.append(
            f'| OneFormer | {row.arch}, ImageNet-22k | {row.params:g}M | {scores} | {row.pq:.1f} | {row.mask_ap:.1f} |'
        )
    return '\n'.join(lines)


def _published_dense(*groups: tuple[str, tuple[paper.PublishedDense, ...], str]) -> str:
    lines = [
        '| model | backbone | trained on | parameters | FLOPs (MACs, as the paper counts) | result | published by |',
        '| --- | --- | --- | --- | --- | --- | --- |',
    ]
    for model, rows, result in groups:
        for row in rows:
            params, macs = ('-' if n is None else f'{n:g}{unit}' for n, unit in ((row.params, 'M'), (row.macs, 'G')))
            scores = result.format(*row.scores)
            lines.append(f'| {model} | {row.arch} | {row.data} | {params} | {macs} | {scores} | {row.by} |')
    return '\n'.join(lines)


TABLES = {
    'published by size': published_by_size,
    'published': published,
    'published detection': published_detection,
    'published segmentation': published_segmentation,
    'nearest segmentation': nearest_segmentation,
    'fcmae': fcmae,
    'fcmae transfer': fcmae_transfer,
    'fcmae scan': fcmae_scan,
    'frozen': frozen,
    'heads': heads,
    'large annotations': large_annotations,
    'large images': large_images,
    'sample': sample,
    'sample detection': partial(sample_dense, 'raw/box_AP50'),
    'sample segmentation': partial(sample_dense, 'raw/mIoU'),
    'sample panoptic': partial(sample_dense, 'raw/PQ'),
    'sample tiles': sample_tiles,
    'small recipe': small_recipe,
    'small recipe scan': small_scan,
    'rules of next steps': rules_of_next_steps,
    'suspected labels': suspected_labels,
    'throughput': throughput,
    'weights matrix': weights_matrix,
}
TABLE = re.compile(r'(<!-- table: (.*?) -->\n).*?(<!-- end -->)', re.DOTALL)


def update(text: str) -> str:
    """Return the text with all its tables updated.

    Raises:
        KeyError: if there is no table of a name.
    """
    return TABLE.sub(lambda match: f'{match[1]}{TABLES[match[2]]()}\n{match[3]}', text)


if __name__ == '__main__':
    old = {page: page.read_text() for page in pages()}
    new = {page: update(text) for page, text in old.items()}
    changed = [page for page in old if new[page] != old[page]]
    names = ', '.join(str(page.relative_to(ROOT)) for page in changed)
    if changed and sys.argv[1:] == ['--check']:
        sys.exit(f'{names}: tables differ from the measurements, run benchmarks/update_tables.py')
    for page in changed:
        page.write_text(new[page])
    print(f'rewritten: {names or "nothing, all tables are up to date"}')
