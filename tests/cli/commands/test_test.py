"""``test``: checkpoints and places for results that it refuses."""

from tests.helpers.run_tool import test


def test_checkpoint_of_another_model(error, image_folder, checkpoint):
    assert test(image_folder, checkpoint) == 2
    assert 'is of another model than this config' in error()


def test_results_that_cannot_be_written_are_said_before_the_test(error, image_folder, tmp_path, checkpoint):
    for arguments in (('--out', str(tmp_path)), ('--show-dir', str(checkpoint))):
        assert test(image_folder, checkpoint, *arguments) == 2
        assert 'cannot be written' in error()
    out, show = tmp_path / 'metrics.json', tmp_path / 'show'
    assert test(image_folder, checkpoint, '--out', str(out), '--show-dir', str(show)) == 2
    assert 'another model' in error()
    assert not out.exists()
    assert not list(show.iterdir())
    assert test(image_folder, checkpoint, '--show', '0') == 2
    assert 'draw at least 1' in error()
