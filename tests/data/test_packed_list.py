import pickle

from convnext_dense.data.packed_list import PackedList


def test_objects_are_read_back_and_are_new_each_time():
    objects = [{'a': [1, 2]}, 'text', None, (3.5, b'\0' * 1000), []]
    packed = PackedList(objects)
    assert len(packed) == 5 and [packed[index] for index in (4, 0, 3, 1, 2)] == [objects[i] for i in (4, 0, 3, 1, 2)]
    packed[0]['a'].append(3)
    assert packed[0] == objects[0]
    assert pickle.loads(pickle.dumps(packed))[3] == objects[3]
    assert len(PackedList([])) == 0
