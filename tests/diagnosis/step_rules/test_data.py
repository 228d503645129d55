"""Each rule with a case in which it just applies, and one in which it just does not."""

import numpy as np
import pytest

from convnext_dense.diagnosis.findings.base import ClassFacts, Facts
from convnext_dense.diagnosis.run_facts import RunFacts
from convnext_dense.diagnosis.statistics import DataStatistics
from convnext_dense.diagnosis.step_rules import data
from convnext_dense.diagnosis.step_rules.base import Known


def counted(name: str, examples: list[int], unit: str = 'images', **others) -> DataStatistics:
    numbers = np.array(examples)
    settings = dict(
        classes=[f'c{n}' for n in range(len(examples))],
        images=int(numbers.sum()),
        left_out=0,
        sizes=np.array([[100, 200]]),
        class_images=numbers,
    )
    return DataStatistics(name=name, unit=unit, examples=numbers, **{**settings, **others})


def facts(**others) -> Facts:
    return Facts(
        **{**dict(metric='top-1', value=80, low=75, high=85, images=100, unit='images', classes=[]), **others}
    )


def one(rule, known: Known):
    (advice,) = rule(known)
    return advice


def test_leaks():
    assert list(data.leaks(Known(leaks=0, compared=50))) == []
    advice = one(data.leaks, Known(leaks=1, compared=50))
    assert advice.gain == 2 and advice.section == 'duplicates'
    assert advice.reason == '1 tested image of 50 (2.0%) is almost the same as a training image'


def test_suspected_labels():
    assert list(data.suspected_labels(Known(facts(suspects=9, labels=1000)))) == []
    assert list(data.suspected_labels(Known(facts(suspects=4, labels=100)))) == []
    assert (
        list(data.suspected_labels(Known(facts(suspects=0, labels=0)))) == list(data.suspected_labels(Known())) == []
    )
    assert list(data.suspected_labels(Known(facts(suspects=201, labels=1000)))) == []  # the model is what is wrong
    assert one(data.suspected_labels, Known(facts(suspects=200, labels=1000))).gain == 20
    advice = one(data.suspected_labels, Known(facts(suspects=10, labels=1000)))
    assert advice.reason == '10 of 1,000 labels (1.0%) are contradicted strongly by predictions' and advice.gain == 1


def test_suspected_regions_are_counted_by_images():
    assert list(data.suspected_labels(Known(facts(suspects=9, labels=100, unit='pixels')))) == []
    assert list(data.suspected_labels(Known(facts(suspects=101, labels=100, unit='pixels')))) == []
    advice = one(data.suspected_labels, Known(facts(suspects=10, labels=100, unit='pixels')))
    assert advice.reason == '10 regions in 100 images are contradicted strongly by predictions'


def test_few_examples():
    assert list(data.few_examples(Known(training=counted('training', [20, 30, 1000])))) == []
    assert list(data.few_examples(Known(training=counted('training', [20, 1000, 1000])))) == []
    assert list(data.few_examples(Known(training=counted('training', [5])))) == list(data.few_examples(Known())) == []
    advice = one(data.few_examples, Known(training=counted('training', [19, 30, 0, 1000])))
    assert advice.advice == "Collect more examples of 'c0', or draw their images more often with `--balance`."
    assert advice.reason == "'c0' has 19 training images, the median class 30"
    advice = one(data.few_examples, Known(training=counted('training', [20, 1001, 1010, 15, 1010], 'objects')))
    assert advice.advice.startswith("Collect more examples of 'c3' and 'c0', or")
    assert advice.reason == "'c3' has 15 training objects, the median class 1,001; 2 classes have few"
    some = one(data.few_examples, Known(training=counted('training', [12, 12, 15, 1000])))
    assert some.reason == "'c0' and 'c1' have 12 training images, the median class 14; 3 classes have few"
    balanced = Known(training=counted('training', [19, 30, 1000]), run=RunFacts(flags={'--balance': ''}))
    assert one(data.few_examples, balanced).advice == "Collect more examples of 'c0'."


def test_balance_is_advised_where_it_changes_something():
    equal = one(data.few_examples, Known(training=counted('training', [10, 10, 10])))
    assert (equal.advice, equal.reason) == (
        'Collect more examples of all classes.',
        'each of the 3 classes has 10 training images',
    )
    for counts, advised in (([10, 15, 20], True), ([10, 14, 20], False)):  # 1.5 times, and 1.47
        advice = one(data.few_examples, Known(training=counted('training', counts))).advice
        assert ('--balance' in advice) is advised
    objects = counted('training', [5, 900], 'objects', class_images=np.array([5, 6]))  # in nearly as many images
    assert '--balance' not in one(data.few_examples, Known(training=objects)).advice


