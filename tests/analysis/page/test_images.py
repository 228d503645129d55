"""Images of the page: which are chosen, what they are found by, and that files elsewhere are never taken."""

import base64
import json
from dataclasses import replace

import numpy as np
from PIL import Image

from convnext_dense.analysis.page.diagnosis import ReadDiagnosis, read
from convnext_dense.analysis.page.images import CHUNK, of_diagnosis, of_drawings, read_drawings
from tests.helpers import example_diagnoses as examples


def test_images_of_galleries_the_worst_and_a_spread_of_the_others(tmp_path):
    images = [
        {'path': f'{i}.jpg', 'file': f'{i}.jpg', 'value': float(i % 50), 'findings': [], 'classes': []}
        for i in range(100)
    ]
    gallery = {'kind': 'gallery', 'images': [77, 500, 33]}
    diagnosis = ReadDiagnosis(tmp_path / 'd.json', {'sections': [{'blocks': [gallery]}]}, images)
    found = of_diagnosis(diagnosis, 12)
    paths = [one['path'] for one in found.records]
    assert len(set(paths)) == 12
    assert {'77.jpg', '33.jpg', '0.jpg', '50.jpg', '1.jpg', '51.jpg', '2.jpg'} <= set(paths)
    assert [int(path[:-4]) for path in paths] == sorted(found.numbers)
    assert all(paths[at] == f'{number}.jpg' for number, at in found.numbers.items())
    assert max(int(path[:-4]) for path in paths) > 90  # spread over all
    assert '12 of 100 images' in found.note and '--max-images' in found.note
    assert of_diagnosis(diagnosis, 100).note == '' and of_diagnosis(diagnosis, 0).records == []


def test_files_and_objects_are_in_chunks_beside_what_images_are_found_by(tmp_path):
    folder = tmp_path / 'diagnosis'
    made = examples.detection(folder, CHUNK + 2)
    examples.write(made, folder)
    found = of_diagnosis(read(tmp_path), 1000)
    chunks = list(found.chunks(None))
    assert [len(chunk) for chunk in chunks] == [CHUNK, 2]
    head, content = chunks[1][1]['src'].split(',')
    assert head == 'data:image/jpeg;base64'
    assert base64.b64decode(content) == (folder / made.images[CHUNK + 1].file).read_bytes()
    assert chunks[0][1]['truth'][2] == {
        'box': [240, 150, 60, 60],
        'label': 2,
        'score': None,
        'finding': 'missed',
    }
    assert 'truth' not in found.records[0] and found.records[1]['classes'] == [0, 1, 2, 3]
    assert found.kinds() == {'objects': True, 'truth': True, 'maps': False}


def test_files_beside_the_page_are_linked_and_label_maps_embedded(tmp_path):
    folder = tmp_path / 'a #1' / 'diagnosis'
    examples.write(examples.segmentation(folder, 2), folder)
    (chunk,) = of_diagnosis(read(folder.parent), 9).chunks(tmp_path)
    assert chunk[1]['src'] == 'a%20%231/diagnosis/images/0001.jpg'
    assert chunk[1]['truth_map'].startswith('data:image/png;base64,')


def test_files_outside_the_folder_and_of_other_kinds_are_not_taken(tmp_path):
    folder = tmp_path / 'diagnosis'
    made = examples.classification(folder, 4)
    Image.new('RGB', (4, 4)).save(tmp_path / 'secret.png')
    (folder / 'images' / 'key.txt').write_text('secret')
    (folder / 'images' / 'link.png').symlink_to(tmp_path / 'secret.png')
    files = ['../secret.png', str(tmp_path / 'secret.png'), 'images/key.txt', 'images/link.png']
    images = [replace(image, file=file) for image, file in zip(made.images, files, strict=True)]
    examples.write(replace(made, images=images), folder)
    (chunk,) = of_diagnosis(read(tmp_path), 9).chunks(None)
    assert [one['src'] for one in chunk] == [None] * 4


def test_label_maps_with_a_palette_have_their_values(tmp_path):
    folder = tmp_path / 'diagnosis'
    made = examples.segmentation(folder, 1)
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image = Image.fromarray(labels).convert('P')
    image.putpalette([7] * 768)
    image.save(folder / made.images[0].truth_map)
    examples.write(made, folder)
    (chunk,) = of_diagnosis(read(tmp_path), 9).chunks(None)
    (folder / 'read.png').write_bytes(base64.b64decode(chunk[0]['truth_map'].split(',')[1]))
    with Image.open(folder / 'read.png') as read_back:
        assert read_back.mode == 'L' and np.array_equal(np.asarray(read_back), labels)


def test_drawings_of_the_test(tmp_path):
    entries = [
        {'file': f'{i}.png', 'path': f'p/{i}.png', 'caption': 'c', 'prediction': p, 'ground_truth': 'cat'}
        for i, p in enumerate(('cat', 'dog'))
    ]
    for entry in entries:
        Image.new('RGB', (40, 30)).save(tmp_path / entry['file'])
    index = tmp_path / 'predictions.json'
    index.write_text(json.dumps(entries))
    drawings, problem = read_drawings(index)
    assert problem == ''
    found = of_drawings(drawings, tmp_path, 60)
    assert [one['findings'] for one in found.records] == [[], ['wrong']]
    assert (found.records[0]['width'], found.records[0]['height']) == (40, 30)
    index.write_text('[{"file": 3}]')
    assert 'test the run again' in read_drawings(index)[1]
    assert read_drawings(tmp_path / 'none.json') == ([], '')


def test_parts_of_drawings_are_in_the_page_by_their_places(tmp_path):
    index = tmp_path / 'predictions.json'
    panels = [{'name': name, 'box': [10 * i, 5, 9, 8]} for i, name in enumerate(('original', 'composed'))]
    index.write_text(json.dumps([{'file': '0.png', 'path': 'a.jpg', 'caption': 'loss 0.9', 'panels': panels}]))
    Image.new('RGB', (19, 13)).save(tmp_path / '0.png')
    drawings, problem = read_drawings(index)
    assert problem == ''
    found = of_drawings(drawings, tmp_path, 60)
    assert found.panel_names() == ['original', 'composed'] and 'hidden from the network' in found.note
    ((details,),) = found.chunks(None)
    assert details['panels'] == [[0, 5, 9, 8], [10, 5, 9, 8]]
    for broken in ([{'name': 'x'}], [{'name': 'x', 'box': [1, 2]}], [{'name': 'x', 'box': [0, 0, 0, 5]}], [3], 'x'):
        entry = {'file': '0.png', 'path': 'a.jpg', 'caption': 'c', 'panels': broken}
        index.write_text(json.dumps([entry]))
        assert 'test the run again' in read_drawings(index)[1]
    assert of_drawings([{'file': '0.png', 'path': 'a', 'caption': ''}], tmp_path, 3).panel_names() == []
