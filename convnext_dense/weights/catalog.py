"""The catalog of published weights that have a name here: what they are, and where they come from.

Importing this module imports neither torch nor timm; listing timm's and torchvision's weights does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from .. import paper
from ..archs import ARCHS, ISOTROPIC_ARCHS, ArchSettings
from .names import CLIP, CLIP_OWNER, DISTILLED, HUGGING_FACE, TORCHVISION

CLASSES: Final = {'1k': 1000, '22k': 21841, '22k_1k': 1000}
NORMALIZATIONS: Final = {
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)): 'ImageNet',
    ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)): 'CLIP',
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)): 'Inception',
}
"""Names that timm and open_clip have for mean and std."""
_DATA: Final = {
    **{'fcmae': 'FCMAE ImageNet-1k', 'in1k': 'ImageNet-1k', 'in12k': 'ImageNet-12k', 'in22k': 'ImageNet-22k'},
    **{'laion2b': 'CLIP LAION-2B', 'laiona': 'CLIP LAION-Aesthetic', 'laion400m': 'CLIP LAION-400M'},
    **{'dinov3': 'DINOv3 LVD-1689M', 'eupe': 'EUPE LVD-1689M', 'aesthetic': 'CLIP LAION-Aesthetic'},
}
"""What the words in timm's and open_clip's tags say."""


class Entry(NamedTuple):
    """Published weights that have a name.

    Attributes:
        name: as ``--pretrained`` takes it.
        origin: who publishes the file.
        arch: such as ``tiny``, with timm's words for variants.
        version: of ConvNeXt, 1 or 2.
        data: of pre-training and fine-tuning, in this order.
        resolution: side of the images in pixels, None if several or unknown.
        normalization: ``ImageNet``, ``CLIP``, ``Inception``, or mean and std.
        license: key of :data:`.licenses.LICENSES`.
        params: parameters in 10^6, None if not counted.
        megabytes: of the file where it is published, else of the parameters in float32; None if unknown.
        published: the result that the publisher states; empty if it is not known here.
        url: address of the file; empty for a repository.
        repository: on Hugging Face; empty for a URL.
    """

    name: str
    origin: str
    arch: str
    version: int
    data: str
    resolution: int | None
    normalization: str
    license: str | None
    params: float | None
    megabytes: float | None
    published: str
    url: str = ''
    repository: str = ''


def entries() -> Iterator[Entry]:
    """Yield the whole catalog; timm and torchvision are imported, which takes seconds."""
    tags = timm_tags()
    for name in paper.OFFICIAL_WEIGHTS:
        yield _official(name)
    for name, tag in DISTILLED.items():
        if tag in tags:  # an older timm lacks some
            yield _timm(tag)._replace(name=name)
    for name in CLIP:
        yield _clip(name)
    for name in TORCHVISION:
        yield _torchvision(name)
    for name in HUGGING_FACE:
        yield _hugging_face(name)
    for tag in tags:
        yield _timm(tag)


def find_entry(name: str) -> Entry | None:
    """Return the entry of a name; timm is imported for its own names only."""
    scheme, _, rest = name.partition(':')
    if name in paper.OFFICIAL_WEIGHTS:
        return _official(name)
    if name in DISTILLED:
        return _distilled(name)
    if scheme == 'clip':
        tags = [known for known in CLIP if rest in (known, known.split('.')[0])]
        return _clip(tags[0]) if len(tags) == 1 else None
    if scheme == 'torchvision' and rest in TORCHVISION:
        return _torchvision(rest)
    if scheme == 'hf':
        return entry_of_repository(rest)
    if scheme == 'timm':
        return entry_of_repository(f'timm/{rest}') or _default_of_timm(rest)
    url = name.partition('#')[0]
    official = next((known for known, address in paper.OFFICIAL_WEIGHTS.items() if address == url), None)
    return _official(official) if official else entry_of_path(Path(url)) if '://' in name else None


def entry_of_repository(repository: str) -> Entry | None:
    """Return the entry of a repository on Hugging Face; timm is imported for its own only."""
    owner, _, name = repository.partition('/')
    if repository in HUGGING_FACE:
        return _hugging_face(repository)
    if owner == CLIP_OWNER:
        return next((_clip(known) for known, place in CLIP.items() if place == name), None)
    distilled = next((short for short, tag in DISTILLED.items() if tag == name), None)
    if owner == 'timm':
        return _distilled(distilled) if distilled else _timm(name) if name in timm_tags() else None
    eupe = re.fullmatch(r'EUPE-ConvNeXt-([TSB])', name) if owner == 'facebook' else None
    return _distilled(f'eupe_{_LETTERS[eupe[1]]}') if eupe else None


def entry_of_path(path: Path) -> Entry | None:
    """Return the entry of a weights file, by its name or by the repository in its path.

    Names are those of the official files, and of torchvision's with its digest; repositories are folders as this
    package and Hugging Face name them, ``OWNER--NAME`` and ``models--OWNER--NAME``.
    """
    plain = re.sub(r'^[0-9a-f]{8}-', '', path.name)  # of a download by URL
    official = next((name for name, url in paper.OFFICIAL_WEIGHTS.items() if url.endswith(f'/{plain}')), None)
    if official:
        return _official(official)
    # github.com/facebookresearch/dinov3, dinov3/hub/backbones.py; EUPE's are alike
    distilled = re.match(r'(dinov3|eupe)_convnext_(tiny|small|base|large)_pretrain_', plain)
    if distilled and f'{distilled[1]}_{distilled[2]}' in DISTILLED:
        return _distilled(f'{distilled[1]}_{distilled[2]}')
    eupe = re.fullmatch(r'EUPE-ConvNeXt-([TSB])\.pt', plain)
    if eupe:
        return _distilled(f'eupe_{_LETTERS[eupe[1]]}')
    torchvision = re.fullmatch(r'(convnext_\w+)-[0-9a-f]{8}\.pth', plain)
    if torchvision and torchvision[1] in TORCHVISION:
        return _torchvision(torchvision[1])
    for folder in path.parts[-4:-1]:
        owner, sign, name = folder.removeprefix('models--').partition('--')
        if sign and (entry := entry_of_repository(f'{owner}/{name}')):
            return entry
    return None


@cache
def timm_tags() -> list[str]:
    """Return the names of timm's pretrained ConvNeXts, such as ``convnext_tiny.fb_in1k``."""
    import timm  # here, because it takes seconds to import

    names = timm.list_models('*convnext*', pretrained=True)
    return [name for name in names if timm.models.is_model_in_modules(name.split('.')[0], ['convnext'])]


