"""Videos: what is written can be read again, and what can't be used is named."""

import numpy as np
import pytest

from convnext_dense.errors import UserError
from convnext_dense.io.video import Video, write_video

RED, BLUE = (200, 30, 30), (30, 30, 200)


def frame(height: int, width: int, color: tuple[int, int, int]) -> np.ndarray:
    return np.full((height, width, 3), color, np.uint8)


def test_frames_come_back_at_the_size_of_the_first(tmp_path):
    path = tmp_path / 'a.mp4'
    frames = [frame(61, 83, RED), frame(40, 50, BLUE), frame(100, 120, RED)]
    write_video(path, 12.5, iter(frames))
    video = Video(path)
    assert (video.fps, video.count) == (12.5, 3)
    first, second, third = video
    assert first.shape == second.shape == third.shape == (62, 84, 3)
    for image, point, color in (
        *((first, (30, 40), RED), (third, (58, 80), RED)),
        *((second, (20, 25), BLUE), (second, (55, 25), (255,) * 3), (second, (20, 70), (255,) * 3)),
    ):
        assert np.abs(image[point].astype(int) - color).max() < 16
    assert [p.name for p in tmp_path.iterdir()] == ['a.mp4']


def test_a_video_that_fails_leaves_nothing(tmp_path):
    def frames():
        yield frame(40, 40, RED)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / 'a.mp4', 25, frames())
    assert not list(tmp_path.iterdir())


def test_bad_videos_and_places_are_named(tmp_path):
    (tmp_path / 'a.mp4').write_bytes(b'no video' * 100)
    for name in ('a.mp4', 'absent.avi'):
        with pytest.raises(UserError, match=f'^bad video {tmp_path / name} '):
            Video(tmp_path / name)
    with pytest.raises(UserError, match=r'absent/b\.mp4 cannot be written'):
        write_video(tmp_path / 'absent' / 'b.mp4', 25, [frame(40, 40, RED)])
