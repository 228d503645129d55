"""The page in Chromium: it opens everywhere, tables sort, matrices toggle, charts draw, keys and links work."""

import json
import re
from dataclasses import asdict, replace

import pytest

from convnext_dense.analysis.page.build import write_page
from convnext_dense.diagnosis import content
from tests.analysis.page.test_content import TOP1, command
from tests.helpers import example_diagnoses as examples
from tests.helpers.written_runs import write_metrics, write_run

HOSTILE = (
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(2)>',
    '</script>',
    "it's `x` & \u05d0\u05d1\u05d2",
    '\u202eabc',
)


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """Four runs: two classifiers, a detector and a segmentor, the first with logs and results."""
    folder = tmp_path_factory.mktemp('runs')
    for name, make in (
        ('a_classifier', examples.classification),
        ('b_classifier', examples.classification),
        ('c_detector', examples.detection),
        ('d_segmentor', examples.segmentation),
    ):
        examples.write(make(folder / name / 'diagnosis'), folder / name / 'diagnosis')
    many = {'train/loss': [(i, 3.0 / (1 + i)) for i in range(1, 60)], 'train/lr': [(i, 0.01) for i in range(1, 60)]}
    for name in ('a_classifier', 'b_classifier'):
        write_run(folder / name, {**TOP1, **many}, [])
    per_class = {kind: {f'class {i}': {'top1': float(i)} for i in range(40)} for kind in ('raw', 'ema')}
    write_metrics(folder / 'a_classifier', {'raw/top1': 75.0, 'ema/top1': 76.0, 'raw/images': 960}, per_class)
    (folder / 'a_classifier' / 'config.py').write_text('\n'.join(f'key_{i} = {i}' for i in range(300)))
    write_page(folder, folder / 'page.html', command, 300)
    return folder / 'page.html'


def has_address(page, end):
    """Whether the address comes to end so, within seconds."""
    for _ in range(50):
        if page.evaluate('location.hash').endswith(end):
            return True
        page.wait_for_timeout(100)
    return False


def numbers(page, selector):
    return [float(text) for text in page.locator(selector).all_inner_texts()]


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('fragment', ['', '#/a_classifier', '#/c_detector', '#/d_segmentor'])
def test_it_opens_wide_and_narrow_without_sideways_scrolling(runs, open_page, scheme, fragment):
    for width in (1280, 375):
        page = open_page(runs, fragment, width=width, color_scheme=scheme)
        assert page.evaluate('document.documentElement.dataset.theme') == scheme
        page.mouse.wheel(0, 20000)  # charts and images are made when they are near
        page.wait_for_timeout(100)
        assert page.evaluate('document.documentElement.scrollWidth - innerWidth') <= 0
        assert page.locator('h1').count() == 1 and page.locator('main h2').count() >= 2


@pytest.mark.parametrize('fragment', ['', '#/a_classifier', '#/c_detector', '#/d_segmentor'])
def test_structure_for_screen_readers(runs, open_page, fragment):
    page = open_page(runs, fragment)
    page.evaluate('document.querySelectorAll("details").forEach((one) => { one.open = true; })')
    faults = page.evaluate("""() => {
      const faults = [];
      const ids = [...document.querySelectorAll('[id]')].map((one) => one.id);
      ids.filter((id, i) => ids.indexOf(id) !== i).forEach((id) => faults.push(`id twice: ${id}`));
      let level = 1;
      document.querySelectorAll('h1, h2, h3, h4, h5').forEach((one) => {
        const own = Number(one.tagName[1]);
        if (own > level + 1) faults.push(`${one.tagName} after H${level}: ${one.textContent}`);
        level = own;
        if (!one.textContent.trim()) faults.push('empty heading');
      });
      document.querySelectorAll('input, select').forEach((one) => {
        if (one.labels.length === 0 || !one.labels[0].textContent.trim()) faults.push(`no label: ${one.outerHTML}`);
      });
      document.querySelectorAll('button, a').forEach((one) => {
        if (!(one.textContent.trim() || one.getAttribute('aria-label'))) faults.push(`no name: ${one.outerHTML}`);
      });
      document.querySelectorAll('[aria-labelledby], [aria-controls], [for]').forEach((one) => {
        ['aria-labelledby', 'aria-controls', 'for'].filter((key) => one.hasAttribute(key)).forEach((key) => {
          if (!document.getElementById(one.getAttribute(key))) faults.push(`${key} leads nowhere: ${one.outerHTML}`);
        });
      });
      if (document.querySelector('img:not([alt])')) faults.push('image without text');
      document.querySelectorAll('main table').forEach((one) => {
        if (!one.querySelector('th')) faults.push(`no headings: ${one.outerHTML.slice(0, 80)}`);
      });
      document.querySelectorAll('[role=img], [role=group], dialog').forEach((one) => {
        const label = one.getAttribute('aria-label') || one.getAttribute('aria-labelledby');
        if (!label) faults.push(`no label: ${one.outerHTML}`);
      });
      ['header', 'nav', 'main'].forEach((tag) => { if (!document.querySelector(tag)) faults.push(`no ${tag}`); });
      return faults;
    }""")
    assert faults == []


