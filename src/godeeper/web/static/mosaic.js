// The mosaic: selecting cells by pointer or keyboard, and sorting, scale, colour and zoom, which the URL records.
import { ask, AWAY, check, untilThere } from "./again.js";
import { setLegendText, showLegend, suitedColour } from "./legend.js";
import { number, order, percent, rows } from "./numbers.js";
import { drawField, fieldBox } from "./photo.js";
import { LARGEST_ZOOM, place, Tiles } from "./tiles.js";

let record = JSON.parse(document.getElementById("record").textContent);
const [height, width] = record.tile;
const root = document.getElementById("mosaic");
const cursor = document.getElementById("cursor");
const cellMark = document.getElementById("cell");
const controls = document.getElementById("controls");
const scene = document.querySelector(".scene");
const readout = document.getElementById("readout");
const crossed = new Set(record.filters.flatMap((facts, place) => (remarkOn(facts) ? [place] : [])));
const tiles = new Tiles(root, { tile: record.tile, columns: record.columns, count: record.filters.length, crossed });
const offline = "levels" in root.dataset;
let values = null; // float32 (C, H, W)
let spot = null; // the selected {filter, row, column}; `filter` is a position among the shown filters, which in a slice differs from the filter's number

const valueAt = ({ filter, row, column }) => (values ? values[(filter * height + row) * width + column] : NaN);

/** Moves the link over a filter's tile. */
function aim(filter) {
  const facts = record.filters[filter];
  place(cursor, tiles.frame(filter));
  cursor.hidden = false;
  cursor.href = offline ? "#mosaic" : filterUrl(facts.filter);
  const remark = remarkOn(facts);
  cursor.setAttribute("aria-label", `Filter ${facts.filter}, maximum ${number(facts.maximum)}, active ${percent(facts.active)}${remark && `, ${remark}`}`);
}

function remarkOn({ filter }) {
  if (record.dead.includes(filter)) return "zero everywhere in this photo";
  return record.constant.includes(filter) ? "the same value everywhere in this photo" : "";
}

/** Selects a cell: marks it on its tile, shows its facts, and draws its receptive field on the photo. */
function point(next) {
  spot = next;
  const facts = record.filters[next.filter];
  aim(next.filter);
  cursor.classList.remove("idle");
  const [left, top, across, down] = tiles.frame(next.filter);
  place(cellMark, [left + (next.column * across) / width, top + (next.row * down) / height, across / width, down / height]);
  cellMark.hidden = false;
  readout.classList.add("filled");
  readout.querySelector("b").textContent = `Filter ${facts.filter}`;
  readout.querySelector(".which span").textContent = remarkOn(facts);
  const texts = { value: number(valueAt(next), 7), cell: `${next.row}, ${next.column}`, active: percent(facts.active), maximum: number(facts.maximum) };
  for (const [name, text] of Object.entries(texts)) readout.querySelector(`[data-fact=${name}]`).textContent = text;
  drawField(scene, fieldBox(record, next.row, next.column));
}

/** The URL of the filter's page, with the scale and colour of the current URL, if any. */
function filterUrl(filter) {
  const chosen = new URLSearchParams(location.search);
  const kept = new URLSearchParams(["scale", "colour"].flatMap((name) => (chosen.has(name) ? [[name, chosen.get(name)]] : [])));
  return `${record.urls.filter.replace("{n}", filter)}${kept.size ? `?${kept}` : ""}`;
}

function state() {
  return offline ? { sort: controls.elements.sort.value } : Object.fromEntries(["scale", "colour", "sort"].map((name) => [name, controls.elements[name].value]));
}

/** The strongest cell of a filter. */
function strongest(filter) {
  const [row, column] = record.filters[filter].strongest ?? [0, 0];
  return { filter, row, column };
}

root.addEventListener("pointermove", (event) => {
  if (event.pointerType !== "mouse") return;
  const { left, top } = root.getBoundingClientRect();
  const found = tiles.at(event.clientX - left, event.clientY - top);
  if (found) point(found);
});
/** Touch screens have no hovering, so the first touch selects a filter and the second opens it. */
let isFresh = false;
root.addEventListener("pointerdown", (event) => {
  if (event.pointerType === "mouse") return;
  const { left, top } = root.getBoundingClientRect();
  const found = tiles.at(event.clientX - left, event.clientY - top);
  isFresh = found !== null && found.filter !== spot?.filter;
  if (found) point(found);
});
cursor.addEventListener("click", (event) => {
  if (isFresh) event.preventDefault();
  isFresh = false;
});
root.addEventListener("focusin", () => point(spot ?? strongest(tiles.order[0])));
cursor.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  if (event.shiftKey) point({ ...spot, row: clamp(spot.row + step[0], height), column: clamp(spot.column + step[1], width) });
  else point(strongest(tiles.order[clamp(tiles.places.get(spot.filter) + step[0] * tiles.across + step[1], tiles.count)]));
  cursor.scrollIntoView({ block: "nearest" });
  document.getElementById("spoken").textContent = `${cursor.getAttribute("aria-label")}; row ${spot.row}, column ${spot.column}: ${number(valueAt(spot))}`;
});
const clamp = (position, count) => Math.min(count - 1, Math.max(0, position));

addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && !document.querySelector("dialog[open], :popover-open") && record.module && !offline) location.assign(record.module.url);
  if (event.key === "+" || event.key === "=") enlarge(1);
  if (event.key === "-") enlarge(-1);
});

