// A random token for this browser tab.  When the tab opens another photo, the server cancels the work for the earlier one.

let token = null;

/** @returns {string} 32 hex digits, the same for the lifetime of the tab. */
export function tabToken() {
  try { token ??= sessionStorage.getItem("tab"); } catch { /* storage is blocked, so the token is kept for this page only */ }
  if (token) return token;
  const random = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  token = random;
  try { sessionStorage.setItem("tab", random); } catch { /* as above */ }
  return random;
}
