// The viewer: one image at its largest, with its objects, scores or label maps; arrow keys go through the list.

const MOST_TAGS = 25; // objects: more are named when pointed at

/**
 * Open the viewer.
 *
 * `list` are numbers of images, `at` the place in it. `options` has the overlay's `settings`, onMove(number), which is
 * called for each image, and onClose.
 */
function openViewer(run, diagnosis, list, at, options) {
  const { settings } = options;
  const dialog = h('dialog', { class: 'viewer', 'aria-label': 'Image' });
  const body = h('div', { class: 'viewer-body' });
  const controls = h('div', { class: 'toolbar' });
  const position = h('span', { class: 'muted', 'aria-live': 'polite' });
  const path = h('h2', { class: 'path' });
  const turn = (label, step, text) => h('button', { type: 'button', class: 'button', 'aria-label': label, onclick: () => move(step) }, text);
  const [previous, next] = [turn('Previous image', -1, '‹'), turn('Next image', 1, '›')];
  let place = at;

  function move(step) {
    if (!list[place + step] && list[place + step] !== 0) return;
    place += step;
    draw();
  }

  function draw() {
    const number = list[place];
    const record = runImages(run)[number];
    const details = imageDetails(run, number);
    replace(path, h('bdi', { title: record.path }, record.path));
    position.textContent = `${whole(place + 1)} of ${whole(list.length)}`;
    previous.disabled = place === 0;
    next.disabled = place === list.length - 1;
    const has = { objects: Boolean(details.predicted), truth: Boolean(details.truth), maps: Boolean(details.truth_map || details.predicted_map) };
    replace(controls, overlayControls(settings, has, diagnosis, () => drawBody(record, details, has)));
    drawBody(record, details, has);
    options.onMove(number);
  }

  function drawBody(record, details, has) {
    const scores = controls.querySelector('.slider.score input');
    if (scores) scores.disabled = settings.best;
    const redraw = (key) => (value) => {
      settings[key] = value;
      drawBody(record, details, has);
    };
    const shown = shownObjects(details, settings, diagnosis);
    const left = details.panels ? partsView(run, record, details) : has.maps ? mapPanels(details, record, shown, settings, diagnosis, redraw('class')) : imageView(record, details, shown, settings, diagnosis);
    replace(body, left, sideOf(record, details, shown, diagnosis));
  }

  dialog.append(
    h('header', {}, h('div', { class: 'viewer-title' }, path, position), previous, next,
      h('button', { type: 'button', class: 'button', 'aria-label': 'Close', onclick: () => dialog.close() }, '✕')),
    controls, body,
  );
  dialog.addEventListener('keydown', (event) => {
    if (['range', 'search'].includes(event.target.type) || event.target.tagName === 'SELECT') return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    move(step);
  });
  dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener('close', () => {
    dialog.remove();
    options.onClose(list[place]);
  });
  document.body.append(dialog);
  draw();
  dialog.showModal();
  return dialog;
}

/** The image with its objects and their names. */
function imageView(record, details, shown, settings, diagnosis) {
  const stage = h('div', { class: 'stage large', style: { 'aspect-ratio': `${record.width || 4} / ${record.height || 3}`, '--ratio': (record.width || 4) / (record.height || 3) } });
  const readout = h('p', { class: 'readout muted' });
  stage.append(details.src ? h('img', { src: details.src, alt: fileName(record.path) }) : h('span', { class: 'absent muted' }, 'no image file'));
  if (details.truth || details.predicted) {
    stage.append(overlay(shown, record.width, record.height));
    const tagged = shown.filter((one) => one.kind === 'predicted' || one.object.finding === 'missed');
    if (tagged.length <= MOST_TAGS) stage.append(...tagged.filter((one) => !one.dim).map((one) => tag(one, record, diagnosis)));
    shown.forEach((one) => {
      one.element.addEventListener('pointerenter', () => { readout.textContent = objectWords(one, diagnosis); });
    });
    const count = (kind) => shown.filter((one) => one.kind === kind).length;
    readout.textContent = [settings.predicted ? `${whole(count('predicted'))} predicted` : '', settings.truth && details.truth ? `${whole(count('truth'))} annotated` : ''].filter(Boolean).join(', ');
  }
  return h('div', { class: 'image-view' }, stage, readout, details.predicted ? overlayLegend() : null);
}

