"""Silence a warning that mmdet repeats for each batch of masks. For mmdet 3.5.

``FCNMaskHead`` copies masks with ``new_tensor(tensor)``, and torch warns: "To copy construct from a tensor, it is
recommended to use ...". The copy is correct, and users can't change it.
"""

from __future__ import annotations

import warnings

MESSAGE = 'To copy construct from a tensor'
MODULE = r'mmdet\.models\.roi_heads\.mask_heads\.fcn_mask_head'


def silence_mask_warning() -> None:
    """Ignore the warning in mmdet's mask head from now on.

    The filter is permanent because setting one around each image would make Python repeat all other warnings as well.
    """
    warnings.filterwarnings('ignore', message=MESSAGE, module=MODULE)
