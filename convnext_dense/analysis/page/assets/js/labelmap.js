// Label maps over an image: the truth, the prediction, and where they differ.

const MOST_IN_GRAY = 255; // classes: maps of more have red + 256 * green as a pixel's class
const WRONG = [230, 50, 120];
const PANELS = [['image', 'Image'], ['truth', 'Truth'], ['predicted', 'Prediction'], ['errors', 'Errors']];
const mapsRead = new WeakMap(); // of the details of images

/** Read both label maps of an image: { width, height, truth, predicted, none }, of which one map may be null. */
function readMaps(details, diagnosis) {
  if (!mapsRead.has(details)) {
    const colored = diagnosis.classes.length > MOST_IN_GRAY;
    const maps = [details.truth_map, details.predicted_map].map((source) => readMap(source, colored));
    mapsRead.set(details, Promise.all(maps).then(([truth, predicted]) => {
      const one = truth || predicted;
      const labels = { truth: truth && truth.labels, predicted: predicted && predicted.labels };
      return one ? { width: one.width, height: one.height, none: colored ? 65535 : 255, ...labels } : null;
    }));
  }
  return mapsRead.get(details);
}

/** Decode a PNG whose pixels are classes. */
async function readMap(source, colored) {
  if (!source) return null;
  const image = new Image();
  image.src = source;
  try {
    await image.decode();
  } catch {
    return null;
  }
  const canvas = h('canvas', { width: image.naturalWidth, height: image.naturalHeight });
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const labels = new Uint16Array(canvas.width * canvas.height);
  for (let i = 0; i < labels.length; i += 1) labels[i] = pixels[4 * i] + (colored ? 256 * pixels[4 * i + 1] : 0);
  return { width: canvas.width, height: canvas.height, labels };
}

/** Draw one panel of label maps on a canvas. */
function paintMap(maps, panel, colors, opacity, chosen) {
  const canvas = h('canvas', { class: 'overlay', width: maps.width, height: maps.height, 'aria-hidden': 'true' });
  const context = canvas.getContext('2d');
  const pixels = context.createImageData(maps.width, maps.height);
  const alpha = Math.round(255 * opacity);
  const palette = new Map();
  const color = (label) => {
    if (!palette.has(label)) palette.set(label, classColor(colors, label));
    return palette.get(label);
  };
  const labels = panel === 'truth' ? maps.truth : maps.predicted;
  for (let i = 0; i < maps.width * maps.height; i += 1) {
    const pixel = panel === 'errors' ? errorPixel(maps, i, alpha, chosen) : classPixel(labels ? labels[i] : maps.none, maps.none, color, alpha, chosen);
    if (pixel) pixels.data.set(pixel, 4 * i);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}

function classPixel(label, none, color, alpha, chosen) {
  if (label === none) return null;
  if (chosen >= 0 && label !== chosen) return null;
  return [...color(label), alpha];
}

/** Wrong pixels are bright, right ones are darkened, and unlabeled ones left as they are. */
function errorPixel(maps, i, alpha, chosen) {
  if (!maps.truth || !maps.predicted || maps.truth[i] === maps.none) return null;
  const wrong = maps.truth[i] !== maps.predicted[i];
  const concerned = chosen < 0 || maps.truth[i] === chosen || maps.predicted[i] === chosen;
  return wrong && concerned ? [...WRONG, Math.max(alpha, 190)] : [0, 0, 0, Math.round(0.6 * alpha)];
}

/** Panels of an image side by side, a legend of the classes in it, and what is under the pointer. */
function mapPanels(details, record, shown, settings, diagnosis, onClass) {
  const readout = h('p', { class: 'readout muted', 'aria-live': 'off' }, 'Point at a pixel to read its classes.');
  const box = h('div', { class: 'panels', style: { '--ratio': (record.width || 4) / (record.height || 3) } });
  const legend = h('div', { class: 'legend classes' });
  readMaps(details, diagnosis).then((maps) => {
    if (!maps) return;
    const chosen = settings.class === '' ? -1 : diagnosis.classes.indexOf(settings.class);
    const panels = PANELS.filter(([key]) => (key === 'truth' || key === 'errors' ? maps.truth : true)
      && (key === 'predicted' || key === 'errors' ? maps.predicted : true));
    replace(box, panels.map(([key, title]) => {
      const stage = h('div', { class: 'stage', style: { 'aspect-ratio': `${record.width} / ${record.height}` } },
        h('img', { src: details.src, alt: `${title} of ${fileName(record.path)}` }),
        key === 'image' ? null : paintMap(maps, key, diagnosis.colors, settings.opacity, chosen),
        overlay(objectsOfPanel(shown, key), record.width, record.height));
      stage.addEventListener('pointermove', (event) => { readout.textContent = pixelWords(event, stage, maps, diagnosis); });
      return h('figure', {}, h('figcaption', {}, title), stage);
    }));
    replace(legend, legendOfMaps(maps, diagnosis, settings, onClass));
  });
  return h('div', { class: 'map-view' }, box, legend, readout);
}

/** The objects that belong on a panel: annotated ones on the truth, predicted ones on the prediction, missed ones on errors. */
function objectsOfPanel(shown, panel) {
  if (panel === 'errors') return shown.filter((one) => one.kind === 'truth' && one.object.finding === 'missed');
  return shown.filter((one) => one.kind === panel);
}

function pixelWords(event, stage, maps, diagnosis) {
  const place = stage.getBoundingClientRect();
  const x = Math.min(maps.width - 1, Math.max(0, Math.floor(((event.clientX - place.left) / place.width) * maps.width)));
  const y = Math.min(maps.height - 1, Math.max(0, Math.floor(((event.clientY - place.top) / place.height) * maps.height)));
  const at = y * maps.width + x;
  const words = (labels) => (labels[at] === maps.none ? 'not labeled' : diagnosis.classes[labels[at]] ?? `class ${labels[at]}`);
  const parts = [maps.truth ? `true ${words(maps.truth)}` : '', maps.predicted ? `predicted ${words(maps.predicted)}` : ''];
  return parts.filter(Boolean).join(', ');
}

/** The classes in an image, in the order of the classes, with their shares of its pixels. */
function legendOfMaps(maps, diagnosis, settings, onClass) {
  const count = (labels) => {
    const counts = new Array(maps.none + 1).fill(0);
    if (labels) labels.forEach((label) => { counts[label] += 1; });
    return counts;
  };
  const [truth, predicted] = [count(maps.truth), count(maps.predicted)];
  const pixels = maps.width * maps.height;
  const share = (counts, label) => percent((100 * counts[label]) / pixels);
  const present = [...Array(maps.none).keys()].filter((label) => truth[label] || predicted[label]);
  const keys = present.map((label) => {
    const text = diagnosis.classes[label] ?? `class ${label}`;
    const shares = [maps.truth ? `${share(truth, label)}% true` : '', maps.predicted ? `${share(predicted, label)}% predicted` : ''];
    return h('button', { type: 'button', class: 'key', 'aria-pressed': String(settings.class === text), onclick: () => onClass(settings.class === text ? '' : text) },
      swatch(classColor(diagnosis.colors, label)), name(text), h('span', { class: 'muted small' }, shares.filter(Boolean).join(', ')));
  });
  const both = maps.truth && maps.predicted;
  return [...keys, both ? h('span', { class: 'key' }, swatch(WRONG), 'wrong') : null,
    truth[maps.none] ? h('span', { class: 'key' }, h('span', { class: 'swatch none' }), 'not labeled') : null];
}
