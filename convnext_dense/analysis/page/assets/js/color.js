// Colors of classes, and of their instances.

/** CSS text of RGB. */
function rgb([r, g, b], opacity = 1) {
  return opacity === 1 ? `rgb(${r} ${g} ${b})` : `rgb(${r} ${g} ${b} / ${opacity})`;
}

/** The color of a class: its own one, or one by its number. */
function classColor(colors, label) {
  if (label === null || label === undefined || label < 0) return [140, 140, 140];
  return colors[label] || fromHsl((label * 137.5) % 360, 0.6, 0.5);
}

/** The color of an instance: a shade of its class' color, of nearly the same hue; the first has that color. */
function shade(color, instance) {
  if (instance === 0) return color;
  const [hue, saturation, lightness] = toHsl(color);
  const step = [0, 0.14, -0.13, 0.24, -0.22, 0.07, -0.07][instance % 7];
  const turn = [0, 7, -7, 4, -4, 10, -10][Math.floor(instance / 7) % 7] + (instance % 2 ? 4 : -4);
  return fromHsl((hue + turn + 360) % 360, saturation, Math.min(0.82, Math.max(0.24, lightness + step)));
}

/** Black or white, whichever is read more easily on a color. */
function textOn([r, g, b]) {
  const linear = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  return luminance > 0.179 ? '#000' : '#fff';
}

function toHsl(color) {
  const [r, g, b] = color.map((v) => v / 255);
  const high = Math.max(r, g, b);
  const low = Math.min(r, g, b);
  const range = high - low;
  const lightness = (high + low) / 2;
  if (range === 0) return [0, 0, lightness];
  const saturation = range / (1 - Math.abs(2 * lightness - 1));
  const hue = high === r ? ((g - b) / range + 6) % 6 : high === g ? (b - r) / range + 2 : (r - g) / range + 4;
  return [hue * 60, saturation, lightness];
}

function fromHsl(hue, saturation, lightness) {
  const reach = saturation * Math.min(lightness, 1 - lightness);
  return [0, 8, 4].map((n) => {
    const k = (n + hue / 30) % 12;
    return Math.round(255 * (lightness - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  });
}

const SERIES_COLORS = 8;

/** The CSS color of a series by its number, from 1; beyond the first ones it is a darker or lighter shade. */
function seriesColor(number) {
  const base = `var(--series-${((number - 1) % SERIES_COLORS) + 1})`;
  const round = Math.floor((number - 1) / SERIES_COLORS) % 3;
  return round === 0 ? base : `color-mix(in oklab, ${base} 55%, var(${round === 1 ? '--text' : '--bg'}))`;
}

/** A small square in the color of a class. */
function swatch(color) {
  return h('span', { class: 'swatch', 'aria-hidden': 'true', style: { background: rgb(color) } });
}
