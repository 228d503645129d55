"""Pushing models on the command line: runs, files, folders, repositories."""

import hashlib
import json
import os
import resource

import huggingface_hub
import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file

from convnext_dense.checkpoints import manifest
from convnext_dense.cli.commands import push as command
from convnext_dense.cli.parsers.push import repository_of
from convnext_dense.errors import UserError
from convnext_dense.weights.fetch import fetch_weights
from convnext_dense.weights.reader import read_checkpoint
from tests.helpers.pushed import checkpoint, largest_difference, push
from tests.helpers.small_classifier import save


@pytest.fixture
def run(tmp_path):
    """The work dir of a finished run."""
    work_dir = tmp_path / 'run'
    work_dir.mkdir()
    path, model = checkpoint(work_dir / 'epoch_2.pth')
    content = read_checkpoint(path)
    content['ema_state_dict'] = {name: tensor + 1 for name, tensor in content['state_dict'].items()}
    save(content, path)
    entry = {'size': path.stat().st_size, 'sha256': hashlib.sha256(path.read_bytes()).hexdigest()}
    metrics = {'raw/top1': 70.5, 'ema/top1': 71.25, 'raw/images': 960, 'raw/loss': 1.5}
    (work_dir / manifest.FILE_NAME).write_text(json.dumps({path.name: {**entry, 'metrics': metrics}}))
    transform = dict(input_size=192, crop_ratio=0.8)
    (work_dir / 'config.py').write_text(
        f"model = dict(backbone=dict(type='convnext_dense.ConvNeXt', drop_path_rate=0.2))\n"
        f'test_dataloader = dict(dataset=dict(transform={transform}))\n'
    )
    return work_dir, model


def test_a_run_is_pushed_with_its_preprocessing_its_results_and_its_average(run, tmp_path, capsys):
    work_dir, model = run
    assert push(work_dir, tmp_path / 'out', '--to', 'timm', '--weights', 'ema') == 0
    out = capsys.readouterr().out
    assert '4 classes' in out and '192x192' in out and 'the config of the run' in out and 'license   unknown' in out
    config = json.loads((tmp_path / 'out' / 'config.json').read_text())
    assert config['pretrained_cfg']['input_size'] == [3, 192, 192] and config['pretrained_cfg']['crop_pct'] == 0.8
    card = (tmp_path / 'out' / 'README.md').read_text()
    assert '| top1 | 71.25 |' in card and 'moving average' in card and "'local-dir:./out'" in card
    assert str(tmp_path) not in card
    theirs = timm.create_model(f'local-dir:{tmp_path / "out"}', pretrained=True)
    assert torch.equal(theirs.head.fc.bias, model.head.bias + 1)

    tested = {'checkpoint': str(work_dir / 'epoch_2.pth'), 'metrics': {'raw/top1': 60.0}}
    (work_dir / 'metrics.json').write_text(json.dumps(tested))
    assert command.results_of_run(work_dir / 'epoch_2.pth', 'raw') == {'top1': 60.0}
    tested['checkpoint'] = 'epoch_1.pth'
    (work_dir / 'metrics.json').write_text(json.dumps(tested))
    assert command.results_of_run(work_dir / 'epoch_2.pth', 'raw') == {'top1': 70.5}

    assert push(work_dir, tmp_path / 'hf', '--to', 'hf') == 0
    assert json.loads((tmp_path / 'hf' / 'config.json').read_text())['drop_path_rate'] == 0.2


def test_dense_runs_give_the_mean_and_std_of_their_data_preprocessor(tmp_path):
    (tmp_path / manifest.FILE_NAME).write_text('{}')
    (tmp_path / 'x.pth').touch()
    settings = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True)
    config = tmp_path / 'config.py'
    config.write_text(f'model = dict(data_preprocessor={settings})\n')
    found = command.preprocessing_of_run(tmp_path / 'x.pth')
    np.testing.assert_allclose(found.mean, (0.485, 0.456, 0.406), atol=1e-9)
    np.testing.assert_allclose(found.std, (0.229, 0.224, 0.225), atol=1e-9)
    config.write_text(f'model = dict(data_preprocessor={settings | {"bgr_to_rgb": False}})\n')
    assert command.preprocessing_of_run(tmp_path / 'x.pth').bgr
    data = 'test_dataloader = dict(dataset=dict(transform=dict(input_size=64, mean=(0.1, 0.2, 0.3))))\n'
    config.write_text(f'model = dict(data_preprocessor={settings})\n{data}')  # normalized twice
    with pytest.raises(UserError, match=r'^model\.data_preprocessor has mean and std and bgr_to_rgb, and the trans'):
        command.preprocessing_of_run(tmp_path / 'x.pth')
    config.write_text(f'model = dict(data_preprocessor=dict(pad_size_divisor=32))\n{data}')
    assert command.preprocessing_of_run(tmp_path / 'x.pth').mean == (0.1, 0.2, 0.3)


