"""The browser of predictions in Chromium: filters, the score slider, the viewer, label maps, and links to a view."""

import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from convnext_dense.analysis.page.build import write_page
from tests.analysis.page.test_content import command, write_pretraining
from tests.helpers import example_diagnoses as examples


@pytest.fixture(scope='module')
def pages(tmp_path_factory):
    """A page for each task."""
    found = {}
    for make in (examples.classification, examples.detection, examples.segmentation):
        folder = tmp_path_factory.mktemp(make.__name__) / 'run'
        count = 12 if make is examples.segmentation else 60
        examples.write(make(folder / 'diagnosis', count), folder / 'diagnosis')
        write_page(folder, folder / 'page.html', command, 300)
        found[make.__name__] = folder / 'page.html'
    return found


def address_of(page):
    page.wait_for_timeout(300)  # the page writes it with a delay
    return page.evaluate('location.hash')


def has_address(page, end):
    """Whether the address comes to end so, within seconds."""
    for _ in range(50):
        if page.evaluate('location.hash').endswith(end):
            return True
        page.wait_for_timeout(100)
    return False


def shown(page):
    return page.locator('#predictions .thumbnail').count()


def set_slider(page, label, value, within='#predictions'):
    page.locator(within).get_by_label(label).fill(str(value))


def boxes(page, kind, place='#predictions .thumbnail >> nth=0'):
    return page.locator(f'{place} >> g.object.{kind}').count()


def test_filters_filter_and_are_in_the_address(pages, open_page):
    page = open_page(pages['classification'], '#/run/predictions')
    assert shown(page) == 48 and '60 images' in page.locator('#predictions').inner_text()
    page.get_by_label('Class', exact=True).select_option('fish')  # 12 are fish, of which all are taken for balloon
    assert shown(page) == 12 and '12 of 60 images' in page.locator('#predictions').inner_text()
    page.get_by_label('Finding', exact=True).select_option('-')
    assert shown(page) == 0 and 'No image fits' in page.locator('#predictions').inner_text()
    page.get_by_label('Finding', exact=True).select_option('taken for balloon')
    page.get_by_label('Path', exact=True).fill('0014')
    page.wait_for_function('() => document.querySelectorAll("#predictions .thumbnail").length === 1')
    page.wait_for_function('() => location.hash.includes("q=0014")')
    assert re.search(r'#/run/predictions\?class=fish&finding=taken\+for\+balloon&q=0014$', address_of(page))
    again = open_page(pages['classification'], address_of(page))
    assert shown(again) == 1 and again.get_by_label('Class', exact=True).input_value() == 'fish'
    assert again.get_by_label('Finding', exact=True).input_value() == 'taken for balloon'


def test_sorting_and_pages(pages, open_page):
    page = open_page(pages['classification'], '#/run/predictions')
    values = r'true class ([\d.]+)%'
    text = page.locator('#predictions .images').inner_text
    worst = [float(value) for value in re.findall(values, text())]
    assert worst == sorted(worst) and len(worst) == 48
    page.get_by_label('Sort').select_option('best')
    best = [float(value) for value in re.findall(values, text())]
    assert best == sorted(best, reverse=True)
    page.get_by_role('button', name='Next page').click()
    assert shown(page) == 12 and has_address(page, 'sort=best&page=2')


def test_the_score_slider_changes_what_is_drawn(pages, open_page):
    page = open_page(pages['detection'], '#/run/predictions')
    page.wait_for_selector('#predictions .thumbnail svg.overlay')
    assert page.get_by_label('Least score').input_value() == '0.4'  # the best score of all classes
    counts = []
    for score in (0.05, 0.3, 0.5, 0.7, 0.95):
        set_slider(page, 'Least score', score)
        counts.append(boxes(page, 'predicted'))
    assert counts == [4, 3, 2, 1, 0]
    assert boxes(page, 'truth') == 3 and boxes(page, 'missed') == 1
    assert 'score=0.95' in address_of(page)
    page.get_by_label('each class from its best score').check()
    assert boxes(page, 'predicted') == 2  # balloon from 0.5, bird from 0.7, car from 0.05
    assert page.get_by_label('Least score').is_disabled()
    page.get_by_label('annotated').uncheck()
    page.get_by_label('predicted', exact=True).uncheck()
    assert page.locator('#predictions .images g.object').count() == 0
    again = open_page(pages['detection'], address_of(page))
    assert not again.get_by_label('annotated').is_checked() and again.get_by_label('each class').is_checked()


