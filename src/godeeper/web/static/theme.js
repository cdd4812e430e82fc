// Runs before the page is painted: marks that scripts run, and applies the stored choice of light or dark.
(() => {
  document.documentElement.classList.add("scripted");
  let chosen = null;
  try { chosen = localStorage.getItem("theme"); } catch { /* storage is blocked: the system's setting holds */ }
  if (chosen) document.documentElement.dataset.theme = chosen;
})();
