"""The CSV of every logged number."""

import pytest

from convnext_dense.engine.csv_log import CSVBackend, read_scalars
from convnext_dense.errors import UserError


def test_values_keep_all_their_digits(tmp_path):
    log = CSVBackend(str(tmp_path / 'start' / 'vis_data'))
    log.add_scalars({'train/loss': 0.1 + 0.2, 'train/lr': 1e-7}, step=5)
    log.add_scalar('val/raw/top1', 50.0, step=1)
    lines = (tmp_path / 'start' / 'vis_data' / 'scalars.csv').read_text().splitlines()
    assert lines == [
        'step,name,value',
        '5,train/loss,0.30000000000000004',
        '5,train/lr,1e-07',
        '1,val/raw/top1,50.0',
    ]
    assert read_scalars(tmp_path)['train/loss'] == [(5, 0.1 + 0.2)]


def test_a_resumed_run_overrides_what_it_did_again(tmp_path):
    for start, steps in (('1', (1, 2, 3)), ('2', (2, 3, 4))):
        log = CSVBackend(str(tmp_path / start / 'vis_data'))
        for step in steps:
            log.add_scalar('loss', float(start), step)
    assert read_scalars(tmp_path)['loss'] == [(1, 1.0), (2, 2.0), (3, 2.0), (4, 2.0)]


def write(folder, text):
    path = folder / 'start' / 'vis_data' / 'scalars.csv'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    'half', ['', '4', '40,', '40,train/lo', '40,train/loss', '40,train/loss,', '40,train/loss,0.1']
)
def test_half_a_line_at_the_end_does_not_count(tmp_path, half):
    write(tmp_path, f'step,name,value\n20,train/loss,1.5\n{half}')
    assert read_scalars(tmp_path) == {'train/loss': [(20, 1.5)]}


def test_a_log_may_be_empty_and_must_be_one(tmp_path):
    for text in ('', 'step,name,value\n', 'step,na'):
        write(tmp_path, text)
        assert read_scalars(tmp_path) == {}
    path = write(tmp_path, 'step,name,value\n20,train/loss,1.5\n30;train/loss;1.4\n')
    with pytest.raises(UserError, match=f'{path} line 3 is not "step,name,value": \'30;train'):
        read_scalars(tmp_path)
