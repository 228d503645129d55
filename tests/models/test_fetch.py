"""Official weights by name, from a local stand-in for their host."""

import pytest
import torch

from convnext_dense.errors import UserError
from convnext_dense.models import fetch
from convnext_dense.models.fetch import locate

NAME = 'convnext_tiny_1k_224'


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A folder that stands in for the host, and an empty cache."""
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))
    folder = tmp_path / 'host'
    folder.mkdir()
    urls = {NAME: (folder / f'{NAME}.pth').as_uri()}
    monkeypatch.setattr(fetch, 'OFFICIAL_WEIGHTS', urls)
    return folder


def test_a_name_is_downloaded_once(host, tmp_path):
    torch.save({'w': torch.ones(3)}, host / f'{NAME}.pth')
    file = locate(NAME)
    assert file == tmp_path / 'cache' / 'weights' / f'{NAME}.pth'
    assert torch.load(file)['w'].tolist() == [1, 1, 1]
    (host / f'{NAME}.pth').unlink()
    assert locate(NAME) == file  # the host is not asked again


def test_without_a_network_it_says_where_the_file_may_be_put(host, tmp_path):
    place = tmp_path / 'cache' / 'weights' / f'{NAME}.pth'
    with pytest.raises(UserError, match='put the file at') as error:
        locate(NAME)
    assert str(place) in str(error.value)
    assert '\n' not in str(error.value)
    assert not place.exists()
    place.write_bytes(b'put there by hand')
    assert locate(NAME) == place


def test_a_path_is_a_path_and_a_misspelt_name_is_corrected(host, tmp_path):
    assert locate(tmp_path / 'w.pth') == tmp_path / 'w.pth'
    with pytest.raises(UserError, match='did you mean convnext_tiny_1k_224'):
        locate('convnext_tiny_1k_244')
