// The server away: asking again until it is back, and what it refuses told apart from that.

const PAUSES = [1000, 2000, 4000, 8000]; // milliseconds; the last one from then on
export const AWAY = "The server does not answer. Trying again.";

/** What the server refuses: asking again would not help. */
export class Refusal extends Error {}

export const pause = (turn) => new Promise((done) => { setTimeout(done, PAUSES[Math.min(turn, PAUSES.length - 1)]); });

/** @returns {Promise<Response>} a good one; throws Refusal with the server's words, another error where there is no server. */
export async function ask(url) {
  const answer = await fetch(url, { headers: { Accept: "application/json, */*" } });
  if (answer.ok) return answer;
  if (answer.status >= 500) throw new TypeError(`status ${answer.status}`);
  throw new Refusal((await answer.json().catch(() => null))?.error ?? `The server answered ${answer.status}.`);
}

/** Attempts until it works, with pauses; onAway is called whenever it did not.  Throws only a Refusal. */
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

/** Pictures that could not be loaded are loaded when the server is back. */
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
    await untilThere(() => ask(url));
    if (image.getAttribute(name) === url) image.setAttribute(name, url);
  } catch { /* it is not there any more */ }
  reloading.delete(image);
}
