// How a run was made: its commands, config and environment.

function commandList(commands) {
  return h('div', { class: 'block' }, h('h3', {}, 'Commands'),
    commands.length ? commands.map((command) => h('div', { class: 'command' },
      h('pre', { tabindex: '0' }, h('code', {}, command)), copyButton(command))) : h('p', { class: 'muted' }, 'Not recorded.'));
}

/** The config, folded, with a search that leaves the lines that have a text. */
function configBox(config) {
  const pre = h('pre', { class: 'config', tabindex: '0', 'aria-label': 'Config' });
  const count = h('span', { class: 'muted count' });
  const lines = config.text.split('\n');
  const show = (text) => {
    const word = text.trim().toLowerCase();
    const found = [...lines.keys()].filter((i) => !word || lines[i].toLowerCase().includes(word));
    replace(pre, h('code', {}, found.map((i) => h('span', { class: 'line', 'data-line': i + 1 }, `${lines[i]}\n`))));
    count.textContent = word ? `${whole(found.length)} of ${plural(lines.length, 'line')}` : plural(lines.length, 'line');
  };
  const box = h('details', { class: 'block fold' }, h('summary', {}, h('h3', {}, 'Config'), h('span', { class: 'muted' }, config.name)),
    h('div', { class: 'toolbar' }, searchField('Search the config', '', show), count, copyButton(config.text, 'Copy config')), pre);
  box.addEventListener('toggle', () => { if (box.open && !pre.firstChild) show(''); });
  return box;
}

function pairList(title, pairs) {
  return h('div', { class: 'block' }, h('h3', {}, title),
    h('dl', { class: 'pairs' }, pairs.map(([key, value]) => h('div', {}, h('dt', {}, key), h('dd', {}, name(value))))));
}

function environmentBox(run) {
  if (!run.environment || run.environment.length === 0) return null;
  const rest = run.environment_rest || [];
  return h('div', { class: 'block' }, h('h3', {}, 'Environment'),
    h('dl', { class: 'pairs' }, run.environment.map(([key, value]) => h('div', {}, h('dt', {}, key), h('dd', {}, name(value))))),
    rest.length ? h('details', { class: 'values' }, h('summary', {}, 'All that was recorded'), h('pre', { tabindex: '0' }, rest.join('\n'))) : null);
}
