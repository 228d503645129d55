"""Download weights, once, by URL or by a name of :mod:`.names`, in timm or on Hugging Face."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
import tempfile
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import Request, url2pathname, urlopen

from filelock import FileLock
from rich.progress import DownloadColumn, TransferSpeedColumn

from ..errors import UserError
from ..io.cache import cache_folder
from ..io.files import atomic_write
from ..io.progress import progress_bar
from ..paper import OFFICIAL_WEIGHTS
from .file_kind import SHARD_LIST, file_kind
from .names import DISTILLED, check_known, clip_repository, near_names
from .reader import read_shard_list

# Hosts whose file names end in the first eight digits of the file's SHA-256.
HASH_IN_NAME = ('download.pytorch.org', 'download.openmmlab.com')
OPEN_CLIP_FILES = ('open_clip_model.safetensors', 'open_clip_pytorch_model.bin')  # by its open_clip/constants.py
# Weights in a Hugging Face repository, the safer ones first: one file, or the list of several.
HUB_FILES = (
    *('model.safetensors', 'pytorch_model.bin'),
    *OPEN_CLIP_FILES,
    f'model.safetensors{SHARD_LIST}',
    f'pytorch_model.bin{SHARD_LIST}',
)
HUB_CONFIG = 'config.json'
OPEN_CLIP_CONFIG = 'open_clip_config.json'
HUB_PREPROCESSOR = 'preprocessor_config.json'  # transformers': how images are prepared
HUB_CARD = 'README.md'  # its first lines name the license
TIMEOUT = 30  # seconds without a response
CHUNK = 2**20  # bytes


def fetch_weights(source: str | Path) -> Path:
    """Return the path of a weights file, after downloading it to ``weights`` in the cache folder if necessary.

    Args:
        source: a path, which is returned unchanged unless it is of a folder with the files of a Hugging Face
            repository, whose weights are returned; a URL (http, https or file), which may end in ``#sha256=`` and the
            file's digest; a timm model, ``timm:convnext_tiny.fb_in1k``; a Hugging Face repository,
            ``hf:facebook/convnext-tiny-224``; OpenCLIP's ``clip:convnext_base_w.laion2b_s13b_b82k``; torchvision's
            ``torchvision:convnext_tiny``; a short name of DINOv3 or EUPE, ``dinov3_tiny``; or an official name,
            ``convnext_tiny_1k_224``.

    Raises:
        UserError: if the download fails (the message names the path for a manual download), or if the file's digest
            differs.
    """
    name = str(source)
    folder = cache_folder() / 'weights'
    if name in OFFICIAL_WEIGHTS:
        url = OFFICIAL_WEIGHTS[name]
        return _download(url, folder / Path(url).name, f'the official weights {name}')
    scheme, _, rest = name.partition(':')
    if scheme in ('http', 'https', 'file') and rest.startswith('//'):
        return _fetch_url(name, folder)
    if scheme == 'timm':
        return _fetch_from_hub(_timm_repository(rest), folder, name)
    if scheme == 'hf':
        return _fetch_from_hub(rest, folder, name)
    if name in DISTILLED:
        return _fetch_from_hub(f'timm/{DISTILLED[name]}', folder, name)
    if scheme == 'clip':
        return _fetch_from_hub(clip_repository(rest), folder, name)
    if scheme == 'torchvision':
        check_known(name)
        return _fetch_url(_torchvision_url(rest), folder)
    if '://' in name:
        raise UserError(f'no weights at {name}: take a path, a URL of https, timm:NAME, hf:REPO or an official name')
    near = near_names(name)
    if near and not Path(source).exists():
        raise UserError(f'no file and no weights at {source}: did you mean {" or ".join(near)}?')
    return _cached_weights(Path(source)) or Path(source)


def _fetch_url(source: str, folder: Path) -> Path:
    url, _, fragment = source.partition('#')
    parts = urlsplit(url)
    digest = fragment.removeprefix('sha256=').lower() or None
    if fragment and not re.fullmatch(r'sha256=[0-9a-fA-F]{64}', fragment):
        raise UserError(f'{source}: what follows # must be sha256= and the 64 digits of the digest')
    if parts.scheme == 'file':
        path = Path(url2pathname(parts.path))
        return _check_digest(path, digest) if path.is_file() else path
    name = Path(unquote(parts.path)).name
    if not name:
        raise UserError(f'{source} names no file')
    if parts.hostname in HASH_IN_NAME and digest is None:
        in_name = re.search(r'-([0-9a-f]{8})\.\w+$', name)
        digest = in_name[1] if in_name else None
    return _download(url, folder / _file_of_url(url), f'the weights {name}', digest)


def _file_of_url(url: str) -> str:
    key = hashlib.sha256(url.encode()).hexdigest()[:8]  # keeps files of the same name from other hosts apart
    return f'{key}-{Path(unquote(urlsplit(url).path)).name}'


def cached_file(url: str, repository: str) -> Path | None:
    """Return the file of published weights in the cache folder, if they are there.

    Args:
        url: its address, or empty for those of a repository.
        repository: the Hugging Face repository, or empty.
    """
    folder = cache_folder() / 'weights'
    if repository:
        return _cached_weights(_folder_of(repository, folder))
    name = Path(url).name if url in OFFICIAL_WEIGHTS.values() else _file_of_url(url)
    return folder / name if (folder / name).is_file() else None


def _folder_of(repository: str, folder: Path) -> Path:
    return folder / repository.replace('/', '--')


def _download(url: str, file: Path, description: str, digest: str | None = None) -> Path:
    """Download a file by HTTP, atomically.

    Args:
        url: the file's URL.
        file: the destination; nothing is downloaded if it exists.
        description: name of the file in error messages.
        digest: the file's SHA-256 or its first digits, or None if unknown.
    """
    if not file.is_file():
        with _explain_errors(f'{description} cannot be downloaded from {url}', file):
            file.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f'{file}.lock'):  # only one of several processes downloads
                if not file.is_file():
                    with atomic_write(file) as temporary:
                        _transfer(url, temporary)
                        _check_digest(temporary, digest, 'the download')
        return file
    return _check_digest(file, digest)


def _transfer(url: str, file: Path) -> None:
    start, size = b'', 0
    request = Request(url, headers={'User-Agent': 'convnext_dense'})
    with (
        urlopen(request, timeout=TIMEOUT) as response,
        open(file, 'wb') as out,
        progress_bar(DownloadColumn(), TransferSpeedColumn()) as bar,
    ):
        length = int(response.headers.get('Content-Length') or 0)
        task = bar.add_task(Path(url).name, total=length or None)
        while chunk := response.read(CHUNK):
            out.write(chunk)
            start, size = start or chunk[:64], size + len(chunk)
            bar.advance(task, len(chunk))
    if length and size != length:
        raise OSError(f'the transfer broke off after {size} of {length} bytes')
    kind = file_kind(start)
    if kind in ('empty', 'web page', 'unknown'):
        raise OSError({'empty': 'it is empty', 'unknown': 'it is not a checkpoint'}.get(kind, f'it is a {kind}'))


def _check_digest(file: Path, digest: str | None, name: str = '') -> Path:
    """Return the file if its SHA-256 begins with ``digest``.

    Raises:
        UserError: if it does not.
        OSError: instead of UserError if ``name``, the file's name in the message, is given.
    """
    if digest is None:
        return file
    actual = hashlib.sha256()
    with open(file, 'rb') as content:
        while chunk := content.read(CHUNK):
            actual.update(chunk)
    if actual.hexdigest().startswith(digest):
        return file
    message = f'{name or file} is not the expected file: its SHA-256 is {actual.hexdigest()}, not {digest}'
    raise OSError(message) if name else UserError(f'{message}; delete it')


def _torchvision_url(name: str) -> str:
    from torchvision.models import get_model_weights  # here, because it imports torch

    return get_model_weights(name).DEFAULT.url


def _timm_repository(name: str) -> str:
    """Return the Hugging Face repository with the weights of a timm model."""
    import timm  # here, because it takes seconds to import

    known = timm.models.get_pretrained_cfg(name) if timm.models.is_model(name) else None
    if known is None or not known.hf_hub_id or not timm.models.is_model_in_modules(name.split('.')[0], ['convnext']):
        names = timm.list_models('convnext*', pretrained=True)
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5) or names[:3]
        raise UserError(f'timm has no ConvNeXt weights named {name}: did you mean {" or ".join(near)}?')
    return known.hf_hub_id


def _fetch_from_hub(repository: str, folder: Path, source: str) -> Path:
    """Download the weights of a Hugging Face repository, and the files that describe network, images and license."""
    folder = _folder_of(repository, folder)
    if (file := _cached_weights(folder)) is None:
        with _explain_errors(
            f'{source} cannot be downloaded',
            folder / HUB_FILES[0],
            f', with the other files of {repository} beside it',
        ):
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / '.lock'):
                if (file := _cached_weights(folder)) is None:
                    file = _download_from_hub(repository, folder)
    return file


def _cached_weights(folder: Path) -> Path | None:
    return next((folder / name for name in HUB_FILES if (folder / name).is_file()), None)


def _download_from_hub(repository: str, folder: Path) -> Path:
    import huggingface_hub as hub
    from huggingface_hub.errors import HTTPError as HubError  # the HTTP library's
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        files = {file.rfilename: file for file in hub.model_info(repository, files_metadata=True).siblings or []}
        wanted = next((name for name in HUB_FILES if name in files), None)
        if wanted is None:
            raise OSError(f'the repository has no {" and no ".join(HUB_FILES)}')
        with tempfile.TemporaryDirectory(dir=folder) as temporary:

            def download(name: str) -> Path:
                file = Path(hub.hf_hub_download(repository, name, local_dir=temporary))
                lfs = files[name].lfs
                return _check_digest(file, lfs.sha256 if lfs else None, 'the download')

            names = [name for name in (HUB_CARD, HUB_CONFIG, HUB_PREPROCESSOR, OPEN_CLIP_CONFIG) if name in files]
            if wanted.endswith(SHARD_LIST):
                names += read_shard_list(download(wanted))
            if absent := [name for name in names if name not in files]:
                raise OSError(f'the repository has no {" and no ".join(absent)}')
            for name in (*names, wanted):  # this one last: its presence marks a complete download
                os.replace(download(name), folder / name)
    except RepositoryNotFoundError:
        raise OSError('there is no such repository, or it requires a login') from None
    except HubError as error:
        raise OSError(str(error)) from None
    return folder / wanted


class _explain_errors:
    """Context that converts download errors to a UserError of one line with the path for a manual download."""

    def __init__(self, message: str, file: Path, beside: str = '') -> None:
        self.message = message
        self.place = f'{file}{beside}'

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        # huggingface_hub raises ValueError for an impossible name
        if not isinstance(error, OSError | HTTPException | ValueError) or isinstance(error, UserError):
            return
        if isinstance(error, URLError) and not isinstance(error, HTTPError):
            reason = str(error.reason)
        else:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            reason = lines[0] if lines else type(error).__name__
        raise UserError(f'{self.message} ({reason}): put the file at {self.place}, or take other weights') from None
