"""The CSV of every logged number."""

from convnext_dense.engine.csv_log import CSVBackend, read_scalars


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
