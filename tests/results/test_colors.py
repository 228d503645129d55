"""Colors of classes and of objects."""

import numpy as np
import pytest

from convnext_dense.results.colors import NATURAL, class_colors, object_shades, palette, segment_colors


def cielab(colors: np.ndarray) -> np.ndarray:
    """sRGB (N, 3) in 0..255 as CIELAB under D65, by the standard's formulas."""
    c = colors / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    xyz = linear @ np.array([[0.4124, 0.2126, 0.0193], [0.3576, 0.7152, 0.1192], [0.1805, 0.0722, 0.9505]])
    t = xyz / np.array([0.9505, 1.0, 1.089])
    x, y, z = np.where(t > (6 / 29) ** 3, np.cbrt(t), t * (29 / 6) ** 2 / 3 + 4 / 29).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


@pytest.mark.parametrize(('count', 'apart'), [(2, 100), (20, 32), (150, 11), (255, 9)])
def test_colors_are_told_apart_from_each_other_and_from_black_white_and_gray(count, apart):
    colors = palette(count)
    assert colors.shape == (count, 3) and colors.dtype == np.uint8
    assert np.array_equal(colors, palette(255)[:count])
    lab = cielab(colors)
    between = np.linalg.norm(lab[:, None] - lab, axis=2)
    assert between[~np.eye(count, dtype=bool)].min() > apart
    assert np.hypot(lab[:, 1], lab[:, 2]).min() > 30
    assert lab[:, 0].min() > 30 and lab[:, 0].max() < 90


def test_there_are_colors_for_any_number_of_classes():
    assert palette(0).shape == (0, 3)
    assert np.array_equal(palette(1203)[255:510], palette(255))


def test_things_of_a_class_get_colors_far_from_each_other_and_from_the_stuff():
    classes = palette(6)
    labels, are_things = np.array([0, 0, 1, 5, 0, 4]), np.array([True, True, True, False, True, False])
    colors = segment_colors(classes[labels], are_things)
    assert np.array_equal(colors[[0, 2, 3, 5]], classes[[0, 1, 5, 4]])  # the first of a class, and stuff
    lab = cielab(colors)
    between = np.linalg.norm(lab[:, None] - lab, axis=2)
    assert between[~np.eye(6, dtype=bool)].min() > 30
    assert np.array_equal(segment_colors(classes[[5, 5]], np.array([False, False])), classes[[5, 5]])
    assert segment_colors(np.zeros((0, 3), np.uint8), np.zeros(0, bool)).shape == (0, 3)


def as_color_blind(colors: np.ndarray, kind: str) -> np.ndarray:
    """Simulate what dichromats see of sRGB (N, 3), by the LMS cone responses of Vienot, Brettel and Mollon (1999)."""
    linear = np.where(colors / 255 <= 0.04045, colors / 255 / 12.92, ((colors / 255 + 0.055) / 1.055) ** 2.4)
    to_cones = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
    cones = linear @ to_cones.T
    if kind == 'protanopia':
        cones[:, 0] = 2.02344 * cones[:, 1] - 2.52581 * cones[:, 2]
    else:
        cones[:, 1] = 0.494207 * cones[:, 0] + 1.24827 * cones[:, 2]
    seen = (cones @ np.linalg.inv(to_cones).T).clip(0, 1)
    return 255 * np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize('kind', ['protanopia', 'deuteranopia'])
def test_the_first_colors_are_told_apart_by_the_color_blind(kind):
    lab = cielab(as_color_blind(palette(10), kind))
    assert np.linalg.norm(lab[:, None] - lab, axis=2)[~np.eye(10, dtype=bool)].min() > 12


def test_regions_have_their_natural_colors_and_other_classes_differ_from_them():
    names = ['Water', 'person', 'sky', 'lake', 'bare_soil', 'cat', 'grass']
    colors = class_colors(names)
    known = {name: color for same, color in NATURAL.items() for name in same}
    for place, name in ((0, 'water'), (2, 'sky'), (4, 'bare soil'), (6, 'grass')):
        assert tuple(colors[place]) == known[name]
    blue, green = colors[2], colors[6]
    assert blue.argmax() == 2 and green.argmax() == 1
    lab = cielab(colors)
    between = np.linalg.norm(lab[:, None] - lab, axis=2)
    assert between[~np.eye(7, dtype=bool)].min() > 25  # the lake, which the water has left without its blue, too
    assert np.array_equal(class_colors(['a', 'b', 'c']), palette(3))
    many = class_colors([*map(str, range(300)), 'sky'])
    assert len(np.unique(many[:255], axis=0)) == 255 and tuple(many[-1]) == known['sky']


def test_objects_of_a_class_have_shades_of_its_color():
    colors = np.array([[200, 60, 60], [60, 90, 200], [127, 127, 127]], np.uint8)
    labels = np.array([1, 0, 1, 1, -1, -1, 1])
    shades = object_shades(colors, labels)
    assert np.array_equal(shades[[0, 1]], colors[[1, 0]])  # the first of each
    assert np.array_equal(shades[[4, 5]], colors[[2, 2]])
    lab = cielab(shades[[0, 2, 3, 6]])
    between = np.linalg.norm(lab[:, None] - lab, axis=2)
    assert between[~np.eye(4, dtype=bool)].min() > 5
    hue = np.degrees(np.arctan2(lab[:, 2], lab[:, 1]))
    assert np.ptp(hue) < 15
    assert object_shades(colors, np.zeros(0, int)).shape == (0, 3)
