// Shows the progress of a forward pass from the server's event stream.  Parts already in memory are reported at once.
import { AWAY, check, pause, untilThere } from "./again.js";
import { tabToken } from "./tab.js";

/**
 * @param {HTMLElement} panel with the stream's URL in data-address, a progress bar, a status line and a button
 * @param {(sites: string[]) => void} onSites called with the addresses that can now be shown
 */
export function follow(panel, onSites) {
  const [bar, line, button] = ["progress", "[role=status]", "button"].map((what) => panel.querySelector(what));
  const show = setTimeout(() => { panel.hidden = false; }, 150); // a fast pass needs no bar
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
    line.textContent = "Waiting in the queue";
    bar.removeAttribute("value");
    source.addEventListener("waiting", (event) => {
      const { before } = JSON.parse(event.data);
      line.textContent = before === 1 ? "One other photo is computed first" : `${before} other photos are computed first`;
    });
    source.addEventListener("progress", (event) => {
      const { part, done, of, sites } = JSON.parse(event.data);
      bar.value = done / of;
      line.textContent = `${part}: ${done} of ${of}`;
      onSites(sites);
    });
    source.addEventListener("done", () => end());
    source.addEventListener("error", (event) => (event.data ? end(JSON.parse(event.data).error) : resume(event.target)));
  };
  /** Continues when the server responds again; by then it may have dropped the photo. */
  const resume = async (lost) => {
    lost.close();
    if (isOver || lost !== source) return;
    line.textContent = AWAY;
    panel.hidden = false;
    await pause(0); // otherwise a stream that breaks at once would be opened in a tight loop
    try {
      await untilThere(() => check(panel.dataset.address.replace(/\/progress$/, "")));
      if (lost === source) open();
    } catch (refusal) {
      end(refusal.message);
    }
  };
  button.addEventListener("click", () => end("Stopped. Reload the page to continue."));
  addEventListener("pagehide", () => source?.close());
  addEventListener("pageshow", ({ persisted }) => { if (persisted) open(); });
  open();
}