def _default_of_timm(model: str) -> Entry | None:
    """Return the entry of the weights that timm takes for a model without a tag."""
    import timm

    cfg = timm.models.get_pretrained_cfg(model) if timm.models.is_model(model) else None
    tag = f'{model}.{cfg.tag}' if cfg else ''
    return _timm(tag) if tag in timm_tags() else None


def count_parameters(arch: ArchSettings, version: int, classes: int) -> int:
    """Count the parameters of a ConvNeXt with a linear layer for some classes; 0 for none."""
    depths, dims = arch
    per_channel = 1 if version == 1 else 8  # LayerScale; weight and bias of GRN, over four times the channels
    blocks = sum(
        depth * (8 * dim**2 + (49 + 1 + 2 + 5 + per_channel) * dim) for depth, dim in zip(depths, dims, strict=True)
    )
    between = sum(2 * dim + (4 * dim + 1) * after for dim, after in zip(dims, dims[1:], strict=False))
    return (48 + 1 + 2) * dims[0] + blocks + between + 2 * dims[-1] + classes * (dims[-1] + 1) * bool(classes)


def _plain_params(arch: str, version: int, classes: int) -> float | None:
    return count_parameters(ARCHS[arch], version, classes) / 1e6 if arch in ARCHS else None


def _megabytes(params: float | None) -> float | None:
    return None if params is None else 4 * params


_LETTERS: Final = {'T': 'tiny', 'S': 'small', 'B': 'base'}
_V1_OR_V2 = re.compile(r'convnext(v2)?_(iso_)?([a-z]+)_(1k|22k|22k_1k)_(\d+)(_ema|_fcmae)?')
_DENSE = re.compile(r'(mask_rcnn|cascade_mask_rcnn|upernet)_convnext_([a-z]+)_(1k|22k)_(3x|\d+)')


