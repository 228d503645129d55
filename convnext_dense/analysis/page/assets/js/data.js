// The data of the page: JSON in script elements, which are parsed when they are needed.

const parsed = new Map();

/** Parse a script element's JSON, once. */
function block(id) {
  if (!parsed.has(id)) parsed.set(id, parseBlock(id));
  return parsed.get(id);
}

function parseBlock(id) {
  const element = document.getElementById(id);
  return element ? JSON.parse(element.textContent) : null;
}

function pageData() {
  return block('data-page');
}

function runDetails(run) {
  return block(`data-${run.id}`);
}

/** The images of a run's browser: what they can be filtered and sorted by. */
function runImages(run) {
  return block(`data-${run.id}-images`) || [];
}

const CHUNKS_KEPT = 24;
const chunks = new Map(); // the newest last

/** All that is shown of an image: its file and objects, which are in chunks so that few are in memory. */
function imageDetails(run, number) {
  const size = pageData().chunk;
  const id = `data-${run.id}-files-${Math.floor(number / size)}`;
  const chunk = chunks.get(id) || parseBlock(id) || [];
  chunks.delete(id);
  chunks.set(id, chunk);
  if (chunks.size > CHUNKS_KEPT) chunks.delete(chunks.keys().next().value);
  return chunk[number % size] || {};
}

/** Run a function on an element when it comes near to what is seen, once. */
function whenNear(element, work) {
  if (!('IntersectionObserver' in window)) {
    work();
    return;
  }
  const observer = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) {
      observer.disconnect();
      work();
    }
  }, { rootMargin: '300px' });
  observer.observe(element);
}
