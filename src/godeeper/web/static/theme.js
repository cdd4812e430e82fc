// Runs before the page is painted: the reader's own choice of light or dark, if they made one.
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("theme"); } catch { /* storage is off: the system's choice holds */ }
  if (chosen) document.documentElement.dataset.theme = chosen;
})();
