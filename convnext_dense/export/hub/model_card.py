"""The model card, ``README.md``: metadata that hubs read, and a page for people."""

from __future__ import annotations

from ...version import __version__
from ...weights.licenses import LICENSES, describe_license
from .folder import sign
from .hf_layout import class_name
from .model import HubModel

TASKS = {
    'classifier': 'image-classification',
    'features': 'image-feature-extraction',
    'maps': 'image-feature-extraction',
    'segmentor': 'image-segmentation',
}
"""Hugging Face's names of tasks."""
HUGGING_FACE_LICENSES = {'mit', 'apache-2.0', 'cc-by-nc-4.0', 'cc-by-4.0', 'cc0-1.0', 'bsd-3-clause', 'openrail'}
"""Licenses that Hugging Face knows by these names; others are ``other`` there, with a name."""
LIBRARIES = {'timm': 'timm', 'hf': 'transformers'}
SHOWN_CLASSES = 50


def model_card(model: HubModel, layout: str, place: str) -> str:
    """Write the card of a model.

    Args:
        model: the model.
        layout: ``'timm'`` or ``'hf'``.
        place: the repository, or the path of the folder, that it is loaded from.
    """
    return sign(
        '\n'.join(
            [
                _metadata(model, layout),
                '',
                f'# {place.rstrip("/").rsplit("/", 1)[-1]}',
                '',
                *_page(model, layout, place),
            ]
        )
    )


def _metadata(model: HubModel, layout: str) -> str:
    from huggingface_hub import ModelCardData

    name = model.license
    known = name is None or name.lower() in HUGGING_FACE_LICENSES
    data = ModelCardData(
        license=(name.lower() if known else 'other') if name else None,
        license_name=None if known else name,
        license_link=None if known or name not in LICENSES else LICENSES[name].url,
        library_name=LIBRARIES[layout],
        pipeline_tag=TASKS[model.kind],
        tags=[TASKS[model.kind], 'convnext', 'convnext_dense'],
        metrics=sorted({_metric(name) for name in model.results} - {''}) or None,
        ignore_metadata_errors=True,
    )
    return f'---\n{data.to_yaml()}\n---'


def _metric(name: str) -> str:
    """Hugging Face's name of a metric, empty if it has none."""
    return {'top1': 'accuracy', 'top5': 'accuracy', 'mIoU': 'mean_iou'}.get(name, '')


def _page(model: HubModel, layout: str, place: str) -> list[str]:
    what = {
        'classifier': f'An image classifier for {model.num_classes} classes',
        'features': 'A backbone that returns one vector of features of an image',
        'maps': f'A backbone that returns the normalized maps of stages {model.output_stages}',
        'segmentor': f'A UPerNet that segments images into {model.num_classes} classes',
    }[model.kind]
    structure = f' with {model.structure}' if str(model.structure) else ''
    averaged = '' if not model.averaged else ', the moving average of its weights'
    lines = [f'{what}: {model.arch}{structure}{averaged}. Written by convnext_dense {__version__}.', '']
    if model.license:
        whose = 'of the weights, or of those that their training started from'
        lines += [f'License: {describe_license(model.license)}, {whose}.', '']
    lines += ['## Load it', '', '```python', *_usage(model, layout, place), '```', '', '## Images', '', _images(model)]
    if model.results:
        lines += ['', '## Results', '', '| metric | % |', '| --- | --- |']
        lines += [f'| {name} | {value:.2f} |' for name, value in model.results.items()]
    if model.labels is not None:
        more = f' and {len(model.labels) - SHOWN_CLASSES} more' if len(model.labels) > SHOWN_CLASSES else ''
        lines += ['', '## Classes', '', ', '.join(map(str, model.labels[:SHOWN_CLASSES])) + more]
    return lines


def _usage(model: HubModel, layout: str, place: str) -> list[str]:
    if layout == 'timm':
        source = f'hf-hub:{place}' if _is_repository(place) else f'local-dir:{place}'
        return [
            'import timm',
            '',
            f'model = timm.create_model({source!r}, pretrained=True).eval()',
            'transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model))',
        ]
    name = class_name(model)
    return [
        f'from transformers import AutoImageProcessor, {name}',
        '',
        f'processor = AutoImageProcessor.from_pretrained({place!r})',
        f'model = {name}.from_pretrained({place!r})',
    ]


def _is_repository(place: str) -> bool:
    return not place.startswith(('.', '/', '~'))


def _images(model: HubModel) -> str:
    images = model.preprocessing
    values = ', '.join(
        f'{name} ({", ".join(f"{v:.6g}" for v in numbers)})'
        for name, numbers in (('mean', images.mean), ('std', images.std))
    )
    normalized = f'RGB values from 0 to 1 are normalized with {values}.'
    if model.value_range:
        low, high = model.value_range
        normalized = f'Values from {low:g} to {high:g} are scaled to 0 to 255 before all else. {normalized}'
    if images.input_size is None:
        return f'{normalized} Resize images as in training before; the network takes any size.'
    height, width = images.input_size
    how = {
        'squash': f'is warped to {height} x {width} pixels',
        'center': f'is resized, and the center of {height} x {width} pixels taken',
        'border': f'is resized, and padded to {height} x {width} pixels',
    }[model.crop_mode or 'center']
    ratio = f' (crop ratio {model.crop_ratio:g})' if model.crop_mode != 'squash' else ''
    return f'An image {how}{ratio}, {images.interpolation}. {normalized}'