def test_a_weak_model_does_not_have_labels_checked():
    suspected = dict(suspects=100, labels=1000)
    assert list(data.suspected_labels(Known(facts(**suspected, judges_labels=False)))) == []
    assert one(data.suspected_labels, Known(facts(**suspected)))


def test_the_gain_of_rare_classes_is_what_they_lack_to_the_mean():
    classes = [ClassFacts(f'c{n}', 10, 10, metric) for n, metric in enumerate((20.0, 60.0, 80.0, None))]
    known = Known(facts(classes=classes), counted('training', [19, 30, 1000, 50]))
    assert one(data.few_examples, known).gain == pytest.approx((70 - 20) / 3)


def test_of_pixels_images_with_the_class_count():
    many = counted('training', [10**6, 10**6], 'pixels', class_images=np.array([19, 40]))
    assert one(data.few_examples, Known(training=many)).reason == "'c0' has 19 training images, the median class 30"


def test_absent_from_training():
    pair = (counted('training', [5, 0, 0, 9]), counted('tested', [3, 1, 0, 4]))
    advice = one(data.absent_from_training, Known(None, *pair))
    assert advice.advice == "Add training examples of 'c1', or leave such classes out with `--ignore-classes`."
    assert advice.reason == '1 class has no example in the training data, but 12.5% of the tested images'
    assert advice.gain == 12.5
    assert list(data.absent_from_training(Known(None, *reversed(pair)))) == []
    assert list(data.absent_from_training(Known(None, None, pair[1]))) == []


def test_absent_from_test():
    pair = (counted('training', [3, 1, 0, 4]), counted('tested', [5, 0, 0, 9]))
    advice = one(data.absent_from_test, Known(None, *pair))
    assert advice.reason == '1 class of 4 without a tested example' and "'c1'" in advice.advice
    assert list(data.absent_from_test(Known(None, *reversed(pair)))) == []


def test_uneven_split():
    even = Known(None, counted('training', [2, 98]), counted('tested', [9, 91]))
    assert list(data.uneven_split(even)) == []
    rare = Known(None, counted('training', [1, 999]), counted('tested', [4, 96]))  # 40 times, but 4%
    assert list(data.uneven_split(rare)) == []
    advice = one(data.uneven_split, Known(None, counted('training', [2, 98]), counted('tested', [10, 90])))
    assert advice.reason == "'c0' has 2.0% of the training images and 10.0% of the tested ones"


def test_no_weights():
    def known(images: int, pretrained):
        return Known(training=counted('training', [images]), run=RunFacts(pretrained=pretrained))

    assert list(data.no_weights(known(100_000, False))) == []
    assert list(data.no_weights(known(50, True))) == list(data.no_weights(known(50, None))) == []
    assert one(data.no_weights, known(99_999, False)).gain < one(data.no_weights, known(1_999, False)).gain


def test_few_images():
    assert list(data.few_images(Known(training=counted('training', [2_000])))) == []
    small = Known(training=counted('training', [60]), run=RunFacts(flags={'--recipe': 'small'}))
    assert list(data.few_images(small)) == []
    advice = one(data.few_images, Known(training=counted('training', [1_999])))
    assert advice.reason == '1,999 training images, with the settings for many' and '`--recipe small`' in advice.advice


def test_unlabeled_pixels():
    assert list(data.unlabeled_pixels(Known(training=counted('training', [9], 'pixels', unlabeled=19.9)))) == []
    advice = one(data.unlabeled_pixels, Known(training=counted('training', [9], 'pixels', unlabeled=20.0)))
    assert advice.reason == '20% of the training pixels have no class' and '`--label-zero class`' in advice.advice
    segments = one(data.unlabeled_pixels, Known(training=counted('training', [9], 'segments', unlabeled=20.0)))
    assert '--label-zero' not in segments.advice


def test_other_image_sizes():
    training = counted('training', [9], sizes=np.array([[100, 300], [120, 300], [500, 700]]))
    assert (
        list(data.other_image_sizes(Known(None, training, counted('tested', [9], sizes=np.array([[239, 500]]))))) == []
    )
    larger = counted('tested', [9], sizes=np.array([[500, 240]]))
    advice = one(data.other_image_sizes, Known(facts(unit='objects'), training, larger))
    assert '2.0 times larger' in advice.reason and '`--tile`' in advice.advice
    advice = one(data.other_image_sizes, Known(facts(), larger, training))
    assert '2.0 times smaller' in advice.reason and '--tile' not in advice.advice
