// Confusion matrices: counts or shares, read by pointer, by keys, or as a list.

const NAMES_OF_MATRIX = 60; // larger ones show the classes that are confused most
const NUMBERS_UP_TO = 24; // classes: the cells of larger ones have no room for numbers

function matrix(content, context = {}) {
  const title = h('h4', { id: newId('matrix') }, content.title);
  const readout = h('p', { class: 'readout muted', 'aria-live': 'polite' }, 'Point at a cell, or move between cells with the arrow keys.');
  const place = h('div');
  const view = matrixPart(content);
  const state = { mode: 'rows', list: false };

  function draw() {
    if (state.list) replace(place, confusionList(content, context));
    else replace(place, matrixGrid(content, view, state.mode, title.id, readout), readout);
  }

  const controls = h('div', { class: 'toolbar' },
    choice('What the cells show', [['rows', 'Share of true'], ['columns', 'Share of predicted'], ['counts', 'Counts']], state.mode,
      (mode) => { state.mode = mode; draw(); }),
    checkbox('as a list', false, (list) => { state.list = list; draw(); }));
  draw();
  redrawn.add(() => { if (place.isConnected) draw(); });
  const cut = view.rows.length < content.rows.length || view.columns.length < content.columns.length;
  return h('div', { class: 'block' }, title,
    content.note ? h('p', { class: 'note' }, inline(content.note)) : null,
    cut ? h('p', { class: 'note' }, `The ${view.rows.length} of ${content.rows.length} rows that are confused most; the list has all.`) : null,
    controls, place);
}

/** Rows and columns to show, with the sums of all. */
function matrixPart(content) {
  const sums = content.counts.map((row) => row.reduce((a, b) => a + b, 0));
  const columnSums = content.columns.map((_, j) => content.counts.reduce((total, row) => total + row[j], 0));
  const all = { rows: [...content.rows.keys()], columns: [...content.columns.keys()], sums, columnSums };
  if (content.rows.length <= NAMES_OF_MATRIX && content.columns.length <= NAMES_OF_MATRIX) return all;
  const wrong = new Map();
  content.counts.forEach((row, i) => row.forEach((count, j) => {
    if (content.rows[i] === content.columns[j]) return;
    [content.rows[i], content.columns[j]].forEach((one) => wrong.set(one, (wrong.get(one) || 0) + count));
  }));
  const kept = new Set([...wrong].sort((a, b) => b[1] - a[1]).slice(0, NAMES_OF_MATRIX).map(([one]) => one));
  return {
    ...all,
    rows: all.rows.filter((i) => kept.has(content.rows[i])),
    columns: all.columns.filter((j) => kept.has(content.columns[j])),
  };
}

function matrixGrid(content, view, mode, titleId, readout) {
  const share = (i, j) => {
    const total = mode === 'columns' ? view.columnSums[j] : view.sums[i];
    return total ? content.counts[i][j] / total : 0;
  };
  const numbers = view.columns.length <= NUMBERS_UP_TO;
  const text = (i, j) => {
    if (content.counts[i][j] === 0) return '';
    return mode === 'counts' ? shortCount(content.counts[i][j]) : shortShare(share(i, j));
  };
  const [cold, right, wrong] = ['--heat-none', '--heat-right', '--heat-wrong'].map((one) => themeColor(one).split(' ').map(Number));
  const cell = (i, j) => {
    const heat = 0.9 * Math.sqrt(share(i, j));
    const hot = content.rows[i] === content.columns[j] ? right : wrong;
    const color = cold.map((value, k) => Math.round(value + heat * (hot[k] - value)));
    return h('td', {
      role: 'gridcell',
      tabindex: '-1',
      'data-at': `${i},${j}`,
      'aria-label': cellWords(content, view, i, j),
      style: { background: rgb(color), color: textOn(color) },
    }, numbers ? text(i, j) : '');
  };
  const head = (names, scope) => (i) => h('th', { scope, title: names[i] }, h('span', {}, name(names[i])));
  const grid = h('table', { class: `matrix${numbers ? '' : ' dense'}`, role: 'grid', 'aria-labelledby': titleId },
    h('thead', {},
      h('tr', { role: 'row' }, h('td', { class: 'corner', 'aria-hidden': 'true' }, 'true ↓  predicted →'),
        view.columns.map(head(content.columns, 'col')))),
    h('tbody', {}, view.rows.map((i) => h('tr', { role: 'row' }, head(content.rows, 'row')(i), view.columns.map((j) => cell(i, j))))));
  readCells(grid, content, view, readout);
  return scrolled({ class: 'scroll matrix-box', role: null, tabindex: null }, grid);
}

