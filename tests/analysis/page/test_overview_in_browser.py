"""The overview of several runs in Chromium, and what is wide in it: colors, studies, steps, scrolling."""

import itertools
import json
from dataclasses import asdict, replace

import pytest

from convnext_dense.analysis.page.build import write_page
from convnext_dense.diagnosis.content import Axis, Column, Headline, Parallel, Section, Step, Table, Text
from tests.analysis.page.test_content import command
from tests.helpers import example_diagnoses as examples
from tests.helpers.written_runs import write_run

RUNS = 10
VALIDATIONS = {
    f'val/{kind}/top1': [(epoch, 10.0 * epoch + gap) for epoch in (1, 2, 3)] for kind, gap in (('raw', 0), ('ema', 5))
}
SHARED = Step('Train with `--recipe small`.', '40 training images', 'fewer than 2,000', 3.0)


def make_study() -> dict:
    columns = [Column('trial', 'count'), Column('top1', 'number'), Column('state')]
    columns += [Column(f'a_long_name_of_setting_{n}', 'number') for n in range(9)]
    rows = [[n, 70.0 + n, 'finished, the best' if n == 1 else 'finished', *range(9)] for n in range(3)]
    axes = [Axis(f'setting_{n}') for n in range(7)]
    values = [[float(n + k) for k in range(7)] for n in range(3)]
    blocks = [Table('Trials', columns, rows, marked=[1]), Parallel('Settings', axes, values, ['a', 'b', 'c'])]
    return {'sections': [asdict(Section('tune', 'Search for settings', blocks, 'trial_001 is the best'))]}


@pytest.fixture(scope='module')
def overview(tmp_path_factory):
    """Ten classifiers with curves of both kinds of weights, and the study that they are trials of."""
    folder = tmp_path_factory.mktemp('study')
    diagnosis = examples.classification(folder / 'trial_000' / 'diagnosis', 5)
    headlines = [
        Headline('top-1', 76.1, 70.0, 80.0),
        Headline('calibration error', 36.6, 34.0, 38.0, lower_is_better=True),
    ]
    for number in range(RUNS):
        run = folder / f'trial_{number:03}'
        losses = [(step, 3.0 / (step + number)) for step in range(1, 9)]
        write_run(run, {'train/loss': losses, **VALIDATIONS}, [])
        own = Step(f'Do what only {run.name} needs.', f'{number} of 40', 'rule', 100.0 - number)
        steps = [SHARED, own] if number < RUNS - 1 else [own, SHARED]
        examples.write(replace(diagnosis, headlines=headlines, images=[], steps=steps), run / 'diagnosis')
    (folder / 'tune.json').write_text(json.dumps(make_study()))
    write_page(folder, folder / 'page.html', command, 0)
    return folder / 'page.html'


def section_ids(page):
    return page.locator('main > section').evaluate_all('all => all.map((one) => one.id)')


def test_the_results_of_a_study_come_first_and_its_best_trial_is_marked(overview, open_page):
    page = open_page(overview)
    assert section_ids(page)[:3] == ['study-0-tune', 'runs', 'comparison']
    (marked,) = page.locator('#study-0-tune tr.marked').all()
    assert marked.locator('th, td').nth(2).inner_text() == 'finished, the best'
    color = 'one => getComputedStyle(one.children[1]).backgroundColor'
    other = page.locator('#study-0-tune tbody tr:not(.marked)').first
    assert marked.evaluate(color) != other.evaluate(color)


def colors_of(legend):
    return {
        key.inner_text(): (
            key.locator('.line').evaluate('one => one.style.getPropertyValue("--color")'),
            key.locator('.line.dashed').count() == 1,
        )
        for key in legend.locator('button.key').all()
    }


