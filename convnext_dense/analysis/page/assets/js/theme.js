// Light and dark, as the system has it or as chosen. This runs before the page is drawn, so that it does not flash.

const THEMES = ['auto', 'light', 'dark'];
const THEME_KEY = 'convnext-dense-theme';

function storedTheme() {
  try {
    const theme = localStorage.getItem(THEME_KEY);
    return THEMES.includes(theme) ? theme : 'auto';
  } catch {
    return 'auto'; // private windows have no storage
  }
}

function applyTheme(theme) {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  document.documentElement.dataset.theme = theme === 'auto' ? (dark ? 'dark' : 'light') : theme;
}

applyTheme(storedTheme());