def test_instances_of_a_class_have_shades_and_misses_are_dashed(pages, open_page):
    page = open_page(pages['detection'], '#/run/predictions?score=0.05')
    page.wait_for_selector('#predictions .thumbnail svg.overlay')
    colors = page.evaluate("""[...document.querySelector('#predictions .thumbnail').querySelectorAll('g.predicted')]
        .map((one) => one.style.getPropertyValue('--color'))""")
    assert len(set(colors)) == 4 and 'rgb(208 60 60)' in colors  # two balloons, of two shades
    dashes = "getComputedStyle(document.querySelector('g.missed .edge')).strokeDasharray"
    assert page.evaluate(dashes) == '4px, 3px'
    assert page.evaluate("getComputedStyle(document.querySelector('g.found .edge')).strokeDasharray") == 'none'


def test_the_viewer_by_keys(pages, open_page):
    page = open_page(pages['detection'], '#/run/predictions?finding=missed')
    first = page.locator('#predictions .thumbnail').first
    first.focus()
    page.keyboard.press('Enter')
    dialog = page.get_by_role('dialog')
    assert '1 of 40' in dialog.inner_text() and 'image=1' in address_of(page)
    assert dialog.locator('.stage.large g.predicted').count() == 2
    assert [text.split() for text in dialog.locator('tbody tr').all_inner_texts()][:2] == [
        ['balloon', '0.90', 'right'],
        ['bird', '0.60', 'right'],
    ]
    assert 'Findings: on background not found' in dialog.locator('.side').inner_text()
    page.keyboard.press('ArrowRight')
    assert '2 of 40' in dialog.inner_text()
    page.keyboard.press('ArrowLeft')
    page.keyboard.press('ArrowLeft')  # there is none before the first
    assert '1 of 40' in dialog.inner_text() and dialog.get_by_role('button', name='Previous image').is_disabled()
    set_slider(page, 'Least score', 0.05, 'dialog')
    assert dialog.locator('.stage.large g.predicted').count() == 4
    page.keyboard.press('Escape')
    assert page.get_by_role('dialog').count() == 0
    assert page.evaluate('document.activeElement.className') == 'thumbnail'
    assert 'image=' not in address_of(page) and 'score=0.05' in address_of(page)


def test_an_image_without_findings_says_so_and_a_link_opens_the_viewer(pages, open_page):
    page = open_page(pages['detection'], '#/run/predictions?image=3')
    dialog = page.get_by_role('dialog')
    dialog.get_by_text('No errors were found in this image.').wait_for()
    assert 'val2017/000000000003.jpg' in dialog.inner_text()
    page.keyboard.press('Escape')
    assert has_address(page, '#/run/predictions')


def test_classification_has_scores_as_bars_and_the_true_class(pages, open_page):
    page = open_page(pages['classification'], '#/run/predictions?image=4')
    dialog = page.get_by_role('dialog')
    rows = [text.split() for text in dialog.locator('table.scores tbody tr').all_inner_texts()]
    assert rows[0][0] == 'balloon' and 'The true class is fish' in dialog.inner_text()
    page.keyboard.press('ArrowRight')
    assert '✗' in page.locator('#predictions .thumbnail').first.inner_text()


def test_galleries_open_their_own_images_and_give_the_address_back(pages, open_page):
    page = open_page(pages['classification'], '#/run/suspects')
    assert page.locator('#suspects .thumbnail').all_inner_texts()[2].startswith('labeled <b>fish</b>')
    page.locator('#suspects .thumbnail').nth(1).click()
    assert '2 of 3' in page.get_by_role('dialog').inner_text()
    page.get_by_role('button', name='Close').click()
    assert has_address(page, '#/run/suspects')


