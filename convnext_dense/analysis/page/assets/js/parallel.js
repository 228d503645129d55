// Parallel coordinates: a line for each row over one axis a column, colored by the value of the last.

const PARALLEL_HEIGHT = 300;
const PARALLEL_MARGIN = { top: 36, bottom: 14, side: 56 };
const PARALLEL_STEP = 104; // pixels between axes, at least

function parallel(content) {
  const least = 2 * PARALLEL_MARGIN.side + PARALLEL_STEP * Math.max(1, content.axes.length - 1);
  const title = h('h4', { id: newId('parallel') }, content.title);
  const readout = h('p', { class: 'readout muted', 'aria-live': 'polite' }, 'Point at a line to read its values.');
  const drawing = h('div', { class: 'parallel-box', style: { 'min-width': `${least}px` } }, parallelDrawing(content, least, readout));
  let drawn = least;
  new ResizeObserver(() => {
    const width = Math.max(least, Math.floor(drawing.clientWidth));
    if (width === drawn || !drawing.clientWidth) return;
    drawn = width;
    replace(drawing, parallelDrawing(content, width, readout));
  }).observe(drawing);
  const columns = [{ name: 'name' }, ...content.axes.map((axis) => ({ name: axis.label, kind: 'number' }))];
  const values = h('details', { class: 'values' }, h('summary', {}, 'Values as a table'));
  values.addEventListener('toggle', () => {
    if (!values.querySelector('.block')) values.append(table({ title: `${content.title}: values`, columns, rows: content.rows.map((row, i) => [content.names[i], ...row]) }, { heading: 'h4' }));
  });
  return h('div', { class: 'block' }, title, content.note ? h('p', { class: 'note' }, inline(content.note)) : null,
    scrolled({ 'aria-labelledby': title.id }, drawing), readout, values);
}

/** The drawing, as wide as there is room. */
function parallelDrawing(content, width, readout) {
  const scales = content.axes.map((axis, k) => parallelScale(axis, content.rows.map((row) => row[k])));
  const x = (k) => PARALLEL_MARGIN.side + (k * (width - 2 * PARALLEL_MARGIN.side)) / Math.max(1, content.axes.length - 1);
  const last = scales[scales.length - 1];
  const goodness = (row) => {
    const value = row[row.length - 1];
    if (value === null) return null;
    const share = last.share(value);
    return content.higher_is_better === false ? 1 - share : share;
  };
  const words = (row, i) => `${content.names[i]}: ${content.axes.map((axis, k) => `${axis.label} ${number(row[k])}`).join(', ')}`;
  const lines = content.rows.map((row, i) => {
    const points = row.map((value, k) => (value === null ? null : `${x(k)} ${scales[k].y(value)}`)).filter(Boolean);
    const good = goodness(row);
    const color = good === null ? 'var(--muted)' : `color-mix(in oklab, var(--series-1) ${Math.round(100 * good)}%, var(--series-2))`;
    return { good: good ?? -1, line: s('path', {
      class: 'trial', d: `M${points.join('L')}`, style: { '--color': color }, onpointerenter: () => { readout.textContent = words(row, i); },
    }) };
  }).sort((a, b) => a.good - b.good).map((one) => one.line);
  const axes = content.axes.map((axis, k) => s('g', {},
    s('line', { class: 'axis', x1: x(k), x2: x(k), y1: PARALLEL_MARGIN.top, y2: PARALLEL_HEIGHT - PARALLEL_MARGIN.bottom }),
    s('text', { class: 'axis-title', x: x(k), y: 14, 'text-anchor': 'middle' }, axis.label),
    s('text', { x: x(k) + 6, y: PARALLEL_MARGIN.top + 4 }, tick(scales[k].high)),
    s('text', { x: x(k) + 6, y: PARALLEL_HEIGHT - PARALLEL_MARGIN.bottom }, tick(scales[k].low))));
  return s('svg', { class: 'parallel', viewBox: `0 0 ${width} ${PARALLEL_HEIGHT}`, width, height: PARALLEL_HEIGHT, role: 'img', 'aria-label': `${content.title}: ${content.rows.length} lines over ${content.axes.length} axes` }, lines, axes);
}

/** The scale of an axis: low, high, share(value) in [0, 1], y(value) in pixels. */
function parallelScale(axis, values) {
  const known = values.filter((value) => value !== null);
  const low = axis.low ?? (known.length ? Math.min(...known) : 0);
  const high = axis.high ?? (known.length ? Math.max(...known) : 1);
  const f = axis.log && low > 0 ? Math.log : (value) => value;
  const share = (value) => (high === low ? 0.5 : (f(value) - f(low)) / (f(high) - f(low)));
  const reach = PARALLEL_HEIGHT - PARALLEL_MARGIN.top - PARALLEL_MARGIN.bottom;
  return { low, high, share, y: (value) => PARALLEL_MARGIN.top + (1 - share(value)) * reach };
}
