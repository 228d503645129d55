"""Images that cannot be read are skipped and counted."""

from tests.helpers.run_tool import train


def test_bad_images_are_skipped_and_counted(own_image_folder, tmp_path, capsys):
    for path in ('train/red/02.jpg', 'train/blue/05.jpg', 'val/red/01.jpg'):
        bad = own_image_folder / path
        bad.write_bytes(bad.read_bytes()[:200])
    options = ('val_dataloader.batch_size=1',)  # so that one batch has nothing else
    assert train(own_image_folder, tmp_path / 'w', '--on-bad-image', 'skip', options=options) == 0
    log = capsys.readouterr().out
    assert log.count('skipped bad image') == 3
    assert 'skipped 3 bad images in all' in log
    assert 'val/raw/images: 5.0000' in log or 'val/raw/images: 5 ' in log
