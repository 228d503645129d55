// Tables that sort by any column, are filtered by text, and show a page of rows at a time.

const ROWS_OF_PAGE = 15;
const FILTER_FROM = 9; // rows: shorter tables are seen at a glance
const SHORT = 24; // characters: shorter texts stay on one line
const NUMERIC = ['count', 'percent', 'number', 'score'];
const MANY_COLUMNS = 8; // more stand closer
const MOST_COLUMNS = 10; // more have no bars
const VERDICTS = { 'clearly better': 'better', 'clearly worse': 'worse' };

/**
 * Make a table of { title, columns: [{ name, kind, help }], rows, note }.
 *
 * `context` has classOf(name) -> { color, href } and imageOf(path) -> { href } for cells that lead to images, and may
 * have `sorted`, { column, descending }, the order to begin with.
 */
function table(content, context = {}) {
  const state = { text: '', column: -1, descending: false, page: 0, ...(context.sorted || {}) };
  const columns = withIntervals(content.columns.map((column, at) => ({ kind: 'text', help: '', ...column, at, text: numberText(content.rows, column, at) })));
  const body = h('tbody');
  const count = h('span', { class: 'muted count' });
  const pages = h('div');
  const title = h(context.heading || 'h4', { id: newId('table') }, content.title);
  const heads = columns.map((column, i) => head(column, () => sortBy(i)));
  const marked = new Set((content.marked || []).map((i) => content.rows[i]));
  const longest = longestNumbers(columns, content.rows);

  function sortBy(i) {
    const descendingFirst = NUMERIC.includes(columns[i].kind);
    state.descending = state.column === i ? !state.descending : descendingFirst;
    state.column = i;
    state.page = 0;
    draw();
  }

  function chosen() {
    const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = words.length === 0 ? [...content.rows] : content.rows.filter((row) => {
      const text = row.map((cell) => (cell === null ? '' : String(cell))).join(' ').toLowerCase();
      return words.every((word) => text.includes(word));
    });
    if (state.column >= 0) {
      const { at } = columns[state.column];
      rows.sort((a, b) => compare(a[at], b[at], state.descending));
    }
    return rows;
  }

  function draw() {
    const rows = chosen();
    heads.forEach((one, i) => {
      const order = i !== state.column ? 'none' : state.descending ? 'descending' : 'ascending';
      one.setAttribute('aria-sort', order);
    });
    const size = content.rows.length <= ROWS_OF_PAGE + 5 ? content.rows.length : ROWS_OF_PAGE;
    const shown = rows.slice(state.page * size, (state.page + 1) * size);
    replace(body, shown.map((row) => h('tr', { class: marked.has(row) ? 'marked' : null }, columns.map((column, i) => cellOf(row, column, i, longest[i], context)))));
    if (shown.length === 0) {
      const text = content.rows.length ? 'No row has this text.' : 'Nothing to list.';
      replace(body, h('tr', {}, h('td', { colspan: columns.length, class: 'muted' }, text)));
    }
    count.textContent = state.text ? `${whole(rows.length)} of ${plural(content.rows.length, 'row')}` : '';
    replace(pages, pager(rows.length, size || 1, state.page, content.title, (page) => {
      state.page = page;
      draw();
    }));
  }

  const filter = content.rows.length < FILTER_FROM ? null
    : h('div', { class: 'toolbar' }, searchField('Filter rows', '', (text) => {
      state.text = text;
      state.page = 0;
      draw();
    }), count);
  draw();
  return h('div', { class: 'block' }, title,
    content.note ? h('p', { class: 'note' }, inline(content.note)) : null, filter,
    scrolled({ 'aria-labelledby': title.id },
      h('table', { class: widthClass(columns.length), 'aria-labelledby': title.id }, h('thead', {}, h('tr', {}, heads)), body)),
    pages, meanings(columns));
}

/** The class of a table by the number of its columns. */
function widthClass(columns) {
  return `data${columns > MANY_COLUMNS ? ' many' : ''}${columns > MOST_COLUMNS ? ' most' : ''}`;
}

