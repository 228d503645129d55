"""The data of an adapted config: data sets of this package with the source's pipelines, and its wrappers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from .notes import NotAdaptable
from .packaged import base_config
from .pipelines import MIXING, READING_IMAGES, READING_TRUTH, Reader, Step, adapt_testing, adapt_training, kind

if TYPE_CHECKING:
    from mmengine.config import Config

STOCK = {'CocoDataset', 'ADE20KDataset', 'CocoPanopticDataset', 'CocoMetric', 'IoUMetric', 'CocoPanopticMetric'}
"""Data sets and metrics of mmdet and mmseg for which this package's are the same kind of data and measure."""
RULES = {'filter_empty_gt': False, 'min_size': 0}
"""Rules of ``filter_cfg`` that our data sets have, each with the value of mmdet for none."""
SAMPLERS = ('DefaultSampler', 'InfiniteSampler')
"""Samplers that draw every image as often, as ours does."""


class AdaptedData(NamedTuple):
    """The loaders and evaluators of an adapted config."""

    config: dict[str, Any]
    repeats: int
    """Times that an epoch of the source uses each image."""
    is_mixed: bool
    """Whether another data set mixes the images of the one that loads them."""


def adapt_data(cfg: Mapping[str, Any], reader: Reader) -> AdaptedData:
    """Return the keys of loaders and evaluators that differ from those of the task's base config.

    Args:
        cfg: the source.
        reader: its library and what its task gets.

    Raises:
        NotAdaptable: if its data are of another kind than ours, or it has none to train on.
    """
    loader = cfg.get('train_dataloader')
    if not loader or not cfg.get('train_cfg'):
        raise NotAdaptable('it is for testing alone: it has no train_dataloader or train_cfg')
    base = base_config(reader.adaptation.base)
    dataset, wrappers = _unwrap(loader['dataset'], reader)
    _check_kind(dataset)
    steps, mixing = adapt_training(dataset.get('pipeline') or (), reader), None
    mixes_plain = any(kind(one) == 'MultiImageMixDataset' for one in wrappers)
    for wrapper in (one for one in wrappers if kind(one) == 'MultiImageMixDataset'):
        mixing = adapt_training(wrapper['pipeline'], reader)
    if mixing is None and any(kind(step) in MIXING for step in steps):
        mixing = [step for step in steps if not _loads(step)]
        steps = [step for step in steps if _loads(step)]
        reader.notes.changed.append(
            'Mosaic and MixUp draw their images from the whole data set: the source draws them from a cache of each '
            'worker, with which a resumed run would not be the same'
        )
    inner: dict[str, Any] = {}
    if 'filter_cfg' in base.train_dataloader.dataset:
        inner['filter_cfg'] = _rules(dataset, reader)
    inner['pipeline'] = steps
    train: dict[str, Any] = {'batch_size': loader.get('batch_size', base.train_dataloader.batch_size)}
    if base.train_dataloader.get('batch_sampler') and (mixing is not None or not loader.get('batch_sampler')):
        train['batch_sampler'] = None
    train['dataset'] = _wrap(inner, base.train_dataloader.dataset, wrappers, mixing, mixes_plain)
    _check_sampler(loader, reader)
    repeats = 1
    for wrapper in wrappers:
        repeats *= wrapper.get('times', 1) if kind(wrapper) == 'RepeatDataset' else 1
    tested = cfg.get('val_dataloader') or cfg.get('test_dataloader')
    config: dict[str, Any] = {'train_dataloader': train}
    if tested:
        innermost, _ = _unwrap(tested['dataset'], reader._replace(notes=type(reader.notes)()))
        config['val_dataloader'] = {'dataset': {'pipeline': adapt_testing(innermost.get('pipeline') or (), reader)}}
        config['test_dataloader'] = copy.deepcopy(config['val_dataloader'])
    config.update(_evaluators(cfg, dataset, base, reader))
    return AdaptedData(config, repeats, mixing is not None)


def switched_steps(steps: list[Any], reader: Reader, mixed: bool) -> list[Step]:
    """Return the pipeline to which training switches in its last epochs, which a data set or the one around it has."""
    adapted = adapt_training(steps, reader)
    return [step for step in adapted if not _loads(step)] if mixed else adapted


