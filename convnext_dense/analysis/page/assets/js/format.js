// Numbers, intervals and durations as texts.

const ABSENT = '–';

/** Thousands are set apart. */
function whole(value) {
  return Math.round(value).toLocaleString('en-US');
}

/** A number with as many digits as tell something. */
function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return ABSENT;
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 1e6 || size < 1e-3) return value.toExponential(2).replace('e+', 'e');
  if (size >= 1000) return whole(value);
  if (size >= 100) return value.toFixed(1);
  return size >= 1 ? value.toFixed(2) : String(Number(value.toPrecision(3)));
}

/** A function that writes numbers of these sizes, none of them 0, with the same digits where that tells them apart. */
function evenNumbers(sizes) {
  const [low, high] = [Math.min(...sizes), Math.max(...sizes)];
  if (sizes.length === 0 || high >= 10000 || (high < 1 && low < 0.01)) return number;
  if (sizes.every(Number.isInteger)) return whole;
  const digits = Math.min(high >= 100 ? 1 : high >= 1 ? 2 : 3, Math.max(...sizes.map(decimals)));
  return (value) => value.toFixed(digits);
}

/** The digits after the point that a number has. */
function decimals(value) {
  return (String(value).split('.')[1] || '').length;
}

/** A number on an axis: short. */
function tick(value) {
  if (value === null || value === undefined) return '';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) return value.toExponential(0).replace('e+', 'e');
  if (size >= 10000) return `${Number((value / 1000).toPrecision(4))}k`;
  return String(Number(value.toPrecision(4)));
}

function percent(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return ABSENT;
  return value.toFixed(1);
}

/** A score from 0 to 1. */
function score(value) {
  return value.toFixed(2);
}

/** The text of a table's cell. */
function cellText(value, kind) {
  if (value === null || value === undefined || value === '') return ABSENT;
  if (typeof value !== 'number') return String(value);
  if (kind === 'count') return whole(value);
  if (kind === 'score') return score(value);
  return kind === 'percent' ? percent(value) : number(value);
}

/** A headline's number with its unit. */
function headlineText(headline) {
  if (headline.value === null) return ABSENT;
  return headlineNumber(headline)(headline.value);
}

/** How a headline's number and its bounds are written: alike, and changes with their sign. */
function headlineNumber(headline) {
  if (headline.unit === '%') return percent;
  return headline.unit === 'points' ? (value) => signed(value, 2) : number;
}

/** A number with its sign, and a minus as wide as the plus. */
function signed(value, digits) {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : `${value > 0 ? '+' : '\u2212'}${text}`;
}

/** The text of an interval. */
function range(low, high) {
  return `${low} to ${high}`;
}

/** The interval of a headline, or an empty text. */
function intervalText(headline) {
  if (headline.low === null || headline.low === undefined || headline.high === null || headline.high === undefined) return '';
  const text = headlineNumber(headline);
  return range(text(headline.low), text(headline.high));
}

function plural(count, noun) {
  return `${whole(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** The last part of a path. */
function fileName(path) {
  return path.split(/[\\/]/).pop();
}

/** Begin with a capital, but for words such as mIoU. */
function capital(text) {
  return /^.[A-Z]/.test(text) ? text : text.slice(0, 1).toUpperCase() + text.slice(1);
}

/** A line of the terminal as a sentence. */
function sentence(text) {
  const trimmed = String(text).trim();
  return trimmed ? capital(trimmed) + (/[.!?:]$/.test(trimmed) ? '' : '.') : '';
}
