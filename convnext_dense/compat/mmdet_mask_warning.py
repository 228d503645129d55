"""mmdet's warning for each batch of masks, silenced. For mmdet 3.5.

``FCNMaskHead`` copies the masks of cascades by ``new_tensor(tensor)``, of which torch warns: "To copy construct from a
tensor, it is recommended to use ...". The copy is right, and nobody who trains a detector can change it.
"""

from __future__ import annotations

import warnings

MESSAGE = 'To copy construct from a tensor'
MODULE = r'mmdet\.models\.roi_heads\.mask_heads\.fcn_mask_head'


def silence_mask_warning() -> None:
    """Ignore this warning in this module of mmdet from now on.

    It comes with every image, where a filter set anew each time would make Python repeat all other warnings, too.
    """
    warnings.filterwarnings('ignore', message=MESSAGE, module=MODULE)