/** Say what a cell has when it is pointed at or focused; one cell takes the tab key, arrows move on. */
function readCells(grid, content, view, readout) {
  const cells = [...grid.querySelectorAll('td[data-at]')];
  const width = view.columns.length;
  if (cells.length) cells[0].tabIndex = 0;
  const say = (cell) => {
    const [i, j] = cell.dataset.at.split(',').map(Number);
    readout.textContent = cellWords(content, view, i, j);
  };
  grid.addEventListener('pointerover', (event) => {
    const cell = event.target.closest('td[data-at]');
    if (cell) say(cell);
  });
  grid.addEventListener('click', (event) => {
    const cell = event.target.closest('td[data-at]');
    if (cell) focusCell(cell);
  });
  const focusCell = (cell) => {
    cells.forEach((one) => { one.tabIndex = one === cell ? 0 : -1; });
    cell.focus();
    say(cell);
  };
  grid.addEventListener('keydown', (event) => {
    const at = cells.indexOf(document.activeElement);
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -width, ArrowDown: width }[event.key];
    if (at < 0 || step === undefined) return;
    event.preventDefault();
    const crosses = Math.abs(step) === 1 && Math.floor((at + step) / width) !== Math.floor(at / width);
    if (cells[at + step] && !crosses) focusCell(cells[at + step]);
  });
  grid.addEventListener('focusin', (event) => {
    const cell = event.target.closest('td[data-at]');
    if (cell) say(cell);
  });
}

function cellWords(content, view, i, j) {
  const count = content.counts[i][j];
  const of = (total) => (total ? `${percent((100 * count) / total)}%` : ABSENT);
  return `True ${content.rows[i]}, predicted ${content.columns[j]}: ${whole(count)} ${content.unit}, `
    + `${of(view.sums[i])} of true ${content.rows[i]}, ${of(view.columnSums[j])} of predicted ${content.columns[j]}`;
}

function shortCount(count) {
  if (count < 10000) return String(count);
  return count < 1e6 ? `${Math.round(count / 1000)}k` : `${Number((count / 1e6).toPrecision(2))}M`;
}

function shortShare(share) {
  if (share < 0.005) return '<1';
  return String(Math.round(100 * share));
}

/** All cells that are not empty as a table, the largest confusions first. */
function confusionList(content, context) {
  const view = matrixPart(content);
  const rows = [];
  content.counts.forEach((row, i) => row.forEach((count, j) => {
    if (count === 0) return;
    const share = (total) => (total ? (100 * count) / total : null);
    const kind = content.rows[i] === content.columns[j] ? 'right' : 'confusion';
    rows.push([content.rows[i], content.columns[j], kind, count, share(view.sums[i]), share(view.columnSums[j])]);
  }));
  rows.sort((a, b) => (a[2] === 'right') - (b[2] === 'right') || b[3] - a[3]);
  const columns = [
    { name: 'true', kind: 'class' }, { name: 'predicted', kind: 'class' }, { name: 'kind' },
    { name: content.unit, kind: 'count' }, { name: '% of true', kind: 'percent' }, { name: '% of predicted', kind: 'percent' },
  ];
  return table({ title: `${content.title}, as a list`, columns, rows }, { ...context, heading: 'h4' });
}