def test_text_can_be_read_in_both_colors(runs, open_page):
    """The contrast of all texts with what is behind them, by WCAG 2's formula: at least 4.5."""
    for scheme in ('light', 'dark'):
        for fragment in ('', '#/a_classifier', '#/c_detector'):
            page = open_page(runs, fragment, color_scheme=scheme)
            faults = page.evaluate(CONTRAST)
            assert faults == [], (scheme, fragment)


CONTRAST = """() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const parse = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const luminance = (color) => {
    const [r, g, b] = color.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const layers = [];
    for (let one = element; one; one = one.parentElement) {
      const color = parse(getComputedStyle(one).backgroundColor);
      if (color[3] > 0) layers.push(color);
      if (color[3] === 1) break;
    }
    const over = (base, [r, g, b, a]) => [r, g, b].map((v, i) => v * a + base[i] * (1 - a));
    return layers.reverse().reduce(over, [255, 255, 255]);
  };
  const faults = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.data.trim();
    const unseen = 'script, noscript, style, svg, option, .visually-hidden, .skip, :disabled, [aria-hidden=true]';
    if (!text || element.closest(unseen) || !element.checkVisibility()) continue;
    const back = behind(element);
    const color = parse(getComputedStyle(element).color).slice(0, 3);
    const [a, b] = [luminance(color), luminance(back)];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faults.push(`${ratio.toFixed(2)}: ${text.slice(0, 40)} in ${element.className}`);
  }
  return [...new Set(faults)];
}"""


def test_tables_sort_filter_and_turn_pages(runs, open_page):
    page = open_page(runs, '#/a_classifier/per-class')
    box = page.locator('#per-class')
    cells = '#per-class tbody td.numeric'
    assert len(numbers(page, cells)) == 15
    head = box.get_by_role('columnheader', name='top-1')
    assert head.get_attribute('aria-sort') == 'none'
    head.get_by_role('button').click()
    assert head.get_attribute('aria-sort') == 'descending'
    assert numbers(page, cells) == [float(i) for i in range(39, 24, -1)]
    head.get_by_role('button').press('Enter')
    assert numbers(page, cells) == [float(i) for i in range(15)]
    box.get_by_role('button', name='Next page').click()
    assert numbers(page, cells) == [float(i) for i in range(15, 30)]
    box.get_by_role('button', name='class').first.click()
    names = box.locator('tbody th').all_inner_texts()
    assert names[:11] == [f'class {i}' for i in range(11)]  # as people count
    box.get_by_label('Filter rows').fill('CLASS 39')
    page.wait_for_function('() => document.querySelectorAll("#per-class tbody tr").length === 1')
    assert '1 of 40 rows' in box.inner_text()
    box.get_by_role('button', name='raw weights').click()
    assert 'raw weights' in box.locator('h3').inner_text()


def test_bounds_stand_below_their_number(tmp_path, open_page):
    made = examples.classification(tmp_path, 2)
    columns = [examples.Column(name, 'percent') for name in ('Recall', 'Recall from', 'Recall to', 'F1', 'F1 from')]
    table = examples.Table('T', columns, [[50.0, 40.0, 60.0, 30.0, 20.0], [70.0, None, None, 10.0, 5.0]])
    examples.write(replace(made, sections=[examples.Section('s', 'S', [table])]), tmp_path)
    write_page(tmp_path, tmp_path / 'page.html', command, 9)
    page = open_page(tmp_path / 'page.html')
    names = [text.split()[0] for text in page.locator('#s thead th').all_inner_texts()]
    assert names == ['Recall', 'F1', 'F1']
    assert page.locator('#s tbody tr').first.inner_text().split() == ['50.0', '40.0', 'to', '60.0', '30.0', '20.0']
    page.locator('#s').get_by_role('button', name='F1').last.click()
    assert page.locator('#s tbody tr').first.inner_text().split()[-1] == '20.0'


