// How far a look is, as the server tells it; what is there already is told at once.
import { tabToken } from "./tab.js";

/**
 * @param {HTMLElement} panel with the address in data-address, a progress, a status line and a button
 * @param {(sites: string[]) => void} onSites called with what has become visible
 */
export function follow(panel, onSites) {
  const source = new EventSource(`${panel.dataset.address}?tab=${tabToken()}`);
  const [bar, line, button] = ["progress", "[role=status]", "button"].map((what) => panel.querySelector(what));
  const show = setTimeout(() => { panel.hidden = false; }, 150); // what is quick needs no bar
  const end = (message) => {
    source.close();
    clearTimeout(show);
    panel.hidden = !message;
    line.textContent = message ?? "";
    bar.hidden = button.hidden = true;
  };
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
  source.addEventListener("error", (event) => {
    if (event.data) end(JSON.parse(event.data).error);
    else if (source.readyState === EventSource.CLOSED) end("The server does not answer.");
  });
  button.addEventListener("click", () => end("Stopped. Reload the page to go on."));
  addEventListener("pagehide", () => source.close());
}
