"""What is known of published weights, from the papers' numbers and the registries of timm and torchvision.

Importing this module imports neither torch nor timm.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Final, NamedTuple

from .. import paper
from ..archs import ARCHS, ArchSettings
from .names import CLIP, CLIP_OWNER, DISTILLED
from .published_preprocessing import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD

CLASSES: Final = {'1k': 1000, '22k': 21841, '22k_1k': 1000}
NORMALIZATIONS: Final = {
    (IMAGENET_MEAN, IMAGENET_STD): 'ImageNet',
    (CLIP_MEAN, CLIP_STD): 'CLIP',
    ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)): 'Inception',
}
"""Names that timm and open_clip have for mean and std."""
_DATA: Final = {
    'fcmae': 'FCMAE ImageNet-1k',
    'in1k': 'ImageNet-1k',
    'in12k': 'ImageNet-12k',
    'in22k': 'ImageNet-22k',
    'laion2b': 'CLIP LAION-2B',
    'laion400m': 'CLIP LAION-400M',
    'laiona': 'CLIP LAION-Aesthetic',
    'aesthetic': 'CLIP LAION-Aesthetic',
    'dinov3': 'DINOv3 LVD-1689M',
    'eupe': 'EUPE LVD-1689M',
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
        license: key of :data:`.licenses.LICENSES`.
        resolution: side of the images in pixels, None if several or unknown.
        normalization: ``ImageNet``, ``CLIP``, ``Inception``, or mean and std.
        params: parameters in 10^6, None if not counted.
        file_size: in megabytes, None if it is not published.
        published: the result that the publisher states; empty if it is not known here.
        url: address of the file; empty for a repository.
        repository: on Hugging Face; empty for a URL.
    """

    name: str
    origin: str
    arch: str
    version: int
    data: str
    license: str | None
    resolution: int | None = None
    normalization: str = 'ImageNet'
    params: float | None = None
    file_size: float | None = None
    published: str = ''
    url: str = ''
    repository: str = ''

    @property
    def megabytes(self) -> float | None:
        """Size of the file where it is published, else of the parameters in float32; None if unknown."""
        return self.file_size or (4 * self.params if self.params else None)


def count_parameters(arch: ArchSettings, version: int, classes: int) -> int:
    """Count the parameters of a ConvNeXt with a linear layer for some classes; 0 for none."""
    depths, dims = arch
    per_channel = 1 if version == 1 else 8  # LayerScale; weight and bias of GRN, over four times the channels
    per_block = [8 * dim**2 + (49 + 1 + 2 + 5 + per_channel) * dim for dim in dims]
    blocks = sum(depth * size for depth, size in zip(depths, per_block, strict=True))
    between = sum(2 * dim + (4 * dim + 1) * after for dim, after in pairwise(dims))
    head = classes * (dims[-1] + 1)
    return (48 + 1 + 2) * dims[0] + blocks + between + 2 * dims[-1] + head


def _params(arch: str, version: int, classes: int) -> float | None:
    return count_parameters(ARCHS[arch], version, classes) / 1e6 if arch in ARCHS else None


_CLASSIFIER = re.compile(r'convnext(v2)?_(iso_)?([a-z]+)_(1k|22k|22k_1k)_(\d+)(_ema|_fcmae)?')
_DENSE = re.compile(r'(mask_rcnn|cascade_mask_rcnn|upernet)_convnext_([a-z]+)_(1k|22k)_(3x|\d+)')


