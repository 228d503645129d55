// Boxes that scroll sideways where their content is wider, and say so.

/** A box around a wide table or drawing: a shade and a line of text tell that there is more to see. */
function scrolled(attributes, ...children) {
  const box = h('div', { class: 'scroll', role: 'group', tabindex: '0', ...attributes }, children);
  const hint = h('p', { class: 'scroll-hint muted', 'aria-hidden': 'true', hidden: true }, 'Scroll sideways for more \u2192');
  const frame = h('div', { class: 'scroll-frame' }, hint, box);
  const update = () => {
    const rest = box.scrollWidth - box.clientWidth;
    hint.hidden = rest <= 1;
    frame.classList.toggle('more-right', rest - box.scrollLeft > 1);
    frame.classList.toggle('more-left', rest > 1 && box.scrollLeft > 1);
  };
  box.addEventListener('scroll', update, { passive: true });
  const observer = new ResizeObserver(update);
  observer.observe(box);
  children.flat().filter((one) => one instanceof Element).forEach((one) => observer.observe(one));
  return frame;
}
