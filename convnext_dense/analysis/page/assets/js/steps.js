// What to try next, each with its reason and the rule it follows from.

function steps(list, run, context) {
  return h('ol', { class: 'steps' }, list.map((step) => h('li', {},
    h('p', { class: 'advice' }, inline(sentence(step.advice))),
    h('p', {}, inline(sentence(step.reason)), step.section && context.sections.has(step.section)
      ? [' ', h('a', { href: address(run.name, step.section), 'aria-label': `See the finding: ${context.sections.get(step.section)}` }, 'See the finding')] : null),
    step.rule ? h('p', { class: 'muted small' }, inline(sentence(`rule: ${step.rule}`))) : null,
    commandsIn(step.advice))));
}

/** Buttons that copy the commands in backquotes of a text. */
function commandsIn(text) {
  const commands = text.split('`').filter((part, i) => i % 2 && /^(convnext-dense|python|make) /.test(part));
  return commands.length ? h('p', {}, commands.map((command) => copyButton(command, 'Copy command'))) : null;
}
