// Main numbers as cards, with their intervals.

const LARGE_CARDS = 4; // of more main numbers, the others are smaller

function cards(headlines) {
  if (headlines.length <= LARGE_CARDS + 1) return h('dl', { class: `cards count-${headlines.length}` }, headlines.map(card));
  return h('div', {}, h('dl', { class: `cards count-${LARGE_CARDS}` }, headlines.slice(0, LARGE_CARDS).map(card)),
    h('dl', { class: 'cards compact' }, headlines.slice(LARGE_CARDS).map(card)));
}

function card(headline) {
  const interval = intervalText(headline);
  const bounded = headline.unit === '%' && headline.value !== null;
  return h('div', { class: 'card' },
    h('dt', {}, headline.name),
    h('dd', {}, h('span', { class: 'big' }, headlineText(headline)), headline.unit ? h('span', { class: 'unit' }, headline.unit) : null),
    bounded && interval ? intervalBar(headline) : null,
    interval ? h('dd', { class: 'muted small' }, h('span', {}, '95% interval'), ' ', h('span', {}, interval)) : null,
    headline.lower_is_better ? h('dd', { class: 'muted small' }, 'lower is better') : null);
}

/** The number within its interval on a line from 0 to 100. */
function intervalBar(headline) {
  const place = (value) => `${Math.max(0, Math.min(100, value))}%`;
  return h('dd', { class: 'interval', 'aria-hidden': 'true' },
    h('span', { class: 'range', style: { left: place(headline.low), width: `${Math.max(0.5, headline.high - headline.low)}%` } }),
    h('span', { class: 'dot', style: { left: place(headline.value) } }));
}

/** Metrics with their kinds of weights as a compact grid: { kinds, rows: [{ name, values }] }. */
function metricGrid(results) {
  const words = { raw: 'raw weights', ema: 'averaged (EMA)' };
  return scrolled({ 'aria-label': 'Metrics' },
    h('table', { class: 'data metrics' },
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'metric'),
        results.kinds.map((kind) => h('th', { scope: 'col', class: 'numeric' }, words[kind] || kind)))),
      h('tbody', {}, results.rows.map((row) => h('tr', {}, h('th', { scope: 'row' }, row.name),
        row.values.map((value, i) => h('td', { class: `numeric${isBest(row, i) ? ' best' : ''}` },
          value === null ? ABSENT : row.count ? whole(value) : value.toFixed(2))))))));
}

function isBest(row, at) {
  const known = row.values.filter((value) => value !== null);
  if (row.count || known.length < 2 || !row.better || new Set(known).size < 2) return false;
  return row.values[at] === (row.better === 'less' ? Math.min(...known) : Math.max(...known));
}