/** Bring columns that bound the one before them, named `X from` and `X to`, into that one. */
function withIntervals(columns) {
  return columns.filter((column, i) => {
    const [low, high] = [columns[i + 1], columns[i + 2]];
    if (low && high && low.name === `${column.name} from` && high.name === `${column.name} to`) column.interval = [low.at, high.at];
    return !columns.slice(Math.max(0, i - 2), i).some((one) => one.interval && one.interval.includes(column.at));
  });
}

/** How a column's numbers are written: all with the same digits, unless they are of very different sizes. */
function numberText(rows, column, at) {
  if (column.kind !== 'number') return (value) => cellText(value, column.kind);
  const sizes = rows.map((row) => row[at]).filter((value) => typeof value === 'number' && value !== 0).map(Math.abs);
  return withMinus(evenNumbers(sizes));
}

/** Write negative numbers with a minus as wide as a digit, not with a hyphen. */
function withMinus(write) {
  return (value) => write(value).replace(/^-/, '\u2212');
}

function head(column, onClick) {
  const numeric = NUMERIC.includes(column.kind);
  const words = [numeric ? 'numeric' : '', column.name.length > 16 ? 'long' : ''].join(' ').trim();
  return h('th', { scope: 'col', class: words, 'aria-sort': 'none' },
    h('button', { type: 'button', title: column.help || null, onclick: onClick },
      h('span', {}, column.name), h('span', { class: 'arrow', 'aria-hidden': 'true' })));
}

/** Sort numbers by value and texts as people do; what is absent comes last either way. */
function compare(a, b, descending) {
  const absentA = a === null || a === '';
  const absentB = b === null || b === '';
  if (absentA || absentB) return absentA - absentB;
  const order = typeof a === 'number' && typeof b === 'number' ? a - b
    : String(a).localeCompare(String(b), undefined, { numeric: true, sensitivity: 'base' });
  return descending ? -order : order;
}

function cellOf(row, column, index, longest, context) {
  const value = row[column.at];
  const tag = index === 0 ? 'th' : 'td';
  const scope = index === 0 ? { scope: 'row' } : {};
  const text = typeof value === 'number' ? column.text(value) : cellText(value, column.kind);
  if (column.kind === 'class' && value !== null) return h(tag, scope, classCell(text, context));
  if (column.kind === 'image' && value !== null) return h(tag, { ...scope, class: 'path' }, imageCell(text, context));
  if (column.kind === 'run') return h(tag, scope, h('a', { href: address(text) }, name(text)));
  if (!NUMERIC.includes(column.kind)) return h(tag, { ...scope, class: [text.length <= SHORT ? 'short' : '', VERDICTS[text] || ''].join(' ').trim() }, inline(text).map((part) => (typeof part === 'string' ? name(part) : part)));
  const share = column.kind === 'percent' && !column.lower && value !== null && value >= 0 && value <= 100 ? value : null;
  const [low, high] = (column.interval || []).map((at) => row[at]);
  return h(tag, { ...scope, class: 'numeric' },
    share === null ? text : h('span', { class: 'with-bar', style: { '--share': `${share}%` } },
      h('span', { class: 'digits', style: { 'min-width': `${longest}ch` } }, text)),
    typeof low === 'number' && typeof high === 'number' ? h('span', { class: 'bounds' }, range(column.text(low), column.text(high))) : null);
}

function classCell(text, context) {
  const found = context.classOf ? context.classOf(text) : null;
  if (!found) return name(text);
  const label = [swatch(found.color), name(text)];
  return found.href ? h('a', { class: 'class', href: found.href, title: `Show images with ${text}` }, label)
    : h('span', { class: 'class' }, label);
}

function imageCell(text, context) {
  const href = context.imageOf ? context.imageOf(text) : null;
  const label = h('bdi', { title: text }, fileName(text));
  return href ? h('a', { href }, label) : label;
}

function longestNumbers(columns, rows) {
  return columns.map((column) => (column.kind !== 'percent' ? 0
    : Math.max(0, ...rows.slice(0, 1000).map((row) => cellText(row[column.at], column.kind).length))));
}

function meanings(columns) {
  const explained = columns.filter((column) => column.help);
  if (explained.length === 0) return null;
  return h('details', { class: 'meanings' }, h('summary', {}, 'What the columns mean'),
    h('dl', {}, explained.map((column) => [h('dt', {}, column.name), h('dd', {}, inline(column.help))])));
}