@cache
def _official(name: str) -> Entry:
    """Return the entry of an official name. V1 is MIT, V2's weights are CC BY-NC 4.0 (the README of each)."""
    url = paper.OFFICIAL_WEIGHTS[name]
    if found := _DENSE.match(name):
        head, arch, data, size = found.groups()
        table = {'mask_rcnn': paper.MASK_RCNN_COCO, 'cascade_mask_rcnn': paper.CASCADE_COCO}
        rows = table.get(head, paper.UPERNET_ADE20K)
        (row,) = (row for row in rows if (row.arch, row.data) == (arch, f'ImageNet-{data}'))
        says = f'mIoU {row.scores[0]}' if head == 'upernet' else f'AP {row.scores[0]} / {row.scores[1]}'
        learned = f'ImageNet-{data} > {"ADE20K" if head == "upernet" else "COCO"}'
        side = int(size) if head == 'upernet' else None
        return Entry(
            *(name, 'official', arch, 1, learned, side, 'ImageNet', 'mit', row.params, 4 * row.params, says, url)
        )
    found = _V1_OR_V2.fullmatch(name)
    assert found, name
    v2, isotropic, arch, data, size, end = found.groups()
    version, resolution = 2 if v2 else 1, int(size)
    if v2:
        steps = {'1k': ['fcmae', 'in1k'], '22k': ['fcmae', 'in22k', 'in1k']}[data][: 1 if end == '_fcmae' else None]
        rows = {'1k': paper.CONVNEXTV2_1K, '22k': paper.CONVNEXTV2_22K_TO_1K}[data] if end == '_ema' else ()
        classes = 0 if end == '_fcmae' else 1000
    else:
        steps = [f'in{part}' for part in data.split('_')]
        # the page has the averages of what was trained from scratch at 224, and pre-training by itself has no figure
        stated = {'1k': paper.CONVNEXT_1K if end or resolution != 224 else (), '22k_1k': paper.CONVNEXT_22K_TO_1K}
        rows = paper.ISOTROPIC_1K if isotropic else stated.get(data, ())
        classes = CLASSES[data]
    top1 = next((row.top1 for row in rows if (row.arch, row.resolution) == (arch, resolution)), None)
    params = None if isotropic else _plain_params(arch, version, classes)
    if isotropic:
        arch = f'iso_{arch}'
        params = next(row.params for row in paper.ISOTROPIC_1K if f'iso_{row.arch}' == arch)
    return Entry(
        *(name, 'official', arch, version, ' > '.join(_DATA[step] for step in steps), resolution, 'ImageNet'),
        *('cc-by-nc-4.0' if v2 else 'mit', params, _megabytes(params), f'top-1 {top1}' if top1 else '', url),
    )


@cache
def _distilled(name: str) -> Entry:
    """Return the entry of a short name of DINOv3 or EUPE, without timm; the licenses are those of timm's registry."""
    method, _, arch = name.partition('_')
    params = _plain_params(arch, 1, 0)
    license = 'dinov3-license' if method == 'dinov3' else 'fair-noncommercial-research-license'
    score = paper.DINOV3_ADE20K_LINEAR.get(arch) if method == 'dinov3' else None
    return Entry(
        *(name, 'timm', arch, 1, _DATA[method], 224 if method == 'dinov3' else 256, 'ImageNet', license, params),
        *(_megabytes(params), f'mIoU {score}, linear' if score else '', '', f'timm/{DISTILLED[name]}'),
    )


@cache
def _clip(name: str) -> Entry:
    """Return the entry of OpenCLIP's weights, which are MIT (the cards at LAION)."""
    model, _, tag = name.partition('.')
    _, arch, *words = model.split('_')
    # image_size of open_clip's model_configs: 224 for convnext_base, 256 where no size is in the name
    side = 320 if '320' in words else 224 if model == 'convnext_base' else 256
    data = (
        'CLIP LAION-400M' if 'laion400m' in tag else 'CLIP LAION-Aesthetic' if 'aesthetic' in tag else 'CLIP LAION-2B'
    )
    arch = '_'.join([arch, *(word for word in words if word != '320')])
    repository = f'{CLIP_OWNER}/{CLIP[name]}'
    return Entry(f'clip:{name}', 'OpenCLIP', arch, 1, data, side, 'CLIP', 'mit', None, None, '', '', repository)


