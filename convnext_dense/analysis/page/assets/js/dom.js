// Elements of the page. Texts of the data only ever become text nodes and attribute values, never markup.

const SVG = 'http://www.w3.org/2000/svg';

/** Make an HTML element: `on*` attributes are listeners, null and false ones are left out, children may be nested. */
function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Make an SVG element in the same way. */
function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'style') Object.entries(value).forEach(([key, one]) => element.style.setProperty(key, one));
    else if (name in element && ['value', 'checked', 'hidden', 'disabled', 'open', 'tabIndex'].includes(name)) element[name] = value;
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function replace(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
}

let lastId = 0;

/** Make an id that is unique in the page. */
function newId(word) {
  lastId += 1;
  return `${word}-${lastId}`;
}

/** Turn a text with parts in backquotes into nodes, those parts as code; short ones, such as flags, stay in one line. */
function inline(text) {
  return String(text).split('`').map((part, i) => (i % 2 ? h('code', { class: part.length <= 30 && 'short' }, part) : part));
}

/** A name out of the data, such as that of a class, which may be written from right to left. */
function name(text) {
  return h('bdi', {}, text);
}

/** A button that copies a text and says so. */
function copyButton(text, label = 'Copy') {
  const button = h('button', { type: 'button', class: 'button small copy', 'aria-label': `${label}: ${text}` }, label);
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      copyBySelection(text);
    }
    button.textContent = 'Copied';
    announce('Copied');
    setTimeout(() => { button.textContent = label; }, 1500);
  });
  return button;
}

/** Copy without the clipboard's interface, which pages that are opened as files may lack. */
function copyBySelection(text) {
  const area = h('textarea', { class: 'visually-hidden', 'aria-hidden': 'true' });
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

/** Have screen readers say something. */
function announce(text) {
  document.getElementById('announcer').textContent = text;
}

/** A labeled select; options are [value, text] pairs. */
function select(label, options, value, onChange) {
  const id = newId('select');
  const box = h('select', { id, onchange: () => onChange(box.value) },
    options.map(([key, text]) => h('option', { value: key, selected: key === value }, text)));
  return h('div', { class: 'field' }, h('label', { for: id }, label), box);
}

/** A labeled check box. */
function checkbox(label, checked, onChange) {
  const box = h('input', { type: 'checkbox', checked, onchange: () => onChange(box.checked) });
  return h('label', { class: 'check' }, box, label);
}

/** A labeled field for a text to search for; it calls back a moment after the last key. */
function searchField(label, value, onChange) {
  const id = newId('search');
  let timer = 0;
  const box = h('input', {
    id,
    type: 'search',
    value,
    autocomplete: 'off',
    spellcheck: 'false',
    oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(() => onChange(box.value), 120);
    },
  });
  return h('div', { class: 'field' }, h('label', { for: id }, label), box);
}

/** A row of buttons of which one is pressed; options are [value, text] pairs. */
function choice(label, options, value, onChange) {
  const group = h('div', { class: 'choice', role: 'group', 'aria-label': label });
  options.forEach(([key, text]) => {
    const button = h('button', { type: 'button', 'aria-pressed': String(key === value) }, text);
    button.addEventListener('click', () => {
      group.querySelectorAll('button').forEach((one) => one.setAttribute('aria-pressed', String(one === button)));
      onChange(key);
    });
    group.append(button);
  });
  return group;
}

/** Buttons that turn the pages of a list; nothing if there is one page. */
function pager(count, size, page, what, onChange) {
  const pages = Math.max(1, Math.ceil(count / size));
  if (pages === 1) return null;
  const first = page * size;
  const turn = (label, to, text) => h('button', {
    type: 'button', class: 'button small', 'aria-label': label, disabled: to < 0 || to >= pages, onclick: () => onChange(to),
  }, text);
  return h('nav', { class: 'pager', 'aria-label': `Pages of ${what}` },
    turn('First page', page > 0 ? 0 : -1, '«'), turn('Previous page', page - 1, '‹ Previous'),
    h('span', { class: 'muted' }, `${whole(first + 1)}–${whole(Math.min(count, first + size))} of ${whole(count)}`),
    turn('Next page', page + 1, 'Next ›'), turn('Last page', page < pages - 1 ? pages - 1 : pages, '»'));
}
