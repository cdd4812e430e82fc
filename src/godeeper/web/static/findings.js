// The panels of a filter's page that take seconds: its names, tested at once, and its visualisation, made on request.
// When a job is done, the page is fetched again and the panel replaced, so that only the server renders it.


const AWAY = "The server does not respond. Reload the page to try again.";

/** Replaces a panel by the one of a newly rendered page. */
async function refresh(panel) {
  const response = await fetch(location.href, { headers: { accept: "text/html" } });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.getElementById(panel.id);
  if (!fresh) throw new Error(AWAY);
  panel.replaceWith(fresh);
}

async function names(panel) {
  const line = panel.querySelector("[role=status]");
  const leaving = new AbortController();
  addEventListener("pagehide", () => leaving.abort(), { once: true });
  try {
    const response = await fetch(panel.dataset.address, { headers: { accept: "application/json" }, signal: leaving.signal });
    const record = await response.json();
    if (!response.ok) throw new Error(record.error);
    await refresh(panel);
  } catch (error) {
    if (error.name !== "AbortError") line.textContent = error instanceof TypeError ? AWAY : error.message;
  }
}

function visualisation(panel) {
  const make = panel.querySelector("#make");
  const making = panel.querySelector(".making");
  const [bar, line, stop] = ["progress", "[role=status]", "button"].map((what) => making.querySelector(what));
  let source = null;
  const end = (message) => {
    source?.close();
    source = null;
    make.disabled = false;
    bar.hidden = stop.hidden = true;
    line.textContent = message;
  };
  make.addEventListener("click", () => {
    make.disabled = true;
    making.hidden = bar.hidden = stop.hidden = false;
    line.textContent = "Starting";
    bar.removeAttribute("value");
    source = new EventSource(panel.dataset.address);
    source.addEventListener("waiting", (event) => {
      const { before } = JSON.parse(event.data);
      line.textContent = before === 1 ? "One other computation comes first" : `${before} other computations come first`;
    });
    source.addEventListener("progress", (event) => {
      const { done, of } = JSON.parse(event.data);
      if (!of) return;
      bar.value = done / of;
      line.textContent = `Step ${done} of ${of}`;
    });
    source.addEventListener("done", () => {
      end("");
      refresh(panel).catch(() => end(AWAY));
    });
    source.addEventListener("error", (event) => end(event.data ? JSON.parse(event.data).error : AWAY));
  });
  stop.addEventListener("click", () => end("Stopped."));
  addEventListener("pagehide", () => source?.close());
}

const [named, wanted] = ["names", "wanted"].map((id) => document.getElementById(id));
if (named?.dataset.address) names(named);
if (wanted?.dataset.address) visualisation(wanted);
