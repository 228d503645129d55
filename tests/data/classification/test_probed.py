"""The labeled images of ``--probe``: which layouts there are, how they are split, and what is left out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convnext_dense.data.classification import probed
from convnext_dense.data.classification.probed import find_probed
from convnext_dense.errors import UserError


def write(root: Path, **counts: int) -> Path:
    """Class folders of so many images; ``train__cat`` is in ``train/``."""
    for name, count in counts.items():
        folder = root / name.replace('__', '/')
        folder.mkdir(parents=True)
        for number in range(count):
            Image.new('RGB', (8, 8)).save(folder / f'{number}.png')
    return root


def names_of(files, root: Path) -> set[str]:
    return {str(Path(path).relative_to(root)) for path in files.paths}


def test_a_fifth_of_each_class_without_splits_is_measured_on(tmp_path):
    root = write(tmp_path, cat=10, dog=20)
    found = find_probed(root)
    assert found.classes == ['cat', 'dog']
    assert np.bincount(found.train.labels).tolist() == [8, 16]
    assert np.bincount(found.val.labels).tolist() == [2, 4]
    train, val = names_of(found.train, root), names_of(found.val, root)
    assert not train & val and len(train | val) == 30
    assert find_probed(root).val.paths == found.val.paths
    for part in (found.train, found.val):
        assert [Path(path).parent.name for path in part.paths] == [found.classes[label] for label in part.labels]
    assert found.line == '24 labeled images to compare with and 6 to measure on, 2 classes'
    assert '20% of each class, by name, are measured on' in found.notes
    assert 'accuracies are coarse: each of the 6 images to measure on is 17 percentage points' in found.notes


def test_splits_stay_as_they_are(tmp_path):
    found = find_probed(write(tmp_path, train__cat=3, train__dog=4, val__cat=1, val__dog=5))
    assert np.bincount(found.train.labels).tolist() == [3, 4]
    assert np.bincount(found.val.labels).tolist() == [1, 5]
    assert not any('%' in note for note in found.notes)


def test_classes_with_one_image_are_left_out_and_the_others_numbered_anew(tmp_path):
    found = find_probed(write(tmp_path, ant=1, bee=10, cow=1, dog=10, elk=2))
    assert found.classes == ['bee', 'dog', 'elk']
    assert {Path(path).parent.name for path in [*found.train.paths, *found.val.paths]} == {'bee', 'dog', 'elk'}
    for part in (found.train, found.val):
        assert [Path(path).parent.name for path in part.paths] == [found.classes[label] for label in part.labels]
    assert 'left out: 2 classes with one image, ant, cow' in found.notes
    alone = 'too small to measure on, the class is only compared with: elk'
    assert (alone in found.notes) == (2 not in found.val.labels)


def test_a_class_of_a_split_that_is_only_compared_with_is_named(tmp_path):
    found = find_probed(write(tmp_path, train__cat=3, train__dog=4, train__eel=2, val__cat=1, val__dog=5))
    assert found.classes == ['cat', 'dog', 'eel']
    assert 'too small to measure on, the class is only compared with: eel' in found.notes


def test_of_many_images_a_spread_of_each_class_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(probed, 'MOST_OF_CLASS', {'train': 3, 'val': 2})
    monkeypatch.setattr(probed, 'MOST_IN_ALL', {'train': 9, 'val': 2})
    root = write(tmp_path, train__cat=9, train__dog=4, val__cat=5, val__dog=1)
    found = find_probed(root)
    assert names_of(found.train, root) == {f'train/cat/{n}.png' for n in (0, 2, 4, 6, 8)} | {
        f'train/dog/{n}.png' for n in range(4)
    }
    assert names_of(found.val, root) == {'val/cat/0.png', 'val/cat/4.png', 'val/dog/0.png'}
    for part in (found.train, found.val):
        assert [Path(path).parent.name for path in part.paths] == [found.classes[label] for label in part.labels]
    assert any(note.startswith('of 13 images to compare with and 6 to measure on a spread') for note in found.notes)


@pytest.mark.parametrize(
    ('counts', 'message'),
    [
        ({}, ': no labeled images there, which are a folder of images for each class, or train/ and val/ with such'),
        (dict(cat=10), ': 1 class with two images or more, and a probe tells two classes or more apart'),
        (dict(cat=10, dog=1), ': 1 class with two images or more, and a probe tells two classes or more apart'),
        (dict(cat=1, dog=1), ': no class with two images or more, and a probe tells two classes or more apart'),
        (
            dict(train__cat=2, train__dog=2, train__eel=0, val__eel=2),
            ': no image of these classes is left to measure on',
        ),
        (dict(train__cat=0, train__dog=0), ': no labeled images there'),
        (dict(train__cat=2, val__dog=2), ': .*dog is a class that .*train does not have'),
    ],
)
def test_folders_that_can_not_be_used(tmp_path, counts, message):
    with pytest.raises(UserError, match=rf'^--probe {tmp_path}{message}') as caught:
        find_probed(write(tmp_path, **counts))
    assert '\n' not in str(caught.value) and '--data' not in str(caught.value)
