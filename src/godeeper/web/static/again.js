// Repeats requests until the server responds.  A request that the server refuses is not repeated.

const PAUSES = [1000, 2000, 4000, 8000]; // milliseconds before each repetition; the last one is used from then on
export const AWAY = "The server does not respond. Trying again.";

/** The server refused the request, so repeating it would not help. */
export class Refusal extends Error {}

export const pause = (turn) => new Promise((done) => { setTimeout(done, PAUSES[Math.min(turn, PAUSES.length - 1)]); });

/** @returns {Promise<Response>} a successful response; throws Refusal with the server's message, and another error if the server does not respond. */
export async function ask(url) {
  const response = await fetch(url, { headers: { Accept: "application/json, */*" } });
  if (response.ok) return response;
  if (response.status >= 500) throw new TypeError(`status ${response.status}`);
  throw new Refusal((await response.json().catch(() => null))?.error ?? `The server returned status ${response.status}.`);
}

/** Checks that the server serves `url`; throws as `ask`.  The response is read to its end, because an unread one may occupy a connection. */
export async function check(url) {
  await (await ask(url)).arrayBuffer();
}

/** Calls `attempt` until it succeeds, with pauses; calls `onAway` after each failure.  Throws only a Refusal. */
export async function untilThere(attempt, onAway = () => {}) {
  for (let turn = 0; ; turn += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof Refusal) throw error;
      onAway();
    }
    await pause(turn);
  }
}

/** Loads pictures that failed to load once the server responds again. */
export function keepPictures() {
  document.addEventListener("error", ({ target }) => { if (target.matches?.("img, image")) reload(target); }, true);
  for (const image of document.images) if (image.complete && !image.naturalWidth) reload(image);
  for (const image of document.querySelectorAll("image[href]")) image.decode?.().catch(() => reload(image));
}

const reloading = new WeakSet();
async function reload(image) {
  if (reloading.has(image)) return;
  reloading.add(image);
  const name = image.matches("img") ? "src" : "href";
  const url = image.getAttribute(name);
  try {
    await untilThere(() => check(url));
    if (image.getAttribute(name) === url) image.setAttribute(name, url);
  } catch ({ message }) { // the server no longer has it
    if (image.matches(".crops img")) image.replaceWith(Object.assign(document.createElement("p"), { className: "none", textContent: message }));
  }
  reloading.delete(image);
}
