"""Fitting the first convolution of weights for RGB images to a network that takes other bands."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ..io.band_choice import BandInput, join
from .preprocessing import Preprocessing

STEM = 'backbone.downsample_layers.0.0.weight'
"""Name of the first convolution, (C_out, C, kernel, kernel)."""
RGB = 3


def fit_stem(
    own: Mapping[str, Tensor], loaded: Mapping[str, Tensor], bands: BandInput, made_for: Preprocessing | None
) -> tuple[Mapping[str, Tensor], str]:
    """Fit the first convolution of weights for RGB images to a network that takes these bands.

    Red, green and blue keep their weights, any other band gets the mean of the three, and all are scaled by 3 / C, so
    that the outputs of a network of C channels are about as large as those of one of three. Where the bands are red,
    green and blue alone, in this order, nothing changes.

    Args:
        own: the network's own weights by name.
        loaded: the weights, in our names.
        bands: what the network takes.
        made_for: how images were prepared for the weights; those that were trained on bands stay as they are.

    Returns:
        The weights by name, and a part of the line that reports them; empty if nothing changes.
    """
    if not (STEM in own and STEM in loaded) or (made_for is not None and made_for.bands is not None):
        return loaded, ''
    stem, channels = loaded[STEM], own[STEM].shape[1]
    if stem.ndim != 4 or stem.shape[1] != RGB or channels != len(bands.bands):
        return loaded, ''
    places = bands.rgb_channels
    if places == tuple(range(channels)):
        return loaded, f'; the stem takes bands {join(bands.bands)} as red, green and blue, with its own weights'
    fitted = stem.mean(1, keepdim=True).repeat(1, channels, 1, 1)
    for color, place in enumerate(places):
        fitted[:, place] = stem[:, color]
    fitted = fitted * (RGB / channels)
    others = [band for band in bands.bands if band not in bands.rgb]
    parts = [
        f'red, green and blue of bands {join(bands.rgb)} keep their weights' if bands.rgb else '',
        f'band{"s" if len(others) > 1 else ""} {join(tuple(others))} get{"" if len(others) > 1 else "s"} the mean of '
        'the three'
        if others
        else '',
        f'all times 3 / {channels}' if channels != RGB else '',
    ]
    return {**loaded, STEM: fitted.to(stem.dtype)}, f'; the stem is fitted to {channels} bands: ' + ', '.join(
        filter(None, parts)
    )
