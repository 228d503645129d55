"""Tables of large images, for :mod:`.update_tables`."""

from __future__ import annotations

import json

from benchmarks.measurements import HERE, machine, results_on
from convnext_dense.sample_data.names import LARGE_SAMPLES

SHOWN = {'mIoU': 'mIoU', 'box_AP50': 'box AP50', 'mask_AP50': 'mask AP50', 'PQ': 'PQ'}


def sample_tiles(results: list[dict] | None = None) -> str:
    """Make a row for each config that was trained on a large sample, with tiles beside without, after equal steps."""
    large = results_on(*LARGE_SAMPLES) if results is None else results
    whole = {_key(result): result for result in large if result['tile'] is None}
    lines = ['| config, data | steps | whole images, shrunk | tiles | minutes, whole / tiles |', '| --- ' * 5 + '|']
    measured = [result for result in large if result['tile'] is not None and _key(result) in whole]
    if not measured:
        return (
            'Not measured yet: `python benchmarks/sample_accuracy.py configs/seg/upernet_convnext_a_ade20k.py '
            '--data sample-large --tile 256`.'
        )
    for tiles in measured:
        other = whole[_key(tiles)]
        minutes = ' / '.join(f'{one["seconds"] / 60:.1f}' for one in (other, tiles))
        options = ''.join(f', `{option}`' for option in tiles['options'])
        cells = [
            f'`{tiles["config"]} --data {tiles["data"]}`{options}',
            f'{tiles["steps"]:,}',
            _scores(other),
            f'{_scores(tiles)}, `--tile {tiles["tile"]}`',
            f'{minutes}, load {tiles["environment"]["load"]}',
        ]
        lines.append(f'| {" | ".join(cells)} |')
    environment = measured[0]['environment']
    about = f'Measured on whole unseen images with `benchmarks/sample_accuracy.py` on {machine(environment)}.'
    return '\n'.join([*lines, '', about])


def _key(result: dict) -> tuple:
    """Return what results that are compared have in common."""
    return (*(result[key] for key in ('config', 'data', 'pretrained', 'steps')), *result['options'])


def _scores(result: dict) -> str:
    metrics = result['metrics']
    return ', '.join(f'{name} {metrics[f"raw/{key}"]:.1f}' for key, name in SHOWN.items() if f'raw/{key}' in metrics)


def large_images(content: dict | None = None) -> str:
    """Make the table of memory of segmentation by tiles, and the line of its speed, beside mmseg's slide inference."""
    path = HERE / 'large_images.json'
    if content is None and not path.exists():
        return 'Not measured yet: `python benchmarks/large_images.py --out benchmarks/large_images.json`.'
    content = content or json.loads(path.read_text())
    lines = ['| image | predicted by | peak memory | of it before | minutes |', '| --- ' * 5 + '|']
    for row in content['memory']:
        size = f'{row["side"]:,} x {row["side"]:,}'
        if 'failed' in row:
            lines.append(f'| {size} | {row["name"]} | failed: {row["failed"]} | | |')
            continue
        done = row.get('blocks', 1) / row.get('of_blocks', 1)
        part = '' if done == 1 else f', stopped after {done:.0%} of the image'
        memory = f'{row["peak_mb"]:,.0f} MB | {row["before_mb"]:,.0f} MB'
        lines.append(f'| {size} | {row["name"]} | {memory} | {row["seconds"] / 60:.1f}{part} |')
    about = (
        f'`{content["config"]}`, tiles of {content["tile"]} pixels with an overlap of {content["overlap"]:g}, '
        f'{content["classes"]} classes, random weights; before: with the network built. Measured with '
        f'`{content["command"]}` on {machine(content["environment"])}, load {content["environment"]["load"]}.'
    )
    speed = content['speed']
    if speed is None:
        return '\n'.join([*lines, '', about])
    ours, peer = (speed['megapixels_per_second'][name] for name in ('tiles', 'mmseg slide'))
    said = (
        f'On {speed["side"]:,} x {speed["side"]:,} pixels in memory, medians of {speed["rounds"]} in turns: '
        f"{ours:.2f} megapixels per second by tiles, {peer:.2f} with mmseg's slide inference; "
        f'{speed["equal_labels"]:.2%} of the labels are the same (mmseg weights all pixels of a window alike).'
    )
    return '\n'.join([*lines, '', said, '', about])