@cache
def official_entry(name: str) -> Entry:
    """Return the entry of an official name. V1 is MIT, V2's weights are CC BY-NC 4.0 (the README of each)."""
    if found := _DENSE.match(name):
        return _official_dense(name, *found.groups())
    found = _CLASSIFIER.fullmatch(name)
    assert found, name
    v2, isotropic, arch, data, side, end = found.groups()
    steps = [f'in{part}' for part in data.split('_')]
    if v2:
        steps = {'1k': ['fcmae', 'in1k'], '22k': ['fcmae', 'in22k', 'in1k']}[data][: 1 if end == '_fcmae' else None]
        rows = {'1k': paper.CONVNEXTV2_1K, '22k': paper.CONVNEXTV2_22K_TO_1K}[data] if end == '_ema' else ()
        params = _params(arch, 2, 0 if end == '_fcmae' else 1000)
    elif isotropic:
        rows = paper.ISOTROPIC_1K
        params = next(row.params for row in rows if row.arch == arch)
    else:
        # the page has the averages of what was trained from scratch at 224, and no figure of pre-training by itself
        of_1k = paper.CONVNEXT_1K if end or side != '224' else ()
        rows = {'1k': of_1k, '22k': (), '22k_1k': paper.CONVNEXT_22K_TO_1K}[data]
        params = _params(arch, 1, CLASSES[data])
    top1 = next((row.top1 for row in rows if (row.arch, row.resolution) == (arch, int(side))), None)
    return Entry(
        name,
        'official',
        f'{isotropic or ""}{arch}',
        2 if v2 else 1,
        ' > '.join(_DATA[step] for step in steps),
        'cc-by-nc-4.0' if v2 else 'mit',
        int(side),
        params=params,
        published=f'top-1 {top1}' if top1 else '',
        url=paper.OFFICIAL_WEIGHTS[name],
    )


def _official_dense(name: str, head: str, arch: str, data: str, size: str) -> Entry:
    """Return the entry of an official detector or segmentor."""
    tables = {'mask_rcnn': paper.MASK_RCNN_COCO, 'cascade_mask_rcnn': paper.CASCADE_COCO}
    rows = tables.get(head, paper.UPERNET_ADE20K)
    (row,) = (row for row in rows if (row.arch, row.data) == (arch, f'ImageNet-{data}'))
    segments = head == 'upernet'
    return Entry(
        name,
        'official',
        arch,
        1,
        f'{row.data} > {"ADE20K" if segments else "COCO"}',
        'mit',
        int(size) if segments else None,
        params=row.params,
        published=f'mIoU {row.scores[0]}' if segments else f'AP {row.scores[0]} / {row.scores[1]}',
        url=paper.OFFICIAL_WEIGHTS[name],
    )


@cache
def distilled_entry(name: str) -> Entry:
    """Return the entry of a short name of DINOv3 or EUPE, without timm; the licenses are those of timm's registry."""
    method, _, arch = name.partition('_')
    dinov3 = method == 'dinov3'
    return Entry(
        name,
        'timm',
        arch,
        1,
        _DATA[method],
        'dinov3-license' if dinov3 else 'fair-noncommercial-research-license',
        224 if dinov3 else 256,
        params=_params(arch, 1, 0),
        published=f'mIoU {paper.DINOV3_ADE20K_LINEAR[arch]}, linear' if dinov3 else '',
        repository=f'timm/{DISTILLED[name]}',
    )


@cache
def clip_entry(name: str) -> Entry:
    """Return the entry of OpenCLIP's weights, which are MIT (the cards at LAION)."""
    model, _, tag = name.partition('.')
    _, arch, *words = model.split('_')
    # image_size of open_clip's model_configs: 224 for convnext_base, 256 where no size is in the name
    side = 320 if '320' in words else 224 if model == 'convnext_base' else 256
    data = next(says for word, says in _DATA.items() if word in tag)
    arch = '_'.join([arch, *(word for word in words if word != '320')])
    place = f'{CLIP_OWNER}/{CLIP[name]}'
    return Entry(f'clip:{name}', 'OpenCLIP', arch, 1, data, 'mit', side, 'CLIP', repository=place)