def test_what_is_absent_comes_last_either_way(runs, open_page):
    page = open_page(runs, '#/a_classifier/confusions')
    head = page.locator('#confusions').get_by_role('columnheader', name='precision')
    for _ in range(2):
        head.get_by_role('button').click()
        assert page.locator('#confusions table.data tbody tr').last.inner_text().startswith('balloon')


def test_matrices_show_shares_counts_and_a_list(runs, open_page):
    page = open_page(runs, '#/a_classifier/confusions')
    box = page.locator('#confusions')
    cell = box.locator('.matrix td[data-at="0,1"]')
    assert cell.inner_text() == '20'
    box.get_by_role('button', name='Counts').click()
    assert cell.inner_text() == '4'
    cell.hover()
    words = 'True balloon, predicted bird: 4 images, 20.0% of true balloon, 20.0% of predicted bird'
    assert box.locator('.readout').inner_text() == words
    box.locator('.matrix td[data-at="0,0"]').focus()
    page.keyboard.press('ArrowDown')
    page.keyboard.press('ArrowRight')
    assert page.evaluate('document.activeElement.dataset.at') == '1,1'
    assert 'True bird, predicted bird: 16 images' in box.locator('.readout').inner_text()
    box.get_by_label('as a list').check()
    rows = box.locator('table.data').first.locator('tbody tr').all_inner_texts()
    assert len(rows) == 10 and 'confusion' in rows[0] and 'right' in rows[-1]


def test_charts_draw_what_is_chosen(runs, open_page):
    page = open_page(runs, '#/a_classifier/curves')
    chart = page.locator('.chart', has=page.get_by_role('heading', name='Training loss'))
    assert 'values from 0.05 to 1.50' in chart.locator('.plot').get_attribute('aria-label')
    drawn = 'document.querySelector(".chart canvas").toDataURL()'
    page.wait_for_selector('.chart canvas')
    before = page.evaluate(drawn)
    chart.get_by_label('log scale').check()
    assert page.evaluate(drawn) != before
    chart.locator('.u-over').hover()
    assert re.search(r'optimizer step \d+', chart.locator('.tooltip').inner_text())
    key = chart.get_by_role('button', name='loss')
    key.click()
    assert key.get_attribute('aria-pressed') == 'false' and 'Nothing to draw' in chart.inner_text()
    key.click()
    chart.get_by_text('Values as a table').click()
    chart.locator('table tbody tr').nth(14).wait_for()
    assert chart.locator('table tbody tr').count() == 15
    page = open_page(runs, '#/c_detector/curves-by-class')
    chart = page.locator('#curves-by-class .chart')
    assert chart.locator('.legend button').all_inner_texts() == ['balloon']
    chart.get_by_label('Class', exact=True).select_option('car')
    assert chart.locator('.legend button').all_inner_texts() == ['car']
    chart.get_by_label('Class', exact=True).select_option('*')
    assert chart.locator('.legend button').count() == 5
    assert page.locator('#errors table.bars tbody tr').all_inner_texts()[3].split() == ['missed', '12.0']


def test_colors_switch_and_stay(runs, open_page):
    page = open_page(runs, color_scheme='light')
    theme = 'document.documentElement.dataset.theme'
    button = page.get_by_role('button', name='Colors')
    seen = []
    for _ in range(3):
        button.click()
        seen.append(page.evaluate(theme))
    assert seen == ['light', 'dark', 'light']  # as chosen twice, and then the system's
    button.click()
    button.click()
    page.reload()
    assert page.evaluate(theme) == 'dark'


