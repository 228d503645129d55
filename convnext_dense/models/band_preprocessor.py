"""Normalizing bands of images as they are stored, for the preprocessors of mmengine, mmdet and mmseg."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.model import ImgDataPreprocessor

from ..compat.mmengine_private_names import set_normalization
from ..io.band_choice import BandInput
from ..registry import MODELS


class TakesBands:
    """Mixin for a subclass of mmengine's ``ImgDataPreprocessor``: any number of channels, in the order of the bands.

    Args:
        mean, std: of each band, of values as stored; None for values that are not normalized.
        bands: numbers of the bands, from 1.
        rgb_bands: which of them are red, green and blue; none if there are fewer than three.
        stored_bands, dtype: number of bands and type of the images as stored; None if unknown.
        kwargs: those of the preprocessor; there is no swap of channels.

    Attributes:
        bands: all of that.
    """

    def __init__(
        self,
        *,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        bands: Sequence[int],
        rgb_bands: Sequence[int] = (),
        stored_bands: int | None = None,
        dtype: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.bands = BandInput(tuple(bands), tuple(rgb_bands), stored_bands, dtype)
        if mean is not None and std is not None:
            if {len(mean), len(std)} != {len(self.bands.bands)}:
                raise ValueError(f'mean has {len(mean)} values and std {len(std)}: give one for each of {self.bands}')
            set_normalization(self, mean, std)  # type: ignore[arg-type]


@MODELS.register_module()
class BandPreprocessor(TakesBands, ImgDataPreprocessor):
    """mmengine's preprocessor for images of any number of bands, as they are stored."""