function tag(one, record, diagnosis) {
  const [left, top] = one.object.box;
  const missed = one.kind === 'truth';
  const text = missed ? `${diagnosis.classes[one.object.label] ?? 'any'} missed` : `${diagnosis.classes[one.object.label]} ${score(one.object.score)}`;
  return h('span', {
    class: `tag${missed ? ' missed' : ''}`,
    style: { left: `${(100 * left) / record.width}%`, top: `${(100 * Math.max(0, top)) / record.height}%`, background: rgb(one.color), color: textOn(one.color) },
  }, name(text));
}

/** What is known of an image, beside it. */
function sideOf(record, details, shown, diagnosis) {
  const parts = [];
  if (record.value !== null && record.value !== undefined) parts.push(h('p', {}, `${capital(valueName(diagnosis.task))}: `, h('strong', {}, `${percent(record.value)}%`)));
  if (record.findings.length) parts.push(h('p', {}, 'Findings: ', record.findings.map((one) => [h('span', { class: 'badge error' }, findingName(one)), ' '])));
  else if (record.tested) parts.push(h('p', { class: 'fine' }, '✓ No errors were found in this image.'));
  if (record.caption) parts.push(h('p', {}, record.caption));
  if (details.scores) parts.push(scoreBars(record, details.scores, diagnosis));
  if (details.predicted) parts.push(objectList(shown, diagnosis));
  return h('aside', { class: 'side', 'aria-label': 'About this image' }, parts);
}

/** The highest scores of a classified image. */
function scoreBars(record, scores, diagnosis) {
  const known = record.label !== null && record.label !== undefined;
  return h('table', { class: 'bars scores' }, h('caption', { class: 'muted' }, 'Highest scores'),
    h('tbody', {}, scores.map(([label, value]) => h('tr', { class: label === record.label ? 'true' : '' },
      h('th', { scope: 'row' }, swatch(classColor(diagnosis.colors, label)), name(diagnosis.classes[label] ?? `class ${label}`), label === record.label ? ' (true)' : ''),
      h('td', {}, h('div', { class: 'bar' }, h('span', { class: 'track' }, h('span', { style: { width: `${100 * value}%`, background: rgb(classColor(diagnosis.colors, label)) } })),
        h('span', { class: 'value' }, score(value))))))),
    known && !scores.some(([label]) => label === record.label)
      ? h('tfoot', {}, h('tr', {}, h('td', { colspan: 2, class: 'muted' }, 'The true class is ', name(diagnosis.classes[record.label]), ', which is not among them.'))) : null);
}

/** The objects that are drawn, as a list; pointing at one marks it in the image. */
function objectList(shown, diagnosis) {
  if (shown.length === 0) return h('p', { class: 'muted' }, 'No object is shown with these settings.');
  const ordered = [...shown].sort((a, b) => (b.object.score ?? -1) - (a.object.score ?? -1));
  const row = (one) => h('tr', {
    onpointerenter: () => mark(one, true), onpointerleave: () => mark(one, false),
  }, h('th', { scope: 'row' }, swatch(one.color), name(one.object.label === null ? 'any class' : diagnosis.classes[one.object.label])),
  h('td', { class: 'numeric' }, one.object.score === null ? 'annotated' : score(one.object.score)),
  h('td', { class: ['right', 'found'].includes(one.object.finding) ? 'muted' : 'error' }, findingName(one.object.finding)));
  const mark = (one, on) => one.element?.classList.toggle('hot', on);
  return scrolled({ 'aria-label': 'Objects' }, h('table', { class: 'data objects' },
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'object'), h('th', { scope: 'col', class: 'numeric' }, 'score'), h('th', { scope: 'col' }, 'finding'))),
    h('tbody', {}, ordered.slice(0, 200).map(row))));
}
