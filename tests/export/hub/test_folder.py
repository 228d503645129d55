"""Putting the files of a model in place."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convnext_dense.errors import UserError
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


@pytest.mark.parametrize('done', range(4))
def test_a_push_that_is_killed_loses_nothing_of_the_user(tmp_path, done, monkeypatch):
    """After so many replaced files, by an end that removes nothing, and a next push over what is left."""
    write(tmp_path, **{PROCESSOR: 'old', 'model.safetensors': 'old'})
    own = {CARD: 'edited', 'notes.txt': 'mine'}
    for name, text in own.items():
        (tmp_path / name).write_text(text)
    code = (
        'import os, sys, pathlib\n'
        'from convnext_dense.export.hub import folder\n'
        'replace, calls = os.replace, []\n'
        'def replace_or_die(*arguments):\n'
        f'    if len(calls) == {done}: os._exit(9)\n'
        '    calls.append(replace(*arguments))\n'
        'folder.os.replace = replace_or_die\n'
        'with folder.pushed_folder(pathlib.Path(sys.argv[1]), False) as new:\n'
        '    for name in folder.FILES: (new / name).write_text("new")\n'
    )
    ended = subprocess.run([sys.executable, '-c', code, tmp_path])
    assert ended.returncode == (9 if done < 3 else 0)
    texts = {name: (tmp_path / name).read_text() for name in (CONFIG, PROCESSOR, 'model.safetensors')}
    assert list(texts.values()).count('new') == done and (texts[CONFIG] == 'new') == (done == 3)
    assert all((tmp_path / name).read_text() == text for name, text in own.items())
    write(tmp_path, force=done == 3, **{'model.safetensors': 'newer'})
    assert [name for name in names(tmp_path) if name != 'notes.txt'] == [CARD, CONFIG, 'model.safetensors']
    assert (tmp_path / 'notes.txt').read_text() == 'mine'


@pytest.mark.parametrize('is_empty', [True, False])
def test_the_current_folder_stays_one(tmp_path, monkeypatch, is_empty):
    monkeypatch.chdir(tmp_path)
    if not is_empty:
        write(tmp_path)
    folder = os.stat('.').st_ino
    write(Path('.'))
    assert os.stat(tmp_path).st_ino == folder and os.getcwd() == str(tmp_path)
    assert names(tmp_path) == [CARD, CONFIG]
