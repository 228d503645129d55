"""Weights from servers, which a server on this machine stands for."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import timm
import torch
from huggingface_hub.errors import LocalEntryNotFoundError

from convnext_dense.errors import UserError
from convnext_dense.weights import fetch
from convnext_dense.weights.fetch import cached_file, fetch_weights

NAME = 'convnext_tiny_1k_224'


class Server(ThreadingHTTPServer):
    """Serves ``files``, by path; of those in ``cut`` only half, under the whole length."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.cut: set[str] = set()
        self.asked: list[str] = []
        super().__init__(('127.0.0.1', 0), Handler)
        self.url = f'http://127.0.0.1:{self.server_port}'


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if self.path in self.server.cut else content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv('CONVNEXT_DENSE_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache' / 'weights'


@pytest.fixture
def server(cache, monkeypatch, tmp_path):
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        torch.save({'w': torch.ones(300)}, tmp_path / 'w.pth')
        server.files['/w.pth'] = (tmp_path / 'w.pth').read_bytes()
        yield server
        server.shutdown()


def weights_in(cache: Path) -> list[str]:
    return [p.name for p in cache.rglob('*') if p.is_file() and not p.name.endswith('.lock')]


def fails(source: str, said: str) -> str:
    with pytest.raises(UserError, match=said) as error:
        fetch_weights(source)
    assert '\n' not in str(error.value)
    return str(error.value)


def test_an_official_name_is_downloaded_once(server, cache, monkeypatch):
    monkeypatch.setattr(fetch, 'OFFICIAL_WEIGHTS', {NAME: f'{server.url}/w.pth'})
    file = fetch_weights(NAME)
    assert file == cache / 'w.pth'
    assert torch.load(file)['w'].sum() == 300
    assert fetch_weights(NAME) == file
    assert server.asked == ['/w.pth']


def test_a_url_is_downloaded_once_and_apart_from_its_namesakes(server, cache):
    server.files['/other/w.pth'] = server.files['/w.pth']
    file = fetch_weights(f'{server.url}/w.pth')
    assert file.read_bytes() == server.files['/w.pth']
    assert fetch_weights(f'{server.url}/w.pth') == file
    assert fetch_weights(f'{server.url}/other/w.pth') != file
    assert server.asked == ['/w.pth', '/other/w.pth']


def test_without_a_network_it_says_where_the_file_may_be_put(server, cache, monkeypatch):
    server.server_close()
    server.shutdown()
    monkeypatch.setattr(fetch, 'OFFICIAL_WEIGHTS', {NAME: f'{server.url}/{NAME}.pth'})
    place = cache / f'{NAME}.pth'
    assert str(place) in fails(NAME, 'cannot be downloaded from .* put the file at')
    assert weights_in(cache) == []
    place.write_bytes(b'put there by hand')
    assert fetch_weights(NAME) == place


@pytest.mark.parametrize('bad', ['cut off', 'absent', 'a web page', 'empty', 'something else'])
def test_what_goes_wrong_leaves_no_file_and_can_be_tried_again(server, cache, bad):
    good, path = server.files['/w.pth'], '/w.pth'
    said = {
        'cut off': rf'broke off after \d+ of {len(good)} bytes',
        'absent': 'HTTP Error 404',
        'a web page': 'it is a web page',
        'empty': 'it is empty',
        'something else': 'it is not a checkpoint',
    }[bad]
    if bad == 'cut off':
        server.cut.add(path)
    elif bad == 'absent':
        del server.files[path]
    else:
        other = {
            'a web page': b'<!DOCTYPE html><html>log in</html>',
            'empty': b'',
            'something else': b'key = value' * 9,
        }
        server.files[path] = other[bad]
    fails(server.url + path, said)
    assert weights_in(cache) == []
    server.cut.clear()
    server.files[path] = good
    assert fetch_weights(server.url + path).read_bytes() == good


def test_a_digest_is_checked_after_the_download_and_at_each_use(server, cache):
    digest = hashlib.sha256(server.files['/w.pth']).hexdigest()
    fails(f'{server.url}/w.pth#sha256={"0" * 64}', f'its SHA-256 is {digest}, not 0000.*put the file at')
    assert weights_in(cache) == []
    fails(f'{server.url}/w.pth#sha256=12', '64 digits')
    file = fetch_weights(f'{server.url}/w.pth#sha256={digest.upper()}')
    file.write_bytes(b'changed')
    fails(f'{server.url}/w.pth#sha256={digest}', f'{file} is not the expected file.*delete it')


def test_some_hosts_have_digests_in_their_file_names(server, cache, monkeypatch):
    monkeypatch.setattr(fetch, 'HASH_IN_NAME', ('127.0.0.1',))
    digest = hashlib.sha256(server.files['/w.pth']).hexdigest()
    for part in (digest[:8], '01234567'):
        server.files[f'/convnext_20220301-{part}.pth'] = server.files['/w.pth']
    assert fetch_weights(f'{server.url}/convnext_20220301-{digest[:8]}.pth').is_file()
    fails(f'{server.url}/convnext_20220301-01234567.pth', 'not 01234567')


def test_a_file_url_is_the_file_itself(tmp_path, cache):
    path = tmp_path / 'a b.pth'
    path.write_bytes(b'x')
    assert fetch_weights(path.as_uri()) == path
    fails(f'{path.as_uri()}#sha256={"0" * 64}', 'is not the expected file')


def test_a_path_is_a_path_and_a_misspelt_name_is_corrected(tmp_path):
    assert fetch_weights(tmp_path / 'w.pth') == tmp_path / 'w.pth'
    fails('convnext_tiny_1k_244', 'did you mean convnext_tiny_1k_224')
    fails('open-mmlab://resnet50', 'take a path, a URL')


@pytest.fixture
def hub(cache, monkeypatch):
    """Repositories of Hugging Face's: name to files."""
    repositories: dict[str, dict[str, bytes]] = {}
    digests: dict[str, str] = {}

    def model_info(repository: str, files_metadata: bool) -> SimpleNamespace:
        if repository not in repositories:
            raise LocalEntryNotFoundError('Cannot reach the hub\n\nmore lines')
        files = [
            SimpleNamespace(
                rfilename=name,
                lfs=SimpleNamespace(sha256=digests.get(name, hashlib.sha256(content).hexdigest()))
                if not name.endswith('.json')
                else None,
            )
            for name, content in repositories[repository].items()
        ]
        return SimpleNamespace(siblings=files)

    def download(repository: str, name: str, local_dir: str) -> str:
        path = Path(local_dir, name)
        path.write_bytes(repositories[repository][name])
        return str(path)

    monkeypatch.setattr(huggingface_hub, 'model_info', model_info)
    monkeypatch.setattr(huggingface_hub, 'hf_hub_download', download)
    return SimpleNamespace(repositories=repositories, digests=digests)


def test_a_repository_of_hugging_face_comes_with_its_config(hub, cache):
    files = {'model.safetensors': b'weights', 'config.json': b'{}', 'pytorch_model.bin': b'old', 'README.md': b''}
    files['preprocessor_config.json'] = b'{}'
    hub.repositories['facebook/convnext-tiny-224'] = files
    file = fetch_weights('hf:facebook/convnext-tiny-224')
    assert file == cache / 'facebook--convnext-tiny-224' / 'model.safetensors'
    assert file.read_bytes() == b'weights'
    assert sorted(weights_in(cache)) == ['README.md', 'config.json', 'model.safetensors', 'preprocessor_config.json']
    hub.repositories.clear()
    assert fetch_weights('hf:facebook/convnext-tiny-224') == file


def test_an_older_repository_has_a_pickle_and_a_digest_that_is_checked(hub, cache):
    hub.repositories['a/b'] = {'pytorch_model.bin': b'weights'}
    hub.digests['pytorch_model.bin'] = '0' * 64
    fails('hf:a/b', 'not 0000')
    assert weights_in(cache) == []
    hub.digests.clear()
    assert fetch_weights('hf:a/b').name == 'pytorch_model.bin'


def test_a_repository_of_open_clip_comes_with_its_config(hub, cache):
    files = {
        'open_clip_config.json': b'{}',
        'open_clip_pytorch_model.bin': b'old',
        'open_clip_model.safetensors': b'w',
    }
    hub.repositories['laion/CLIP-convnext_base_w'] = files
    file = fetch_weights('hf:laion/CLIP-convnext_base_w')
    assert (file.name, file.read_bytes()) == ('open_clip_model.safetensors', b'w')
    assert sorted(weights_in(cache)) == ['open_clip_config.json', 'open_clip_model.safetensors']
    del files['open_clip_model.safetensors']
    hub.repositories['laion/older'] = files
    assert fetch_weights('hf:laion/older').read_bytes() == b'old'


def test_weights_that_are_split_into_files_are_all_downloaded(hub, cache):
    names = [f'model-0000{n}-of-00002.safetensors' for n in (1, 2)]
    index = json.dumps({'weight_map': {'a': names[0], 'b': names[1], 'c': names[1]}}).encode()
    hub.repositories['a/b'] = {'model.safetensors.index.json': index, names[0]: b'1', names[1]: b'2', 'other.bin': b''}
    file = fetch_weights('hf:a/b')
    assert file.name == 'model.safetensors.index.json'
    assert sorted(weights_in(cache)) == [*names, file.name]
    hub.repositories['a/c'] = {'model.safetensors.index.json': index, names[0]: b'1'}
    fails('hf:a/c', rf'cannot be downloaded \(the repository has no {names[1]}\)')
    hub.repositories['a/d'] = {'model.safetensors.index.json': b'{"weight_map": {"a": "../../escaped"}}'}
    fails('hf:a/d', 'is not a list of the files of a model')
    assert not any(path.name == 'model.safetensors.index.json' for path in (cache / 'a--c').iterdir())


def test_a_folder_with_a_repositorys_files_is_its_weights(tmp_path):
    assert fetch_weights(tmp_path) == tmp_path
    (tmp_path / 'pytorch_model.bin').touch()
    assert fetch_weights(str(tmp_path)) == tmp_path / 'pytorch_model.bin'
    (tmp_path / 'model.safetensors').touch()
    assert fetch_weights(tmp_path) == tmp_path / 'model.safetensors'


def test_a_repository_without_weights_or_out_of_reach_is_said(hub, cache):
    hub.repositories['a/b'] = {'README.md': b''}
    fails('hf:a/b', 'has no model.safetensors and no pytorch_model.bin')
    place = cache / 'a--c' / 'model.safetensors'
    assert str(place) in fails('hf:a/c', r'Cannot reach the hub\): put the file at')
    place.write_bytes(b'by hand')
    assert fetch_weights('hf:a/c') == place


def test_the_hub_itself_out_of_reach_is_one_line(cache, monkeypatch):
    """Through Hugging Face's own library, in its offline mode."""
    monkeypatch.setattr(huggingface_hub.constants, 'HF_HUB_OFFLINE', True)
    fails('hf:facebook/convnext-tiny-224', 'offline mode is enabled.*put the file at')
    fails('hf:not/a/repository', 'cannot be downloaded')


def test_timms_names_lead_to_its_repositories(hub, cache):
    hub.repositories['timm/convnext_tiny.fb_in1k'] = {'model.safetensors': b'weights', 'config.json': b'{}'}
    assert fetch_weights('timm:convnext_tiny.fb_in1k').parent.name == 'timm--convnext_tiny.fb_in1k'
    default = timm.models.get_pretrained_cfg('convnext_atto').hf_hub_id
    hub.repositories[default] = {'model.safetensors': b'weights'}
    assert fetch_weights('timm:convnext_atto').parent.name == default.replace('/', '--')
    fails('timm:convnext_tinny.fb_in1k', r'did you mean .*convnext_tiny\.fb_in1k')
    fails('timm:vit_tiny_patch16_224', 'timm has no ConvNeXt weights named')


@pytest.mark.parametrize(
    ('name', 'repository'),
    [
        ('dinov3_tiny', 'timm/convnext_tiny.dinov3_lvd1689m'),
        ('eupe_base', 'timm/convnext_base.eupe_lvd1689m'),
        ('clip:convnext_large_d.laion2b_s26b_b102k_augreg', 'laion/CLIP-convnext_large_d.laion2B-s26B-b102K-augreg'),
        ('clip:convnext_large_d', 'laion/CLIP-convnext_large_d.laion2B-s26B-b102K-augreg'),
    ],
)
def test_short_names_lead_to_repositories(hub, cache, name, repository):
    place = cache / repository.replace('/', '--') / 'model.safetensors'
    beside = f'with the other files of {repository} beside it'
    assert f'{name} cannot be downloaded' in fails(name, rf'put the file at {place}, {beside}, or')
    hub.repositories[repository] = {'model.safetensors': b'weights'}
    assert fetch_weights(name) == place
    assert cached_file('', repository) == place


def test_torchvisions_names_lead_to_its_addresses(server, cache, monkeypatch):
    url = f'{server.url}/w.pth'
    monkeypatch.setattr(fetch, '_torchvision_url', lambda name: url if name == 'convnext_tiny' else '')
    file = fetch_weights('torchvision:convnext_tiny')
    assert file.read_bytes() == server.files['/w.pth']
    assert cached_file(url, '') == file
    assert cached_file(f'{url}2', '') is None


def test_the_address_of_torchvision_has_a_digest_in_its_name(cache, monkeypatch):
    asked = []
    monkeypatch.setattr(fetch, '_download', lambda url, file, _, digest: asked.append((url, digest)) or file)
    fetch_weights('torchvision:convnext_base')
    assert asked == [('https://download.pytorch.org/models/convnext_base-6075fbad.pth', '6075fbad')]


@pytest.mark.parametrize(
    ('name', 'said'),
    [
        ('dinov3_tyni', 'no file and no weights at dinov3_tyni: did you mean dinov3_tiny'),
        ('clip:convnext_base_w', 'has 3 sets of weights: take one of clip:convnext_base_w'),
        ('torchvision:resnet50', 'no weights are named torchvision:resnet50'),
        ('facebook/convnext-tiny-224', 'did you mean hf:facebook/convnext-tiny-224'),
    ],
)
def test_other_misspelt_names_are_corrected_too(cache, name, said):
    fails(name, said)
