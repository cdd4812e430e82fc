// Runs before the page is painted: that there is a script, and the reader's own choice of light or dark.
(() => {
  document.documentElement.classList.add("scripted");
  let chosen = null;
  try { chosen = localStorage.getItem("theme"); } catch { /* storage is off: the system's choice holds */ }
  if (chosen) document.documentElement.dataset.theme = chosen;
})();
