"""Reading the memory that is available, from hand-made files of the system, and that of this process."""

import numpy as np

from convnext_dense.io.memory import available_memory, in_gib, peak_memory, resident_memory

MIB = 2**20


def write_system(folder, group='', available_mib=8000, limits=()):
    """Write /proc and /sys/fs/cgroup with groups of version 2: (path, limit, used, cached) in MiB."""
    proc, cgroups = folder / 'proc', folder / 'cgroup'
    (proc / 'self').mkdir(parents=True)
    cgroups.mkdir()
    (proc / 'meminfo').write_text(f'MemTotal: 16000000 kB\nMemAvailable: {available_mib * 1024} kB\n')
    (proc / 'self' / 'cgroup').write_text(f'0::/{group}\n')
    for path, limit, used, cached in limits:
        one = cgroups / path
        one.mkdir(parents=True, exist_ok=True)
        (one / 'memory.max').write_text('max\n' if limit is None else f'{limit * MIB}\n')
        (one / 'memory.current').write_text(f'{used * MIB}\n')
        (one / 'memory.stat').write_text(f'anon 5\ninactive_file {cached * MIB}\n')
    return proc, cgroups


def test_without_limits_it_is_what_the_machine_has_available(tmp_path):
    assert available_memory(*write_system(tmp_path)) == 8000 * MIB


def test_the_tightest_group_limits_it_and_cached_files_count_as_available(tmp_path):
    limits = [('', None, 9000, 0), ('batch', 4000, 1000, 100), ('batch/job', 3000, 500, 200)]
    assert available_memory(*write_system(tmp_path, 'batch/job', limits=limits)) == (3000 - 500 + 200) * MIB


def test_the_group_of_a_container_is_mounted_as_the_root(tmp_path):
    """Where its path of the host is not to be seen."""
    limits = [('', 2000, 1500, 0)]
    assert available_memory(*write_system(tmp_path, 'docker/0123', limits=limits)) == 500 * MIB


def test_a_group_of_version_1(tmp_path):
    proc, cgroups = write_system(tmp_path)
    (proc / 'self' / 'cgroup').write_text('5:cpu:/other\n4:memory:/job\n')
    group = cgroups / 'memory' / 'job'
    group.mkdir(parents=True)
    (group / 'memory.limit_in_bytes').write_text(f'{700 * MIB}\n')
    (group / 'memory.usage_in_bytes').write_text(f'{300 * MIB}\n')
    (group / 'memory.stat').write_text(f'total_inactive_file {50 * MIB}\n')
    assert available_memory(proc, cgroups) == 450 * MIB


def test_a_group_above_its_limit_has_nothing_left(tmp_path):
    assert available_memory(*write_system(tmp_path, limits=[('', 100, 200, 0)])) == 0


def test_a_system_that_hides_it(tmp_path):
    assert available_memory(tmp_path, tmp_path) is None
    assert resident_memory(tmp_path) is None


def test_memory_of_this_process_grows_with_an_array():
    before = resident_memory()
    array = np.ones(64 * MIB // 8)
    assert resident_memory() - before > 0.9 * array.nbytes
    assert peak_memory() >= resident_memory() - MIB


def test_sizes_in_words():
    assert [in_gib(size * 2**30) for size in (0.126, 4.06, 139.5)] == ['0.13', '4.1', '139.5']