@cache
def torchvision_entry(name: str) -> Entry:
    """Return the entry of torchvision's weights, from its enumeration of them."""
    from torchvision.models import get_model_weights  # here, because it imports torch

    weights = get_model_weights(name).DEFAULT
    transform, meta = weights.transforms(), weights.meta
    return Entry(
        f'torchvision:{name}',
        'torchvision',
        name.removeprefix('convnext_'),
        1,
        'ImageNet-1k',
        'torchvision',
        transform.crop_size[0],
        name_normalization(transform.mean, transform.std),
        meta['num_params'] / 1e6,
        meta['_file_size'] * 2**20 / 1e6,  # which it has in MiB
        f'top-1 {meta["_metrics"]["ImageNet-1K"]["acc@1"]:.1f}',
        weights.url,
    )


@cache
def hugging_face_entry(repository: str) -> Entry:
    """Return the entry of a repository in transformers' format.

    V1's cards say Apache-2.0, UPerNet's MIT, DINOv3's its own license. V2's cards say Apache-2.0 too, while the
    authors publish the same weights as CC BY-NC 4.0, which holds here. transformers' conversion scripts name the
    official files, whose published results these are; UPerNet's are mmseg's own, of which the script names tiny's.
    """
    owner, _, name = repository.partition('/')
    here: dict[str, Any] = dict(name=f'hf:{repository}', origin='Hugging Face', url='', repository=repository)
    if owner == 'openmmlab':
        arch = name.rpartition('-')[2]
        params = next(row.params for row in paper.UPERNET_ADE20K if row.arch == arch)
        known = Entry('', '', arch, 1, 'ImageNet > ADE20K', 'mit', params=params)
        if arch == 'tiny':
            known = known._replace(resolution=512, published=f'mIoU {paper.MMSEG_UPERNET_TINY}')
        return known._replace(**here)
    if name.startswith('dinov3'):
        arch = name.split('-')[2]
        return distilled_entry(f'dinov3_{arch}')._replace(**{**here, 'origin': 'Hugging Face, needs a login'})
    network, arch, *numbers = name.split('-')
    if network == 'convnextv2':
        same = f'convnextv2_{arch}_{numbers[0]}_{numbers[1]}_ema'
        return official_entry(same)._replace(**here)
    side, *data = numbers
    end = '_ema' if (side == '224' and not data) or (arch == 'xlarge' and data == ['22k', '1k']) else ''
    same = f'convnext_{arch}_{"_".join(data) or "1k"}_{side}{end}'
    return official_entry(same)._replace(license='apache-2.0', **here)


@cache
def timm_entry(tag: str) -> Entry:
    """Return the entry of a pretrained model of timm, from timm's registry."""
    import timm

    cfg = timm.models.get_pretrained_cfg(tag)
    model, _, words = tag.partition('.')
    version = 2 if model.startswith('convnextv2') else 1
    arch = re.sub(r'^convnext(v2)?_', '', model)
    same = next((name for name, url in paper.OFFICIAL_WEIGHTS.items() if url == cfg.url), None)
    short = next((name for name, other in DISTILLED.items() if other == tag), None)
    return Entry(
        f'timm:{tag}',
        'timm',
        arch,
        version,
        ' > '.join(_DATA[word] for word in re.findall('|'.join(_DATA), words)),
        cfg.license,
        cfg.input_size[-1],
        name_normalization(cfg.mean, cfg.std),
        _params(arch, version, cfg.num_classes) or _count_timm(model, cfg.num_classes) / 1e6,
        published=official_entry(same).published if same else distilled_entry(short).published if short else '',
        repository=cfg.hf_hub_id,
    )


@cache
def _count_timm(model: str, classes: int) -> int:
    """Count the parameters of a model of timm that is none of the papers' sizes."""
    import timm
    import torch

    with torch.device('meta'):
        return sum(parameter.numel() for parameter in timm.create_model(model, num_classes=classes).parameters())


def name_normalization(mean: Sequence[float], std: Sequence[float]) -> str:
    """Name a mean and std, or write them out."""
    known = next((name for numbers, name in NORMALIZATIONS.items() if numbers == (tuple(mean), tuple(std))), None)
    return known or f'{" ".join(f"{v:g}" for v in mean)} / {" ".join(f"{v:g}" for v in std)}'
