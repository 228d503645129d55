// Thumbnails of images with their overlays, made when they come near to what is seen.

/** A button with an image: record is of the list of images, number its place there. */
function thumbnail(run, diagnosis, number, settings, onOpen, caption) {
  const record = runImages(run)[number];
  const stage = h('div', { class: 'stage', style: { 'aspect-ratio': `${record.width || 4} / ${record.height || 3}` } });
  const words = caption || captionOf(record, diagnosis);
  const box = h('button', { type: 'button', class: 'thumbnail', 'data-image': number, onclick: onOpen },
    stage, h('span', { class: 'caption' }, words), h('span', { class: 'findings' }, findingWords(record, diagnosis)));
  whenNear(box, () => drawThumbnail(stage, run, diagnosis, number, settings));
  return box;
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
  if (details.truth || details.predicted) parts.push(overlay(shownObjects(details, settings, diagnosis), record.width, record.height));
  if ((details.truth_map || details.predicted_map) && settings.show !== 'image') {
    readMaps(details, diagnosis).then((maps) => {
      if (!maps) return;
      const chosen = settings.class === '' ? -1 : diagnosis.classes.indexOf(settings.class);
      stage.querySelector('canvas')?.remove();
      stage.append(paintMap(maps, settings.show, diagnosis.colors, settings.opacity, chosen));
    });
    const before = stage.querySelector('canvas');
    if (before) parts.push(before);
  }
  replace(stage, parts);
}

/** What stands below an image: its classes in classification, else its file. */
function captionOf(record, diagnosis) {
  if (record.caption) return record.caption;
  if (!record.top) return h('bdi', { title: record.path }, fileName(record.path));
  const [label, value] = record.top;
  const predicted = [name(diagnosis.classes[label] ?? `class ${label}`), ` ${score(value)}`];
  const known = record.label !== null && record.label !== undefined;
  if (!known || record.label === label) return [known ? h('span', { class: 'tick', 'aria-label': 'right' }, '✓ ') : null, predicted];
  return [h('span', { class: 'cross', 'aria-label': 'wrong' }, '✗ '), predicted, ', is ', name(diagnosis.classes[record.label])];
}

function findingWords(record, diagnosis) {
  const value = record.value === null || record.value === undefined ? null : `${valueName(diagnosis.task)} ${percent(record.value)}%`;
  const findings = record.findings.length ? h('span', { class: 'error' }, record.findings.join(', ')) : record.tested ? 'no errors' : null;
  return [value, value && findings ? ' · ' : null, findings];
}

/** What the value of an image is, by task. */
function valueName(task) {
  return { classification: 'true class', detection: 'F1', segmentation: 'IoU', panoptic: 'PQ' }[task] || 'value';
}
