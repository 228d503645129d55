"""Uploads, against a fake of huggingface_hub's client: what it is asked, and how it may fail."""

import json
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalTokenNotFoundError, RepositoryNotFoundError

from convnext_dense.errors import UserError
from convnext_dense.export.hub.folder import CARD, CONFIG, PROCESSOR, VERSION_NAME, sign
from convnext_dense.export.hub.upload import check_login, upload

OURS = json.dumps({VERSION_NAME: '1'})


class Hub:
    """A hub with one repository, a folder, behind the methods of ``HfApi`` that are used."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.created: dict = {}
        self.error: Exception | None = None

    def create_repo(self, repo_id: str, *, private: bool | None, exist_ok: bool) -> str:
        if self.error is not None:
            raise self.error
        self.created = {'repo_id': repo_id, 'private': private}
        self.place.mkdir(exist_ok=exist_ok)
        return f'https://huggingface.co/{repo_id}'

    def file_exists(self, repo_id: str, name: str) -> bool:
        return (self.place / name).is_file()

    def hf_hub_download(self, repo_id: str, name: str) -> str:
        return str(self.place / name)

    def upload_folder(self, *, repo_id, folder_path, commit_message, allow_patterns, delete_patterns) -> None:
        for name in delete_patterns or ():
            (self.place / name).unlink(missing_ok=True)
        for name in allow_patterns:
            (self.place / name).write_bytes((Path(folder_path) / name).read_bytes())

    def texts(self) -> dict[str, str]:
        return {file.name: file.read_text() for file in self.place.iterdir()}


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Hub:
    hub = Hub(tmp_path / 'repository')
    monkeypatch.setattr(huggingface_hub, 'HfApi', lambda **_: hub)
    return hub


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / 'local').mkdir()
    for name, text in ((CONFIG, OURS), (CARD, sign('card')), ('model.safetensors', 'weights')):
        (tmp_path / 'local' / name).write_text(text)
    return tmp_path / 'local'


@pytest.mark.parametrize('private', [True, False])
def test_a_new_repository_gets_the_files(hub, folder, private):
    assert upload(folder, 'me/x', private, force=False) == ('https://huggingface.co/me/x', False)
    assert hub.texts() == {file.name: file.read_text() for file in folder.iterdir()}
    assert hub.created == {'repo_id': 'me/x', 'private': True if private else None}


def test_an_earlier_push_is_replaced_but_for_an_edited_card(hub, folder):
    hub.place.mkdir()
    for name, text in ((CONFIG, OURS), (PROCESSOR, '{}'), (CARD, 'my own'), ('model.safetensors', 'old'), ('a', 'a')):
        (hub.place / name).write_text(text)
    assert upload(folder, 'me/x', False, force=False)[1]
    assert hub.texts() == {CONFIG: OURS, CARD: 'my own', 'model.safetensors': 'weights', 'a': 'a'}
    assert not upload(folder, 'me/x', False, force=True)[1]
    assert hub.texts()[CARD] == sign('card')


def test_another_model_is_kept_unless_it_is_forced(hub, folder):
    hub.place.mkdir()
    (hub.place / CONFIG).write_text('{"model_type": "bert"}')
    with pytest.raises(UserError, match='hf:me/x has a model that was not pushed from here'):
        upload(folder, 'me/x', False, force=False)
    assert hub.texts() == {CONFIG: '{"model_type": "bert"}'}
    upload(folder, 'me/x', False, force=True)
    assert hub.texts()[CONFIG] == OURS


def of_status(status: int, kind: type = HfHubHTTPError) -> Exception:
    error = kind.__new__(kind)
    Exception.__init__(error, f'{status} of the server\n\nRequest ID: 1')
    error.response = SimpleNamespace(status_code=status)
    return error


@pytest.mark.parametrize(
    ('error', 'says'),
    [
        (LocalTokenNotFoundError(), 'no login.*hf auth login'),
        (of_status(401), 'the login is not valid.*hf auth login'),
        (of_status(403), 'no permission.*HF_TOKEN'),
        (of_status(404, RepositoryNotFoundError), 'there is no such user or organization'),
        (of_status(500), '500 of the server'),
        (HTTPError('[Errno -2] Name or service not known'), '.*Name or service not known.*push to a folder'),
        (ConnectionError('offline mode is enabled'), 'offline mode is enabled'),
        (ValueError('Repo id must be short'), 'Repo id must be short'),
    ],
)
def test_errors_are_explained_in_one_line(hub, folder, error, says):
    hub.error = error
    with pytest.raises(UserError, match=rf'hf:me/x cannot be written \({says}') as raised:
        upload(folder, 'me/x', False, force=False)
    assert '\n' not in str(raised.value)


def test_without_a_login_nothing_begins(monkeypatch):
    monkeypatch.setattr(huggingface_hub, 'get_token', lambda: None)
    with pytest.raises(UserError, match='no login at Hugging Face: log in with `hf auth login`'):
        check_login()
    monkeypatch.setattr(huggingface_hub, 'get_token', lambda: 'x')
    check_login()
