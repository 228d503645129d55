// Curves of training: what was logged by step and by epoch.

const SMOOTHED_FROM = 20; // values: shorter curves are drawn as they are
const SMOOTHING = 0.05; // share of the run

/** Mean over a centered window, a share of the curve; it is cut off at the ends. */
function smoothed(values, share) {
  const reach = values.length >= SMOOTHED_FROM ? Math.floor(Math.round(share * values.length) / 2) : 0;
  if (reach === 0) return values;
  return values.map((_, i) => {
    const part = values.slice(Math.max(0, i - reach), i + reach + 1).filter((value) => value !== null);
    return part.length ? part.reduce((a, b) => a + b, 0) / part.length : null;
  });
}

/** Make the charts of panels: charts with `log` and `smooth` to say what they offer. */
function curves(panels, run) {
  const grid = (list) => h('div', { class: 'grid-charts' }, list.map((panel) => chart(panel, {
    heading: 'h3',
    log: panel.log,
    smooth: panel.smooth ? SMOOTHING : 0,
    sync: `${run.id}-${panel.x.label}`,
  })));
  const first = panels.filter((panel) => panel.main);
  const rest = panels.filter((panel) => !panel.main);
  if (first.length === 0 || rest.length === 0) return grid(panels);
  return [grid(first), h('details', { class: 'more' }, h('summary', {}, `More curves: ${rest.map((one) => decapital(one.title)).join(', ')}`), grid(rest))];
}

function decapital(text) {
  return /^.[A-Z]/.test(text) ? text : text.slice(0, 1).toLowerCase() + text.slice(1);
}
