import numpy as np
import pytest

from convnext_dense.data.check.bands import find_band_faults, find_lost_spread, measure_training
from convnext_dense.data.check.records import NOTE, PROBLEM, ImageRecord, SplitRecords
from convnext_dense.data.image_scan import measure_bands, scan_images


def scanned(folder, images, name='train'):
    """Write arrays, and return the records of a split with their scans by bands."""
    records = SplitRecords(name)
    for number, image in enumerate(images):
        path = folder / f'{name}{number}.npy'
        np.save(path, image)
        records.images.append(ImageRecord(str(path)))
    scans = scan_images([(image.path, None) for image in records.images], 1, by_bands=True)
    assert [scan.fault for scan in scans] == [''] * len(scans)
    return records, scans


def noise(seed, low=0, high=4095, bands=4, dtype=np.uint16):
    return np.random.default_rng(seed).integers(low, high, (32, 40, bands)).astype(dtype)


def faults(split, bands='all', stats=None):
    return list(find_band_faults(*split, bands, stats or measure_training([split[0]], [split[1]])))


def test_good_images_have_no_fault(tmp_path):
    split = scanned(tmp_path, [noise(seed) for seed in range(3)])
    assert faults(split) == []
    header = split[1][0].header
    assert (header.mode, header.format) == ('4 bands of uint16', 'NPY')


def test_statistics_are_of_training_alone(tmp_path):
    train, val = scanned(tmp_path, [noise(0)]), scanned(tmp_path, [noise(1, 9000, 9999)], 'val')
    stats = measure_training([train[0], val[0]], [train[1], val[1]])
    np.testing.assert_allclose(stats.mean, noise(0).reshape(-1, 4).mean(axis=0))
    assert measure_training([val[0]], [val[1]]).minimum[0] >= 9000
    assert measure_training([], []) is None


def test_images_of_another_kind_are_named(tmp_path):
    images = [noise(0), noise(1), noise(2, bands=3), noise(3, high=200, dtype=np.uint8)]
    split = scanned(tmp_path, images)
    (fault,) = faults(split)
    assert fault.level == PROBLEM
    assert fault.message == '2 images of 4 of another kind than the statistics, 4 bands of uint16'
    assert [item.split('/')[-1] for item in fault.items] == [
        'train2.npy (3 bands of uint16)',
        'train3.npy (4 bands of uint8)',
    ]


def test_bands_that_do_not_exist(tmp_path):
    (fault,) = faults(scanned(tmp_path, [noise(0)]), (9, 1))
    assert (fault.level, fault.message) == (
        PROBLEM,
        '--bands 9,1: there is no band 9, since the images have bands 1 to 4',
    )


def test_a_band_of_one_value(tmp_path):
    image = noise(0)
    image[..., 2] = 5
    (fault,) = faults(scanned(tmp_path, [image]))
    assert fault.message == '1 band of one value in all images'
    assert fault.fix == 'leave them out: --bands 1,2,4'
    assert faults(scanned(tmp_path, [image]), (1, 2, 4)) == []


def test_values_that_are_left_out(tmp_path):
    image = noise(0).astype(np.float32)
    image[:3, :5, 1] = np.nan
    (fault,) = faults(scanned(tmp_path, [image, noise(1).astype(np.float32)]))
    assert fault.level == NOTE
    assert fault.message == '1 image of 2 with 15 values of NaN, infinity or no data'


def test_a_value_for_no_data_that_spoils_the_spread(tmp_path):
    images = [noise(seed, 100, 900).astype(np.float32) for seed in range(4)]
    images[0][0] = -1e9
    (fault,) = faults(scanned(tmp_path, images))
    assert fault.level == PROBLEM
    assert fault.message.startswith('3 images of 4 near-constant after normalization: band ')
    assert fault.fix.endswith('a value for no data may spoil them')


@pytest.mark.parametrize(
    ('image', 'kind'),
    [
        (noise(0, 0, 4095), 'near-constant after normalization: band '),
        (noise(0, 60000, 65535), ''),
        (noise(0, 0, 65535), ''),
    ],
)
def test_values_against_the_statistics_of_16_bits(tmp_path, image, kind):
    _, scans = scanned(tmp_path, [image])
    found = list(find_lost_spread('train', [('a', scans[0].bands)], [1, 2], [32768.0, 32768.0], [18900.0, 18900.0]))
    assert [kind in one.message for one in found] == ([True] if kind else [])


def test_values_far_from_statistics_of_shares(tmp_path):
    np.save(tmp_path / 'a.npy', noise(0))
    found = list(find_lost_spread('val', [('a', measure_bands(str(tmp_path / 'a.npy')))], [3], [0.4], [0.2]))
    assert len(found) == 1
    low, high = noise(0)[..., 2].min(), noise(0)[..., 2].max()
    assert found[0].message == (
        f'1 image of 1 far from the statistics after normalization: band 3 has values of {low} to {high}, and the '
        'statistics have a mean of 0.4 and a std of 0.2'
    )