def test_runs_side_by_side_and_links_between_views(runs, open_page):
    page = open_page(runs)
    table = page.locator('#comparison table')
    assert table.locator('tbody tr').count() == 2  # the classifiers
    assert 'top-1, %' in table.inner_text() and 'a_classifier' in table.inner_text()
    assert page.locator('#curves .chart').count() == 2
    page.locator('#next').get_by_role('link', name='a_classifier').click()
    page.wait_for_selector('#next .advice')
    page.wait_for_function('() => document.activeElement.id === "next-title"')
    page.get_by_role('link', name='See the finding').click()
    page.wait_for_function('() => document.activeElement.id === "confusions-title"')
    page.go_back()
    page.go_back()
    page.wait_for_selector('#comparison')
    page.goto(page.url.split('#')[0] + '#/no_such_run/x')
    page.wait_for_selector('#comparison')


def test_the_menu_on_a_phone(runs, open_page):
    page = open_page(runs, '#/a_classifier', width=375, height=700)
    menu = page.get_by_role('button', name='Contents')
    assert not page.locator('#contents').is_visible()
    menu.click()
    assert menu.get_attribute('aria-expanded') == 'true'
    page.locator('#contents').get_by_role('link', name='Predictions').click()
    assert not page.locator('#contents').is_visible() and has_address(page, '#/a_classifier/predictions')
    menu.click()
    page.keyboard.press('Escape')
    assert not page.locator('#contents').is_visible()


def test_commands_are_copied_and_the_config_is_searched(runs, open_page):
    page = open_page(runs, '#/a_classifier/setup')
    page.evaluate("""() => {
      window.copied = [];
      navigator.clipboard.writeText = async (text) => { window.copied.push(text); };
    }""")
    page.locator('#setup .command').first.get_by_role('button').click()
    page.wait_for_function('() => window.copied.length === 1')
    assert page.evaluate('window.copied[0]') == page.locator('#setup .command pre').first.inner_text()
    assert page.locator('#setup .command button').first.inner_text() == 'Copied'
    page.get_by_text('config.py').last.click()
    box = page.locator('#setup details.fold')
    box.locator('.config .line').nth(299).wait_for()
    assert box.locator('.config .line').count() == 300
    box.get_by_label('Search the config').fill('key_29')
    page.wait_for_function('() => document.querySelectorAll(".config .line").length === 11')


def test_texts_of_the_data_are_never_markup(tmp_path, open_page):
    folder = tmp_path / 'diagnosis'
    made = examples.classification(folder, 20, HOSTILE)
    images = [replace(one, path=f'{HOSTILE[i % 5]}/{i}.jpg') for i, one in enumerate(made.images)]
    steps = [replace(made.steps[0], advice=f'`{HOSTILE[0]} x` {HOSTILE[1]}', reason=HOSTILE[2])]
    examples.write(replace(made, images=images, steps=steps, data=HOSTILE[1], command=HOSTILE[0]), folder)
    (tmp_path / 'commands.txt').write_text('\n'.join(HOSTILE))
    (tmp_path / 'config.py').write_text('\n'.join(HOSTILE))
    write_page(tmp_path, tmp_path / 'page.html', command, 300, title=HOSTILE[0])
    page = open_page(tmp_path / 'page.html')
    page.on('dialog', lambda dialog: pytest.fail('a script ran'))
    for name in HOSTILE[:4]:
        assert page.get_by_text(name).count() > 0
    page.locator('#predictions .thumbnail').first.click()
    page.wait_for_selector('dialog img')
    page.evaluate('document.querySelectorAll("details").forEach((one) => { one.open = true; })')
    assert page.locator('script').count() == 7 and page.locator('img[src=x]').count() == 0
    assert page.locator('h1').inner_text() == HOSTILE[0]
    names = page.locator('#confusions tbody th bdi').all_inner_texts()
    assert set(HOSTILE) <= set(names)


