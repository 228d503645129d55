"""Images and a video for a demo, and the names of what it leaves."""

import os
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

IDS = [7, 2, 90]
"""Ids of the classes in the COCO file of the detector."""


def image(path: Path | str, seed: int = 0, size: tuple[int, int] = (64, 48)) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC).save(path)
    return path


def film(path: Path | str, frames: int = 5, size: tuple[int, int] = (64, 48)) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), 8, size)
    for seed in range(frames):
        noise = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
        writer.write(cv2.resize(noise, size, interpolation=cv2.INTER_CUBIC))
    writer.release()
    return Path(path)


def names(folder: Path | str = 'demo_out') -> list[str]:
    return sorted(os.listdir(folder))
