// Images that were drawn in several parts, such as reconstructions: the parts side by side, with one legend for all.

/** The names of the parts, in the columns of the strips below. */
function stripLegend(names) {
  return h('div', { class: 'strip-legend', 'aria-hidden': 'true' }, names.map((one) => h('span', {}, one)));
}

/** A button with the parts of an image: number is its place in the run's list. */
function strip(run, number, onOpen) {
  const record = runImages(run)[number];
  const parts = h('span', { class: 'parts' });
  const caption = h('span', { class: 'caption' }, h('bdi', { class: 'file', title: record.path }, fileName(record.path)), h('span', { class: 'muted' }, record.caption));
  const box = h('button', { type: 'button', class: 'strip', 'data-image': number, onclick: onOpen }, parts, caption);
  whenNear(box, () => replace(parts, partsOf(run, record, imageDetails(run, number))));
  return box;
}

/** The parts of an image, cut from its drawing. */
function partsOf(run, record, details) {
  if (!details.src) return [h('span', { class: 'muted absent' }, 'no image file')];
  return details.panels.map(([left, top, width, height], i) => h('span', { class: 'part', style: { 'aspect-ratio': `${width} / ${height}` } },
    h('img', {
      src: details.src,
      alt: `${run.panels[i]}: ${fileName(record.path)}`,
      decoding: 'async',
      style: { width: `${(100 * record.width) / width}%`, left: `${(-100 * left) / width}%`, top: `${(-100 * top) / height}%` },
    })));
}

/** The parts of an image at their largest, each below its name. */
function partsView(run, record, details) {
  const parts = partsOf(run, record, details);
  return h('div', { class: 'image-view parts large' }, parts.map((part, i) => h('figure', {}, h('figcaption', {}, run.panels[i] || ''), part)));
}
