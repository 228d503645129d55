"""Columns of tables of images with their classes."""

import pytest

from convnext_dense.data.classification.tables import read_table
from convnext_dense.errors import UserError


def table(tmp_path, *lines: str, images: str = '', **options: str):
    file = tmp_path / 'train.csv'
    file.write_text('\n'.join(lines))
    return read_table(file, images.split().__contains__, **options)


def test_columns_are_told_by_their_names_or_by_the_images(tmp_path):
    assert table(tmp_path, 'ID,Label', 'a,x').columns == 'column ID names images, column Label their classes'
    found = table(tmp_path, 'x,a', 'y,b', images='a b')
    assert (found.names, found.labels, found.columns[:8]) == (['a', 'b'], ['x', 'y'], 'column 2')
    found = table(tmp_path, 'id,image_name,target', '7,a,x', '8,b,y', images='a b')
    assert (found.names, found.labels) == (['a', 'b'], ['x', 'y'])
    found = table(tmp_path, 'image,dataset,label', 'a,Train,x', 'b,VALID,y')
    assert found.splits == ['train', 'valid'] and found.labels == ['x', 'y']


def test_a_first_line_without_names_of_columns_is_an_image(tmp_path):
    assert table(tmp_path, 'lost,x', 'a,y', images='a').names == ['lost', 'a']
    assert table(tmp_path, 'label.jpg,image', 'a.jpg,x').names == ['label.jpg', 'a.jpg']


def test_blanks_separate_the_class_or_the_image(tmp_path):
    found = table(tmp_path, 'my cat.jpg 3', 'dog.jpg 4')
    assert (found.names, found.labels) == (['my cat.jpg', 'dog.jpg'], ['3', '4'])
    found = table(tmp_path, 'a.jpg golden retriever', 'b.jpg cat')
    assert (found.names, found.labels) == (['a.jpg', 'b.jpg'], ['golden retriever', 'cat'])
    assert table(tmp_path, 'x/my cat.jpg', 'y/dog.jpg').labels is None


def test_quotes_and_separators_in_cells(tmp_path):
    found = table(tmp_path, 'image,label', '"a,1.jpg","big, red"', 'b.jpg,blue')
    assert (found.names, found.labels) == (['a,1.jpg', 'b.jpg'], ['big, red', 'blue'])
    with pytest.raises(UserError, match='cannot be read as a table'):
        table(tmp_path, 'image,label', '"a.jpg,red', 'b.jpg,blue')
    with pytest.raises(UserError, match='has several classes for an image'):
        table(tmp_path, 'image,labels', '"a.jpg","big, red"', 'b.jpg,blue')
