"""Draw predictions and annotations on images; the only module that draws.

Images are uint8 (H, W, 3), RGB. Small images are enlarged by an integer factor to make room for text; lines and text
grow with the image. Arguments in pixels refer to the image before enlargement.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw

from ..tiling.tile_objects import MaskCrop
from .tag_places import free_place, free_place_around, place_of
from .text import drawable_names, fit_to_width, font_for, text_width

MIN_LONG_SIDE = 512  # pixels: images with a shorter long side are enlarged
TEXT_COLOR, WHITE = (31, 35, 40), (255, 255, 255)
RIGHT_COLOR, WRONG_COLOR = (26, 127, 55), (207, 34, 46)  # for text about right and wrong predictions
BAR, OTHER_BAR = (9, 105, 218), (140, 165, 195)
MASK_OPACITY, LABEL_OPACITY = 0.3, 0.55
MOST_TAGS = 0.2  # share of an image that tags may cover

LegendEntry = tuple[str, str, np.ndarray]
"""A name, a number, and a color, uint8 (3,), RGB."""


def tags_fit(image: np.ndarray, tags: Sequence[str]) -> bool:
    """Tell whether tags in their text size cover a share of an image, uint8 (H, W, 3), of at most 0.2."""
    enlargement = _enlargement(image)
    size = _text_size(image, enlargement)
    covered = sum(text_width(tag, size) * count for tag, count in Counter(tags).items()) * 1.35 * size
    return covered <= MOST_TAGS * image.shape[0] * image.shape[1] * enlargement**2


def draw_instances(
    image: np.ndarray,
    boxes: np.ndarray,
    tags: Sequence[str],
    colors: np.ndarray,
    masks: np.ndarray | Sequence[MaskCrop] | None = None,
    legend: Sequence[LegendEntry] = (),
) -> np.ndarray:
    """Draw boxes with tags, and translucent masks.

    Small boxes and masks are drawn over large ones. Tags are placed in order, each where it covers no earlier tag if
    its box has such a place.

    Args:
        image: uint8 (H, W, 3), RGB.
        boxes: (N, 4), left, top, right and bottom edge in pixels; clipped to the image.
        tags: N texts.
        colors: uint8 (N, 3), RGB.
        masks: bool (N, H, W), or N crops of such masks.
        legend: what stands below the image instead of the tags; boxes then have thin lines.

    Returns:
        uint8 RGB, ``image`` enlarged by an integer factor, which is 1 if its longer side has at least 512 pixels.
    """
    enlarged_image, factor = _enlarged(image)
    height, width = enlarged_image.shape[:2]
    size = _text_size(enlarged_image)
    line = 2 if legend else max(2, size // 7)
    crops = [mask if isinstance(mask, MaskCrop) else MaskCrop.of(mask) for mask in (() if masks is None else masks)]
    edges = np.hstack([np.floor(boxes[:, :2] * factor), np.ceil(boxes[:, 2:] * factor) - 1])
    edges = edges.clip(0, [width - 1, height - 1] * 2).astype(int)  # the outermost pixels inside each box
    edges[:, 2:] = np.maximum(edges[:, :2], edges[:, 2:])
    areas = np.prod(edges[:, 2:] - edges[:, :2], axis=1)
    if crops:
        areas = np.array([crop.pixels.sum() for crop in crops])
    order = np.argsort(-areas, kind='stable')
    for i in order if crops else ():
        _draw_mask(enlarged_image, crops[i], colors[i], factor, max(1, line // 2))
    canvas = Image.fromarray(enlarged_image)
    draw = ImageDraw.Draw(canvas)
    for i in order:
        draw.rectangle(edges[i].tolist(), outline=_rgb(colors[i]), width=line)
    if legend:
        entries = [(name, number, _rgb(color)) for name, number, color in legend]
        return _stacked(np.asarray(canvas), _legend(entries, size, width, None))
    placed = np.zeros((0, 4))
    for box, tag, color in zip(edges, tags, colors, strict=True):
        text = fit_to_width(tag, size, width - size)
        tag_size = text_width(text, size) + size // 2, round(1.35 * size)
        x1, y1, x2, y2 = free_place(box, *tag_size, placed, width, height)
        placed = np.vstack([placed, (x1, y1, x2, y2)])
        draw.rectangle((x1, y1, x2 - 1, y2 - 1), fill=_rgb(color))
        _write(draw, (x1 + size // 4, (y1 + y2) / 2), text, size, _text_color_on(color))
    return np.asarray(canvas)


def draw_label_map(
    image: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
    colors: np.ndarray,
    ignore: int = 255,
    legend_rows: int | None = None,
    shares: np.ndarray | None = None,
) -> np.ndarray:
    """Tint each labeled pixel, and list the classes below the image by descending area in percent of the image.

    Args:
        image: uint8 (H, W, 3), RGB.
        labels: (H, W), the class of each pixel in [0, K), or ``ignore``.
        names: K class names.
        colors: uint8 (K, 3), RGB.
        ignore: label of pixels that stay unchanged.
        legend_rows: maximum number of rows of the legend, which lists the largest classes first; None for no limit.
        shares: share of the image of each class, (K,), where ``labels`` have only some of its pixels.

    Returns:
        uint8 RGB; the top left corner is the image, enlarged as in :func:`draw_instances`.
    """
    enlarged_image, factor = _enlarged(image)
    size = _text_size(enlarged_image)
    if shares is None:
        shares = np.bincount(labels[labels != ignore], minlength=len(names)) / labels.size
    enlarged = labels.repeat(factor, 0).repeat(factor, 1)
    shown = enlarged != ignore
    tints = np.asarray(colors, np.uint8)[np.where(shown, enlarged, 0)]
    tinted = cv2.addWeighted(enlarged_image, 1 - LABEL_OPACITY, tints, LABEL_OPACITY, 0)
    np.copyto(enlarged_image, tinted, where=shown[..., None])
    enlarged_image[_borders(enlarged, max(1, size // 10)) & shown] = WHITE
    present = [int(k) for k in np.argsort(-shares, kind='stable') if shares[k]]
    shown_names = drawable_names(names)
    entries = [(shown_names[k], f'{shares[k]:.1%}', _rgb(colors[k])) for k in present]
    return _stacked(enlarged_image, _legend(entries, size, enlarged_image.shape[1], legend_rows))


def draw_segments(
    image: np.ndarray,
    places: np.ndarray,
    colors: np.ndarray,
    tags: Sequence[str],
    legend: Sequence[tuple[str, int]],
    legend_rows: int | None = None,
    shares: np.ndarray | None = None,
) -> np.ndarray:
    """Tint each segment, write tags on some of them, and list others below the image in percent of it.

    Args:
        image: uint8 (H, W, 3), RGB.
        places: integers (H, W), the place of each pixel's segment in the next two lists, or -1 for none.
        colors: uint8 (N, 3), RGB.
        tags: N texts, which are written where the segment is widest, or beside a small one; empty for none.
        legend: names of other segments, with their places.
        legend_rows: number of rows of the legend, which lists the first ones; None for as many as it takes.
        shares: share of the image of each segment, (N,), where ``places`` have only some of its pixels.

    Returns:
        uint8 RGB; the top left corner is the image, enlarged as in :func:`draw_instances`.
    """
    enlarged_image, factor = _enlarged(image)
    size = _text_size(enlarged_image)
    enlarged = places.repeat(factor, 0).repeat(factor, 1)
    shown = enlarged >= 0
    tints = np.vstack([np.asarray(colors, np.uint8).reshape(-1, 3), [WHITE]]).astype(np.uint8)[enlarged]
    tinted = cv2.addWeighted(enlarged_image, 1 - LABEL_OPACITY, tints, LABEL_OPACITY, 0)
    np.copyto(enlarged_image, tinted, where=shown[..., None])
    enlarged_image[_borders(enlarged, max(1, size // 10))] = WHITE
    canvas = Image.fromarray(enlarged_image)
    draw = ImageDraw.Draw(canvas)
    placed = np.zeros((0, 4))
    height, width = enlarged.shape
    for place, tag in enumerate(tags):
        mask = places == place
        if not tag or not mask.any():
            continue
        text = fit_to_width(tag, size, width - size)
        tag_size = text_width(text, size) + size // 2, round(1.35 * size)
        box, center = place_of(mask)
        edges = np.array([*box[:2] * factor, *(box[2:] * factor - 1)])
        if (edges[2:] - edges[:2] > np.multiply(tag_size, (1, 2))).all():
            x1, y1, x2, y2 = free_place_around(center * factor, *tag_size, placed, width, height)
        else:  # beside it, since it would cover the segment
            x1, y1, x2, y2 = free_place(edges, *tag_size, placed, width, height)
        placed = np.vstack([placed, (x1, y1, x2, y2)])
        draw.rectangle((x1, y1, x2 - 1, y2 - 1), fill=_rgb(colors[place]))
        _write(draw, (x1 + size // 4, (y1 + y2) / 2), text, size, _text_color_on(colors[place]))
    drawn = np.asarray(canvas)
    if not legend and legend_rows is None:
        return drawn
    if shares is None:
        shares = np.bincount(places[places >= 0], minlength=len(colors)) / places.size
    entries = [(name, f'{shares[place]:.1%}', _rgb(colors[place])) for name, place in legend]
    return _stacked(drawn, _legend(entries, size, width, legend_rows))


def draw_scores(image: np.ndarray, scores: Sequence[tuple[str, float]]) -> np.ndarray:
    """Draw the image above a bar for each score.

    Args:
        image: uint8 (H, W, 3), RGB.
        scores: names with their scores in [0, 1], in descending order.

    Returns:
        uint8 RGB; the top left corner is the image, enlarged as in :func:`draw_instances`.
    """
    enlarged_image, _ = _enlarged(image)
    size = _text_size(enlarged_image)
    width, row = max(enlarged_image.shape[1], 20 * size), 2 * size
    canvas = Image.new('RGB', (width, row * len(scores) + size), WHITE)
    draw = ImageDraw.Draw(canvas)
    names = [fit_to_width(name, size, width // 2 - size) for name, _ in scores]
    left = 2 * size + max((text_width(name, size) for name in names), default=0)
    full = width - left - 5 * size  # length of the bar for a score of 1
    for place, (name, (_, score)) in enumerate(zip(names, scores, strict=True)):
        top = size // 2 + place * row
        middle = top + row / 2
        _write(draw, (size, middle), name, size, TEXT_COLOR)
        bar = (left, top + size // 2, left + round(full * score), top + row - size // 2)
        draw.rectangle(bar, fill=OTHER_BAR if place else BAR)
        _write(draw, (bar[2] + size // 2, middle), f'{score:.1%}', size, TEXT_COLOR)
    return _stacked(enlarged_image, np.asarray(canvas))


def draw_caption(image: np.ndarray, lines: Sequence[tuple[str, tuple[int, int, int]]]) -> np.ndarray:
    """Draw a thumbnail, 224 pixels high, above lines of text.

    Args:
        image: uint8 (H, W, 3), RGB.
        lines: texts with their colors.

    Returns:
        uint8 (224 + 8 + 25 * lines, W', 3), RGB, W' between 112 and 448.
    """
    height, width = 224, max(112, min(448, round(image.shape[1] * 224 / image.shape[0])))
    canvas = Image.new('RGB', (width, height + 8 + 25 * len(lines)), WHITE)
    canvas.paste(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC), (0, 0))
    draw = ImageDraw.Draw(canvas)
    for place, (text, color) in enumerate(lines):
        size = next((size for size in range(19, 10, -1) if text_width(text, size) <= width - 16), 10)
        _write(draw, (8, height + 17 + 25 * place), fit_to_width(text, size, width - 16), size, color)
    return np.asarray(canvas)


def panel_places(images: Sequence[np.ndarray]) -> list[tuple[int, int, int, int]]:
    """Return where :func:`side_by_side` places images: left, top, width and height of each, in pixels."""
    size = _title_size(images)
    places, left = [], 0
    for image in images:
        places.append((left, 2 * size, image.shape[1], image.shape[0]))
        left += image.shape[1] + size
    return places


def side_by_side(panels: Sequence[tuple[str, np.ndarray]]) -> np.ndarray:
    """Place images (uint8 RGB of any size) next to each other, each below its title."""
    images = [image for _, image in panels]
    size, places = _title_size(images), panel_places(images)
    width, height = (max(place[axis] + place[axis + 2] for place in places) for axis in (0, 1))
    canvas = Image.new('RGB', (width, height), WHITE)
    draw = ImageDraw.Draw(canvas)
    for (title, image), (left, top, width, _) in zip(panels, places, strict=True):
        _write(draw, (left, top / 2), fit_to_width(title, size, width), size, TEXT_COLOR)
        canvas.paste(Image.fromarray(image), (left, top))
    return np.asarray(canvas)


def _title_size(images: Sequence[np.ndarray]) -> int:
    return max(map(_text_size, images)) * 6 // 5


def shrunk(image: np.ndarray, largest: tuple[int, int], smooth: bool = True) -> np.ndarray:
    """Shrink an image that is larger than a height or width, keeping its aspect ratio.

    Args:
        image: uint8 (H, W, 3) or (H, W).
        largest: largest height and width in pixels.
        smooth: filter the image; False takes the nearest pixel, for label maps.
    """
    thumbnail = Image.fromarray(image)
    resample = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
    thumbnail.thumbnail(largest[::-1], resample, reducing_gap=None)
    return np.asarray(thumbnail)


def _enlargement(image: np.ndarray) -> int:
    """Return the factor by which an image is enlarged."""
    return max(1, -(-MIN_LONG_SIDE // max(image.shape[:2])))


def _enlarged(image: np.ndarray) -> tuple[np.ndarray, int]:
    """Return a copy of the image, enlarged if it is small, and the factor."""
    factor = _enlargement(image)
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC), factor


def _text_size(image: np.ndarray, enlargement: int = 1) -> int:
    return max(13, round(np.sqrt(image.shape[0] * image.shape[1]) * enlargement / 50))


def _draw_mask(image: np.ndarray, mask: MaskCrop, color: np.ndarray, factor: int, line: int) -> None:
    """Tint the pixels of a mask, of the image before enlargement, and draw its outline inside it."""
    if not mask.pixels.size:
        return
    part = mask.pixels.repeat(factor, 0).repeat(factor, 1)
    region = image[mask.top * factor :, mask.left * factor :][: part.shape[0], : part.shape[1]]
    tinted = (1 - MASK_OPACITY) * region[part] + MASK_OPACITY * color
    region[part] = tinted.round().astype(np.uint8)
    core = cv2.erode(
        part.astype(np.uint8), np.ones((2 * line + 1,) * 2, np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0
    )
    region[part & (core == 0)] = color


def _borders(labels: np.ndarray, line: int) -> np.ndarray:
    """Mark pixels whose class differs from that of a pixel up to ``line`` pixels to the right or below."""
    border = np.zeros(labels.shape, bool)
    for step in range(1, line + 1):
        border[:, :-step] |= labels[:, :-step] != labels[:, step:]
        border[:-step] |= labels[:-step] != labels[step:]
    return border


def _legend(
    entries: Sequence[tuple[str, str, tuple[int, int, int]]], size: int, width: int, rows: int | None
) -> np.ndarray:
    """Draw color swatches with names and shares in as many columns as fit, at least ``width`` wide."""
    width = max(width, 20 * size)
    room = width - 3 * size - text_width('  100.0%', size)
    lines = [(f'{fit_to_width(name, size, room)}  {share}', color) for name, share, color in entries]
    columns = max(1, width // (4 * size + max((text_width(text, size) for text, _ in lines), default=0)))
    row, rows = round(1.6 * size), -(-len(lines) // columns) if rows is None else rows
    canvas = Image.new('RGB', (width, size + row * rows), WHITE)
    draw = ImageDraw.Draw(canvas)
    for place, (text, color) in enumerate(lines[: rows * columns]):
        left = place % columns * (width // columns) + size // 2
        middle = size // 2 + place // columns * row + row // 2
        top = middle - size // 2
        draw.rectangle((left, top, left + size - 1, top + size - 1), fill=color)
        _write(draw, (left + size * 3 // 2, middle), text, size, TEXT_COLOR)
    return np.asarray(canvas)


def _stacked(image: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Stack two images vertically; the narrower one is padded with white on the right."""
    width = max(image.shape[1], below.shape[1])
    canvas = np.full((image.shape[0] + below.shape[0], width, 3), WHITE, np.uint8)
    canvas[: image.shape[0], : image.shape[1]] = image
    canvas[image.shape[0] :, : below.shape[1]] = below
    return canvas


def _write(
    draw: ImageDraw.ImageDraw, left_middle: tuple[float, float], text: str, size: int, color: tuple[int, int, int]
) -> None:
    draw.text(left_middle, text, fill=color, font=font_for(text, size), anchor='lm')


def _text_color_on(color: np.ndarray) -> tuple[int, int, int]:
    """Return black or white, whichever has more contrast with this color (relative luminance as in WCAG 2)."""
    linear = (np.asarray(color) / 255) ** 2.2
    return TEXT_COLOR if linear @ (0.2126, 0.7152, 0.0722) > 0.18 else WHITE


def _rgb(color: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = (int(value) for value in color)
    return red, green, blue
