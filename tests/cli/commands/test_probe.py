"""``probe``: what it computes anew, what it refuses, and what it writes."""

import argparse
import re
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from convnext_dense.cli import run_verb
from convnext_dense.cli.commands.probe import _kept_arguments
from convnext_dense.config.saved import read_saved_config
from convnext_dense.probe.cache import FeatureCache
from tests.helpers.small_classifier import classifier, official, save
from tests.helpers.small_models import write_config
from tests.helpers.small_probe import ATTO, SMALL, probe, results, weights


@pytest.fixture(scope='module')
def random_weights(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    return weights(tmp_path_factory.mktemp('weights') / 'random.pth')


@pytest.fixture
def run(own_image_folder, tmp_path, random_weights, capsys):
    """Probe a folder of 24 training and 6 validation images; return how many features were computed."""

    def probed(*arguments: str, source: Path = random_weights, options: tuple[str, ...] = ()) -> tuple[int, int]:
        arguments = ('--pretrained', str(source), *arguments)
        assert probe(own_image_folder, tmp_path / 'work', *arguments, options=options) == 0
        computed = re.findall(r'features for \w+: ([\d,]+) computed', capsys.readouterr().out)
        return tuple(map(int, computed))

    return probed


def test_another_fit_computes_no_feature_again(run, tmp_path):
    assert run() == (24, 6)
    assert run('--l2', '0.5') == (0, 0)
    assert results(tmp_path / 'work')['weights'][0]['l2'] == 0.5
    assert run('--balanced', '--seed', '3') == (0, 0)


def test_the_license_of_the_weights_is_kept_and_may_be_refused(run, own_image_folder, tmp_path, capsys):
    closed = weights(tmp_path / 'convnextv2_atto_1k_224_ema.pt')
    assert probe(own_image_folder, tmp_path / 'work', '--pretrained', str(closed), '--commercial') == 2
    assert 'has the license CC BY-NC 4.0 (no commercial use)' in capsys.readouterr().err
    assert not (tmp_path / 'work').exists()
    run(source=closed)
    meta = torch.load(tmp_path / 'work' / 'linear.pth', weights_only=True)['meta']
    assert meta['pretrained'] == {'source': 'convnextv2_atto_1k_224_ema', 'license': 'cc-by-nc-4.0'}


def test_new_and_changed_images_alone_are_computed(run, own_image_folder):
    run()
    first, second, *_ = sorted((own_image_folder / 'train' / 'red').iterdir())
    shutil.copy(first, first.with_name('new.jpg'))
    Image.open(second).transpose(Image.Transpose.ROTATE_180).save(second)
    assert run() == (2, 0)


def test_other_sizes_weights_and_precisions_are_computed(run, tmp_path):
    run()
    options = (f'{loader}_dataloader.dataset.transform.input_size=40' for loader in ('train', 'val', 'test'))
    assert run(options=tuple(options)) == (24, 6)
    assert run(options=('val_dataloader.dataset.transform.crop_ratio=1.0',)) == (24, 6)
    torch.manual_seed(1)
    assert run(source=weights(tmp_path / 'other.pth')) == (24, 6)
    assert run('--value-range', '0', '200') == (24, 6)
    assert run('--amp', 'bf16') == (24, 0)  # validation has float32, as a test
    assert run() == (0, 0)


def test_features_are_those_of_images_without_augmentation(run, own_image_folder, tmp_path):
    """Training images that are copies of the validation's have the same features."""
    shutil.rmtree(own_image_folder / 'val')
    shutil.copytree(own_image_folder / 'train', own_image_folder / 'val')
    run('--l2', '1e-6')
    (row,) = results(tmp_path / 'work')['weights']
    assert row['metrics']['top1'] == 100
    folders = [folder for folder in (tmp_path / 'work' / 'features').iterdir() if folder.is_dir()]
    assert len(folders) == 1
    values = torch.from_file(str(folders[0] / 'features.f32'), size=48 * 16).view(48, 16)
    torch.testing.assert_close(values[:24], values[24:], rtol=1e-5, atol=1e-5)


def test_a_run_that_is_cut_off_keeps_what_was_computed(run, monkeypatch, own_image_folder, tmp_path, random_weights):
    add, calls = FeatureCache.add, []

    def stop_at_second(self, *arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        add(self, *arguments)

    small_batches = ('val_dataloader.batch_size=5',)
    with monkeypatch.context() as patch:
        patch.setattr(FeatureCache, 'add', stop_at_second)
        given = ('--pretrained', str(random_weights))
        assert probe(own_image_folder, tmp_path / 'work', *given, options=small_batches) == 130
    assert run(options=small_batches) == (19, 6)


def test_bad_images_stop_the_run_or_are_skipped(run, own_image_folder, tmp_path, error, random_weights):
    bad = own_image_folder / 'train' / 'red' / '03.jpg'
    bad.write_bytes(b'no image')
    assert probe(own_image_folder, tmp_path / 'work', '--pretrained', str(random_weights)) == 2
    assert f'bad image {bad}' in error()
    run('--on-bad-image', 'skip')
    assert results(tmp_path / 'work')['images'] == {'train': 23, 'val': 6}


def test_random_weights_are_the_same_each_time(own_image_folder, tmp_path, capsys):
    for computed in (24, 0):
        assert probe(own_image_folder, tmp_path / 'work', '--pretrained', 'none') == 0
        assert f'features for training: {computed} computed' in capsys.readouterr().out


def test_images_that_are_held_out_stay_the_same_in_the_test(own_image_folder, tmp_path, random_weights, capsys):
    shutil.rmtree(own_image_folder / 'val')
    work_dir, split = tmp_path / 'work', ('--val-split', '0.25')
    assert probe(own_image_folder, work_dir, '--pretrained', str(random_weights), *split) == 0
    assert results(work_dir)['images'] == {'train': 18, 'val': 6}
    assert 'split: 18 images for training, 6 for validation' in capsys.readouterr().out
    assert (work_dir / 'split.json').is_file()
    assert run_verb('test', [str(work_dir)]) == 0
    assert 'split of the run: 6 of 24 images are tested' in capsys.readouterr().out


def test_a_single_class_and_no_validation_are_refused(own_image_folder, tmp_path, random_weights, error):
    given = ('--pretrained', str(random_weights))
    shutil.move(own_image_folder / 'val', tmp_path / 'val')
    assert probe(own_image_folder, tmp_path / 'work', *given) == 2
    assert '--val-split 0.2' in error()
    shutil.move(tmp_path / 'val', own_image_folder / 'val')
    for split in ('train', 'val'):
        for name in ('red', 'green'):
            shutil.rmtree(own_image_folder / split / name)
    assert probe(own_image_folder, tmp_path / 'work', *given) == 2
    assert 'of one class only' in error()


def test_classes_of_one_image_need_a_strength(own_image_folder, tmp_path, random_weights, error):
    for folder in (own_image_folder / 'train').iterdir():
        for path in sorted(folder.iterdir())[1:]:
            path.unlink()
    given = ('--pretrained', str(random_weights))
    assert probe(own_image_folder, tmp_path / 'work', *given) == 2
    assert '3 training images are too few to hold some out' in error()
    assert probe(own_image_folder, tmp_path / 'work', *given, '--l2', '0.01') == 0
    (row,) = results(tmp_path / 'work')['weights']
    assert row['knn'] == {} and row['tried'] == []


def test_a_model_of_another_task_is_refused_before_its_data_are_read(tmp_path, error):
    config = write_config('detection', tmp_path)
    assert run_verb('probe', [str(config), '--data', str(tmp_path), '--pretrained', 'none']) == 2
    assert 'a model for detection has no linear probe' in error()


def test_the_work_dir_of_a_training_run_is_refused(own_image_folder, tmp_path, random_weights, error):
    for name in ('epoch_3.pth', 'commands.txt', 'best.pth'):
        work_dir = tmp_path / name.split('.')[0]
        work_dir.mkdir()
        (work_dir / name).write_text('')
        assert probe(own_image_folder, work_dir, '--pretrained', str(random_weights)) == 2
        assert f'holds a training run ({name})' in error()


def test_weights_that_do_not_fit_are_refused_before_anything_is_computed(
    own_image_folder, tmp_path, random_weights, error
):
    broken = official(classifier())
    broken['model']['stages.1.0.dwconv.bias'][2] = torch.inf
    for content, message in (
        (official(classifier(arch=dict(depths=[1, 1, 1, 1], dims=[4, 8, 12, 20]))), 'does not fit this backbone'),
        (broken, 'stages.1.0.dwconv.bias of the backbone has values that are NaN or infinite'),
    ):
        other = save(content, tmp_path / 'other.pth')
        assert probe(own_image_folder, tmp_path / 'work', '--pretrained', str(random_weights), str(other)) == 2
        assert message in error()
        assert not (tmp_path / 'work' / 'features').exists()


def test_no_weights_and_wrong_numbers_are_refused(own_image_folder, tmp_path, error):
    assert probe(own_image_folder, tmp_path / 'work') == 2
    assert 'name some with --pretrained' in error()
    for arguments, message in ((('--l2', '0'), '--l2 0: take numbers above 0'), (('--seed', '-1'), '--seed -1')):
        assert probe(own_image_folder, tmp_path / 'work', '--pretrained', 'none', *arguments) == 2
        assert message in error()
    assert probe(own_image_folder, tmp_path / 'work', '--pretrained', str(tmp_path / 'absent.pth')) == 2
    assert 'absent.pth' in error()


def test_a_model_without_a_linear_head_is_refused(own_image_folder, tmp_path, monkeypatch, error):
    from convnext_dense.cli.commands import probe as command

    model = classifier()
    model.head = torch.nn.Sequential(torch.nn.Linear(16, 3))
    monkeypatch.setattr(command, 'build_model', lambda cfg: model)
    assert probe(own_image_folder, tmp_path / 'work', '--pretrained', 'none') == 2
    assert 'fits the linear head on a backbone' in error()


def test_folders_have_a_name_for_each_source():
    from convnext_dense.cli.commands.probe import _labels

    sources = ['a/x.pth', 'b/x.pth', 'timm:convnext_tiny.fb_in1k', 'work_dirs/run', 'features', 'other/run', '..']
    names = _labels(sources)
    assert len(set(names)) == len(names)
    assert names[:4] == ['a_x', 'b_x', 'timm_convnext_tiny.fb_in1k', 'run']
    assert 'features' not in names and all(re.fullmatch(r'\w[\w.-]*', name) for name in names)


def test_chosen_classes_and_lists_are_read_as_in_training(own_image_folder, tmp_path, random_weights):
    given = ('--pretrained', str(random_weights), '--l2', '0.1')
    assert probe(own_image_folder, tmp_path / 'some', *given, '--classes', 'red,blue') == 0
    assert results(tmp_path / 'some')['classes'] == ['red', 'blue']
    assert results(tmp_path / 'some')['images'] == {'train': 16, 'val': 4}
    lines = ['path,label,split']
    for path in sorted(own_image_folder.rglob('*.jpg')):
        split, name, _ = path.relative_to(own_image_folder).parts
        lines.append(f'{path.relative_to(own_image_folder).as_posix()},{name},{split}')
    (own_image_folder / 'images.csv').write_text('\n'.join(lines) + '\n')
    assert probe(own_image_folder / 'images.csv', tmp_path / 'listed', *given) == 0
    assert results(tmp_path / 'listed')['images'] == {'train': 24, 'val': 6}
    assert results(tmp_path / 'listed')['classes'] == ['blue', 'green', 'red']


def test_the_config_itself_may_name_the_weights_and_train_adapters(own_image_folder, tmp_path, random_weights):
    options = (f'pretrained={random_weights}', 'lora=dict(rank=2)')
    assert probe(own_image_folder, tmp_path / 'work', options=options) == 0
    assert run_verb('test', [str(tmp_path / 'work')]) == 0
    saved = read_saved_config(tmp_path / 'work' / 'convnext_a.py')
    assert 'lora' not in saved and saved.pretrained == str(random_weights)
    assert results(tmp_path / 'work')['weights'][0]['source'] == str(random_weights)


def test_several_data_sets_of_a_config_are_taken_together(own_image_folder, tmp_path, random_weights):
    other = shutil.copytree(own_image_folder, tmp_path / 'other')
    config = tmp_path / 'joined.py'
    both, one = [str(own_image_folder), str(other)], [str(own_image_folder)]
    lines = [f"_base_ = '{Path(ATTO).resolve()}'"]
    for key, split, roots in (('train', 'train', both), ('val', 'val', one), ('test', 'val', one)):
        part = f"dict(type='convnext_dense.ImageFolder', root=root, split='{split}', transform=dict(input_size=32))"
        parts = f"dict(_delete_=True, type='ConcatDataset', datasets=[{part} for root in {roots!r}])"
        lines.append(f'{key}_dataloader = dict(dataset={parts})')
    config.write_text('\n'.join(lines) + '\n')
    options = [option for option in SMALL if 'input_size' not in option]
    argv = [str(config), '--work-dir', str(tmp_path / 'work'), '--pretrained', str(random_weights), '--l2', '0.1']
    assert run_verb('probe', [*argv, '--cfg-options', *options]) == 0
    assert results(tmp_path / 'work')['images'] == {'train': 48, 'val': 6}


def test_another_config_takes_the_place_of_that_of_the_probe_before(own_image_folder, tmp_path, random_weights):
    """So that the checkpoint has its own config beside it alone, and nothing of the user's is removed."""
    work_dir = tmp_path / 'work'
    other = weights(tmp_path / 'other.pth')
    work_dir.mkdir()
    (work_dir / 'mine.py').write_text('x = 1')

    def probed(name: str, *sources: Path) -> None:
        (tmp_path / name).write_text(f"_base_ = '{Path(ATTO).resolve()}'\n")
        given = [str(tmp_path / name), '--data', str(own_image_folder), '--work-dir', str(work_dir)]
        given += ['--pretrained', *map(str, sources), '--cfg-options', *SMALL]
        assert run_verb('probe', given) == 0

    for name in ('first.py', 'second.py'):
        probed(name, random_weights)
        assert {file.name for file in work_dir.glob('*.py')} == {name, 'mine.py'}
    probed('third.py', random_weights, other)
    probed('fourth.py', random_weights, other)
    assert {file.name for file in work_dir.rglob('*.py')} == {'fourth.py', 'mine.py'}
    assert (tmp_path / 'first.py').is_file()


def test_the_next_command_has_the_arguments_that_training_takes():
    given = (
        'convnext-dense probe A --data d --l2 1 2 --image-size 64 64 --balanced --pretrained a b --on-bad-image skip'
    )
    kept = _kept_arguments(argparse.Namespace(command_line=f'{given} --work-dir w --pretrained-weights ema'))
    assert kept == ['A', '--data', 'd', '--image-size', '64', '64', '--on-bad-image', 'skip']
