// The switch between light and dark, and what is drawn anew when it changes.

const redrawn = new Set(); // functions to call when the colors have changed

function startThemeSwitch() {
  const button = document.getElementById('theme');
  let theme = storedTheme();
  const show = () => {
    applyTheme(theme);
    replace(button, { auto: '◐', light: '☀', dark: '☾' }[theme], h('span', { class: 'wide' }, ` ${capital(theme)}`));
    button.setAttribute('aria-label', `Colors: ${theme}. Change`);
    redrawn.forEach((draw) => draw());
  };
  button.addEventListener('click', () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    try {
      localStorage.setItem(THEME_KEY, theme);
    } catch { /* it holds until the page is closed */ }
    show();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', show);
  show();
}

/** The value of a color of the style sheet. */
function themeColor(variable) {
  return getComputedStyle(document.documentElement).getPropertyValue(variable).trim();
}