def test_thousands_of_classes(tmp_path, open_page):
    names = [f'class {i:04d}' for i in range(1500)]
    folder = tmp_path / 'diagnosis'
    made = examples.classification(folder, 30, names[:20])
    columns = made.sections[0].blocks[1].columns
    table = examples.Table('By class', columns, [[name, 5, 50.0, 50.0] for name in names])
    counts = [[7 if i == j else int(j == i + 1) for j in range(200)] for i in range(200)]
    matrix = examples.Matrix('Many', names[:200], names[:200], counts, 'images')
    bars = examples.Chart(
        'Counts',
        examples.Axis('class'),
        examples.Axis('images'),
        [examples.Series('n', list(range(1500)), [1.0] * 1500, 'bars')],
        names,
    )
    curves = examples.Chart(
        'PR',
        examples.Axis('r', 0, 1),
        examples.Axis('p', 0, 1),
        [examples.Series(n, [0, 1], [1, 0], 'line', n) for n in names],
    )
    section = examples.Section('all', 'All', [table, matrix, bars, curves])
    examples.write(replace(made, sections=[section], classes=names, colors=[(1, 2, 3)] * 1500), folder)
    write_page(tmp_path, tmp_path / 'page.html', command, 300)
    page = open_page(tmp_path / 'page.html')
    assert page.locator('#all table.data tbody tr').count() == 15
    assert page.locator('#all table.matrix tbody tr').count() == 60
    assert page.locator('#all table.bars tbody tr').count() == 15
    assert page.locator('*').count() < 12000
    page.locator('#all').get_by_label('Filter rows').fill('1499')
    page.wait_for_function('() => document.querySelectorAll("#all table.data tbody tr").length === 1')


def test_a_run_without_anything_but_a_broken_log(tmp_path, open_page):
    (tmp_path / '1' / 'vis_data').mkdir(parents=True)
    (tmp_path / '1' / 'vis_data' / 'scalars.csv').write_text('step,name,value\nx\n')
    write_page(tmp_path, tmp_path / 'page.html', command, 9)
    page = open_page(tmp_path / 'page.html')
    text = page.locator('main').inner_text()
    assert 'The log cannot be read' in text and f'test {tmp_path} --diagnose' in text
    assert 'has not been tested' in text


def test_blocks_of_other_versions_and_broken_ones_leave_the_others(tmp_path, open_page):
    folder = tmp_path / 'diagnosis'
    file = examples.write(examples.classification(folder, 5), folder)
    content = json.loads(file.read_text())
    blocks = content['sections'][0]['blocks']
    blocks[:0] = [
        {'kind': 'hologram'},
        {'kind': 'table', 'title': 'x'},
        {'kind': 'gallery', 'title': 'g', 'images': [0, 99], 'captions': ['a', 'b']},
    ]
    file.write_text(json.dumps(content))
    write_page(tmp_path, tmp_path / 'page.html', command, 9)
    page = open_page(tmp_path / 'page.html')
    text = page.locator('#confusions').inner_text()
    assert 'hologram is of a newer version' in text and 'This part cannot be shown' in text
    assert '1 image more is not in this page' in text and page.locator('#confusions .matrix').count() == 1


def test_a_study_shows_its_trials_over_log_axes(tmp_path, open_page):
    """lr from 1e-5 to 1e-1 stands at even distances, the table sorts, and parallel coordinates have a line a trial."""
    rates = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]
    values = [50.0, 60.0, 80.0, 70.0, 30.0]
    table = content.Table(
        'Trials',
        [content.Column('trial', 'count'), content.Column('raw/top1', 'number')],
        [[k, value] for k, value in enumerate(values)],
    )
    axis = content.Axis('lr', log=True)
    chart = content.Chart(
        'lr and raw/top1', axis, content.Axis('raw/top1'), [content.Series('x', rates, values, 'points')]
    )
    rows = list(map(list, zip(rates, values, strict=True)))
    view = content.Parallel('Settings', [axis, content.Axis('raw/top1')], rows, [f'trial_{k}' for k in range(5)])
    section = asdict(content.Section('tune', 'Search for settings', [table, chart, view]))
    write_run(tmp_path / 'trial_000', TOP1, [])
    (tmp_path / 'tune.json').write_text(json.dumps({'sections': [section]}))
    write_page(tmp_path, tmp_path / 'page.html', command, 9)
    page = open_page(tmp_path / 'page.html')
    study = page.locator('#study-0-tune')
    assert study.locator('svg.parallel').count() == 1
    assert study.locator('svg.parallel .line, svg.parallel path, svg.parallel polyline').count() >= 5
    study.locator('.uplot').scroll_into_view_if_needed()
    page.wait_for_function('document.querySelector("#study-0-tune .uplot canvas") !== null')
    study.locator('.u-over').hover()
    assert 'lr 0.001' in study.locator('.tooltip').inner_text(), 'the middle; over a linear axis 0.01 is the nearest'
    study.locator('th button', has_text='raw/top1').first.click()
    assert study.locator('tbody tr').first.inner_text().split()[1].startswith('80')