def test_the_license_goes_along_and_forbids(tmp_path, capsys):
    path, _ = checkpoint(tmp_path / 'x.pth')
    content = read_checkpoint(path)
    content['meta']['pretrained'] = {'source': 'convnextv2_tiny_22k_224_ema', 'license': 'cc-by-nc-4.0'}
    save(content, path)
    assert push(path, tmp_path / 'out', '--to', 'timm') == 0
    assert 'license   CC BY-NC 4.0 (no commercial use)' in capsys.readouterr().out
    assert json.loads((tmp_path / 'out' / 'config.json').read_text())['pretrained_cfg']['license'] == 'cc-by-nc-4.0'
    assert '\nlicense: cc-by-nc-4.0\n' in (tmp_path / 'out' / 'README.md').read_text()
    assert push(path, tmp_path / 'two', '--to', 'timm', '--commercial') == 2
    assert '--commercial: convnextv2_tiny_22k_224_ema has the license' in capsys.readouterr().err
    content['meta']['pretrained'] = None
    save(content, path)
    assert push(path, tmp_path / 'two', '--to', 'timm', '--commercial') == 0
    assert 'license   yours to choose' in capsys.readouterr().out


def test_mean_and_std_by_hand(tmp_path, capsys):
    path, _ = checkpoint(tmp_path / 'x.pth')
    values = ['--mean', '0.5', '0.4', '0.3', '--std', '0.2', '0.2', '0.1']
    assert push(path, tmp_path / 'out', '--to', 'hf', *values) == 0
    assert 'mean 0.5, 0.4, 0.3, std 0.2, 0.2, 0.1 (--mean and --std)' in capsys.readouterr().out
    config = json.loads((tmp_path / 'out' / 'preprocessor_config.json').read_text())
    assert config['image_mean'] == [0.5, 0.4, 0.3] and config['size'] == {'shortest_edge': 224}
    assert push(path, tmp_path / 'two', '--to', 'hf', '--mean', '0.5', '0.5', '--std', '0.2', '0.2') == 2
    assert 'with 3 input channels, and its images have a mean of 2' in capsys.readouterr().err


@pytest.mark.parametrize('to', ['timm', 'hf'])
def test_what_was_pushed_is_read_as_weights(tmp_path, to):
    path, model = checkpoint(tmp_path / 'x.pth', version=2)
    assert push(path, tmp_path / 'out', '--to', to) == 0
    assert push(tmp_path / 'out', tmp_path / 'again', '--to', 'timm') == 0
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        again = timm.create_model(f'local-dir:{tmp_path / "again"}', pretrained=True).eval()
        assert largest_difference(again(x), model(x)) < 1e-5
    assert fetch_weights(tmp_path / 'out') == tmp_path / 'out' / 'model.safetensors'


