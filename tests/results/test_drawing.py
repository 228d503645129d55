"""What is drawn, pixel by pixel."""

import numpy as np
import pytest

from convnext_dense.results import drawing
from convnext_dense.results.colors import palette
from convnext_dense.results.drawing import (
    BAR,
    OTHER_BAR,
    TEXT_COLOR,
    WHITE,
    draw_caption,
    draw_instances,
    draw_label_map,
    draw_scores,
    draw_segments,
    side_by_side,
)
from convnext_dense.results.text import text_width

RED, BLUE = np.array([[255, 64, 64], [32, 32, 255]], np.uint8)
GRAY = np.random.default_rng(0).integers(90, 160, (400, 600, 3), dtype=np.uint8)  # large enough not to be enlarged


@pytest.fixture
def texts(monkeypatch) -> list[str]:
    """What is written on images."""
    written = []
    write = drawing._write
    monkeypatch.setattr(drawing, '_write', lambda *args: (written.append(args[2]), write(*args)))
    return written


def changed(image: np.ndarray, before: np.ndarray) -> np.ndarray:
    return (image != before).any(axis=-1)


def is_color(image: np.ndarray, color: np.ndarray) -> np.ndarray:
    return (image == color).all(axis=-1)


def bounds(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def test_masked_pixels_are_tinted_the_edges_are_in_the_color_and_nothing_else_changes():
    mask = np.zeros((400, 600), bool)
    mask[120:180, 220:300] = True
    mask[150:, 250:] = False
    image = draw_instances(GRAY, np.array([[200.0, 100, 320, 200]]), ['ring 98%'], RED[None], mask[None])
    assert image.shape == GRAY.shape and image.dtype == np.uint8
    edge = np.zeros_like(mask)
    edge[100:200, 200:320] = True
    edge[102:198, 202:318] = False  # lines are two pixels wide
    outline = mask.copy()
    outline[121:179, 221:249] = outline[121:149, 221:299] = False
    outline[149, 249] = True  # where both arms of the L meet
    assert is_color(image, RED)[edge | outline].all()
    inside = mask & ~outline
    tint = 0.7 * GRAY[inside] + 0.3 * RED
    assert np.abs(image[inside] - tint).max() <= 0.5
    tag = changed(image, GRAY) & ~mask & ~edge
    left, top, right, bottom = bounds(tag)
    assert (left, bottom) == (200, 100) and 50 < right - left < 80 and 15 < bottom - top < 22
    assert tag.sum() == (right - left) * (bottom - top)  # it hides what is behind it
    colors = {tuple(pixel) for pixel in image[top:bottom, left:right].reshape(-1, 3)}
    assert tuple(RED) in colors and (TEXT_COLOR in colors or WHITE in colors)


def test_the_image_itself_stays_and_without_things_it_is_returned():
    before = GRAY.copy()
    draw_instances(GRAY, np.array([[0.0, 0, 600, 400]]), ['all'], RED[None], np.ones((1, 400, 600), bool))
    draw_label_map(GRAY, np.zeros((400, 600), np.uint8), ['sky'], RED[None])
    assert np.array_equal(GRAY, before)
    nothing = draw_instances(GRAY, np.zeros((0, 4)), [], palette(0), np.zeros((0, 400, 600), bool))
    assert np.array_equal(nothing, GRAY)


def test_small_images_are_enlarged_and_what_is_drawn_with_them():
    small = np.full((100, 200, 3), 128, np.uint8)
    mask = np.zeros((100, 200), bool)
    mask[40:60, 50:90] = True
    image = draw_instances(small, np.array([[50.0, 40, 90, 60]]), [''], RED[None], mask[None])
    assert image.shape == (300, 600, 3)  # by the least whole factor that brings it to 512
    assert bounds(changed(image, np.full_like(image, 128))[120:]) == (150, 0, 270, 60)
    labels = np.where(mask, 0, 255).astype(np.uint8)
    image = draw_label_map(small, labels, ['sky'], RED[None])[:300]
    assert bounds(changed(image, np.full_like(image, 128))) == (150, 120, 270, 180)


@pytest.mark.parametrize('size', [(1, 1), (3, 700), (700, 3), (20, 20)])
def test_images_of_any_size_can_be_drawn_on(size):
    image, names = np.full((*size, 3), 128, np.uint8), ['a very long name ' * 9]
    box = np.array([[0.0, 0, size[1], size[0]]])
    for drawn in (
        draw_instances(image, box, names, RED[None], np.ones((1, *size), bool)),
        draw_label_map(image, np.zeros(size, np.uint8), names, RED[None]),
        draw_scores(image, [(names[0], 1.0)]),
        draw_caption(image, [(names[0], TEXT_COLOR)]),
    ):
        assert max(drawn.shape[:2]) < 1024 and drawn.dtype == np.uint8


def test_text_and_lines_grow_with_the_image():
    """Seen at the same size on a screen, an image of 12 megapixels has legible tags too."""
    heights = {}
    for scale in (1, 5):
        plain = np.full((600 * scale, 800 * scale, 3), 128, np.uint8)
        tagged = draw_instances(plain, np.array([[300.0, 200, 500, 400]]) * scale, ['ring'], RED[None])
        tag = changed(tagged, plain)[: 200 * scale]
        _, top, _, bottom = bounds(tag)
        heights[scale] = bottom - top
        line = int(is_color(tagged, RED)[300 * scale, : 400 * scale].sum())
        assert line >= 2 * scale - 2
    assert 17 <= heights[1] <= 25 and heights[5] >= 4 * heights[1]


def test_tags_stay_whole_inside_the_image():
    plain = np.full((400, 600, 3), 128, np.uint8)

    def tag_at(x: float, y: float) -> tuple[int, int, int]:
        image = draw_instances(plain, np.array([[x, y, x + 4, y + 4]]), ['umbrella 100%'], RED[None])
        tag = changed(image, plain)
        left, top, right, bottom = bounds(tag)
        return right - left, bottom - top, int((tag & ~is_color(image, RED)).sum())

    width, height, text = tag_at(300, 200)
    for x in (0, 300, 560, 596):
        for y in (0, 5, 200, 396):
            w, h, t = tag_at(x, y)
            assert w >= width and h >= height - 4 and t == text, (x, y)


def test_tags_keep_clear_of_each_other():
    box = np.array([[100.0, 100, 300, 200]])
    colors = palette(6)
    image = draw_instances(GRAY, np.repeat(box, 6, axis=0), ['ring'] * 6, colors)
    for color in colors:  # a tag and nothing less: the edges are drawn over, but for the last
        alone = draw_instances(GRAY, box, ['ring'], color[None])
        left, top, right, bottom = bounds(changed(alone, GRAY) & (np.arange(400) < 100)[:, None])
        full = is_color(alone, color)[top:bottom, left:right].sum()
        assert is_color(image, color).sum() >= full


def test_tags_are_black_on_bright_colors_and_white_on_dark_ones():
    for color, ink, other in (((255, 230, 80), TEXT_COLOR, WHITE), ((60, 20, 120), WHITE, TEXT_COLOR)):
        tagged = draw_instances(GRAY, np.array([[100.0, 100, 200, 200]]), ['ring'], np.array([color], np.uint8))
        assert is_color(tagged, ink)[:100].any() and not is_color(tagged, other).any()


def test_small_things_lie_over_large_ones_whatever_their_order():
    large, small = np.zeros((2, 400, 600), bool)
    large[50:350, 50:550] = True
    small[150:250, 200:300] = True
    boxes = np.array([[50.0, 50, 550, 350], [200, 150, 300, 250]])
    for order in ([0, 1], [1, 0]):
        masks, colors = np.stack([large, small])[order], np.stack([RED, BLUE])[order]
        image = draw_instances(GRAY, boxes[order], ['', ''], colors, masks)
        middle = image[200, 250].astype(float)
        under = np.round(0.7 * GRAY[200, 250] + 0.3 * RED)
        assert np.abs(middle - (0.7 * under + 0.3 * BLUE)).max() <= 0.5
        assert is_color(image, BLUE)[150, 200:300].all()


def test_boxes_outside_the_image_are_cut_off():
    boxes = np.array([[-50.0, -20, 700, 500], [900, 900, 950, 950], [30, 30, 20, 20]])
    image = draw_instances(GRAY, boxes, ['', '', ''], np.stack([RED] * 3))
    for edge in (image[-1, 20:-20], image[20:-20, 0], image[20:-20, -1]):
        assert is_color(edge, RED).all()


def test_labeled_pixels_are_tinted_and_ignored_ones_left_alone():
    labels = np.full((400, 600), 255, np.uint8)
    labels[100:200, 100:300], labels[200:300, 100:300] = 1, 0
    image = draw_label_map(GRAY, labels, ['sky', 'sea', 'sand'], np.stack([RED, BLUE, RED]))[:400]
    assert np.array_equal(image[labels == 255], GRAY[labels == 255])
    for rows, color in ((slice(101, 198), BLUE), (slice(201, 298), RED)):
        tint = 0.45 * GRAY[rows, 101:298] + 0.55 * color
        assert np.abs(image[rows, 101:298] - tint).max() <= 0.501
    assert is_color(image, WHITE)[199, 100:300].all()  # the border between them


def test_the_legend_lists_the_classes_present_by_area(texts):
    labels = np.full((400, 600), 255, np.uint8)
    labels[:40], labels[40:240], labels[240:300] = 3, 1, 0
    colors = palette(5)
    image = draw_label_map(GRAY, labels, ['sky', 'sea\n', 'absent', 'Käse', 'absent'], colors)
    assert texts == ['sea  50.0%', 'sky  15.0%', 'Käse  10.0%']
    legend = image[400:]
    assert legend.shape[1] == 600
    corners = [bounds(is_color(legend, colors[k]))[:2] for k in (1, 0, 3)]
    assert corners == sorted(corners, key=lambda corner: (corner[1], corner[0]))  # left to right, then down
    assert not is_color(legend, colors[2]).any() and not is_color(legend, colors[4]).any()


def test_a_long_legend_goes_on_below(texts):
    labels = np.arange(150, dtype=np.uint8).repeat(100).reshape(100, 150)
    names = [f'class number {k}' for k in range(150)]
    image = draw_label_map(np.zeros((100, 150, 3), np.uint8), labels, names, palette(150))
    assert sorted(texts) == sorted(f'{name}  0.7%' for name in names)
    swatches = [bounds(is_color(image[400:], color)) for color in palette(150)]
    assert len(set(swatches)) == 150
    assert {(right - left, bottom - top) for left, top, right, bottom in swatches} == {(13, 13)}
    lefts = sorted({left for left, *_ in swatches})
    assert min(np.diff([*lefts, image.shape[1]])) > 13 + max(text_width(text, 13) for text in texts)  # no overlap


def test_a_legend_of_so_many_rows(texts):
    names, colors = [f'class number {k}' for k in range(20)], palette(20)
    many = np.arange(20, dtype=np.uint8).repeat(np.arange(20, 0, -1) * 20).reshape(60, 70)  # the first is the largest
    shapes = set()
    for labels in (many, np.zeros((60, 70), np.uint8)):
        texts.clear()
        shapes.add(draw_label_map(np.zeros((60, 70, 3), np.uint8), labels, names, colors, legend_rows=2).shape)
        assert [text.split('  ')[0] for text in texts] == names[: len(texts)]
        assert len(texts) == (6 if labels is many else 1)  # in three columns
    assert len(shapes) == 1


def test_bars_are_as_long_as_the_scores(texts):
    image = draw_scores(GRAY, [('ring', 0.8), ('kite', 0.2), ('car', 0.0)])
    assert np.array_equal(image[:400, :600], GRAY)
    assert texts == ['ring', '80.0%', 'kite', '20.0%', 'car', '0.0%']
    first, others = is_color(image[400:], BAR), is_color(image[400:], OTHER_BAR)
    left, _, right, bottom = bounds(first)
    second = bounds(others)
    assert second[0] == left and second[1] > bottom
    assert (right - left) / (second[2] - second[0]) == pytest.approx(4, rel=0.03)


def test_panels_stand_side_by_side_below_their_titles(texts):
    low, high = GRAY[:200], np.full((300, 100, 3), 7, np.uint8)
    image = side_by_side([('prediction', low), ('ground_truth', high)])
    assert texts == ['prediction', 'ground_truth']
    top = image.shape[0] - 300
    assert 20 < top < 60
    assert np.array_equal(image[top : top + 200, :600], low)
    assert np.array_equal(image[top:, -100:], high)
    gap = image[top:, 600:-100]
    assert gap.shape[1] >= 10 and (gap == 255).all()


def test_a_caption_is_below_its_thumbnail(texts):
    image = draw_caption(GRAY, [('umbrella  98%', (26, 127, 55)), ('ground truth: umbrella', TEXT_COLOR)])
    assert image.shape == (224 + 58, 336, 3)
    assert texts == ['umbrella  98%', 'ground truth: umbrella']
    assert is_color(image[224:253], (26, 127, 55)).any() and is_color(image[253:], TEXT_COLOR).any()


def test_the_name_of_a_small_segment_is_beside_it(texts):
    places = np.full(GRAY.shape[:2], -1)
    places[200:206, 300:306] = 0
    drawn = draw_segments(GRAY, places, RED[None], ['bird'], [])
    assert texts == ['bird'] and drawn.shape == GRAY.shape
    tag = is_color(drawn, RED)
    assert tag.any() and not tag[200:206, 300:306].any()
    left, _, _, bottom = bounds(tag)
    assert bottom == 200 and left == 300


def test_the_largest_stuff_is_listed_in_the_rows_that_there_are(texts):
    places = np.zeros(GRAY.shape[:2], int)
    places[300:] = 1
    drawn = draw_segments(GRAY, places, np.stack([RED, BLUE]), ['', ''], [('sky', 0), ('road', 1)], legend_rows=2)
    assert texts == ['sky  75.0%', 'road  25.0%']
    assert drawn.shape[0] > len(GRAY) and is_color(drawn[len(GRAY) :], BLUE).any()
