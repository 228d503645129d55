// One run: results, what to try, curves, the diagnosis, predictions, and how it was made.

function runView(run) {
  const details = runDetails(run);
  const images = runImages(run);
  const diagnosis = { task: run.task, classes: run.classes, colors: run.colors, best_scores: run.best_scores, best_score: run.best_score };
  const titles = sectionTitles(run, details);
  const paths = new Map(images.map((one, i) => [one.path, i]));
  const viewed = images.length ? browser(run, diagnosis, run.kinds) : null;
  const classes = new Map(run.classes.map((one, i) => [one, i]));
  const context = {
    sections: titles,
    classOf: (text) => (classes.has(text) ? {
      color: classColor(run.colors, classes.get(text)), href: images.length ? address(run.name, SECTION, { class: text }) : null,
    } : null),
    imageOf: (path) => (paths.has(path) ? address(run.name, SECTION, { image: paths.get(path) }) : null),
    gallery: (one) => gallery(one, run, diagnosis, viewed, details.numbers || null),
  };
  const parts = [
    h('div', { class: 'run-head' }, h('h2', { class: 'run-name' }, name(run.name)),
      factsLine(run)),
    run.problems.map((problem) => h('p', { class: 'notice' }, inline(problem))),
    run.missing.map((one) => missingNote(one)),
    section('results', 'Results', resultsOf(run, details)),
    run.steps.length ? section('next', 'What to try next', run.steps.some((one) => one.rule) ? h('p', { class: 'note' }, 'Derived from the findings below by the stated rules, the most promising first.') : null, steps(run.steps, run, context)) : null,
    details.panels.length ? section('curves', 'Curves', details.last_value ? h('p', { class: 'prose' }, inline(details.last_value)) : null, curves(details.panels, run)) : null,
    details.sections.map((one) => section(one.id, one.title, one.lead ? h('p', { class: 'lead' }, inline(sentence(one.lead))) : null, blocks(one.blocks, context))),
    details.per_class.length ? section('per-class', 'Results by class', perClass(details.per_class, context)) : null,
    viewed ? section(SECTION, titles.get(SECTION), run.images_note ? h('p', { class: 'note' }, inline(run.images_note)) : null, viewed.element) : null,
    section('setup', 'How it was made', pairList('Run', run.facts), commandList(details.commands), details.config ? configBox(details.config) : null, environmentBox(details)),
  ];
  return { elements: parts.flat(), browser: viewed };
}

/** Task, length, time and date of a run, which break between them alone. */
function factsLine(run) {
  const facts = [run.task, ...run.facts_line.split(' · ')].filter(Boolean);
  return h('p', { class: 'muted facts' }, facts.map((one, i) => [i ? ' · ' : '', h('span', {}, one)]));
}

/** The titles of a run's sections by their ids, in order. */
function sectionTitles(run, details) {
  const images = runImages(run);
  const entries = [
    ['results', 'Results'],
    run.steps.length ? ['next', 'What to try next'] : null,
    details.panels.length ? ['curves', 'Curves'] : null,
    ...details.sections.map((one) => [one.id, one.title]),
    details.per_class.length ? ['per-class', 'Results by class'] : null,
    images.length ? [SECTION, run.panels.length ? 'Reconstructions' : 'Predictions'] : null,
    ['setup', 'How it was made'],
  ];
  return new Map(entries.filter(Boolean));
}

function missingNote(one) {
  return h('div', { class: 'notice missing' }, h('p', {}, inline(one.text)),
    one.command ? h('div', { class: 'command' }, h('pre', { tabindex: '0' }, h('code', {}, one.command)), copyButton(one.command)) : null);
}

function resultsOf(run, details) {
  const parts = [];
  if (run.headlines.length) parts.push(cards(run.headlines));
  if (details.results_note) parts.push(h('p', { class: 'note' }, inline(details.results_note)));
  if (details.results) {
    parts.push(details.results.rows.length <= 3 && !run.headlines.length ? metricGrid(details.results)
      : h('details', { class: 'block fold', open: !run.headlines.length }, h('summary', {}, h('h3', {}, 'All metrics'),
        h('span', { class: 'muted' }, details.results.kinds.length > 1 ? 'raw and averaged (EMA) weights' : '')),
      details.results.source ? h('p', { class: 'note' }, inline(details.results.source)) : null, metricGrid(details.results)));
  }
  return parts.length ? parts : h('p', { class: 'muted' }, 'This run has not been tested yet.');
}

/** Metrics of each class, for one kind of weights at a time. */
function perClass(kinds, context) {
  const words = { raw: 'raw weights', ema: 'averaged (EMA)' };
  const place = h('div');
  const show = (kind) => replace(place, table({ title: `Metrics by class, ${words[kind.kind] || kind.kind}`, columns: kind.columns, rows: kind.rows }, { ...context, heading: 'h3' }));
  show(kinds[0]);
  return [kinds.length > 1 ? choice('Weights', kinds.map((one, i) => [i, words[one.kind] || one.kind]), 0, (i) => show(kinds[i])) : null, place];
}

const IMAGES_OF_GALLERY = 10;

/** Some images with captions, which open in the viewer. */
function gallery(one, run, diagnosis, viewed, numbers) {
  const title = h('h3', { id: newId('gallery') }, one.title);
  const settings = overlaySettings(diagnosis);
  const entries = one.images.map((number, i) => ({ number: numbers ? numbers[number] : number, caption: one.captions[i] }))
    .filter((entry) => viewed && entry.number !== undefined && entry.number !== null && runImages(run)[entry.number]);
  const list = entries.map((entry) => entry.number);
  const left = one.images.length - entries.length;
  const item = (entry) => h('li', {}, thumbnail(run, diagnosis, entry.number, settings, () => viewed.open(list, entry.number), entry.caption));
  const grid = h('ul', { class: 'images', 'aria-labelledby': title.id }, entries.slice(0, IMAGES_OF_GALLERY).map(item));
  const more = entries.length > IMAGES_OF_GALLERY ? h('button', {
    type: 'button',
    class: 'button small more-images',
    onclick: () => {
      grid.append(...entries.slice(IMAGES_OF_GALLERY).map(item));
      grid.children[IMAGES_OF_GALLERY].firstChild.focus();
      more.remove();
    },
  }, `Show all ${entries.length}`) : null;
  return h('div', { class: 'block' }, title, one.note ? h('p', { class: 'note' }, inline(one.note)) : null, grid, more,
    left > 0 ? h('p', { class: 'muted' }, `${plural(left, 'image')} more ${left === 1 ? 'is' : 'are'} not in this page.`) : null);
}