def test_an_upload_is_of_the_same_files(tmp_path, monkeypatch, capsys):
    path, _ = checkpoint(tmp_path / 'x.pth')
    seen = {}

    def upload(folder, repository, private, force):
        seen.update(place=(repository, private, force), files={f.name: f.read_bytes() for f in folder.iterdir()})
        return f'https://huggingface.co/{repository}', True

    monkeypatch.setattr(command, 'upload', upload)
    monkeypatch.setattr(huggingface_hub, 'get_token', lambda: 'token')
    assert push(path, 'hf:me/shapes', '--to', 'hf', '--private') == 0
    out = capsys.readouterr().out
    assert 'kept      README.md' in out and 'https://huggingface.co/me/shapes' in out
    assert seen['place'] == ('me/shapes', True, False)
    assert push(path, tmp_path / 'shapes', '--to', 'hf') == 0
    local = {file.name: file.read_bytes() for file in (tmp_path / 'shapes').iterdir()}
    cards = [files.pop('README.md').decode() for files in (seen['files'], local)]
    assert seen['files'] == local and "from_pretrained('me/shapes')" in cards[0]

    monkeypatch.setattr(huggingface_hub, 'get_token', lambda: None)
    assert push(path, 'hf:me/shapes', '--to', 'hf') == 2
    assert 'no login at Hugging Face' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'says'),
    [
        (['out'], 'out may be a folder or a repository: give ./out or hf:USER/out'),
        (['hf:shapes'], 'hf:shapes is no repository: give hf:USER/REPO'),
        (['https://huggingface.co/me/x'], 'is neither a folder nor hf:USER/REPO'),
        (['./out', '--private'], '--private is for a repository'),
        (['./x.pth'], 'x.pth is a file: name a folder'),
        (['.'], '. is not empty, and no earlier push'),
    ],
)
def test_bad_destinations(tmp_path, monkeypatch, capsys, arguments, says):
    checkpoint(tmp_path / 'x.pth')
    monkeypatch.chdir(tmp_path)
    assert push('x.pth', *arguments, '--to', 'timm') == 2
    err = capsys.readouterr().err
    assert says in err and err.count('\n') == 1
    assert os.listdir(tmp_path) == ['x.pth']


@pytest.mark.parametrize('earlier', [True, False])
def test_a_push_into_the_current_folder_leaves_the_user_there(tmp_path, monkeypatch, earlier):
    path, _ = checkpoint(tmp_path / 'x.pth')
    (tmp_path / 'here').mkdir()
    if earlier:
        assert push(path, tmp_path / 'here', '--to', 'timm') == 0
    monkeypatch.chdir(tmp_path / 'here')
    assert push(path, '.', '--to', 'timm') == 0
    assert os.getcwd() == str(tmp_path / 'here')
    assert sorted(os.listdir('.')) == ['README.md', 'config.json', 'model.safetensors']


def test_a_place_that_takes_no_folder_is_named(tmp_path, capsys):
    path, _ = checkpoint(tmp_path / 'x.pth')
    assert push(path, '/proc/x', '--to', 'timm') == 2
    err = capsys.readouterr().err
    assert '/proc/x cannot be written (No such file or directory)' in err and err.count('\n') == 1


def test_folders_and_repositories_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir('here')
    assert [repository_of(name) for name in ('here', './a', 'a/b', '/a/b')] == [None] * 4
    assert repository_of('hf:me/some.name-1') == 'me/some.name-1'


@pytest.mark.parametrize('to', ['timm', 'hf'])
def test_a_disk_that_takes_no_more_keeps_what_was_there(tmp_path, capsys, to):
    """The kernel's own error, of a limit on the size of files."""
    path, _ = checkpoint(tmp_path / 'x.pth')
    assert push(path, tmp_path / 'out', '--to', to) == 0
    before = {file.name: file.read_bytes() for file in (tmp_path / 'out').iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        assert push(path, tmp_path / 'out', '--to', to) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    err = capsys.readouterr().err
    assert 'out cannot be written' in err and 'File too large' in err and err.count('\n') == 1
    assert {file.name: file.read_bytes() for file in (tmp_path / 'out').iterdir()} == before
    assert sorted(os.listdir(tmp_path)) == ['out', 'x.pth']


def test_an_adapter_alone_is_refused_with_what_to_merge_it_with(tmp_path, capsys):
    (tmp_path / 'adapter').mkdir()
    tensors = {'base_model.model.backbone.stages.0.0.pwconv1.lora_A.weight': torch.ones(1, 8)}
    save_file(tensors, tmp_path / 'adapter' / 'adapter_model.safetensors')
    assert push(tmp_path / 'adapter', tmp_path / 'out', '--to', 'timm') == 2
    said = f'`convnext-dense convert_weights BASE merged.pth --lora {tmp_path / "adapter"}`'
    assert said in capsys.readouterr().err


def test_a_detector_is_refused_by_name(tmp_path, capsys):
    path, _ = checkpoint(tmp_path / 'x.pth')
    content = read_checkpoint(path)
    content['state_dict']['rpn_head.a.weight'] = torch.ones(1)
    save(content, path)
    assert push(path, tmp_path / 'out', '--to', 'hf') == 2
    assert 'is of a model with head, rpn_head' in capsys.readouterr().err
