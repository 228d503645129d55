"""Pictures with prediction and truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from PIL import Image, ImageDraw, ImageFont

from ..data.classification import read_image

INDEX = 'predictions.json'
HEIGHT, CAPTION = 224, 58  # pixels of the picture and of the caption below it
RIGHT, WRONG, INK = '#1a7f37', '#cf222e', '#1f2328'


class ShowPredictions(Hook):
    """Draws pictures, spread evenly over the test set, with prediction and truth below each.

    Beside them lies ``predictions.json``: a list of ``{"file", "path", "truth", "prediction", "score"}`` with the
    score in [0, 1]. Where raw and averaged weights are tested, the average's predictions are drawn.

    Args:
        folder: where they go; it must exist.
        count: how many to draw.
    """

    def __init__(self, folder: str | Path, count: int) -> None:
        self.folder = Path(folder)
        self.count = count
        self.chosen: dict[int, dict] = {}  # the latest pass's predictions, by position in the test set
        self._position = 0

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: object, outputs: Sequence[dict], **_: object
    ) -> None:
        if batch_idx == 0:
            self._position = 0
        size = len(runner.test_dataloader.sampler)
        wanted = set(np.linspace(0, size - 1, min(self.count, size)).round().astype(int).tolist())
        for output in outputs:
            if self._position in wanted:
                self.chosen[self._position] = output
            self._position += 1

    @master_only
    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        classes = runner.test_dataloader.dataset.metainfo['classes']
        index = []
        for i, output in enumerate(self.chosen.values()):
            score, label = output['scores'].max(dim=0)
            entry = {
                'file': f'{i:03d}_{classes[output["label"]]}.png',
                'path': output['path'],
                'truth': classes[output['label']],
                'prediction': classes[int(label)],
                'score': round(float(score), 4),
            }
            captioned(read_image(entry['path']), entry).save(self.folder / entry['file'])
            index.append(entry)
        (self.folder / INDEX).write_text(json.dumps(index, indent=1) + '\n')
        runner.logger.info(f'{len(index)} pictures with prediction and truth are in {self.folder}')


def captioned(image: Image.Image, entry: dict) -> Image.Image:
    """The picture, brought to a height of 224 pixels, over a caption with prediction and truth."""
    width = max(HEIGHT // 2, min(2 * HEIGHT, round(image.width * HEIGHT / image.height)))
    canvas = Image.new('RGB', (width, HEIGHT + CAPTION), 'white')
    canvas.paste(image.resize((width, HEIGHT), Image.Resampling.BICUBIC), (0, 0))
    right = entry['prediction'] == entry['truth']
    draw = ImageDraw.Draw(canvas)
    for line, (text, colour) in enumerate(
        [
            (f'{entry["prediction"]}  {entry["score"]:.0%}', RIGHT if right else WRONG),
            (f'truth: {entry["truth"]}', INK),
        ]
    ):
        draw.text((8, HEIGHT + 5 + 25 * line), text, fill=colour, font=_font_that_fits(text, width - 16))
    return canvas


def _font_that_fits(text: str, width: int) -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    for size in range(19, 9, -1):
        font = ImageFont.load_default(size)
        if font.getlength(text) <= width:
            break
    return font
