// The address of what is shown, in the part of the URL after #: #/RUN/SECTION?FILTERS

const OVERVIEW = '';

/** Take the address apart: the run's name, the section, and the filters. */
function readAddress() {
  const [path, query] = splitOnce(location.hash.replace(/^#\/?/, ''), '?');
  const [run, section] = splitOnce(path, '/');
  return { run: decode(run), section: decode(section), filters: new URLSearchParams(query) };
}

function splitOnce(text, separator) {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a link that was cut off
  }
}

/** Build an address; filters are an object of texts, of which empty ones are left out. */
function address(run, section, filters = {}) {
  const given = Object.entries(filters).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  const query = new URLSearchParams(given).toString();
  const path = [encodeURIComponent(run), section ? encodeURIComponent(section) : ''].filter(Boolean).join('/');
  return `#/${path}${query ? `?${query}` : ''}`;
}

/** Change the address without a step in the history. */
function setAddress(hash) {
  if (location.hash !== hash) history.replaceState(history.state, '', hash);
}
