// Charts of lines, points and bars, drawn by uPlot, with a legend that turns series on and off, a summary for screen
// readers, and the values as a table.

const CHART_HEIGHT = 260;
const DRAWN_POINTS_UP_TO = 30; // positions: each is marked

/**
 * Make a chart of { title, x: { label, low, high, log }, y: {...}, series: [{ name, x, y, style, group, off, smooth }], note }.
 *
 * `options` may have `log` (offer a logarithmic axis), `sync` (charts of one name share a cursor), and `smooth` (offer
 * smoothing, a share of the run).
 */
function chart(content, options = {}) {
  if (content.categories) return categoryBars(content, options.context);
  const series = content.series.map((one, i) => ({ ...one, key: i, shown: !one.off, color: colorNumber(content.series, i) }));
  const groups = [...new Set(series.map((one) => one.group).filter((group) => group !== null && group !== undefined))];
  const overall = series.some((one) => (one.group === null || one.group === undefined) && one.style !== 'reference');
  const state = { log: options.logFirst || false, group: groups.length && !overall ? groups[0] : '', smooth: options.smooth || 0 };
  const title = h(options.heading || 'h4', {}, content.title);
  const figure = h('div', { class: 'plot', style: { 'min-height': `${CHART_HEIGHT}px` } });
  const legend = h('div', { class: 'legend' });
  const values = h('details', { class: 'values' }, h('summary', {}, 'Values as a table'));
  let plot = null;

  const visible = () => series.filter((one) => {
    const grouped = one.group !== null && one.group !== undefined;
    return !grouped || one.group === state.group || (state.group === '*');
  });
  const drawn = () => visible().filter((one) => one.shown && one.x.length > 0);

  function draw() {
    if (plot) plot.destroy();
    replace(legend, visible().map((one) => legendKey(one, () => {
      one.shown = !one.shown;
      draw();
    })));
    const parts = drawn();
    figure.setAttribute('aria-label', summary(content, parts));
    plot = parts.length ? plotOf(content, parts, state, figure, options) : null;
    if (!plot) replace(figure, h('p', { class: 'muted empty' }, 'Nothing to draw.'));
    if (values.open) fillValues();
  }

  function fillValues() {
    values.querySelector('.block')?.remove();
    values.append(valuesTable(content, drawn()));
  }

  figure.setAttribute('role', 'img');
  figure.setAttribute('aria-label', summary(content, drawn()));
  values.addEventListener('toggle', () => { if (values.open) fillValues(); });
  const controls = [
    groups.length ? select('Class', [...(overall ? [['', 'all together']] : []), ...groups.map((one) => [one, one]),
      ...(groups.length <= 12 && groups.length > 1 ? [['*', 'each class']] : [])], state.group, (group) => {
      state.group = group;
      draw();
    }) : null,
    options.log && positive(series) ? checkbox('log scale', state.log, (log) => { state.log = log; draw(); }) : null,
    options.smooth && series.some((one) => one.x.length >= SMOOTHED_FROM)
      ? checkbox('smooth', true, (on) => { state.smooth = on ? options.smooth : 0; draw(); }) : null,
  ];
  const box = h('div', { class: 'block chart' },
    h('div', { class: 'chart-head' }, title, h('div', { class: 'toolbar' }, controls)),
    content.note ? h('p', { class: 'note' }, inline(content.note)) : null, figure, legend, values);
  whenNear(figure, () => {
    draw();
    let width = figure.clientWidth;
    new ResizeObserver(() => {
      if (plot && figure.clientWidth !== width && figure.clientWidth > 0) {
        width = figure.clientWidth;
        plot.setSize({ width, height: CHART_HEIGHT });
      }
    }).observe(figure);
    redrawn.add(() => { if (figure.isConnected) draw(); });
  });
  return box;
}

function colorNumber(series, at) {
  const groups = [...new Set(series.map((one) => one.group))];
  const own = series[at];
  if (own.color) return own.color;
  const same = series.filter((one) => one.group === own.group && one.style !== 'reference');
  const place = Math.max(0, same.indexOf(own));
  return ((same.length > 1 ? place : groups.indexOf(own.group)) % SERIES_COLORS) + 1;
}

function positive(series) {
  return series.every((one) => one.y.every((value) => value === null || value > 0)) && series.some((one) => one.y.length);
}

function legendKey(one, onClick) {
  const reference = one.style === 'reference';
  const line = h('span', { class: `line${reference ? ' reference' : one.dash ? ' dashed' : ''}`, style: reference ? {} : { '--color': seriesColor(one.color) } });
  return h('button', { type: 'button', class: 'key', 'aria-pressed': String(one.shown), onclick: onClick, title: 'Show or hide' },
    line, name(one.name));
}

function summary(content, parts) {
  const lines = parts.filter((one) => one.style !== 'reference').slice(0, 8).map((one) => {
    const known = one.y.filter((value) => value !== null);
    if (known.length === 0) return `${one.name}: no values`;
    const [low, high] = [Math.min(...known), Math.max(...known)];
    return known.length === 1 ? `${one.name}: ${number(known[0])}`
      : `${one.name}: ${known.length} values from ${number(low)} to ${number(high)}, the last ${number(known[known.length - 1])}`;
  });
  return `Chart of ${content.title}, ${content.y.label} by ${content.x.label}. ${lines.join('; ')}.`;
}

function valuesTable(content, parts) {
  const columns = [{ name: content.x.label, kind: 'number' }, ...parts.map((one) => ({ name: one.name, kind: 'number' }))];
  const data = joined(parts);
  const rows = data[0].map((x, i) => [x, ...data.slice(1).map((values) => values[i] ?? null)]);
  return table({ title: `${content.title}: values`, columns, rows }, { heading: 'h4' });
}

