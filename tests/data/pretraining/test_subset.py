"""Parts of a folder: by names and the seed alone."""

from convnext_dense.data.pretraining.subset import HELD_OUT, select_files


def test_parts_are_disjoint_and_whole_and_have_their_shares():
    files = [f'/data/{folder}/{i:03}.jpg' for folder in 'ab' for i in range(100)]
    rule = {'share': HELD_OUT}
    train, selected = select_files('/data', files, {**rule, 'part': 'train'})
    val, _ = select_files('/data', list(reversed(files)), {**rule, 'part': 'val'})
    assert sorted([*train, *val]) == sorted(files)
    assert len(val) == 10
    assert selected.split.names['val'] == sorted(path.removeprefix('/data/') for path in val)
    assert selected.split.line == 'split: 190 images for training, 10 for validation (5.0%), by name, seed 0'
