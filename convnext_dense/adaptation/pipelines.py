"""The steps of a source's pipelines: its augmentation stays, images and ground truth are read by this package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mmengine.registry import TRANSFORMS

from ..tasks.adaptation import Adaptation
from .notes import NotAdaptable, Notes
from .registered import scoped

Step = dict[str, Any]

OTHER_DATA = {
    'LoadProposals': 'proposals of another detector',
    'LoadTrackAnnotations': 'videos',
    'LoadTextAnnotations': 'texts that describe the images',
    'RandomSamplingNegPos': 'texts that describe the images',
    'GTBoxSubOne_GLIP': 'texts that describe the images',
    'RandomFlip_GLIP': 'texts that describe the images',
    'LoadMultipleRSImageFromFile': 'pairs of images',
    'LoadImageFromNpyFile': 'arrays of other channels than red, green and blue',
    'LoadDepthAnnotation': 'depth maps',
    'LoadEmptyAnnotations': 'images without annotations',
    'MultiBranch': 'images without annotations',
    'PackReIDInputs': 'images of the same persons',
}
"""Steps that read what the data sets of this package do not have, and what that is."""
READING_IMAGES = ('LoadImageFromFile', 'LoadImage')
READING_TRUTH = ('LoadAnnotations', 'LoadPanopticAnnotations')
RESIZING = ('RandomResize', 'RandomChoiceResize')
"""Steps of mmcv that resize by another step, which they name."""
MIXING = {'Mosaic': 'Mosaic', 'MixUp': 'MixUp', 'CachedMosaic': 'Mosaic', 'CachedMixUp': 'MixUp'}
"""Steps of mmdet that mix several images, and ours in their place, which have masks too."""
OF_CACHE = ('max_cached_images', 'random_pop')
"""Arguments of the steps that mix images of a cache."""
OTHER_PACKAGES = {'Albu': 'albumentations', 'InstaBoost': 'instaboostfast'}
"""Steps of mmdet and mmseg that need another package."""
META = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')
"""Keys of the data samples that metrics need, beside the ground truth."""


class Reader(NamedTuple):
    """What decides how the steps of a source are written here."""

    package: str
    """``'mmdet'`` or ``'mmseg'``."""
    adaptation: Adaptation
    """What its task gets."""
    learns_masks: bool
    """False for a detector without a head for masks."""
    notes: Notes


def adapt_training(steps: Sequence[Mapping[str, Any]], reader: Reader) -> list[Step]:
    """Return the steps of a training pipeline, with the types of this package and with scopes.

    Raises:
        NotAdaptable: if a step reads what our data sets do not have, or is of no known type.
    """
    return [adapted for step in steps for adapted in _adapt(step, reader, tests=False)]


def adapt_testing(steps: Sequence[Mapping[str, Any]], reader: Reader) -> list[Step]:
    """Return the steps of a pipeline for testing, which gives the ground truth to the metrics of this package.

    Raises:
        NotAdaptable: see :func:`adapt_training`.
    """
    return [adapted for step in steps for adapted in _adapt(step, reader, tests=True)]


def kind(step: Mapping[str, Any]) -> str:
    """Return the type of a step without its scope."""
    return str(step['type']).rpartition('.')[2]


def mixing_type(name: str) -> str:
    """Return the type of the step that mixes images in place of one of :data:`MIXING`; other names are mmdet's."""
    return f'convnext_dense.{MIXING[name]}' if name in MIXING else f'mmdet.{name}'


