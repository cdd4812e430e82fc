// How far a look is, as the server tells it; what is there already is told at once.
import { ask, AWAY, pause, untilThere } from "./again.js";
import { tabToken } from "./tab.js";

/**
 * @param {HTMLElement} panel with the address in data-address, a progress, a status line and a button
 * @param {(sites: string[]) => void} onSites called with what has become visible
 */
export function follow(panel, onSites) {
  const [bar, line, button] = ["progress", "[role=status]", "button"].map((what) => panel.querySelector(what));
  const show = setTimeout(() => { panel.hidden = false; }, 150); // what is quick needs no bar
  let source = null;
  let isOver = false;
  const end = (message) => {
    isOver = true;
    source?.close();
    clearTimeout(show);
    panel.hidden = !message;
    line.textContent = message ?? "";
    bar.hidden = button.hidden = true;
  };
  const open = () => {
    if (isOver) return;
    source?.close();
    source = new EventSource(`${panel.dataset.address}?tab=${tabToken()}`);
    line.textContent = "Waiting for its turn";
    bar.removeAttribute("value");
    source.addEventListener("waiting", (event) => {
      const { before } = JSON.parse(event.data);
      line.textContent = before === 1 ? "One look is computed first" : `${before} looks are computed first`;
    });
    source.addEventListener("progress", (event) => {
      const { part, done, of, sites } = JSON.parse(event.data);
      bar.value = done / of;
      line.textContent = `${part}: ${done} of ${of}`;
      onSites(sites);
    });
    source.addEventListener("done", () => end());
    source.addEventListener("error", (event) => (event.data ? end(JSON.parse(event.data).error) : goOn(event.target)));
  };
  /** Goes on once the server is back; it may have forgotten the photo. */
  const goOn = async (lost) => {
    lost.close();
    if (isOver || lost !== source) return;
    line.textContent = AWAY;
    panel.hidden = false;
    await pause(0); // a stream may break again at once
    try {
      await untilThere(() => ask(panel.dataset.address.replace(/\/progress$/, "")));
      if (lost === source) open();
    } catch (refusal) {
      end(refusal.message);
    }
  };
  button.addEventListener("click", () => end("Stopped. Reload the page to go on."));
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", ({ persisted }) => { if (persisted) open(); });
  open();
}
