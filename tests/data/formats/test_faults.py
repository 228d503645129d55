"""Lines about faults of COCO files."""

from convnext_dense.data.formats.faults import Fault, describe_faults


def test_the_report_counts_all_and_names_the_first():
    faults = Fault('dropped: no box', list(range(3, 20))), Fault('clipped', [8]), Fault('fixed: x', [5, 6], 'category')
    assert describe_faults('val', faults) == [
        'val: 17 annotations dropped: no box (annotation ids 3, 4, 5, 6, 7, ...)',
        'val: 1 annotation clipped (annotation id 8)',
        'val: 2 categories fixed: x (category ids 5, 6)',
    ]