def _adapt(step: Mapping[str, Any], reader: Reader, tests: bool) -> list[Step]:
    """Return what stands for a step of the source: one step, or none."""
    name, given = kind(step), {key: value for key, value in step.items() if key != 'type'}
    if name in OTHER_DATA or (name.startswith('Load') and name not in (*READING_IMAGES, *READING_TRUTH)):
        raise NotAdaptable(
            f'its pipeline has {name}, which reads {OTHER_DATA.get(name, "other data")}: the data sets here have '
            'images with boxes, masks or label maps'
        )
    if name in READING_IMAGES:
        kept = {'to_float32': True} if given.get('to_float32') else {}
        return [{'type': 'convnext_dense.LoadImage', **kept}]
    if name in READING_TRUTH:
        return _read_truth(given, reader, tests)
    if name in ('PackDetInputs', 'PackSegInputs'):
        return [_pack(name, given, reader, tests)]
    own = _own(name, given, reader)
    if own is not None:
        return [own]
    if name in OTHER_PACKAGES:
        _say(reader.notes.undecided, f'{name} needs a package of its own: pip install {OTHER_PACKAGES[name]}')
    else:
        given = {key: _nested(value, reader, tests) for key, value in given.items()}
    if name == 'TestTimeAug':  # one without steps would leave no view
        given['transforms'] = [branch for branch in given['transforms'] if branch]
    if name in RESIZING:
        given['resize_type'] = _named(given.get('resize_type', 'Resize'), reader)
    return [{'type': _named(name, reader), **given}]


def _nested(value: Any, reader: Reader, tests: bool) -> Any:
    """Adapt the steps inside an argument of a step, such as the branches of ``RandomChoice``."""
    if isinstance(value, Mapping) and 'type' in value:
        return _adapt(value, reader, tests)[0]
    if not isinstance(value, list | tuple):
        return value
    if value and all(isinstance(one, Mapping) and 'type' in one for one in value):
        return [adapted for one in value for adapted in _adapt(one, reader, tests)]
    return type(value)(_nested(one, reader, tests) for one in value)


def _read_truth(given: dict[str, Any], reader: Reader, tests: bool) -> list[Step]:
    """Return the step that loads the ground truth; none in testing where the data set gives it to the metric."""
    if tests and reader.adaptation.ground_truth is not None:
        return []
    if reader.adaptation.loading is not None:
        return [{'type': reader.adaptation.loading}]
    step = {'type': 'mmdet.LoadAnnotations', 'with_bbox': given.get('with_bbox', True)}
    if given.get('with_mask') and reader.learns_masks:
        step['with_mask'] = True
        if given.get('poly2mask') is False:
            step['poly2mask'] = False
            _say(
                reader.notes.undecided,
                'masks stay polygons (poly2mask=False): objects whose mask is an RLE are ignored in training',
            )
    return [step]


def _pack(name: str, given: dict[str, Any], reader: Reader, tests: bool) -> Step:
    """Return the step that packs a sample: in testing with the ground truth that the metrics need."""
    step = {'type': f'{"mmseg" if name == "PackSegInputs" else "mmdet"}.{name}', **given}
    truth = reader.adaptation.ground_truth
    if tests and truth is not None:
        step['meta_keys'] = tuple(dict.fromkeys((*META, *given.get('meta_keys', ()), truth)))
    return step


def _own(name: str, given: dict[str, Any], reader: Reader) -> Step | None:
    """Return the step of this package that does what one of the source does; None if there is none."""
    if name in MIXING and reader.package == 'mmdet':
        kept = {key: value for key, value in given.items() if key not in OF_CACHE}
        return {'type': mixing_type(name), **kept}
    if reader.package != 'mmseg':
        return None
    if name == 'RandomCrop' and given.get('ignore_index', 255) == 255:
        kept = {key: value for key, value in given.items() if key != 'ignore_index'}
        return {'type': 'convnext_dense.RandomCrop', **kept}
    if name == 'PhotoMetricDistortion' and not given:
        return {'type': 'convnext_dense.PhotoMetricDistortion'}
    return None


def _named(name: str, reader: Reader) -> str:
    found = scoped(TRANSFORMS, name, reader.package)
    if found is None:
        raise NotAdaptable(f'its pipeline has {name}, which neither {reader.package} nor mmcv has')
    return found


def _say(lines: list[str], line: str) -> None:
    """Add a line for the user, once."""
    if line not in lines:
        lines.append(line)