def test_classes_of_tables_lead_to_their_images(pages, open_page):
    page = open_page(pages['classification'], '#/run/confusions')
    page.locator('#confusions table.data').get_by_role('link', name='boat').click()
    page.wait_for_function('() => document.querySelectorAll("#predictions .thumbnail").length === 12')
    assert has_address(page, '#/run/predictions?class=boat')


def test_label_maps_beside_the_image_with_one_legend(pages, open_page):
    page = open_page(pages['segmentation'], '#/run/predictions?image=1')
    dialog = page.get_by_role('dialog')
    dialog.locator('.panels canvas').nth(2).wait_for()
    assert dialog.locator('figcaption').all_inner_texts() == ['Image', 'Truth', 'Prediction', 'Errors']
    legend = dialog.locator('.legend.classes .key').all_inner_texts()
    assert [text.split()[0] for text in legend] == ['sky', 'water', 'grass', 'wrong', 'not']  # no sand
    pixel = """(which, x, y) => {
      const canvas = document.querySelectorAll('dialog .panels canvas')[which];
      return [...canvas.getContext('2d').getImageData(x, y, 1, 1).data];
    }"""
    at = lambda which, x, y: page.evaluate(f'({pixel})({which}, {x}, {y})')  # noqa: E731
    sky, water = examples.REGION_COLORS[:2]
    assert at(0, 5, 5)[:3] == pytest.approx(sky, abs=2) and at(0, 5, 45)[:3] == pytest.approx(water, abs=2)
    assert at(1, 5, 45)[:3] == pytest.approx(sky, abs=2)  # rows 43 to 48 are taken for sky
    assert at(2, 5, 45)[0] > 200 and at(2, 5, 60)[:3] == [0, 0, 0]
    assert at(0, 159, 5) == at(2, 159, 5) == [0, 0, 0, 0]  # the last column is not labeled
    box = dialog.locator('.panels .stage').nth(3).bounding_box()
    page.mouse.move(box['x'] + box['width'] * 0.1, box['y'] + box['height'] * 45.5 / 120)
    assert dialog.locator('.readout').inner_text() == 'true water, predicted sky'
    set_slider(page, 'Opacity', 1, 'dialog')
    dialog.locator('.panels canvas').nth(2).wait_for()
    page.wait_for_timeout(50)
    assert at(0, 5, 5) == [*sky, 255]
    dialog.locator('.legend.classes').get_by_role('button', name='water').click()
    page.wait_for_timeout(50)
    assert at(0, 5, 5)[3] == 0 and at(0, 5, 60) == [*water, 255]


