"""Uploading a folder to a repository on Hugging Face."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import UserError
from .folder import CARD, CONFIG, FILES, is_edited, is_ours

if TYPE_CHECKING:
    from huggingface_hub import HfApi

LOGIN = 'log in with `hf auth login`, or set HF_TOKEN to a token that may write'


def check_login() -> None:
    """Raise a UserError if there is no token; nothing is asked over the network."""
    import huggingface_hub

    if huggingface_hub.get_token() is None:
        raise UserError(f'no login at Hugging Face: {LOGIN}')


def upload(folder: Path, repository: str, private: bool, force: bool) -> tuple[str, bool]:
    """Upload the files of a model in one commit, to a repository that is created if there is none.

    A model card there that somebody has edited stays, unless ``force``.

    Args:
        folder: the files.
        repository: ``USER/REPO``.
        private: whether a new repository is private.
        force: replace a model that was not pushed by this package.

    Returns:
        The address of the repository, and whether its card was kept.

    Raises:
        UserError: if the repository has another model, or the upload fails.
    """
    from huggingface_hub import HfApi

    from ...version import __version__

    api = HfApi(library_name='convnext_dense', library_version=__version__)
    with _explained_errors(repository):
        url = str(api.create_repo(repository, private=private or None, exist_ok=True))
        config = _remote_text(api, repository, CONFIG)
        if config is not None and not is_ours(config) and not force:
            raise UserError(
                f'hf:{repository} has a model that was not pushed from here: name another repository, or replace '
                'its model with --force'
            )
        card = _remote_text(api, repository, CARD)
        keeps_card = card is not None and is_edited(card) and not force
        files = [name for name in FILES if (folder / name).is_file()]
        api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            commit_message='Push by convnext_dense',
            allow_patterns=[name for name in files if not (keeps_card and name == CARD)],
            delete_patterns=[name for name in FILES if name not in files] or None,
        )
    return url, keeps_card


def _remote_text(api: HfApi, repository: str, name: str) -> str | None:
    """Return the text of a file in a repository, None if there is none."""
    if not api.file_exists(repository, name):
        return None
    return Path(api.hf_hub_download(repository, name)).read_text(encoding='utf-8')


@contextmanager
def _explained_errors(repository: str) -> Iterator[None]:
    """Context that turns errors of the upload into a UserError of one line."""
    from huggingface_hub.errors import HTTPError as HubError  # the HTTP library's
    from huggingface_hub.errors import LocalTokenNotFoundError

    try:
        yield
    except UserError:
        raise
    except LocalTokenNotFoundError:
        raise UserError(f'hf:{repository} cannot be written (no login): {LOGIN}') from None
    except (HubError, OSError, ValueError) as error:  # ValueError for an impossible name
        status = getattr(getattr(error, 'response', None), 'status_code', None)
        reasons = {401: 'the login is not valid', 403: 'no permission', 404: 'there is no such user or organization'}
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = reasons.get(status or 0) or (lines[0] if lines else type(error).__name__)
        fix = LOGIN if status in (401, 403) else 'push to a folder, and upload that later'
        raise UserError(f'hf:{repository} cannot be written ({reason}): {fix}') from None
