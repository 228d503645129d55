// Thumbnails of images with their overlays, made when they come near to what is seen.

/** A button with an image: record is of the list of images, number its place there. */
function thumbnail(run, diagnosis, number, settings, onOpen, caption) {
  const record = runImages(run)[number];
  const [own, frame] = [ratioOf(record), frameRatio(run)];
  const stage = h('div', { class: 'stage', style: { 'aspect-ratio': String(own), width: `${Math.min(100, (100 * own) / frame)}%` } });
  const words = caption || captionOf(record, diagnosis);
  const box = h('button', { type: 'button', class: 'thumbnail', 'data-image': number, onclick: onOpen },
    h('span', { class: 'frame', style: { 'aspect-ratio': String(frame) } }, stage), h('span', { class: 'caption' }, words), h('span', { class: 'findings' }, findingWords(record, diagnosis)));
  whenNear(box, () => drawThumbnail(stage, run, diagnosis, number, settings));
  return box;
}

function ratioOf(record) {
  return record.width && record.height ? record.width / record.height : 4 / 3;
}

const frameRatios = new Map(); // of runs

/** The shape of all thumbnails of a run: that of the median image, neither very wide nor very high. */
function frameRatio(run) {
  if (!frameRatios.has(run.id)) {
    const ratios = runImages(run).map(ratioOf).sort((a, b) => a - b);
    frameRatios.set(run.id, Math.min(1.8, Math.max(0.8, ratios[Math.floor(ratios.length / 2)] || 4 / 3)));
  }
  return frameRatios.get(run.id);
}

function drawThumbnail(stage, run, diagnosis, number, settings) {
  const record = runImages(run)[number];
  const details = imageDetails(run, number);
  if (!details.src) {
    replace(stage, h('span', { class: 'muted absent' }, 'no image file'));
    return;
  }
  const image = stage.querySelector('img') || h('img', { src: details.src, alt: fileName(record.path), decoding: 'async' });
  const parts = [image];
  const hasMaps = Boolean(details.truth_map || details.predicted_map);
  const shown = shownObjects(details, settings, diagnosis);
  const objects = hasMaps ? objectsOfPanel(shown, settings.show) : shown;
  const svg = details.truth || details.predicted ? overlay(objects, record.width, record.height) : null;
  if (hasMaps && settings.show !== 'image') {
    readMaps(details, diagnosis).then((maps) => {
      if (!maps) return;
      const chosen = settings.class === '' ? -1 : diagnosis.classes.indexOf(settings.class);
      stage.querySelector('canvas')?.remove();
      stage.querySelector('img').after(paintMap(maps, settings.show, diagnosis.colors, settings.opacity, chosen));
    });
    const before = stage.querySelector('canvas');
    if (before) parts.push(before);
  }
  replace(stage, parts, svg);
}

/** What a kind of error is called. */
function findingName(finding) {
  return {
    class: 'wrong class', location: 'inexact location', both: 'wrong class and location', background: 'on background', missed: 'not found',
  }[finding] || finding;
}

/** What stands below an image: its classes in classification, else its file. */
function captionOf(record, diagnosis) {
  if (record.caption) return record.caption;
  if (!record.top) return h('bdi', { class: 'file', title: record.path }, fileName(record.path));
  const [label, value] = record.top;
  const predicted = [name(diagnosis.classes[label] ?? `class ${label}`), ` ${score(value)}`];
  const known = record.label !== null && record.label !== undefined;
  if (!known || record.label === label) return [known ? h('span', { class: 'tick', 'aria-label': 'right' }, '✓ ') : null, predicted];
  return [h('span', { class: 'cross', 'aria-label': 'wrong' }, '✗ '), predicted, ', is ', name(diagnosis.classes[record.label])];
}

function findingWords(record, diagnosis) {
  const value = record.value === null || record.value === undefined ? null : `${shortValueName(diagnosis.task)} ${percent(record.value)}%`;
  const findings = record.findings.length ? h('span', { class: 'error' }, record.findings.map(findingName).join(', ')) : record.tested ? 'no errors' : null;
  return [value, value && findings ? ' · ' : null, findings];
}

/** What the value of an image is, by task. */
function valueName(task) {
  return { classification: 'score of the true class', detection: 'F1', segmentation: 'IoU', panoptic: 'PQ' }[task] || 'value';
}

function shortValueName(task) {
  return task === 'classification' ? 'true class' : valueName(task);
}
