// What to try next, each with its reason and the rule it follows from.

function steps(list, run, context) {
  return h('ol', { class: 'steps' }, list.map((step) => h('li', {},
    h('p', { class: 'advice' }, inline(step.advice)),
    h('p', {}, inline(step.reason), step.section && context.sections.has(step.section)
      ? [' ', h('a', { href: address(run.name, step.section), 'aria-label': `See the finding: ${context.sections.get(step.section)}` }, 'See the finding')] : null),
    h('p', { class: 'muted small' }, 'Rule: ', inline(step.rule), '.'),
    commandsIn(step.advice))));
}

/** Buttons that copy the commands in backquotes of a text. */
function commandsIn(text) {
  const commands = text.split('`').filter((part, i) => i % 2 && part.includes(' '));
  return commands.length ? h('p', {}, commands.map((command) => copyButton(command, 'Copy command'))) : null;
}