/** Bring the series to common positions, in order, as uPlot takes them. */
function joined(parts) {
  const tables = parts.map((one) => {
    const order = [...one.x.keys()].sort((a, b) => one.x[a] - one.x[b]);
    const xs = order.map((i) => one.x[i]);
    const reach = (xs[xs.length - 1] - xs[0]) || 1;
    for (let i = 1; i < xs.length; i += 1) { // a vertical step becomes a steep one
      if (xs[i] <= xs[i - 1]) xs[i] = xs[i - 1] + reach * 1e-9;
    }
    return [xs, order.map((i) => one.y[i])];
  });
  if (tables.length === 1) return tables[0];
  return uPlot.join(tables);
}

function plotOf(content, parts, state, figure, options) {
  const data = joined(parts.map((one) => (state.smooth && one.smooth ? { ...one, y: smoothed(one.y, state.smooth) } : one)));
  const few = data[0].length <= DRAWN_POINTS_UP_TO;
  const integers = data[0].every(Number.isInteger);
  const grid = { stroke: themeColor('--grid'), width: 1 };
  const ticks = { show: false };
  const axis = { stroke: themeColor('--muted'), grid, ticks, font: '12px system-ui, sans-serif', labelFont: '12px system-ui, sans-serif', labelSize: 24, labelGap: 2 };
  const onlyX = data[0].length === 1;
  replace(figure);
  return new uPlot({
    width: figure.clientWidth || 320,
    height: CHART_HEIGHT,
    padding: [12, 16, 0, 0],
    legend: { show: false },
    cursor: { sync: options.sync ? { key: options.sync } : undefined, drag: { x: true, y: false }, points: { size: 7 } },
    scales: {
      x: content.x.log ? { time: false, distr: 3, range: (u, low, high) => [content.x.low ?? low / 1.2, content.x.high ?? high * 1.2] }
        : { time: false, range: (u, low, high) => rangeOf(content.x, onlyX ? [data[0][0] - 1, data[0][0] + 1] : [low, high], 0) },
      y: { distr: state.log ? 3 : 1, range: state.log ? undefined : (u, low, high) => rangeOf(content.y, [low, high], 0.06) },
    },
    axes: [
      { ...axis, label: content.x.label, size: 26, values: (u, values) => values.map((v) => (v === null || (integers && !Number.isInteger(v)) || (onlyX && v !== data[0][0]) ? '' : tick(v))) },
      { ...axis, label: content.y.label, size: 52, values: (u, values) => values.map(tick) },
    ],
    series: [{}, ...parts.map((one) => seriesOf(one, few))],
    plugins: [tooltip(content, parts)],
  }, data, figure);
}

const TOOLTIP_ROWS = 10;

/** A box beside the cursor with the values there, the largest first. */
function tooltip(content, parts) {
  const box = h('div', { class: 'tooltip', 'aria-hidden': 'true', hidden: true });
  return {
    hooks: {
      init: [(u) => u.over.append(box)],
      setCursor: [(u) => {
        const at = u.cursor.idx;
        const values = at === null || at === undefined ? [] : parts.map((one, i) => ({ one, value: u.data[i + 1][at] }))
          .filter(({ one, value }) => value !== null && value !== undefined && one.style !== 'reference');
        box.hidden = values.length === 0 || u.cursor.left < 0;
        if (box.hidden) return;
        values.sort((a, b) => b.value - a.value);
        replace(box, h('div', { class: 'muted' }, `${content.x.label} ${tick(u.data[0][at])}`),
          values.slice(0, TOOLTIP_ROWS).map(({ one, value }) => h('div', { class: 'row' },
            h('span', { class: `line${one.dash ? ' dashed' : ''}`, style: { '--color': seriesColor(one.color) } }), name(one.name), h('b', {}, number(value)))),
          values.length > TOOLTIP_ROWS ? h('div', { class: 'muted' }, `and ${values.length - TOOLTIP_ROWS} more`) : null);
        const onLeft = u.cursor.left > u.over.clientWidth / 2;
        box.style.left = onLeft ? 'auto' : `${u.cursor.left + 12}px`;
        box.style.right = onLeft ? `${u.over.clientWidth - u.cursor.left + 12}px` : 'auto';
      }],
    },
  };
}

/** The range of an axis: as given, else that of the values with some room. */
function rangeOf(axis, [low, high], room) {
  if (low === null || high === null) return [0, 1];
  const reach = high - low || Math.abs(high) || 1;
  return [axis.low ?? (low >= 0 && low - room * reach < 0 ? 0 : low - room * reach), axis.high ?? high + room * reach];
}

function seriesOf(one, few) {
  const reference = one.style === 'reference';
  const color = reference ? themeColor('--muted') : drawnColor(seriesColor(one.color));
  const alone = one.y.filter((value) => value !== null).length === 1;
  const points = one.style === 'points' || alone;
  const base = { label: one.name, stroke: color, width: reference ? 1.5 : 2, spanGaps: false };
  if (one.style === 'bars') return { ...base, width: 1, fill: withOpacity(color), paths: uPlot.paths.bars({ size: [0.9, 60] }), points: { show: false } };
  if (points) return { ...base, paths: () => null, points: { show: true, size: alone ? 9 : 6, width: 2, fill: one.dash ? themeColor('--surface') : color } };
  return { ...base, dash: reference ? [5, 5] : one.dash ? [8, 5] : undefined, points: { show: !reference && few, size: 5, fill: color } };
}

/** A color as a canvas takes it, with the variables of the theme filled in. */
function drawnColor(color) {
  return color.replace(/var\((--[\w-]+)\)/g, (_, variable) => themeColor(variable));
}

function withOpacity(color) {
  return `color-mix(in srgb, ${color} 45%, transparent)`;
}