def test_each_run_has_a_color_of_its_own_which_is_the_same_in_all_charts(overview, open_page):
    page = open_page(overview)
    page.locator('#curves').scroll_into_view_if_needed()
    page.wait_for_selector('#curves canvas')
    page.mouse.wheel(0, 4000)
    legends = page.locator('#curves .legend')
    for _ in range(50):
        if legends.count() == 2 and legends.nth(1).locator('button.key').count() == 2 * RUNS:
            break
        page.wait_for_timeout(100)
    losses, metrics = (colors_of(legends.nth(place)) for place in (0, 1))
    assert len({color for color, _ in losses.values()}) == RUNS
    for name, (color, dashed) in losses.items():
        assert not dashed
        assert metrics[f'{name}: raw'] == (color, False) and metrics[f'{name}: EMA'] == (color, True)
    marks = page.locator('.run-mark').evaluate_all('all => all.map((one) => getComputedStyle(one).backgroundColor)')
    assert len(set(marks)) == RUNS


def test_the_same_advice_stands_once_and_the_first_of_each_run_before_the_second(overview, open_page):
    page = open_page(overview)
    steps = page.locator('#next .steps > li')
    advices = steps.locator('.advice').all_inner_texts()
    assert advices[:2] == ['Train with --recipe small.', 'Do what only trial_009 needs.']
    assert len(set(advices)) == len(advices) == 8
    names = [f'trial_{number:03}' for number in range(RUNS)]
    assert steps.first.locator('a').all_inner_texts() == names
    assert steps.first.inner_text().count('40 training images') == 1


def test_where_lower_is_better_there_is_no_bar(overview, open_page):
    page = open_page(overview)
    table = page.locator('#comparison table')
    heads = [text.strip() for text in table.locator('thead button > span:first-child').all_inner_texts()]
    place = heads.index('calibration error, %, lower is better')
    cells = table.locator('tbody tr').first.locator('th, td')
    assert cells.nth(place).inner_text() == '36.6' and cells.nth(place).locator('.with-bar').count() == 0
    assert cells.nth(heads.index('top-1, %')).locator('.with-bar').count() == 1


WIDE = """all => all.map((frame) => {
  const box = frame.querySelector('.scroll');
  return { wide: box.scrollWidth - box.clientWidth > 1, told: !frame.querySelector('.scroll-hint').hidden,
    shade: frame.classList.contains('more-right'), inside: frame.getBoundingClientRect().right <= innerWidth };
})"""


@pytest.mark.parametrize('width', [1300, 1000, 375])
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_what_is_too_wide_says_that_it_scrolls(overview, open_page, width, scheme):
    page = open_page(overview, width=width, color_scheme=scheme)
    page.wait_for_timeout(200)
    frames = page.locator('.scroll-frame').evaluate_all(WIDE)
    assert frames and all(one['told'] == one['shade'] == one['wide'] and one['inside'] for one in frames)
    assert any(one['wide'] for one in frames)  # the table of trials
    assert page.evaluate('document.documentElement.scrollWidth - innerWidth') <= 0
    box = page.locator('#study-0-tune .scroll').first
    box.evaluate('one => { one.scrollLeft = one.scrollWidth; }')
    page.wait_for_timeout(150)
    assert page.locator('.scroll-frame').first.evaluate('one => one.className') == 'scroll-frame more-left'


def test_a_long_path_in_a_sentence_is_broken(tmp_path, open_page):
    made = examples.classification(tmp_path, 5)
    path = f'/{"long" * 30}/image.jpg'
    steps = [Step(f'Look at {path}.', path, 'rule', 1.0)]
    sections = [Section('suspects', 'Labels to check', [Text(path)], f'1 label is contradicted ({path}).')]
    examples.write(replace(made, sections=sections, steps=steps), tmp_path)
    write_page(tmp_path, tmp_path / 'page.html', command, 5)
    page = open_page(tmp_path / 'page.html', width=375)
    assert page.evaluate('document.documentElement.scrollWidth - innerWidth') <= 0


def test_parallel_coordinates_fit_where_there_is_room(overview, open_page):
    for width, fits in ((1300, True), (375, False)):
        page = open_page(overview, width=width)
        page.wait_for_timeout(200)
        drawing = page.locator('svg.parallel')
        reach = drawing.evaluate('one => one.closest(".scroll").clientWidth - one.getBoundingClientRect().width')
        assert (reach >= -1) is fits
        if fits:  # and all of it is used
            assert reach < 2
        axes = drawing.locator('.axis').evaluate_all('all => all.map((one) => Number(one.getAttribute("x1")))')
        assert min(b - a for a, b in itertools.pairwise(axes)) >= 100
