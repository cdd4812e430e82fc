// A name for this tab, made up here: a newer photo of the same tab supersedes its older work.

let token = null;

/** @returns {string} 32 hex digits, the same as long as the tab lives. */
export function tabToken() {
  try { token ??= sessionStorage.getItem("tab"); } catch { /* storage is blocked: the name lives as long as the page */ }
  if (token) return token;
  const made = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  token = made;
  try { sessionStorage.setItem("tab", made); } catch { /* as above */ }
  return made;
}