/** Zooms by one step in or out. */
function enlarge(step) {
  const grown = tiles.zoom + (tiles.zoom >= 8 ? 2 * step : step);
  if (grown >= 1 && grown <= LARGEST_ZOOM && (step < 0 || grown * width <= root.clientWidth)) arrange(grown, true);
}
document.getElementById("larger").addEventListener("click", () => enlarge(1));
document.getElementById("smaller").addEventListener("click", () => enlarge(-1));

function arrange(zoom, isChosen = false) {
  tiles.arrange(zoom, order(record.filters, controls.elements.sort.value));
  document.getElementById("zoom").textContent = `${zoom}×`;
  if (isChosen) remember({ zoom });
  if (spot) point(spot);
  else aim(tiles.order[0]);
}

/** Updates the URL and the export links to the current view. */
function remember(changes) {
  if (offline) return;
  const address = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) address.searchParams.set(name, value);
  history.replaceState(null, "", address);
  for (const [id, base] of [["png", record.urls.picture], ["html", record.urls.offline], ["json", record.urls.record]]) {
    const link = new URL(base, location.href);
    for (const [name, value] of Object.entries(state())) link.searchParams.set(name, value);
    document.getElementById(id).href = link;
  }
}

let latest = 0; // the number of the latest request; results of earlier ones are dropped
let shown = state(); // the scale and colour of the painted picture
let shownRecord = record; // its record
/** Fetches the picture for the chosen scale and colour. */
async function fetchPicture() {
  const picture = new Image();
  const { scale, colour } = state();
  picture.src = root.dataset.levels ?? `${record.urls.levels}?${new URLSearchParams({ scale, colour })}`;
  try {
    await picture.decode();
  } catch (error) {
    if (!offline) await check(picture.src); // throws the server's message if the server refused the request
    throw error;
  }
  return picture;
}
async function paint() {
  const mine = (latest += 1);
  const requested = [state(), record];
  const picture = await fetchPicture();
  if (mine !== latest && tiles.picture) return; // a later choice is shown already; if it failed, this picture is still needed
  tiles.show(picture);
  [shown, shownRecord] = requested;
}

controls.addEventListener("submit", (event) => event.preventDefault());
controls.addEventListener("change", async (event) => {
  const { name } = event.target;
  if (name === "sort") arrange(tiles.zoom);
  else if (!(await repaint(name))) return;
  remember(state());
  if (spot) point(spot);
});

/** Shows the chosen scale and colour; if that fails, the controls return to those of the current picture. */
async function repaint(name) {
  const mine = (latest += 1);
  try {
    const { scale, colour } = controls.elements;
    if (name === "scale") colour.value = suitedColour(scale.value, colour.value);
    if (record.scale !== scale.value) await rescale(scale.value); // whichever control changed last
    if (mine !== latest) return false;
    const picture = await fetchPicture();
    if (mine !== latest) return false;
    tiles.columns = record.columns; // the `blog` scale uses its own grid
    tiles.show(picture);
    [shown, shownRecord] = [state(), record];
    showLegend(record, colour.value);
    return true;
  } catch (error) {
    if (mine !== latest) return false;
    record = shownRecord;
    controls.elements.scale.value = shown.scale;
    controls.elements.colour.value = shown.colour;
    setLegendText(error instanceof TypeError || error.name === "EncodingError" ? "The server does not respond, so the picture did not change. Choose again." : error.message);
    return false;
  }
}

/** Fetches the record for another scale, with its legend. */
async function rescale(scale) {
  const fetched = await (await ask(`${record.urls.record}?${new URLSearchParams({ scale })}`)).json();
  if (scale !== controls.elements.scale.value) return; // a later choice has its own record
  record = fetched;
}

/** Loads the activations, so that the values shown for a cell are exact. */
async function load() {
  const held = document.getElementById("values");
  if (held) values = new Float32Array(Uint8Array.from(atob(held.textContent), (letter) => letter.charCodeAt(0)).buffer);
  else values = new Float32Array(await (await ask(record.urls.values)).arrayBuffer());
  if (spot) point(spot);
}

/** The table is built only when it is first opened. */
document.getElementById("numbers").addEventListener("toggle", ({ target }) => {
  const body = target.querySelector("tbody");
  if (!target.open || body.rows.length) return;
  body.append(...rows(record.filters, (filter) => (offline ? null : filterUrl(filter))));
});

const zoomInUrl = Number(new URLSearchParams(location.search).get("zoom"));
arrange(Number.isInteger(zoomInUrl) && zoomInUrl >= 1 && zoomInUrl <= LARGEST_ZOOM ? zoomInUrl : tiles.usualZoom());
remember({});
let room = root.clientWidth;
new ResizeObserver(() => {
  if (root.clientWidth !== room) { room = root.clientWidth; arrange(tiles.zoom); }
}).observe(root);
/** Loads the picture and the activations, and repeats this until the server responds. */
async function begin() {
  let away = false;
  try {
    await Promise.all([paint, load].map((step) => untilThere(step, () => { away = true; setLegendText(AWAY); })));
    if (away) setLegendText(record.legend);
    return true;
  } catch (refusal) {
    setLegendText(refusal.message);
    return false;
  }
}
if (await begin()) {
  if (root.dataset.start) point(strongest(record.filters.findIndex(({ filter }) => filter === Number(root.dataset.start))));
  root.dataset.ready = "";
}
