"""Putting the files of a model in place."""

import os
from pathlib import Path

import pytest

from convnext_dense.errors import UserError
from convnext_dense.export.hub import folder as hub_folder
from convnext_dense.export.hub.folder import CARD, CONFIG, PROCESSOR, VERSION_NAME, is_edited, pushed_folder, sign


def write(folder: Path, force: bool = False, card: str = 'a card', **more: str) -> None:
    with pushed_folder(folder, force) as temporary:
        (temporary / CONFIG).write_text(f'{{"{VERSION_NAME}": "1"}}')
        (temporary / CARD).write_text(sign(card))
        for name, text in more.items():
            (temporary / name).write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_an_earlier_push_is_replaced_and_what_is_beside_it_stays(tmp_path):
    out = tmp_path / 'out'
    write(out, **{PROCESSOR: '{}', 'model.safetensors': 'old'})
    (out / '.git').mkdir()
    (out / '.git' / 'HEAD').write_text('main')
    (out / 'photo.jpg').write_bytes(b'x')
    write(out, card='a new card', **{'model.safetensors': 'new'})
    assert names(out) == ['.git', CARD, CONFIG, 'model.safetensors', 'photo.jpg']  # no PROCESSOR of the earlier one
    assert (out / 'model.safetensors').read_text() == 'new' and (out / '.git' / 'HEAD').read_text() == 'main'
    assert (out / CARD).read_text() == sign('a new card')
    assert names(tmp_path) == ['out']


def test_an_edited_card_stays_unless_it_is_forced(tmp_path):
    write(tmp_path / 'out')
    card = tmp_path / 'out' / CARD
    card.write_text(card.read_text().replace('a card', 'my card'))
    assert is_edited(card.read_text()) and not is_edited(sign('a card'))
    write(tmp_path / 'out', card='b')
    assert 'my card' in card.read_text()
    write(tmp_path / 'out', force=True, card='b')
    assert card.read_text() == sign('b')


@pytest.mark.parametrize('config', [None, '{"model_type": "convnext"}', 'no JSON'])
def test_another_folder_is_refused_and_forced_without_a_loss(tmp_path, config):
    (tmp_path / 'work.txt').write_text('mine')
    if config is not None:
        (tmp_path / CONFIG).write_text(config)
    with pytest.raises(UserError, match=r'is not empty, and no earlier push: .* with --force$'):
        write(tmp_path)
    write(tmp_path, force=True)
    assert (tmp_path / 'work.txt').read_text() == 'mine' and names(tmp_path) == [CARD, CONFIG, 'work.txt']
    with pytest.raises(UserError, match='is a file: name a folder'):
        write(tmp_path / 'work.txt', force=True)


@pytest.mark.parametrize('error', [KeyboardInterrupt, OSError(28, 'No space left on device')])
def test_an_error_leaves_the_old_files_and_nothing_else(tmp_path, error):
    write(tmp_path / 'out', **{'model.safetensors': 'old'})
    with pytest.raises((KeyboardInterrupt, OSError)), pushed_folder(tmp_path / 'out', False) as temporary:
        (temporary / 'model.safetensors').write_text('half')
        raise error
    assert (tmp_path / 'out' / 'model.safetensors').read_text() == 'old'
    with pytest.raises(KeyboardInterrupt), pushed_folder(tmp_path / 'new', False):
        raise KeyboardInterrupt
    assert names(tmp_path) == ['out']


def test_a_disk_without_links_gets_copies(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError

    write(tmp_path / 'out')
    (tmp_path / 'out' / 'a.txt').write_text('a')
    monkeypatch.setattr(hub_folder.os, 'link', refuse)
    write(tmp_path / 'out')
    assert (tmp_path / 'out' / 'a.txt').read_text() == 'a'
