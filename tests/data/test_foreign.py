"""Data sets of other libraries, and wrappers, in the loaders of this package."""

import pickle
import random

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset, ConcatDataset, RepeatDataset
from mmengine.structures import BaseDataElement
from torch.utils.data import Dataset, Subset

from convnext_dense.data.classification.dataset import ImageFolder
from convnext_dense.data.foreign import SeededDataset, classes_of, innermost, with_seeds
from convnext_dense.data.sampler import SeededSampler
from convnext_dense.engine import Runner
from convnext_dense.errors import UserError


class Numbers(BaseDataset):
    """mmengine's data set of somebody, whose samples are random."""

    METAINFO = {'classes': ('a', 'b')}

    def load_data_list(self) -> list[dict]:
        return [dict(img_path=f'{i}.jpg', width=4, height=3) for i in range(6)]

    def prepare_data(self, idx: int) -> dict:
        values = [random.random(), np.random.rand(), torch.rand(()).item()]
        sample = BaseDataElement(metainfo=dict(img_path=f'{idx}.jpg'))
        return dict(inputs=torch.tensor([idx, *values]), data_samples=sample)


def test_a_sample_depends_on_its_index_and_seed_alone():
    dataset = with_seeds(Numbers())
    assert isinstance(dataset, SeededDataset)
    torch.manual_seed(5)
    first = [dataset[3, 7]['inputs'].tolist(), torch.rand(()).item()]
    torch.manual_seed(5)
    dataset[1, 9]
    again = [dataset[3, 7]['inputs'].tolist(), torch.rand(()).item()]
    assert again == first  # and what is random outside of it goes on as if it was not there
    assert dataset[3, 8]['inputs'].tolist() != first[0]
    assert dataset[3]['inputs'][0] == 3


def test_what_the_loops_need_is_there():
    dataset = with_seeds(Numbers())
    assert dataset[2, 0]['path'] == '2.jpg'
    assert dataset[2, 0]['skipped'] == []
    assert dataset.metainfo == {'classes': ('a', 'b')}
    assert dataset.get_data_info((4, 1))['img_path'] == dataset.get_data_info(4)['img_path'] == '4.jpg'
    assert len(dataset) == 6
    assert not hasattr(dataset, 'class_counts')
    assert pickle.loads(pickle.dumps(dataset))[1]['path'] == '1.jpg'
    assert [type(one) for one in innermost(dataset)] == [Numbers]


class Own(Dataset):
    """A data set of somebody that takes pairs, as `docs/extending.md` has it."""

    def __len__(self):
        return 2

    def __getitem__(self, key):
        return {'key': key}


class Plain(Own):
    takes_seeds = False


def test_only_data_sets_that_take_no_seeds_are_wrapped(image_folder):
    ours = ImageFolder(str(image_folder), 'train', dict(input_size=32))
    assert with_seeds(ours) is ours
    own = Own()
    assert with_seeds(own) is own
    assert with_seeds(Plain())[1, 5] == {'key': 1, 'path': 'an image without a path', 'skipped': []}
    assert type(with_seeds(Subset(own, [1]))) is SeededDataset
    wrapped = with_seeds(ConcatDataset([Numbers(), Numbers()]))
    assert type(wrapped) is SeededDataset
    assert len(list(innermost(wrapped))) == 2
    assert [wrapped[i, 0]['path'] for i in (5, 6)] == ['5.jpg', '0.jpg']
    assert [with_seeds(RepeatDataset(Numbers(), 2))[i, 0]['path'] for i in (5, 6, 11)] == ['5.jpg', '0.jpg', '5.jpg']


@pytest.mark.parametrize('workers', [0, 2])
def test_loaders_give_the_same_samples_whatever_the_workers(workers):
    def samples(workers: int) -> list:
        loader = Runner.build_dataloader(
            dict(
                dataset=RepeatDataset(Numbers(), 2),
                batch_size=3,
                num_workers=workers,
                sampler=dict(type='convnext_dense.SeededSampler', shuffle=True),
            ),
            seed=4,
        )
        assert isinstance(loader.batch_sampler.sampler, SeededSampler)
        return [one.tolist() for batch in loader for one in batch['inputs']]

    assert samples(workers) == samples(0)
    assert sorted(one[0] for one in samples(workers)) == sorted([*range(6)] * 2)


def named(*classes: str) -> Numbers:
    return Numbers(metainfo=dict(classes=classes))


class Merges(Subset):
    """A wrapper that merges the classes of a data set."""

    metainfo = {'classes': ['thing']}


def test_classes_are_those_of_all_parts():
    one, same, swapped = named('a', 'b'), named('a', 'b'), named('b', 'a')
    assert classes_of(with_seeds(ConcatDataset([one, same]))) == classes_of(one) == ['a', 'b']
    assert classes_of(Own()) is None
    assert classes_of(torch.utils.data.ConcatDataset([Own(), one])) == ['a', 'b']
    assert classes_of(Merges(torch.utils.data.ConcatDataset([one, swapped]), [1])) == ['thing']
    for wrapped in (
        ConcatDataset([one, swapped], ignore_keys=['classes']),
        RepeatDataset(dict(type=ConcatDataset, datasets=[one, swapped], ignore_keys=['classes']), 2),
        torch.utils.data.ConcatDataset([RepeatDataset(one, 2), swapped]),
    ):
        with pytest.raises(UserError, match=r'^class 0 is a in one part of the data and b in another: give all parts'):
            classes_of(with_seeds(wrapped))
    with pytest.raises(UserError, match='class 2 is absent in one part of the data and c in another'):
        classes_of(torch.utils.data.ConcatDataset([one, named('a', 'b', 'c')]))


def test_of_a_list_of_metainfo_the_first_is_taken():
    from mmdet.datasets import ConcatDataset as OfMmdet

    both = dict(type=OfMmdet, datasets=[Numbers(metainfo=dict(palette=[1])), Numbers()])
    parts = OfMmdet(both['datasets'])
    assert isinstance(parts.metainfo, list)
    for dataset in (with_seeds(parts), with_seeds(RepeatDataset(both, 2))):
        assert dataset.metainfo['palette'] == [1]
        assert classes_of(dataset) == ['a', 'b']


def test_what_hooks_set_on_a_wrapped_data_set_is_the_data_sets():
    numbers = Numbers()
    dataset = with_seeds(numbers)
    dataset.pipeline = print
    assert numbers.pipeline is print
    assert vars(dataset) == {'dataset': numbers}
    assert pickle.loads(pickle.dumps(dataset)).dataset.pipeline is print


def test_what_a_hook_sets_is_set_on_the_data_set_itself():
    """As mmdet's PipelineSwitchHook does with ``pipeline``."""

    class Own:
        pipeline = 'first'

        def __len__(self) -> int:
            return 1

    own = Own()
    wrapped = SeededDataset(own)
    wrapped.pipeline = 'second'
    assert (own.pipeline, wrapped.pipeline) == ('second', 'second')
    with pytest.raises(UserError, match='Own of the training data has no transform to set'):
        wrapped.transform = 'third'
