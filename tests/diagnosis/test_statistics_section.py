import numpy as np
import pytest

from convnext_dense.diagnosis.content import Chart, Table, Text
from convnext_dense.diagnosis.statistics import DataStatistics, ObjectStatistics
from convnext_dense.diagnosis.statistics_section import data_section, lead


def counted(name: str, examples: list[int], unit: str = 'images', **others) -> DataStatistics:
    numbers = np.array(examples)
    settings = dict(
        classes=[f'c{n}' for n in range(len(examples))],
        images=int(numbers.sum()),
        left_out=0,
        sizes=np.array([[100, 200], [50, 60], [300, 400]]),
        class_images=numbers,
    )
    return DataStatistics(name=name, unit=unit, examples=numbers, **{**settings, **others})


@pytest.mark.parametrize(
    ('training', 'tested', 'said'),
    [
        ([14, 2800, 300], [5, 5, 5], "'c0' has 14 training images, a 200th of 'c1'"),
        ([14, 15, 16], [5, 5, 5], "'c0' has 14 training images"),
        ([14, 28, 16], [5, 5, 5], "'c0' has 14 training images, half of 'c1'"),
        ([100, 8000, 900], [5, 5, 5], "'c0' has 100 training images, an 80th of 'c1'"),
        ([1, 21, 20], [5, 5, 5], "'c0' has 1 training image, a 21st of 'c1'"),
        ([100, 4900, 900], [5, 5, 5], '5,900 training images, with 100 to 4,900 images of each class'),
        ([10, 10, 10], [5, 5, 5], 'each of the 3 classes has 10 training images'),
        ([14, 14, 16], [5, 5, 5], "'c0' and 1 other class have 14 training images each"),
        ([50, 50, 50], [5, 5, 5], '150 training images, with 50 images of each class'),
        ([50, 0, 50], [5, 5, 5], "'c1' is not in the training images"),
        ([50, 0, 50], [5, 0, 5], '100 training images, with 50 images of each class'),
        ([50, 50, 50], [0, 0, 5], "'c0', 'c1' are not in the tested images"),
        ([14, 0, 50], [5, 5, 5], "'c0' has 14 training images, a quarter of 'c2'; 'c1' is not in the training images"),
    ],
)
def test_the_lead_names_what_matters_most(training, tested, said):
    assert lead(counted('training', training), counted('tested', tested)) == f'{said}.'


def test_the_lead_without_training_data_is_about_the_tested_ones():
    assert lead(None, counted('tested', [30, 40])) == '70 tested images, with 30 to 40 images of each class.'
    assert lead(None, None) == ''
    assert lead(None, counted('tested', [30])) == '30 tested images.'
    pixels = counted('training', [10_000, 20_000], 'pixels', class_images=np.array([3, 40]))
    assert lead(pixels, None) == "'c0' has 3 training images, a 13th of 'c1'."


def test_tables_stand_side_by_side_and_the_most_frequent_class_is_first():
    section = data_section(counted('training', [10, 30, 60]), counted('tested', [2, 1, 1]), ['A note.'])
    text, images, classes, balance, sizes = section.blocks
    assert isinstance(text, Text) and text.text == 'A note.'
    assert images.rows == [
        ['training', 100, '100 x 200', '50 x 60', '300 x 400', 3],
        ['tested', 4, '100 x 200', '50 x 60', '300 x 400', 3],
    ]
    assert classes.rows == [['c2', 60, 60.0, 1, 25.0], ['c1', 30, 30.0, 1, 25.0], ['c0', 10, 10.0, 2, 50.0]]
    assert len(classes.columns) == 5
    assert balance.categories == ['c2', 'c1', 'c0']
    assert [series.y for series in balance.series] == [[60.0, 30.0, 10.0], [25.0, 25.0, 50.0]]
    assert sizes.categories == ['under 64', '64 to 128', '128 to 256', '256 to 384']
    assert sizes.series[0].y == pytest.approx([100 / 3, 100 / 3, 0, 100 / 3])


def test_charts_of_objects():
    areas = np.array([100.0, 2500.0, 40000.0])
    objects = ObjectStatistics(
        np.zeros(3, int), areas, areas * [2500, 25, 4], np.array([0.5, 1, 2]), np.array([0, 1, 2])
    )
    of_data = counted('training', [3], 'objects', images=3, without=1, left_out=2, objects=objects)
    section = data_section(of_data, None)
    tables = {block.title: block for block in section.blocks if isinstance(block, Table)}
    charts = {block.title: block for block in section.blocks if isinstance(block, Chart)}
    assert tables['Images'].rows == [['training', 3, 2, '100 x 200', '50 x 60', '300 x 400', 1, 3, 1.0, 1]]
    assert tables['Objects'].rows == [['training', *([pytest.approx(100 / 3)] * 6), 50.0]]
    assert charts['Object sizes'].categories == ['2 to 4', '4 to 8', '8 to 16', '16 to 32', '32 to 64']
    assert charts['Object sizes'].series[0].y == pytest.approx([100 / 3, 0, 0, 100 / 3, 100 / 3])
    assert charts['Objects per image'].categories == ['0', '1', '2']
    for table in tables.values():
        assert all(len(row) == len(table.columns) for row in table.rows)


def test_thousands_of_classes_are_a_curve_and_others_than_the_models_are_named():
    many = counted('training', list(range(1, 2001)), other_classes=['dragon'])
    table, balance = data_section(many, None).blocks[1:3]
    assert balance.categories is None and len(balance.series[0].x) == 2000
    assert balance.series[0].y == sorted(balance.series[0].y, reverse=True)
    assert table.note == 'Classes that the model does not have are left out: dragon.'


def test_unlabeled_pixels():
    of_data = counted('training', [3, 4], 'pixels', unlabeled=12.5)
    table = data_section(of_data, counted('tested', [1, 1], 'pixels')).blocks[0]
    assert table.columns[-1].name == 'unlabeled pixels'
    assert [row[-1] for row in table.rows] == [12.5, None]
