"""Read the colors of a mask file, which stand for classes or for segments."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ..errors import UserError
from .images import describe_read_error, open_image
from .mask_windows import cropped
from .opening import OF_ANY_SIZE
from .window import Window

LOSSY = 'compressed with loss'
LOSSY_FORMATS = ('JPEG', 'MPO')
RESTORE = ': restore it, or remove it with its image'
"""End of the message about a mask that can't be read."""


class BadLabels(UserError):
    """Error for a mask that can be read and does not hold labels."""

    def __init__(self, path: str, fault: str, detail: str = '') -> None:
        super().__init__(f'bad mask {path} ({f"{fault}: {detail}" if detail else fault})')
        self.fault, self.detail = fault, detail


def read_colors(path: str, retry_missing: bool = False, window: Window | None = None) -> np.ndarray:
    """Read the colors of a mask of any mode, whose opacity doesn't matter: 65536 R + 256 G + B as int32 (H, W).

    Args:
        path: the mask's file.
        retry_missing: see :func:`~convnext_dense.io.files.read_with_retries`.
        window: the part that is read; None for all of it.

    Raises:
        BadLabels: if it is a JPEG, or has more than 8 bits.
        UserError: if the mask can't be read or decoded.
    """
    try:
        with open_image(path, retry_missing, OF_ANY_SIZE) as mask:
            kind, mode = mask.format, mask.mode
            part = mask if window is None else cropped(mask, window)
            rgb = np.asarray(part.convert('RGB') if isinstance(part, Image.Image) else part)
    except Exception as error:  # Pillow's decoders raise many types for broken files
        raise unreadable_mask(path, error) from None
    if kind in LOSSY_FORMATS:
        raise BadLabels(path, LOSSY, 'JPEG')
    if mode.startswith(('I', 'F')):
        raise BadLabels(path, 'with numbers rather than colors', mode)
    colors = rgb[..., 0].astype(np.int32)
    for channel in (1, 2):  # in place, since masks may be large
        colors <<= 8
        colors |= rgb[..., channel]
    return colors


def unreadable_mask(path: str, error: Exception) -> UserError:
    """Return the error for a mask that can't be read or decoded."""
    return UserError(f'bad mask {path} ({describe_read_error(error)}){RESTORE}')
