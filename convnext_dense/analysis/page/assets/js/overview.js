// All runs of the page: their main numbers as cards, and side by side in a table.

function overviewView(data) {
  const groups = comparisons(data.runs);
  const next = data.runs.flatMap((run) => (run.steps || []).slice(0, 3).map((step) => ({ run, step })))
    .sort((a, b) => b.step.gain - a.step.gain).slice(0, 6);
  return [
    data.problems.map((problem) => h('p', { class: 'notice' }, inline(problem))),
    section('runs', 'Runs', h('ul', { class: 'run-cards' }, data.runs.map(runCard))),
    groups.length ? section('comparison', 'Side by side', groups) : null,
    comparedCurves(data.runs),
    studySections(data.studies),
    next.length ? section('next', 'What to try next', h('ol', { class: 'steps' }, next.map(({ run, step }) => h('li', {},
      h('p', { class: 'advice' }, inline(sentence(step.advice))),
      h('p', {}, h('a', { href: address(run.name, 'next') }, name(run.name)), ': ', inline(sentence(step.reason))))))) : null,
  ];
}

function runCard(run) {
  const main = run.headlines.slice(0, 2);
  return h('li', {}, h('article', { class: 'run-card' },
    h('h3', {}, h('a', { href: address(run.name) }, name(run.name))),
    factsLine(run),
    main.length ? cards(main) : h('p', { class: 'muted' }, 'No results yet.'),
    run.problems.length ? h('p', { class: 'notice' }, plural(run.problems.length, 'part'), ' of this run cannot be read.') : null));
}

/** A table for the runs of each task, with a column for each metric that they have. */
function comparisons(runs) {
  const tasks = [...new Set(runs.map((run) => run.task))];
  return tasks.map((task) => {
    const own = runs.filter((run) => run.task === task);
    const names = [...new Set(own.flatMap((run) => run.headlines.map((one) => one.name)))];
    if (own.length < 2 || names.length === 0) return null;
    const unit = (metric) => (own.flatMap((run) => run.headlines).find((one) => one.name === metric).unit || '');
    const columns = [{ name: 'run', kind: 'run' },
      ...names.slice(0, 8).map((metric) => ({ name: unit(metric) ? `${metric}, ${unit(metric)}` : metric, kind: unit(metric) === '%' ? 'percent' : 'number' })),
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
    panel.series.forEach((one) => common.series.push({ ...one, name: panel.series.length > 1 ? `${run.name}: ${one.name}` : run.name }));
  }));
  const panels = [...shared.values()].filter((panel) => panel.runs.size > 1)
    .map((panel) => ({ ...panel, series: panel.series.map((one, i) => ({ ...one, color: (i % 8) + 1 })) }));
  return panels.length ? section('curves', 'Curves', curves(panels, { id: 'all' })) : null;
}

/** The results of studies of the verb tune, whose trials are runs of the page. */
function studySections(studies) {
  return studies.flatMap((study, number) => study.sections.map((one) => section(`study-${number}-${one.id}`,
    studies.length > 1 ? `${study.name}: ${one.title}` : one.title,
    one.lead ? h('p', { class: 'lead' }, inline(sentence(one.lead))) : null, blocks(one.blocks, { gallery: () => null }))));
}
