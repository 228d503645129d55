// Blocks of a diagnosis, each drawn by its kind.

/** Draw a section's blocks. `context` has classOf, imageOf, and gallery(block). */
function blocks(list, context) {
  const drawn = list.map((one) => {
    try {
      return blockOf(one, context);
    } catch (error) {
      return h('p', { class: 'notice' }, `This part cannot be shown (${error.message}).`);
    }
  });
  return sideBySide(list, drawn);
}

/** Put charts that follow each other side by side. */
function sideBySide(list, drawn) {
  const parts = [];
  drawn.forEach((element, i) => {
    const isChart = list[i].kind === 'chart';
    if (isChart && i > 0 && list[i - 1].kind === 'chart') parts[parts.length - 1].append(element);
    else parts.push(isChart ? h('div', { class: 'grid-charts' }, element) : element);
  });
  return parts;
}

function blockOf(one, context) {
  switch (one.kind) {
    case 'table': return table(one, { ...context, heading: 'h3' });
    case 'matrix': return withHeading(matrix(one, context));
    case 'chart': return withHeading(chart(one, { heading: 'h3', log: true, logFirst: Boolean(one.y.log), context }));
    case 'gallery': return context.gallery(one);
    case 'parallel': return withHeading(parallel(one));
    case 'text': return h('p', { class: 'prose' }, inline(sentence(one.text)));
    default: return h('p', { class: 'notice' }, `A part of kind ${one.kind} is of a newer version: make the page with that version.`);
  }
}

/** Titles of blocks are of the third level: sections have the second. */
function withHeading(element) {
  const old = element.querySelector('h4');
  if (old) {
    const title = h('h3', { id: old.id || null }, ...old.childNodes);
    old.replaceWith(title);
  }
  return element;
}
