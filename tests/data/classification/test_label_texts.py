"""Texts that are no classes: measures, and several labels in one."""

import logging

import pytest
from mmengine.logging import MMLogger

from convnext_dense.data.check import NOTE, WARNING
from convnext_dense.data.classification.check import read_image_folder
from convnext_dense.data.classification.dataset import ImageFolder
from convnext_dense.data.classification.label_texts import check_whole_numbers, describe_recurring_words
from convnext_dense.data.classification.tables import read_table
from convnext_dense.errors import UserError
from tests.helpers.layouts import touch


@pytest.mark.parametrize(
    'labels', [['0.0', '1.37', '2.74'], ['31', '31.5'], ['-0.5', '1'], ['1e-3', '2'], ['0,5', '1'], ['.5', '2.']]
)
def test_numbers_with_fractions_are_measures(labels):
    with pytest.raises(UserError, match=r'a\.csv: column age holds numbers with fractions .*--label-column'):
        check_whole_numbers('a.csv: column age', labels)


@pytest.mark.parametrize(
    'labels', [['0.0', '1.0'], ['1', '2'], ['v1.5', '1.5'], ['a', '0.5'], ['-1', '+1'], ['', 'x']]
)
def test_whole_numbers_and_names_are_none(labels):
    check_whole_numbers('a.csv: column age', labels)


def test_a_column_that_is_named_is_taken(tmp_path):
    file = tmp_path / 'train.csv'
    file.write_text('image,cdr\na,0\nb,0.5\nc,0.5\n')
    with pytest.raises(UserError, match='column cdr holds numbers with fractions'):
        read_table(file, lambda name: False)
    assert read_table(file, lambda name: False, 'cdr').labels == ['0', '0.5', '0.5']


@pytest.mark.parametrize(
    ('labels', 'is_plural'),
    [
        (['clear primary', 'haze', 'clear water road'], True),
        (['clear primary', 'clear', 'primary haze', 'haze', 'clear haze primary'], False),
        (['a b', 'a', 'b', 'b c', 'c a', 'c'], False),
    ],
)
def test_words_that_recur_in_combinations_are_seen(labels, is_plural):
    assert 'recur' in describe_recurring_words(labels, is_plural)
    assert describe_recurring_words([label.replace(' ', '_') for label in labels], is_plural) == ''


@pytest.mark.parametrize(
    ('labels', 'is_plural'),
    [
        (['golden retriever', 'flat coated retriever', 'beagle', 'border collie', 'rough collie'], False),
        (['red apple', 'green apple', 'red pear', 'green pear'], False),
        (['cat', 'dog', 'sea lion'], True),
        (['polar bear', 'black bear', 'bear'], False),
    ],
)
def test_names_of_several_words_are_none(labels, is_plural):
    assert describe_recurring_words(labels, is_plural) == ''


def test_training_and_check_warn_of_them(tmp_path, caplog):
    touch(tmp_path, 'images/a.jpg', 'images/b.jpg', 'images/c.jpg')
    (tmp_path / 'train.csv').write_text('image,tags\na.jpg,clear primary\nb.jpg,haze\nc.jpg,clear water road\n')
    source = {'root': str(tmp_path), 'split': 'train'}
    findings = read_image_folder({'train': source}).findings
    (warned,) = [finding.message for finding in findings if finding.level == WARNING]
    assert 'column tags looks like several labels for an image, since clear recur' in warned
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    ImageFolder(**source, transform={'input_size': 32})
    logger.removeHandler(caplog.handler)
    levels = {record.message: record.levelno for record in caplog.records}
    assert levels[warned] == logging.WARNING
    (note,) = [finding.message for finding in findings if finding.level == NOTE]
    assert levels[note] == logging.INFO
