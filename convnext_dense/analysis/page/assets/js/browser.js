// The browser of predictions: images that are filtered, sorted, and shown a page at a time; its state is in the address.

const IMAGES_OF_PAGE = 48;
const SECTION = 'predictions';
const SORTS = [['worst', 'worst first'], ['best', 'best first'], ['path', 'path'], ['', 'as tested']];

/** Make the browser of a run: { element, apply(filters), open(list, number) }. */
function browser(run, diagnosis, kinds) {
  const images = runImages(run);
  const settings = overlaySettings(diagnosis);
  const start = { ...settings };
  const state = { text: '', finding: '', sort: images.some((one) => one.value !== null) ? 'worst' : '', page: 0 };
  const startSort = state.sort;
  const toolbar = h('div', { class: 'toolbar filters' });
  const inParts = run.panels.length > 0;
  const grid = h('ul', { class: inParts ? 'strips' : 'images' });
  const pages = h('div');
  const count = h('p', { class: 'muted count', role: 'status' });
  const notice = h('p', { class: 'note' });
  let list = [];

  function filters() {
    return {
      class: settings.class,
      finding: state.finding,
      q: state.text,
      sort: state.sort === startSort ? '' : state.sort || 'order',
      score: settings.score === start.score ? '' : settings.score,
      best: settings.best ? '1' : '',
      truth: settings.truth ? '' : '0',
      predicted: settings.predicted ? '' : '0',
      show: settings.show === start.show ? '' : settings.show,
      opacity: settings.opacity === start.opacity ? '' : settings.opacity,
      page: state.page ? state.page + 1 : '',
    };
  }

  function save(image) {
    setAddress(address(run.name, SECTION, { ...filters(), image: image ?? '' }));
  }

  function find() {
    const label = settings.class === '' ? -1 : diagnosis.classes.indexOf(settings.class);
    const words = state.text.toLowerCase().split(/\s+/).filter(Boolean);
    list = [...images.keys()].filter((i) => {
      const one = images[i];
      const path = one.path.toLowerCase();
      return (settings.class === '' || one.classes.includes(label)) && hasFinding(one, state.finding) && words.every((word) => path.includes(word));
    });
    const order = { worst: byValue(images, 1), best: byValue(images, -1), path: (a, b) => compare(images[a].path, images[b].path, false) }[state.sort];
    if (order) list.sort(order);
    state.page = Math.min(state.page, Math.max(0, Math.ceil(list.length / IMAGES_OF_PAGE) - 1));
  }

  function draw() {
    find();
    const shown = list.slice(state.page * IMAGES_OF_PAGE, (state.page + 1) * IMAGES_OF_PAGE);
    replace(grid, shown.map((i) => h('li', {}, inParts ? strip(run, i, () => open(list, i)) : thumbnail(run, diagnosis, i, settings, () => open(list, i)))));
    count.textContent = list.length === images.length ? plural(images.length, 'image') : `${whole(list.length)} of ${plural(images.length, 'image')}`;
    notice.textContent = list.length ? '' : 'No image fits all filters.';
    replace(pages, pager(list.length, IMAGES_OF_PAGE, state.page, 'images', (page) => {
      state.page = page;
      draw();
      save();
      document.getElementById(SECTION)?.scrollIntoView();
    }));
  }

  function redraw() {
    grid.querySelectorAll('.thumbnail').forEach((box) => {
      const stage = box.querySelector('.stage');
      if (stage.querySelector('img')) drawThumbnail(stage, run, diagnosis, Number(box.dataset.image), settings);
    });
  }

  function drawToolbar() {
    const filter = (target, key) => (value) => {
      target[key] = value;
      state.page = 0;
      draw();
      save();
    };
    const classes = [...new Set(images.flatMap((one) => one.classes))].sort((a, b) => a - b).map((label) => diagnosis.classes[label]).filter((one) => one !== undefined);
    const found = [...new Set(images.flatMap((one) => one.findings))].sort();
    replace(toolbar,
      classes.length > 1 ? select('Class', [['', 'all'], ...classes.map((one) => [one, one])], settings.class, filter(settings, 'class')) : null,
      found.length ? select('Finding', [['', 'all'], ['*', 'with errors'], ['-', 'without errors'], ...found.map((one) => [one, findingName(one)])], state.finding, filter(state, 'finding')) : null,
      select('Sort', SORTS.filter(([key]) => startSort || !['worst', 'best'].includes(key)), state.sort, filter(state, 'sort')),
      searchField('Path', state.text, filter(state, 'text')),
      kinds.maps ? select('Show', PANELS, settings.show, (value) => {
        settings.show = value;
        redraw();
        save();
      }) : null,
      overlayControls(settings, kinds, diagnosis, () => {
        redraw();
        save();
        toolbar.querySelectorAll('.slider.score input').forEach((one) => { one.disabled = settings.best; });
      }));
  }

  /** Take the filters of an address, and open its image. */
  function apply(given) {
    const text = (key) => given.get(key) ?? '';
    const value = (key) => (given.has(key) && Number.isFinite(Number(given.get(key))) ? Math.min(1, Math.max(0, Number(given.get(key)))) : start[key]);
    Object.assign(settings, {
      class: text('class'), score: value('score'), opacity: value('opacity'), best: text('best') === '1', truth: text('truth') !== '0',
      predicted: text('predicted') !== '0', show: PANELS.some(([key]) => key === text('show')) ? text('show') : start.show,
    });
    const sort = given.has('sort') ? text('sort').replace('order', '') : startSort;
    Object.assign(state, {
      finding: text('finding'), text: text('q'), page: Math.max(0, (parseInt(text('page'), 10) || 1) - 1),
      sort: SORTS.some(([key]) => key === sort) ? sort : startSort,
    });
    drawToolbar();
    draw();
    const image = given.has('image') ? Number(given.get('image')) : -1;
    if (images[image]) open(list.includes(image) ? list : [...images.keys()], image);
  }

  /** Open the viewer on a list of images. */
  function open(numbers, image) {
    const before = location.hash;
    const opener = document.activeElement;
    openViewer(run, diagnosis, numbers, Math.max(0, numbers.indexOf(image)), {
      settings,
      onMove: (now) => save(now),
      onClose: () => {
        drawToolbar();
        draw();
        if (readAddress().section === SECTION) save();
        if (!before.includes(`/${SECTION}`)) setAddress(before || '#/');
        (opener && opener.isConnected ? opener : grid.querySelector(`[data-image="${image}"]`))?.focus();
      },
    });
  }

  drawToolbar();
  draw();
  const element = h('div', {}, toolbar, kinds.objects ? overlayLegend() : null, count, notice, inParts ? stripLegend(run.panels) : null, grid, pages);
  return { element, apply, open };
}

function hasFinding(image, finding) {
  if (finding === '') return true;
  if (finding === '-') return image.findings.length === 0;
  return finding === '*' ? image.findings.length > 0 : image.findings.includes(finding);
}

function byValue(images, sign) {
  return (a, b) => {
    const [first, second] = [images[a].value, images[b].value];
    const absent = (value) => Number(value === null || value === undefined);
    return absent(first) - absent(second) || sign * (first - second) || a - b;
  };
}
