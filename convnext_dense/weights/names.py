"""Names of published weights and their addresses, as plain data: importing this module does not import torch.

timm's own names, ``timm:TAG``, are in timm's registry. :mod:`.catalog` tells what each name stands for.
"""

from __future__ import annotations

import difflib
import re
from typing import Final

from ..errors import UserError
from ..paper import OFFICIAL_WEIGHTS

DISTILLED: Final[dict[str, str]] = {
    **{f'dinov3_{arch}': f'convnext_{arch}.dinov3_lvd1689m' for arch in ('tiny', 'small', 'base', 'large')},
    **{f'eupe_{arch}': f'convnext_{arch}.eupe_lvd1689m' for arch in ('tiny', 'small', 'base')},
}
"""Short names of DINOv3's and EUPE's backbones, with their tags in timm, which need no login (timm 1.0.31)."""

TORCHVISION: Final = ('convnext_tiny', 'convnext_small', 'convnext_base', 'convnext_large')
"""torchvision's ConvNeXts, each with one set of weights (torchvision 0.26, ``models/convnext.py``)."""

CLIP: Final[dict[str, str]] = {
    'convnext_base.laion400m_s13b_b51k': 'CLIP-convnext_base-laion400M-s13B-b51K',
    'convnext_base_w.laion2b_s13b_b82k': 'CLIP-convnext_base_w-laion2B-s13B-b82K',
    'convnext_base_w.laion2b_s13b_b82k_augreg': 'CLIP-convnext_base_w-laion2B-s13B-b82K-augreg',
    'convnext_base_w.laion_aesthetic_s13b_b82k': 'CLIP-convnext_base_w-laion_aesthetic-s13B-b82K',
    'convnext_base_w_320.laion_aesthetic_s13b_b82k': 'CLIP-convnext_base_w_320-laion_aesthetic-s13B-b82K',
    'convnext_base_w_320.laion_aesthetic_s13b_b82k_augreg': (
        'CLIP-convnext_base_w_320-laion_aesthetic-s13B-b82K-augreg'
    ),
    'convnext_large_d.laion2b_s26b_b102k_augreg': 'CLIP-convnext_large_d.laion2B-s26B-b102K-augreg',
    'convnext_large_d_320.laion2b_s29b_b131k_ft': 'CLIP-convnext_large_d_320.laion2B-s29B-b131K-ft',
    'convnext_large_d_320.laion2b_s29b_b131k_ft_soup': 'CLIP-convnext_large_d_320.laion2B-s29B-b131K-ft-soup',
    'convnext_xxlarge.laion2b_s34b_b82k_augreg': 'CLIP-convnext_xxlarge-laion2B-s34B-b82K-augreg',
    'convnext_xxlarge.laion2b_s34b_b82k_augreg_rewind': 'CLIP-convnext_xxlarge-laion2B-s34B-b82K-augreg-rewind',
    'convnext_xxlarge.laion2b_s34b_b82k_augreg_soup': 'CLIP-convnext_xxlarge-laion2B-s34B-b82K-augreg-soup',
}
"""OpenCLIP's ConvNeXts as MODEL.TAG, and the repository of each at LAION (open_clip 3.3, ``pretrained.py``)."""
CLIP_OWNER: Final = 'laion'

# V1 and V2 of transformers: the table of models in transformers.js, and pages of huggingface.co. DINOv3: the README of
# github.com/facebookresearch/dinov3. UPerNet: huggingface.co/openmmlab/models.
_HF_V1 = (
    *('tiny-224', 'small-224', 'base-224', 'base-384', 'large-224', 'large-384'),
    *('base-224-22k', 'large-224-22k', 'xlarge-224-22k'),
    *(f'{arch}-{resolution}-22k-1k' for arch in ('base', 'large', 'xlarge') for resolution in (224, 384)),
)
_HF_V2 = (
    *(f'{arch}-1k-224' for arch in ('atto', 'femto', 'pico', 'nano', 'tiny', 'base', 'large', 'huge')),
    *(f'{arch}-22k-{resolution}' for arch in ('nano', 'tiny', 'base', 'large') for resolution in (224, 384)),
    *('huge-22k-384', 'huge-22k-512'),
)
HUGGING_FACE: Final = (
    *(f'facebook/convnext-{name}' for name in _HF_V1),
    *(f'facebook/convnextv2-{name}' for name in _HF_V2),
    *(f'facebook/dinov3-convnext-{arch}-pretrain-lvd1689m' for arch in ('tiny', 'small', 'base', 'large')),
    *(f'openmmlab/upernet-convnext-{arch}' for arch in ('tiny', 'small', 'base', 'large', 'xlarge')),
)
"""Repositories of ConvNeXts in transformers' format."""

LIGHT_NAMES: Final = (
    *OFFICIAL_WEIGHTS,
    *DISTILLED,
    *(f'clip:{name}' for name in CLIP),
    *(f'torchvision:{name}' for name in TORCHVISION),
    *(f'hf:{name}' for name in HUGGING_FACE),
)
"""All names but timm's."""


def clip_repository(name: str) -> str:
    """Return the Hugging Face repository of OpenCLIP's weights ``MODEL.TAG``, or of ``MODEL`` if it has one tag.

    Raises:
        UserError: if there are none, or several; the message has near names.
    """
    tags = [known for known in CLIP if name in (known, known.split('.')[0])]
    if len(tags) == 1:
        return f'{CLIP_OWNER}/{CLIP[tags[0]]}'
    if tags:
        raise UserError(f'clip:{name} has {len(tags)} sets of weights: take one of clip:{", clip:".join(tags)}')
    raise unknown_name(f'clip:{name}')


def near_names(name: str, count: int = 3) -> list[str]:
    """Return names like a name that does not exist, with the prefix that belongs to them, without importing timm."""
    if re.fullmatch(r'convnext(v2)?_\w+\.\w+', name):
        return [f'timm:{name}']
    plain = {known.partition(':')[2] or known: known for known in LIGHT_NAMES}
    scheme, _, rest = name.partition(':')
    wanted = rest or scheme
    near = [plain[known] for known in plain if len(wanted) > 3 and known.startswith(wanted)]
    near += difflib.get_close_matches(name, LIGHT_NAMES, n=count, cutoff=0.75)
    near += [plain[known] for known in difflib.get_close_matches(wanted, plain, n=count, cutoff=0.75)]
    return list(dict.fromkeys(near))[:count]


def unknown_name(name: str) -> UserError:
    """Return the error of a name that stands for no weights."""
    near = near_names(name)
    hint = f'did you mean {" or ".join(near)}?' if near else '`convnext-dense weights` lists the names'
    return UserError(f'no weights are named {name}: {hint}')


def check_known(name: str) -> None:
    """Check a name with a prefix whose names are all known without a network.

    Raises:
        UserError: if there is no such name.
    """
    scheme, _, rest = name.partition(':')
    if scheme == 'clip':
        clip_repository(rest)
    elif scheme == 'torchvision' and rest not in TORCHVISION:
        raise unknown_name(name)
