// All runs of the page: their main numbers as cards, and side by side in a table.

function overviewView(data) {
  const groups = comparisons(data.runs);
  const next = nextSteps(data.runs);
  return [
    data.problems.map((problem) => h('p', { class: 'notice' }, inline(problem))),
    studySections(data.studies),
    section('runs', 'Runs', h('ul', { class: 'run-cards' }, data.runs.map(runCard))),
    groups.length ? section('comparison', 'Side by side', groups) : null,
    comparedCurves(data.runs),
    next.length ? section('next', 'What to try next',
      h('p', { class: 'note' }, `The first steps of ${data.runs.length > 1 ? 'each run' : 'the run'}, what several runs need once.`),
      h('ol', { class: 'steps' }, next.map((one) => h('li', {},
        h('p', { class: 'advice' }, inline(sentence(one.advice))), reasonsOf(one.found))))) : null,
  ];
}

const STEPS_SHOWN = 8;
const STEPS_OF_RUN = 3;
const REASONS_SHOWN = 3;

/** The first steps of all runs, each advice once: what is first for some run stands before what is second, and so on. */
function nextSteps(runs) {
  const found = new Map();
  runs.forEach((run) => (run.steps || []).slice(0, STEPS_OF_RUN).forEach((step, rank) => {
    if (!found.has(step.advice)) found.set(step.advice, { advice: step.advice, rank, gain: step.gain, found: [] });
    const one = found.get(step.advice);
    one.rank = Math.min(one.rank, rank);
    one.gain = Math.max(one.gain, step.gain);
    one.found.push({ run, reason: step.reason });
  }));
  return [...found.values()].sort((a, b) => a.rank - b.rank || b.found.length - a.found.length || b.gain - a.gain).slice(0, STEPS_SHOWN);
}

/** Of which runs an advice is and why: each with its reason, or all with the reason that they share. */
function reasonsOf(found) {
  const link = (run) => h('a', { href: address(run.name, 'next') }, name(run.name));
  const byReason = new Map();
  found.forEach(({ run, reason }) => byReason.set(reason, [...(byReason.get(reason) || []), run]));
  const entries = [...byReason];
  const left = entries.slice(REASONS_SHOWN).flatMap(([, runs]) => runs);
  return [...entries.slice(0, REASONS_SHOWN).map(([reason, runs]) => h('p', {},
    runs.map((run, i) => [i ? ', ' : '', link(run)]), ': ', inline(sentence(reason)))),
  left.length ? h('p', {}, 'Also of ', left.map((run, i) => [i ? ', ' : '', link(run)]), '.') : null];
}

function runCard(run) {
  const main = run.headlines.slice(0, 2);
  return h('li', {}, h('article', { class: 'run-card' },
    h('h3', {}, runMark(run), h('a', { href: address(run.name) }, name(run.name))),
    factsLine(run),
    main.length ? cards(main) : h('p', { class: 'muted' }, 'No results yet.'),
    run.problems.length ? h('p', { class: 'notice' }, plural(run.problems.length, 'part'), ' of this run cannot be read.') : null));
}

/** The number of a run's color, the same in all charts: of its place among the runs of the page. */
function runColor(run) {
  return pageData().runs.indexOf(run) + 1;
}

/** A line in the color that a run has in charts. */
function runMark(run) {
  return pageData().runs.length > 1 ? h('span', { class: 'run-mark', 'aria-hidden': 'true', style: { background: seriesColor(runColor(run)) } }) : null;
}

/** A table for the runs of each task, with a column for each metric that they have. */
function comparisons(runs) {
  const tasks = [...new Set(runs.map((run) => run.task))];
  return tasks.map((task) => {
    const own = runs.filter((run) => run.task === task);
    const names = [...new Set(own.flatMap((run) => run.headlines.map((one) => one.name)))];
    if (own.length < 2 || names.length === 0) return null;
    const headline = (metric) => own.flatMap((run) => run.headlines).find((one) => one.name === metric);
    const unit = (metric) => (headline(metric).unit || '');
    const heading = (metric) => [metric, unit(metric)].filter(Boolean).join(', ') + (headline(metric).lower_is_better ? ', lower is better' : '');
    const columns = [{ name: 'run', kind: 'run' },
      ...names.slice(0, 8).map((metric) => ({ name: heading(metric), lower: headline(metric).lower_is_better, kind: unit(metric) === '%' ? 'percent' : 'number' })),
      { name: 'weights' }, { name: 'images', kind: 'count' }, { name: 'length' }, { name: 'training time' }, { name: 'date' }];
    const rows = own.map((run) => [run.name,
      ...names.slice(0, 8).map((metric) => run.headlines.find((one) => one.name === metric)?.value ?? null),
      run.compared.weights, run.compared.images, run.compared.length, run.compared.time, run.compared.date]);
    const title = tasks.length > 1 ? `${capital(task || 'other')} runs` : 'Runs by metric';
    const full = columns.filter((column, i) => rows.some((row) => row[i] !== null && row[i] !== ''));
    const kept = columns.map((column, i) => (full.includes(column) ? i : -1)).filter((i) => i >= 0);
    return table({ title, columns: full, rows: rows.map((row) => kept.map((i) => row[i])) },
      { heading: 'h3' });
  }).filter(Boolean);
}

/** Curves of the runs of one task in common charts. */
function comparedCurves(runs) {
  const shared = new Map();
  runs.forEach((run) => (run.compared_curves || []).forEach((panel) => {
    const key = `${run.task}|${panel.title}|${panel.x.label}`;
    if (!shared.has(key)) shared.set(key, { ...panel, title: run.task ? `${panel.title}, ${run.task}` : panel.title, series: [], runs: new Set() });
    const common = shared.get(key);
    common.runs.add(run.name);
    panel.series.forEach((one) => common.series.push({ ...one, color: runColor(run), name: panel.series.length > 1 ? `${run.name}: ${one.name}` : run.name }));
  }));
  const panels = [...shared.values()].filter((panel) => panel.runs.size > 1);
  const dashed = panels.some((panel) => panel.series.some((one) => one.dash));
  return panels.length ? section('curves', 'Curves',
    h('p', { class: 'note' }, `A run has the same color in all charts${dashed ? '; averaged weights (EMA) are dashed, or hollow where they are single points' : ''}.`), curves(panels, { id: 'all' })) : null;
}

/** The results of studies of the verb tune, whose trials are runs of the page. */
function studySections(studies) {
  return studies.flatMap((study, number) => study.sections.map((one) => section(`study-${number}-${one.id}`,
    studies.length > 1 ? `${study.name}: ${one.title}` : one.title,
    one.lead ? h('p', { class: 'lead' }, inline(sentence(one.lead))) : null, blocks(one.blocks, { gallery: () => null }))));
}