def _unwrap(dataset: Mapping[str, Any], reader: Reader) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    """Return the innermost data set, and the wrappers around it, outermost first; of several parts the first one."""
    wrappers = []
    while 'dataset' in dataset or 'datasets' in dataset:
        wrappers.append(dataset)
        if dataset.get('datasets'):
            reader.notes.changed.append(
                f'{len(dataset["datasets"])} data sets become one: --data names one data set (several: '
                'docs/extending.md)'
            )
        elif kind(dataset) not in ('RepeatDataset', 'ClassBalancedDataset', 'MultiImageMixDataset'):
            reader.notes.undecided.append(f'{kind(dataset)} around the training data is left out')
        dataset = dataset['dataset'] if 'dataset' in dataset else dataset['datasets'][0]
    return dataset, wrappers


def _check_kind(dataset: Mapping[str, Any]) -> None:
    if dataset.get('return_classes'):
        raise NotAdaptable('its head reads the names of the classes as text, together with the image')


def _loads(step: Step) -> bool:
    own = ('LoadImage', 'LoadMask', 'LoadPanoptic')
    return kind(step) in (*own, *READING_IMAGES, *READING_TRUTH)


def _rules(dataset: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
    """Return the rules by which images are left out of training, as far as our data sets have them."""
    given = dict(dataset.get('filter_cfg') or {})
    others = [key for key in given if key not in RULES]
    if others:
        reader.notes.undecided.append(
            f'filter_cfg.{others[0]} is left out: rules here are {" and ".join(RULES)}, and what annotations are used '
            'is in docs/data.md'
        )
    return {key: given.get(key, absent) for key, absent in RULES.items()}


def _wrap(
    inner: dict[str, Any],
    base: Mapping[str, Any],
    wrappers: list[Mapping[str, Any]],
    mixing: list[Step] | None,
    mixes_plain: bool,
) -> dict[str, Any]:
    """Return the training data set: what differs from the base config's, or the whole one inside wrappers.

    Args:
        inner: what differs.
        base: the base config's data set.
        wrappers: those of the source.
        mixing: the steps from the first on that mixes images; None if there is none.
        mixes_plain: the other images of such a step are without the steps before it.
    """
    balanced = next((one for one in wrappers if kind(one) == 'ClassBalancedDataset'), None)
    if mixing is None and balanced is None:
        return inner
    dataset: dict[str, Any] = {**_plain(base), **inner}
    if balanced is not None:
        threshold = balanced['oversample_thr']
        dataset = {'type': 'ClassBalancedDataset', 'oversample_thr': threshold, 'dataset': dataset}
    if mixing is not None:
        plain = {'mixes_plain': True} if mixes_plain else {}
        dataset = {'type': 'convnext_dense.MixedImages', 'dataset': dataset, 'pipeline': mixing, **plain}
    return {'_delete_': True, **dataset}


def _plain(value: Any) -> Any:
    """Return a part of a config as plain dicts and lists."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return type(value)(map(_plain, value)) if isinstance(value, list | tuple) else value


def _check_sampler(loader: Mapping[str, Any], reader: Reader) -> None:
    """Say it if the source draws some images more often than others."""
    sampler = loader.get('sampler') or {}
    if sampler and kind(sampler) not in SAMPLERS:
        reader.notes.changed.append(
            f'{kind(sampler)} becomes SeededSampler, which draws every image once per epoch and resumes exactly'
        )


def _evaluators(cfg: Mapping[str, Any], dataset: Mapping[str, Any], base: Config, reader: Reader) -> dict[str, Any]:
    """Return the settings of our metric that differ from the base's, and say which data and metrics it replaces."""
    given = cfg.get('val_evaluator') or cfg.get('test_evaluator') or {}
    metrics = [given] if isinstance(given, Mapping) else list(given)
    kinds = [kind(one) for one in metrics if 'type' in one]
    others = list(dict.fromkeys(name for name in (kind(dataset), *kinds) if name not in STOCK))
    if others:
        reader.notes.changed.append(
            f'{base.train_dataloader.dataset.type} and {reader.adaptation.metric} in place of '
            f'{" and ".join(others)}: --data names the data, in any format of docs/data.md, and the classes are theirs'
        )
    measured = next((one.get('metric') for one in metrics if kind(one) == 'CocoMetric'), None)
    if any('mDice' in (one.get('iou_metrics') or ()) for one in metrics):
        reader.notes.changed.append('mDice becomes mIoU, of which it is a function class by class')
    if kind(base.val_evaluator) == 'CocoAP' and measured in ('segm', ['segm']):
        return {'val_evaluator': {'iou_types': ('segm',)}, 'test_evaluator': {'iou_types': ('segm',)}}
    return {}
