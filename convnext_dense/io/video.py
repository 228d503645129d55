"""Read and write videos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from ..errors import UserError
from .files import atomic_write

VIDEO_EXTENSIONS = ('.mp4', '.m4v', '.mov', '.avi', '.mkv', '.webm', '.mpg', '.mpeg', '.wmv')


class Video:
    """Iterable over the frames of a video file, once: uint8 (H, W, 3), RGB, upright.

    Attributes:
        fps: frames per second; 25 if the file does not contain it.
        count: number of frames according to the file, or None if the file does not contain it.

    Raises:
        UserError: if no frame can be read.
    """

    def __init__(self, path: str | Path) -> None:
        self._capture = cv2.VideoCapture(str(path))
        success, self._next = self._capture.read()
        if not success:
            raise UserError(f'bad video {path} (OpenCV cannot read it)')
        fps, count = (self._capture.get(key) for key in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_COUNT))
        self.fps = float(fps) if 0 < fps < 1000 else 25.0
        self.count = int(count) if count > 0 else None

    def __iter__(self) -> Iterator[np.ndarray]:
        success = True
        while success:
            yield cv2.cvtColor(self._next, cv2.COLOR_BGR2RGB)
            success, self._next = self._capture.read()


def write_video(path: str | Path, fps: float, frames: Iterable[np.ndarray]) -> None:
    """Write an .mp4 file of at least one frame, uint8 (H, W, 3), RGB, atomically.

    The video has the first frame's size; larger frames are cropped, smaller ones padded with white. The codec is
    MPEG-4, which every build of OpenCV can write; media players support it, browsers don't.

    Args:
        path: the file to write.
        fps: frames per second.
        frames: the frames in order.

    Raises:
        UserError: if the file can't be written.
    """
    frames = iter(frames)
    first = next(frames)
    height, width = (side + side % 2 for side in first.shape[:2])  # the codec stores colors at half the size
    with atomic_write(path) as temporary:
        writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*'mp4v'), fps, (width, height))
        if not writer.isOpened():
            raise UserError(f'{path} cannot be written: choose another place or name')
        try:
            for frame in chain([first], frames):
                canvas = np.full((height, width, 3), 255, np.uint8)
                part = frame[:height, :width, ::-1]
                canvas[: part.shape[0], : part.shape[1]] = part
                writer.write(canvas)
        finally:
            writer.release()
