"""The search for the largest batch, on a machine whose memory is a formula."""

import pytest
import torch

from convnext_dense.engine.batch_search import Trial, batches_to_try, bisect_largest, grow_largest
from convnext_dense.errors import UserError
from convnext_dense.io.out_of_memory import is_out_of_memory

MIB = 2**20


class Machine:
    """A network that takes ``base + slope * batch`` bytes, of which there are ``limit``."""

    def __init__(self, limit, base=100 * MIB, slope=50 * MIB, startup=0, refused=()):
        self.limit, self.base, self.slope, self.startup, self.refused = limit, base, slope, startup, refused
        self.tried = []

    def used(self, batch):
        return max(self.startup, self.base + self.slope * batch)

    def step(self, batch):
        if self.used(batch) > self.limit:
            raise torch.OutOfMemoryError(f'CUDA out of memory. Tried to allocate {self.slope * batch} bytes')

    def __call__(self, batch):
        self.tried.append(batch)
        if batch in self.refused:
            return Trial(batch, False, error=f'{batch} is odd')
        try:
            self.step(batch)
        except torch.OutOfMemoryError as error:
            assert is_out_of_memory(error)
            return Trial(batch, False)
        return Trial(batch, True, self.used(batch))

    @property
    def largest(self):
        return int((self.limit - self.base) // self.slope)


def test_batches_make_up_the_total_exactly():
    assert batches_to_try(24, 10) == [1, 2, 3, 4, 6, 8]
    assert batches_to_try(16, 1000) == [1, 2, 4, 8, 16]
    assert batches_to_try(17, 1000) == [1, 17]


@pytest.mark.parametrize('total', [1, 2, 16, 17, 24, 512, 4096])
@pytest.mark.parametrize('fitting', [1, 2, 3, 7, 8, 100, 10_000])
@pytest.mark.parametrize('how', ['bisect', 'grow'])
def test_the_largest_that_fits_is_found(total, fitting, how):
    machine = Machine(limit=(100 + 50 * fitting + 10) * MIB)
    candidates = batches_to_try(total, 10_000)
    if how == 'bisect':
        found = bisect_largest(candidates, machine)
        assert len(machine.tried) <= len(candidates).bit_length()
    else:
        found = grow_largest(candidates, machine, machine.limit, lambda batch: 0)
    assert found.batch == max(batch for batch in candidates if batch <= fitting)


@pytest.mark.parametrize('fitting', [1, 3, 9, 70, 300])
@pytest.mark.parametrize('startup', [0, 300 * MIB, 900 * MIB])
def test_growing_never_tries_what_would_not_fit_once_memory_grows(fitting, startup):
    """On a CPU a batch that does not fit makes the machine swap. What reading data took at first must not hide it."""
    machine = Machine(limit=max(startup + MIB, (100 + 50 * fitting + 10) * MIB), startup=startup)
    grow_largest(batches_to_try(4096, 4096), machine, machine.limit, lambda batch: 0)
    too_large = [batch for batch in machine.tried if machine.used(batch) > machine.limit]
    assert not too_large or too_large[0] <= (4 * machine.largest if startup else 2)  # after 1 nothing is known


def test_growing_takes_few_trials():
    machine = Machine(limit=10**12)
    assert grow_largest(batches_to_try(4096, 4096), machine, machine.limit, lambda batch: 0).batch == 4096
    assert machine.tried == [1, 2, 8, 32, 128, 512, 2048, 4096]


def test_batches_that_loader_workers_prepare_count():
    machine = Machine(limit=(100 + 50 * 8 + 10) * MIB)
    found = grow_largest([1, 2, 4, 8], machine, machine.limit, lambda batch: 20 * MIB * batch)
    assert found.batch == 4


@pytest.mark.parametrize('how', ['bisect', 'grow'])
def test_batches_that_the_network_refuses_are_left_out(how):
    machine = Machine(limit=(100 + 50 * 6 + 10) * MIB, refused=(1, 3))
    candidates = [1, 2, 3, 6, 12]
    if how == 'bisect':
        assert bisect_largest(candidates, machine).batch == 6
    else:
        assert grow_largest(candidates, machine, machine.limit, lambda batch: 0).batch == 6


@pytest.mark.parametrize('how', ['bisect', 'grow'])
def test_nothing_fits(how):
    machine = Machine(limit=120 * MIB)
    with pytest.raises(UserError, match=r'not even one image fits.*--image-size'):
        if how == 'bisect':
            bisect_largest([1, 2, 4], machine)
        else:
            grow_largest([1, 2, 4], machine, machine.limit, lambda batch: 0)
    with pytest.raises(UserError, match='1 is odd'):
        bisect_largest([1], Machine(limit=10**12, refused=(1,)))
