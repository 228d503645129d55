// Bars of named categories, as rows of text and bars.

const CATEGORIES_SHOWN = 15;

/** Make a chart whose positions are categories: a row for each, with a bar for each series. */
function categoryBars(content, context = {}) {
  const shown = content.series.filter((one) => one.style !== 'reference');
  const values = shown.map((one) => byPosition(one, content.categories.length));
  const all = values.flat().filter((value) => value !== null);
  const low = Math.min(0, content.y.low ?? 0, ...all);
  const high = Math.max(content.y.high ?? 0, ...all, low + 1e-9);
  const isPercent = content.y.label.includes('%');
  const even = evenNumbers(all.filter((value) => value !== 0).map(Math.abs));
  const text = (value) => (value === null ? ABSENT : isPercent ? percent(value) : even(value));
  const rows = content.categories.map((category, i) => h('tr', {},
    h('th', { scope: 'row' }, categoryName(category, context)),
    h('td', {}, shown.map((_, k) => bar(values[k][i], k, low, high, text)))));
  const body = h('tbody', {}, rows.slice(0, CATEGORIES_SHOWN));
  const more = rows.length > CATEGORIES_SHOWN + 2 ? h('button', {
    type: 'button',
    class: 'button small',
    onclick: () => { replace(body, rows); more.remove(); },
  }, `Show all ${rows.length}`) : null;
  if (!more) replace(body, rows);
  const title = h('h4', { id: newId('bars') }, content.title);
  return h('div', { class: 'block' }, title, content.note ? h('p', { class: 'note' }, inline(content.note)) : null,
    shown.length > 1 ? h('div', { class: 'legend' }, shown.map((one, k) => h('span', { class: 'key' },
      h('span', { class: 'line', style: { '--color': seriesColor(k + 1) } }), name(one.name)))) : null,
    h('table', { class: 'bars', 'aria-labelledby': title.id },
      h('caption', { class: 'muted' }, content.y.label), body), more);
}

function byPosition(series, count) {
  const values = new Array(count).fill(null);
  series.x.forEach((x, i) => { values[Math.round(x)] = series.y[i]; });
  return values.slice(0, count);
}

function bar(value, k, low, high, text) {
  const place = (v) => (100 * (v - low)) / (high - low);
  const [from, to] = value === null ? [0, 0] : [place(Math.min(0, value)), place(Math.max(0, value))];
  return h('div', { class: 'bar' },
    h('span', { class: 'track' }, h('span', {
      style: { 'margin-left': `${from}%`, width: `${to - from}%`, background: seriesColor(k + 1) },
    })),
    h('span', { class: 'value' }, text(value)));
}

function categoryName(category, context) {
  return context.classOf && context.classOf(category) ? classCell(category, context) : name(category);
}