def test_label_maps_of_more_classes_than_gray_values(tmp_path, open_page):
    diagnosis = examples.segmentation(tmp_path / 'run/diagnosis', 2)
    names = [f'class {number}' for number in range(300)]
    colors = [(number % 7 * 30, number // 7, 90) for number in range(300)]
    for image in diagnosis.images:
        for file in (image.truth_map, image.predicted_map):
            path = tmp_path / 'run/diagnosis' / file
            labels = np.asarray(Image.open(path)).astype(int)
            labels = np.where(labels == 255, 65535, labels + 255)  # 255, 256 and 257 are classes, as 65535 is none
            Image.fromarray(np.stack([labels % 256, labels // 256, 0 * labels], axis=-1).astype(np.uint8)).save(path)
    examples.write(replace(diagnosis, classes=names, colors=colors), tmp_path / 'run/diagnosis')
    write_page(tmp_path / 'run', tmp_path / 'page.html', command, 300)
    page = open_page(tmp_path / 'page.html', '#/run/predictions?image=1')
    dialog = page.get_by_role('dialog')
    dialog.locator('.panels canvas').nth(2).wait_for()
    legend = [text.split('\n')[0] for text in dialog.locator('.legend.classes .key').all_inner_texts()]
    assert [re.sub(r'\s*[\d.]+%.*', '', text) for text in legend] == [*names[255:258], 'wrong', 'not labeled']
    box = dialog.locator('.panels .stage').nth(3).bounding_box()
    page.mouse.move(box['x'] + box['width'] * 0.1, box['y'] + box['height'] * 45.5 / 120)
    assert dialog.locator('.readout').inner_text() == 'true class 256, predicted class 255'


def test_thumbnails_of_label_maps_show_what_is_chosen(pages, open_page):
    page = open_page(pages['segmentation'], '#/run/predictions')
    page.wait_for_selector('#predictions .thumbnail canvas')
    drawn = "document.querySelector('#predictions .thumbnail canvas').toDataURL()"
    predicted = page.evaluate(drawn)
    page.get_by_label('Show', exact=True).select_option('truth')
    page.wait_for_timeout(100)
    assert page.evaluate(drawn) != predicted and has_address(page, '?show=truth')
    page.get_by_label('Show', exact=True).select_option('image')
    page.wait_for_timeout(100)
    assert page.locator('#predictions .thumbnail canvas').count() == 0


def test_images_are_decoded_when_they_are_near(pages, open_page):
    page = open_page(pages['detection'], height=400)
    assert page.locator('#predictions .thumbnail').count() == 48
    assert page.locator('#predictions .thumbnail img').count() == 0
    page.locator('#predictions .thumbnail').nth(20).scroll_into_view_if_needed()
    page.wait_for_selector('#predictions .thumbnail img')
    assert 0 < page.locator('#predictions .thumbnail img').count() < 48


def test_images_beside_the_page(tmp_path, open_page):
    folder = tmp_path / 'run #1'
    examples.write(examples.segmentation(folder / 'diagnosis', 3), folder / 'diagnosis')
    write_page(folder, tmp_path / 'page.html', command, 300, beside=True)
    page = open_page(tmp_path / 'page.html', '#/run%20%231/predictions')
    page.wait_for_selector('#predictions canvas')
    assert page.evaluate("document.querySelector('#predictions img').naturalWidth") == examples.WIDTH


RGB_AT = """([x, y]) => {  // the color of the page at a point, by what is on top there
    const image = document.elementsFromPoint(x, y).find((one) => one.tagName === 'IMG');
    const box = image.getBoundingClientRect();
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    const at = [(x - box.left) / box.width * canvas.width, (y - box.top) / box.height * canvas.height];
    return [...context.getImageData(...at.map(Math.floor), 1, 1).data].slice(0, 3);
}"""


def colors_of(page, part):
    """The colors in the corners of a part of an image, a pixel or two inside."""
    box = part.bounding_box()
    inside = [(box['x'] + dx, box['y'] + dy) for dx in (3, box['width'] - 3) for dy in (3, box['height'] - 3)]
    return {tuple(page.evaluate(RGB_AT, point)) for point in inside}


@pytest.mark.parametrize('width', [1280, 375])
def test_parts_of_reconstructions_are_cut_from_their_drawings_with_one_legend(width, open_page, tmp_path):
    run = write_pretraining(tmp_path / 'run')
    write_page(run, run / 'page.html', command, 300)
    page = open_page(run / 'page.html', '#/run/predictions', width=width)
    section = page.locator('#predictions')
    assert section.locator('h2').inner_text() == 'Reconstructions'
    assert section.locator('.strip-legend').all_inner_texts()[0].split() == ['original', 'composed']
    assert section.locator('.strip-legend').count() == 1 and section.locator('.strip').count() == 2
    strip = section.locator('.strip').first
    strip.scroll_into_view_if_needed()
    parts = strip.locator('.part')
    for place, color in enumerate([(255, 0, 0), (0, 0, 255)]):
        assert colors_of(page, parts.nth(place)) == {color}
        assert parts.nth(place).locator('img').get_attribute('alt') == f'{("original", "composed")[place]}: 0.jpg'
    assert page.evaluate('document.documentElement.scrollWidth') == width
    strip.click()
    viewer = page.locator('dialog.viewer')
    assert viewer.locator('figcaption').all_inner_texts() == ['original', 'composed']
    assert colors_of(page, viewer.locator('.part').nth(1)) == {(0, 0, 255)}
    page.keyboard.press('ArrowRight')
    assert viewer.locator('h2').inner_text() == 'd/1.jpg'
    page.keyboard.press('Escape')
    viewer.wait_for(state='detached')
    assert has_address(page, '/predictions')
