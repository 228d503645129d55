import pytest

from convnext_dense.errors import UserError
from convnext_dense.io.band_choice import (
    BandInput,
    as_bands,
    check_exist,
    choose_rgb,
    parse_bands,
    parse_three,
    three_bands,
)


def test_parsing():
    assert parse_bands('4,3,2') == (4, 3, 2)
    assert parse_bands(' 8, 1') == (8, 1)
    assert parse_bands('all') == 'all'
    assert parse_three('4,3,2') == (4, 3, 2)
    assert as_bands([4, 3]) == (4, 3)
    assert as_bands(2) == (2,)
    assert as_bands('1,2') == (1, 2)
    assert as_bands(None) is None


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('0,1', 'bands 0,1: they are counted from 1'),
        ('1,1', 'bands 1,1: band 1 is named twice: name each once'),
        ('red', "bands 'red': give their numbers from 1 with commas between them, such as 4,3,2, or all"),
        ('', "bands '': give their numbers"),
        ('1.5', "bands '1.5': give their numbers"),
    ],
)
def test_bad_texts(text, message):
    with pytest.raises(UserError) as error:
        parse_bands(text)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize('setting', [True, 1.5, {'a': 1}, [1, '2'], [True]])
def test_bad_settings(setting):
    with pytest.raises(UserError, match=r'give their numbers from 1, such as'):
        as_bands(setting)


@pytest.mark.parametrize(
    ('text', 'message'), [('1,2', '1,2: give the numbers of three'), ('0,1,2', 'band 0 does not')]
)
def test_three(text, message):
    with pytest.raises(UserError, match=message):
        three_bands(text)


def test_red_green_and_blue():
    assert choose_rgb((4, 3, 2)) == (4, 3, 2)
    assert choose_rgb((1, 2, 3, 4, 5, 6)) == (1, 2, 3)
    assert choose_rgb((8, 4, 3, 2), (4, 3, 2)) == (4, 3, 2)
    assert choose_rgb((1, 2)) == ()
    assert BandInput((8, 4, 3, 2), (4, 3, 2)).rgb_channels == (1, 2, 3)
    with pytest.raises(UserError, match=r'--rgb-bands 4,3,1: band 1 is not among the bands 8,4,3,2'):
        choose_rgb((8, 4, 3, 2), (4, 3, 1))
    with pytest.raises(UserError, match=r'--rgb-bands 4,4,3: name three different bands'):
        choose_rgb((8, 4, 3, 2), (4, 4, 3))


def test_bands_that_do_not_exist():
    assert check_exist('all', 4, 'it has') == (1, 2, 3, 4)
    assert check_exist((4, 1), 4, 'it has') == (4, 1)
    with pytest.raises(UserError, match=r'^--bands 7,1: there is no band 7, since the images have bands 1 to 6$'):
        check_exist((7, 1), 6, 'the images have')
    with pytest.raises(UserError, match=r'there is no band 2, since it has band 1 alone'):
        check_exist((2,), 1, 'it has')


def test_text_and_plain_values():
    bands = BandInput((4, 3), (), 6, 'uint16')
    assert str(bands) == 'bands 4,3 of 6 (uint16)'
    assert bands.as_plain() == {'bands': [4, 3], 'stored': 6, 'dtype': 'uint16'}
    assert bands.shown == (4, 4, 4)
    assert str(BandInput((1,))) == 'band 1'
