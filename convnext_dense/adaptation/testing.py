"""Test-time augmentation of an adapted config, where its model allows ours."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from .pipelines import Reader, Step, adapt_testing, kind

SHARES = (0.75, 1.0, 1.25)
"""Short sides of the views of a detector whose source has none, as shares of that of testing, as in our base."""
LONG_SHARE = 1.5
"""Largest long side of these views, as a share of that of testing."""
OF_VIEWS = ('flip', 'flip_direction')
"""Keys of the data samples of a view, beyond those of testing."""


def adapt_views(
    cfg: Mapping[str, Any], reader: Reader, model: Mapping[str, Any], tested: list[Step]
) -> dict[str, Any]:
    """Return ``tta_model`` and ``tta_pipeline`` of the new config; both None where its model merges no views.

    Args:
        cfg: the source.
        reader: its library and what its task gets; its notes get a line if there is no test-time augmentation.
        model: the adapted model.
        tested: the adapted pipeline for testing.
    """
    given, adaptation = cfg.get('tta_pipeline'), reader.adaptation
    merging = adaptation.merge_views(model, (cfg.get('tta_model') or {}).get('tta_cfg') or {})
    if merging is None:
        reader.notes.changed.append(
            'there is no test-time augmentation (--tta): it merges views by NMS, and this model has none'
        )
        return {'tta_model': None, 'tta_pipeline': None}
    if not given and not adaptation.views_follow_testing:
        return {'tta_model': merging}
    pipeline = adapt_testing(given, reader) if given else _views_of(tested)
    for step in pipeline if adaptation.ground_truth is not None else ():
        for packing in (one for branch in step.get('transforms', ()) for one in branch if 'meta_keys' in one):
            *keys, truth = (key for key in packing['meta_keys'] if key not in OF_VIEWS)
            packing['meta_keys'] = (*keys, *OF_VIEWS, truth)
    return {'tta_model': merging, 'tta_pipeline': pipeline}


def _views_of(tested: list[Step]) -> list[Step]:
    """Return a pipeline with three sizes around that of testing, each with its mirror image.

    Images that are padded to one size have no other sizes.
    """
    reading = [copy.deepcopy(step) for step in tested if kind(step) == 'LoadImage']
    packing = [copy.deepcopy(step) for step in tested if kind(step).startswith('Pack')]
    between = [copy.deepcopy(step) for step in tested if step not in (*reading, *packing)]
    stages = [[step] for step in between]
    if len(between) == 1 and between[0].get('keep_ratio') and isinstance(between[0].get('scale'), list | tuple):
        long, short = max(between[0]['scale']), min(between[0]['scale'])
        stages = [[{**between[0], 'scale': (round(long * LONG_SHARE), round(short * share))} for share in SHARES]]
    flips = [{'type': 'mmdet.RandomFlip', 'prob': probability} for probability in (0.0, 1.0)]
    transforms = [*stages[:1], flips, *stages[1:], *[[step] for step in packing]]
    return [*reading, {'type': 'mmcv.TestTimeAug', 'transforms': transforms}]
