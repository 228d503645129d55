"""Write a model for a hub, in the layout of timm or transformers, and upload it."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...analysis import METRICS_FILE
from ...checkpoints import files as checkpoints
from ...checkpoints import manifest
from ...config.find import find_work_dir
from ...config.saved import setting_of_run
from ...counting import counted
from ...data.classification.transforms import check_normalized_once, preprocessing_of
from ...evaluation.metric_names import rule_of
from ...export.hub.folder import CARD, pushed_folder
from ...export.hub.hf_layout import write_hf
from ...export.hub.hf_upernet import upernet_notes
from ...export.hub.model import HubModel, preprocessing_note, shared_model
from ...export.hub.model_card import model_card
from ...export.hub.timm_layout import write_timm
from ...export.hub.upload import check_login, upload
from ...io.files import write_errors
from ...weights.extraction import dataset_meta, extract_weights
from ...weights.licenses import describe_license
from ...weights.preprocessing import Preprocessing, preprocessing_of_levels
from ...weights.reader import read_checkpoint
from ..commercial import check_commercial
from ..parsers.push import repository_of

WRITERS = {'timm': write_timm, 'hf': write_hf}


def run(args: argparse.Namespace) -> None:
    check_commercial(args, [args.checkpoint])
    repository = repository_of(args.destination)
    if repository is not None:
        check_login()
    path = checkpoints.find(args.checkpoint)
    model = _model(path, args)
    if repository is None:
        folder = Path(args.destination)
        with pushed_folder(folder, args.force) as temporary:
            _write(model, args.to, temporary, f'./{folder.resolve().name}')
            card = (temporary / CARD).read_text()
        place, kept = str(folder), (folder / CARD).read_text() != card
    else:
        with tempfile.TemporaryDirectory() as temporary_folder:
            _write(model, args.to, Path(temporary_folder), repository)
            place, kept = upload(Path(temporary_folder), repository, args.private, args.force)
    _report(model, path, place, kept, args)


def _model(path: Path, args: argparse.Namespace) -> HubModel:
    content = read_checkpoint(path, args.trust_pickle)
    weights = extract_weights(content, path, args.weights)
    evaluation = preprocessing_of_run(path)
    if args.mean is not None:
        known = evaluation or weights.preprocessing or Preprocessing((), ())
        evaluation = replace(known, mean=tuple(args.mean), std=tuple(args.std), source='--mean and --std', bgr=False)
    return shared_model(
        weights,
        evaluation,
        args.backbone,
        settings=setting_of_run(path, 'model') or {},
        results=results_of_run(path, args.weights),
        value_range=((setting_of_run(path, 'test_dataloader') or {}).get('dataset') or {}).get('value_range'),
        reduce_zero_label=bool(dataset_meta(content).get('reduce_zero_label')),
        averaged=args.weights == 'ema',
    )


def preprocessing_of_run(checkpoint: Path) -> Preprocessing | None:
    """Return how a run's config prepares images in tests; None if there is no run, or its config does not tell.

    Raises:
        UserError: if its mean or std can't be right.
    """
    loader, model = setting_of_run(checkpoint, 'test_dataloader'), setting_of_run(checkpoint, 'model')
    source = f'the config of the run of {checkpoint}'
    levels = (model or {}).get('data_preprocessor') or {}
    transform = ((loader or {}).get('dataset') or {}).get('transform') or {}
    if 'input_size' in transform:  # a classifier's
        check_normalized_once(levels)
        return replace(preprocessing_of(transform, training=False), source=source)
    if levels.get('mean') is not None:
        is_rgb = bool(levels.get('bgr_to_rgb'))
        found = preprocessing_of_levels(levels['mean'], levels.get('std'), is_rgb)
        return None if found is None else replace(found, source=source)
    return None


def results_of_run(checkpoint: Path, weights: str) -> dict[str, float]:
    """Return a checkpoint's metrics in percent in its run: of its last test, or else of its validation."""
    work_dir = find_work_dir(checkpoint)
    if work_dir is None:
        return {}
    metrics: Any = manifest.read(work_dir).get(checkpoint.name, {}).get('metrics')
    try:
        tested = json.loads((work_dir / METRICS_FILE).read_text())
        if Path(tested['checkpoint']).name == checkpoint.name:
            metrics = tested['metrics']
    except (OSError, ValueError, KeyError, TypeError):
        pass
    found = metrics.items() if isinstance(metrics, Mapping) else ()
    prefix = f'{weights}/'
    return {
        name.removeprefix(prefix): float(value)
        for name, value in found
        if name.startswith(prefix) and isinstance(value, int | float) and rule_of(name) == 'greater'
    }


def _write(model: HubModel, layout: str, folder: Path, place: str) -> None:
    with write_errors(place):
        WRITERS[layout](model, folder)
        (folder / CARD).write_text(model_card(model, layout, place), encoding='utf-8')


def _report(model: HubModel, path: Path, place: str, kept: bool, args: argparse.Namespace) -> None:
    images, weights = model.preprocessing, model.weights
    size = 'any size' if images.input_size is None else 'x'.join(map(str, images.input_size))
    classes = counted(model.num_classes, 'class', 'classes') if model.num_classes else 'no head'
    print(f'read      {path}: {weights.source}, {args.weights} weights')
    print(f'model     {model.arch}, {classes}')
    print(f'images    {size}, mean {_numbers(images.mean)}, std {_numbers(images.std)} ({images.source})')
    license = (
        describe_license(model.license) if model.license else 'unknown: state one in README.md before you share it'
    )
    if weights.origin is None:
        license = 'yours to choose: nothing of others is in these weights'
    print(f'license   {license}')
    if weights.left_over:
        print(f'left over {", ".join(weights.left_over[:5])}{", ..." if len(weights.left_over) > 5 else ""}')
    for note in filter(None, _notes(model, args.to)):
        print(f'note      {note}')
    if kept:
        print('kept      README.md, which was edited; --force replaces it')
    print(f'wrote     {place}: {"timm" if args.to == "timm" else "transformers"}')


def _notes(model: HubModel, layout: str) -> list[str]:
    notes = [model.weights.settings.note, preprocessing_note(model, layout)]
    return notes + (upernet_notes(model) if model.kind == 'segmentor' else [])


def _numbers(values: tuple[float, ...]) -> str:
    return ', '.join(f'{value:.4g}' for value in values)
