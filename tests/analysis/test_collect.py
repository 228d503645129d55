"""What is collected of a test: which weights, which images, in which order, and whose label maps are kept."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import BaseDataElement, PixelData

from convnext_dense.analysis import collect as module
from convnext_dense.analysis.collect import CollectImages
from convnext_dense.diagnosis.diagnosed_image import PackedMaps
from convnext_dense.tasks import TASKS

SIZE = (40, 40)


class Runner:
    """As much of a runner as the hook asks for."""

    def __init__(self, images: int, classes: int, kinds: tuple[str, ...] = ('raw',), **dataset: object) -> None:
        self.kind = kinds[0]
        metainfo = {'classes': [str(k) for k in range(classes)]}
        data = SimpleNamespace(metainfo=metainfo, **dataset)
        self.test_dataloader = SimpleNamespace(dataset=data, sampler=range(images))
        self.test_loop = SimpleNamespace(tested_weights=list(kinds))
        self.message_hub = SimpleNamespace(get_info=lambda name: self.kind)


def collect(hook: CollectImages, runner: Runner, passes: dict[str, list], skipped: int = 0):
    hook.before_test(runner)
    for kind, outputs in passes.items():
        runner.kind = kind
        for batch in range(0, len(outputs), 2):
            skips = {'skipped': ['x'] * skipped if batch == 0 else []}
            hook.after_test_iter(runner, batch // 2, skips, outputs[batch : batch + 2])
        hook.after_test_epoch(runner)
    return hook.collected


def classified(number: int, label: int) -> dict:
    scores = torch.zeros(3)
    scores[label] = 1
    return {'scores': scores, 'label': 0, 'path': f'{number:02d}.jpg'}


def test_the_last_of_the_tested_weights_are_collected_in_the_order_of_paths():
    hook = CollectImages(TASKS['classification'], 4)
    numbers = [3, 1, 0, 2]
    passes = {kind: [classified(n, label) for n in numbers] for kind, label in (('raw', 1), ('ema', 2))}
    collected = collect(hook, Runner(4, 3, ('raw', 'ema')), passes, skipped=2)
    assert collected.weights == 'ema' and collected.has_truth and collected.skipped == 2
    assert [image.record.path for image in collected.images] == ['00.jpg', '01.jpg', '02.jpg', '03.jpg']
    assert {int(image.record.scores.argmax()) for image in collected.images} == {2}
    assert collected.spread == [0, 1, 2, 3] and not collected.maps


def test_images_are_sorted_by_their_numbers_as_the_metric_sorts_them():
    outputs = [{**classified(n, 0), 'img_id': n, 'path': f'{n}.jpg'} for n in (10, 9, 100, 1)]
    collected = collect(CollectImages(TASKS['classification'], 0), Runner(4, 3), {'raw': outputs})
    assert [image.record.path for image in collected.images] == ['1.jpg', '9.jpg', '10.jpg', '100.jpg']
    assert collected.spread == []


def segmented(number: int, wrong: int) -> BaseDataElement:
    """An image with a number of wrong pixels, and its number in the first pixel."""
    truth = np.zeros(SIZE, np.uint8)
    guess = truth.copy()
    guess.ravel()[1 : wrong + 1] = 1
    truth[0, 0] = guess[0, 0] = number
    output = BaseDataElement(metainfo={'img_path': f'{number:03d}.jpg', 'ori_shape': SIZE})
    maps = {'gt_sem_seg': truth, 'pred_sem_seg': guess}
    output.set_data({key: PixelData(data=torch.from_numpy(one)[None]) for key, one in maps.items()})
    return output


def test_label_maps_of_a_few_images_are_all_kept():
    outputs = [segmented(number, 5) for number in range(10)]
    collected = collect(CollectImages(TASKS['segmentation'], 2), Runner(10, 100), {'raw': outputs})
    assert collected.maps.keys() == set(range(10)) and len(collected.spread) == 2


def test_label_maps_are_kept_of_the_worst_and_of_some_spread_over_the_test_set(monkeypatch):
    monkeypatch.setattr(module, 'MOST_KEPT', 0)
    rng = np.random.default_rng(0)
    wrong = rng.permutation(60) * 10
    outputs = [segmented(number, int(wrong[number])) for number in range(60)]
    hook = CollectImages(TASKS['segmentation'], 6)
    collected = collect(hook, Runner(60, 100), {'raw': outputs})
    spread = np.linspace(0, 59, 6).round().astype(int).tolist()
    assert collected.spread == spread
    values = [module.map_value(image.record) for image in collected.images]
    worst = sorted(range(60), key=lambda number: values[number])[:6]
    assert collected.maps.keys() == {*spread, *worst}
    assert len(collected.maps) > 6
    for number, packed in collected.maps.items():
        maps = packed.unpacked()
        assert maps.truth[0, 0] == number
        assert (maps.predicted == 1).sum() >= wrong[number]


def test_no_label_map_is_kept_if_none_is_shown_or_nothing_is_labeled():
    outputs = [segmented(number, 5) for number in range(4)]
    assert not collect(CollectImages(TASKS['segmentation'], 0), Runner(4, 100), {'raw': outputs}).maps
    for output in outputs:
        del output.gt_sem_seg
    collected = collect(CollectImages(TASKS['segmentation'], 2), Runner(4, 100), {'raw': outputs})
    assert not collected.has_truth and collected.maps.keys() == {0, 1, 2, 3}
    assert collected.maps[0].unpacked().truth is None


def test_a_data_set_without_ground_truth_says_so():
    runner = Runner(2, 3, has_ground_truth=False)
    assert not collect(CollectImages(TASKS['classification'], 2), runner, {'raw': [classified(0, 0)]}).has_truth


def test_processes_are_joined_and_images_that_two_of_them_have_count_once(monkeypatch):
    other = [(module.Place.of(output), output) for output in (segmented(1, 7), segmented(5, 9))]
    task = TASKS['segmentation']
    meta = {'classes': [str(k) for k in range(100)]}
    their_images = [(place, task.diagnosed_image(output, meta)) for place, output in other]
    their_maps = [(place, PackedMaps.of(task.shown_maps(output, meta))) for place, output in other]
    part = (their_images, [other[1][0]], their_maps, 3)
    monkeypatch.setattr(module, 'all_gather_object', lambda own: [own, part])
    outputs = [segmented(number, 5) for number in (0, 1, 9)]
    collected = collect(CollectImages(task, 2), Runner(3, 100), {'raw': outputs}, skipped=1)
    assert [image.record.path for image in collected.images] == ['000.jpg', '001.jpg', '005.jpg', '009.jpg']
    assert collected.spread == [0, 2, 3] and collected.skipped == 4
    assert collected.maps[2].unpacked().truth[0, 0] == 5


@pytest.mark.parametrize('shown', [1, 3])
def test_more_images_than_there_are_can_be_asked_for(shown):
    outputs = [segmented(number, 5) for number in range(2)]
    collected = collect(CollectImages(TASKS['segmentation'], shown), Runner(2, 100), {'raw': outputs})
    assert len(collected.spread) == min(shown, 2)
