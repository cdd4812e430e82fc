// Runs before the page is painted.  It marks the page as scripted and applies the stored colour theme.
(() => {
  document.documentElement.classList.add("scripted");
  let chosen = null;
  try { chosen = localStorage.getItem("theme"); } catch { /* storage is blocked, so the system's setting applies */ }
  if (chosen) document.documentElement.dataset.theme = chosen;
})();
