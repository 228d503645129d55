// The page: contents at the side, and the overview or one run beside them.

/** A section with its heading, which links lead to. */
function section(id, title, ...children) {
  return h('section', { id, 'aria-labelledby': `${id}-title` }, h('h2', { id: `${id}-title`, tabindex: '-1' }, title), children);
}

let current = null; // what is shown: { name, browser }

/** Whether the page is of one run, which needs no overview. */
function isSingle(data) {
  return data.runs.length === 1 && data.studies.length === 0;
}

/** Show what the address names. */
function route() {
  const data = pageData();
  const given = readAddress();
  const single = isSingle(data) ? data.runs[0] : null;
  const run = data.runs.find((one) => one.name === given.run) || single;
  const view = run ? run.name : OVERVIEW;
  document.querySelectorAll('dialog[open]').forEach((dialog) => dialog.close());
  if (!current || current.name !== view) show(run, view);
  if (current.browser && given.section === SECTION) current.browser.apply(given.filters);
  scrollTo(given.section, !current.fresh);
  current.fresh = false;
  closeMenu();
}

function show(run, view) {
  const main = document.getElementById('main');
  const first = current === null;
  redrawn.clear();
  current = { name: view, browser: null, fresh: first };
  const data = pageData();
  try {
    const shown = run ? runView(run) : { elements: overviewView(data), browser: null };
    replace(main, shown.elements.flat(Infinity));
    current.browser = shown.browser;
  } catch (error) {
    replace(main, h('p', { class: 'notice' }, `This run cannot be shown (${error.message}).`));
    console.error(error);
  }
  contents(data, run);
  document.title = run && data.runs.length > 1 ? `${run.name} · ${data.title}` : data.title;
  followSections();
}

function scrollTo(id, focus) {
  const heading = id && document.getElementById(`${id}-title`);
  if (!heading) {
    if (focus) window.scrollTo(0, 0);
    return;
  }
  document.getElementById(id).scrollIntoView();
  heading.focus({ preventScroll: true });
}

/** The contents: all runs, and the sections of the one that is shown. */
function contents(data, run) {
  const link = (href, text, attributes = {}) => h('a', { href, ...attributes }, text);
  const sections = [...document.querySelectorAll('#main > section')].map((one) => h('li', {},
    link(address(run ? run.name : OVERVIEW, one.id), one.querySelector('h2').textContent, { 'data-section': one.id })));
  const list = h('ul', { class: 'sections' }, sections);
  const several = !isSingle(data);
  const entry = (name_, href, own) => h('li', {}, link(href, name(name_), { class: 'run-link', 'aria-current': own ? 'page' : null }), own ? list : null);
  replace(document.getElementById('contents'), h('ul', {},
    several ? entry('Overview', '#/', !run) : null,
    several ? data.runs.map((one) => entry(one.name, address(one.name), run === one)) : list.childNodes.length ? h('li', {}, list) : null));
}

/** Mark the section in the contents that is read. */
function followSections() {
  const links = new Map([...document.querySelectorAll('#contents [data-section]')].map((one) => [one.dataset.section, one]));
  const sections = [...document.querySelectorAll('#main > section')];
  const mark = () => {
    const read = sections.filter((one) => one.getBoundingClientRect().top < 140).pop() || sections[0];
    links.forEach((one, id) => (read && id === read.id ? one.setAttribute('aria-current', 'true') : one.removeAttribute('aria-current')));
  };
  window.onscroll = mark;
  mark();
}

function closeMenu() {
  document.body.classList.remove('menu-open');
  document.getElementById('menu').setAttribute('aria-expanded', 'false');
}

function startMenu() {
  const button = document.getElementById('menu');
  button.addEventListener('click', () => {
    const open = document.body.classList.toggle('menu-open');
    button.setAttribute('aria-expanded', String(open));
  });
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape' && !document.querySelector('dialog[open]')) closeMenu(); });
  document.getElementById('contents').addEventListener('click', (event) => { if (event.target.closest('a')) closeMenu(); });
}

startThemeSwitch();
startMenu();
window.addEventListener('hashchange', route);
route();
document.documentElement.dataset.ready = 'true';