@cache
def _torchvision(name: str) -> Entry:
    """Return the entry of torchvision's weights, from its enumeration of them."""
    from torchvision.models import get_model_weights  # here, because it imports torch

    weights = get_model_weights(name).DEFAULT
    transform, meta = weights.transforms(), weights.meta
    return Entry(
        *(f'torchvision:{name}', 'torchvision', name.removeprefix('convnext_'), 1, 'ImageNet-1k'),
        *(transform.crop_size[0], name_normalization(transform.mean, transform.std), 'torchvision'),
        *(meta['num_params'] / 1e6, meta['_file_size'], f'top-1 {meta["_metrics"]["ImageNet-1K"]["acc@1"]:.1f}'),
        weights.url,
    )


@cache
def _hugging_face(repository: str) -> Entry:
    """Return the entry of a repository in transformers' format.

    V1's cards say Apache-2.0, UPerNet's MIT, DINOv3's its own license. V2's cards say Apache-2.0 too, while the authors
    publish the same weights as CC BY-NC 4.0, which holds here. transformers' conversion scripts name the official
    files, whose published results these are; UPerNet's are mmseg's own, of which the script names tiny's.
    """
    owner, _, name = repository.partition('/')
    source = (f'hf:{repository}', 'Hugging Face')
    if owner == 'openmmlab':
        arch = name.rpartition('-')[2]
        params = next(row.params for row in paper.UPERNET_ADE20K if row.arch == arch)
        side, score = (512, f'mIoU {paper.MMSEG_UPERNET_TINY}') if arch == 'tiny' else (None, '')
        rest = ('ImageNet', 'mit', params, 4 * params, score, '', repository)
        return Entry(*source, arch, 1, 'ImageNet > ADE20K', side, *rest)
    if name.startswith('dinov3'):
        arch = name.split('-')[2]
        known = _distilled(f'dinov3_{arch}')
        return known._replace(name=source[0], origin='Hugging Face, login', repository=repository)
    network, arch, *numbers = name.split('-')
    if network == 'convnextv2':
        same = f'convnextv2_{arch}_{numbers[0]}_{numbers[1]}_ema'
    else:
        side, *data = numbers
        end = '_ema' if (side == '224' and not data) or (arch == 'xlarge' and data == ['22k', '1k']) else ''
        same = f'convnext_{arch}_{"_".join(data) or "1k"}_{side}{end}'
    license = 'cc-by-nc-4.0' if network == 'convnextv2' else 'apache-2.0'
    return _official(same)._replace(name=source[0], origin=source[1], license=license, url='', repository=repository)


@cache
def _timm(tag: str) -> Entry:
    """Return the entry of a pretrained model of timm, from timm's registry."""
    import timm

    cfg = timm.models.get_pretrained_cfg(tag)
    model, _, words = tag.partition('.')
    version = 2 if model.startswith('convnextv2') else 1
    arch = re.sub(r'^convnext(v2)?_', '', model)
    data = ' > '.join(_DATA[word] for word in re.findall('|'.join(_DATA), words))
    same = next((name for name, url in paper.OFFICIAL_WEIGHTS.items() if url == cfg.url), None)
    short = next((name for name, other in DISTILLED.items() if other == tag), None)
    published = _official(same).published if same else _distilled(short).published if short else ''
    params = _plain_params(arch, version, cfg.num_classes) or _count_timm(model, cfg.num_classes) / 1e6
    return Entry(
        *(f'timm:{tag}', 'timm', arch, version, data, cfg.input_size[-1], name_normalization(cfg.mean, cfg.std)),
        *(cfg.license, params, _megabytes(params), published, '', cfg.hf_hub_id),
    )


@cache
def _count_timm(model: str, classes: int) -> int:
    """Count the parameters of a model of timm that is none of the papers' sizes."""
    import timm
    import torch

    with torch.device('meta'):
        return sum(parameter.numel() for parameter in timm.create_model(model, num_classes=classes).parameters())


def name_normalization(mean: tuple[float, ...], std: tuple[float, ...]) -> str:
    """Name a mean and std, or write them out."""
    known = NORMALIZATIONS.get((tuple(mean), tuple(std)))
    return known or f'{" ".join(f"{v:g}" for v in mean)} / {" ".join(f"{v:g}" for v in std)}'
