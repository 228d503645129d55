// Objects drawn over an image: annotated ones as outlines, missed ones dashed, predicted ones filled lightly.

/** What is drawn over images, and how; the browser and the viewer share one. */
function overlaySettings(diagnosis) {
  return {
    truth: true,
    predicted: true,
    score: startScore(diagnosis),
    best: false, // from the best score of each class
    show: 'predicted', // of label maps
    opacity: 0.6,
    class: '',
  };
}

function startScore(diagnosis) {
  const best = diagnosis ? diagnosis.best_score : null;
  return best === null || best === undefined ? 0.3 : Math.round(100 * best) / 100;
}

/** The score from which on objects of a class are drawn. */
function leastScore(settings, diagnosis, label) {
  const best = diagnosis.best_scores || {};
  const own = best[diagnosis.classes[label]];
  return settings.best && own !== undefined && own !== null ? own : settings.score;
}

/** The objects that the settings leave, each with its color: { object, kind, color, dim }. */
function shownObjects(details, settings, diagnosis) {
  const instances = {};
  const chosen = settings.class === '' ? -1 : diagnosis.classes.indexOf(settings.class);
  const dress = (kind) => (object) => {
    const key = `${kind}${object.label}`;
    const instance = instances[key] || 0;
    instances[key] = instance + 1;
    return { object, kind, color: shade(classColor(diagnosis.colors, object.label), instance), dim: chosen >= 0 && object.label !== chosen };
  };
  const truth = settings.truth ? (details.truth || []).map(dress('truth')) : [];
  const predicted = (details.predicted || []).map(dress('predicted')).filter(({ object }) => (
    settings.predicted && object.score >= leastScore(settings, diagnosis, object.label)));
  return [...truth, ...predicted];
}

/** Draw objects as SVG over an image of a width and height in pixels. */
function overlay(shown, width, height) {
  const large = (one) => -one.object.box[2] * one.object.box[3];
  const ordered = [...shown].sort((a, b) => (a.kind === b.kind ? large(a) - large(b) : a.kind === 'truth' ? 1 : -1));
  return s('svg', { class: 'overlay', viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    ordered.map((one) => drawnObject(one)));
}

function drawnObject(one) {
  const { object, kind, color } = one;
  const words = ['object', kind, kind === 'truth' ? object.finding : '', one.dim ? 'dim' : ''].filter(Boolean).join(' ');
  const shape = (attributes) => outlineOf(object, attributes);
  const group = s('g', { class: words, style: { '--color': rgb(color) } },
    kind === 'truth' ? shape({ class: 'under' }) : null, shape({ class: 'edge' }));
  one.element = group;
  return group;
}

/** The outline of an object's mask, or else its box. */
function outlineOf(object, attributes) {
  const [left, top, width, height] = object.box;
  if (!object.outline || object.outline.length === 0) return s('rect', { ...attributes, x: left, y: top, width, height });
  const path = object.outline.map((points) => {
    const pairs = [];
    for (let i = 0; i + 1 < points.length; i += 2) pairs.push(`${points[i]} ${points[i + 1]}`);
    return `M${pairs.join('L')}Z`;
  }).join('');
  return s('path', { ...attributes, d: path, 'fill-rule': 'evenodd' });
}

/** What an object is, in words. */
function objectWords({ object, kind }, diagnosis) {
  const label = object.label === null ? 'any class' : diagnosis.classes[object.label];
  return kind === 'truth' ? `${label}, ${object.finding || 'annotated'}` : `${label} ${score(object.score)}, ${findingName(object.finding)}`;
}

/** What the lines of the overlay mean. */
function overlayLegend() {
  const key = (words, text) => h('span', { class: 'key' }, s('svg', { class: 'sample', viewBox: '0 0 26 16', 'aria-hidden': 'true' },
    s('g', { class: `object ${words}`, style: { '--color': 'var(--series-1)' } },
      words.startsWith('truth') ? s('rect', { class: 'under', x: 3, y: 3, width: 20, height: 10 }) : null,
      s('rect', { class: 'edge', x: 3, y: 3, width: 20, height: 10 }))), text);
  return h('div', { class: 'legend' }, key('predicted', 'predicted, in a shade of its class'), key('truth found', 'annotated and found'),
    key('truth missed', 'annotated and missed'), key('truth ignored', 'ignored'));
}

/** Controls of the overlay: which objects, from which score. `has` says what there is to draw. */
function overlayControls(settings, has, diagnosis, onChange) {
  const change = (key) => (value) => {
    settings[key] = value;
    onChange();
  };
  const controls = [];
  if (has.objects) {
    if (has.truth) controls.push(checkbox('annotated', settings.truth, change('truth')));
    controls.push(checkbox('predicted', settings.predicted, change('predicted')));
    controls.push(slider('Least score', settings.score, 0, 1, 0.01, score, change('score'), settings.best, 'score'));
    if (diagnosis.best_scores && Object.keys(diagnosis.best_scores).length) {
      controls.push(checkbox("each class from its best score", settings.best, (on) => {
        settings.best = on;
        onChange();
      }));
    }
  }
  if (has.maps) controls.push(slider('Opacity', settings.opacity, 0, 1, 0.05, (value) => `${Math.round(100 * value)}%`, change('opacity')));
  return controls;
}

/** A labeled slider with its value. */
function slider(label, value, low, high, step, text, onChange, disabled = false, word = '') {
  const id = newId('slider');
  const now = h('output', { for: id }, text(value));
  const box = h('input', {
    id, type: 'range', min: low, max: high, step, disabled, 'aria-valuetext': text(value),
    oninput: () => {
      now.textContent = text(Number(box.value));
      box.setAttribute('aria-valuetext', now.textContent);
      onChange(Number(box.value));
    },
  });
  box.value = value;
  return h('div', { class: `field slider ${word}` }, h('label', { for: id }, label), box, now);
}
