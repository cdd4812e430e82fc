// A name for this tab, made up here: a newer photo of the same tab supersedes its older work.

/** @returns {string} 32 hex digits, the same as long as the tab lives. */
export function tabToken() {
  const held = sessionStorage.getItem("tab");
  if (held) return held;
  const made = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  sessionStorage.setItem("tab", made);
  return made;
}
