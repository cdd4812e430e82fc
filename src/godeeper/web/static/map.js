// The map: loads thumbnails as the forward pass computes them, and handles links, search results and keys.
import { follow } from "./progress.js";
import { View } from "./view.js";

const desk = document.getElementById("desk");
const sheet = document.getElementById("sheet");
const boxes = [...sheet.querySelectorAll("a.box")];
const panel = document.getElementById("progress");
const waiting = new Map();
for (const box of boxes) {
  const image = box.querySelector("image:not([href])");
  if (image) waiting.set(box.dataset.address, image);
}

if (waiting.size) {
  follow(panel, (sites) => {
    for (const address of sites) {
      const image = waiting.get(address);
      image?.setAttribute("href", image.dataset.href);
      waiting.delete(address);
    }
    sheet.toggleAttribute("data-ready", !waiting.size);
  });
}
sheet.toggleAttribute("data-ready", !waiting.size);

const wide = matchMedia("(min-width: 760px)");
let view = null;
function arrange() {
  if (wide.matches) view ??= new View(desk, sheet);
  else sheet.style.transform = "none";
  if (wide.matches && location.hash) goTo(location.hash);
  else if (wide.matches) view.all();
}

/** Shows the part of the network that a link names. */
function goTo(hash) {
  const part = document.getElementById(hash.slice(1));
  if (!sheet.contains(part) || !view || !wide.matches) return;
  scrollTo(0, 0); // undo the browser's own scrolling to the part
  view.show(part);
  for (const link of document.querySelectorAll(".index a")) link.toggleAttribute("aria-current", link.hash === hash);
}

for (const link of document.querySelectorAll(".index a")) {
  link.addEventListener("click", (event) => {
    if (!wide.matches) return;
    event.preventDefault();
    history.replaceState(null, "", link.hash);
    goTo(link.hash);
  });
}
document.getElementById("larger").addEventListener("click", () => view.zoom(1.25));
document.getElementById("smaller").addEventListener("click", () => view.zoom(0.8));
document.getElementById("whole").addEventListener("click", () => {
  history.replaceState(null, "", location.pathname);
  view.glide(() => view.all());
});

const costs = document.getElementById("costs");
costs.addEventListener("change", () => sheet.classList.toggle("costs", costs.checked));
sheet.classList.toggle("costs", costs.checked);
addEventListener("pageshow", () => sheet.classList.toggle("costs", costs.checked));

desk.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const onBox = event.target.closest?.("a.box");
  if (onBox && event.key.startsWith("Arrow")) {
    event.preventDefault();
    neighbour(onBox, event.key)?.focus();
  } else if (onBox && event.key === "Escape") {
    desk.focus();
  } else if (event.target === desk && event.key === "Enter") {
    boxes[0].focus();
  } else if (view && wide.matches && view.key(event.key)) {
    event.preventDefault();
  }
});
desk.addEventListener("focusin", (event) => {
  if (view && wide.matches && event.target.matches("a.box:focus-visible")) view.reveal(event.target);
});

/** The nearest box in the direction of an arrow key. */
function neighbour(box, key) {
  const middle = (element) => {
    const { left, right, top, bottom } = element.getBoundingClientRect();
    return [(left + right) / 2, (top + bottom) / 2];
  };
  const [x, y] = middle(box);
  const ahead = { ArrowLeft: ([a, b]) => [x - a, b - y], ArrowRight: ([a, b]) => [a - x, b - y], ArrowUp: ([a, b]) => [y - b, a - x], ArrowDown: ([a, b]) => [b - y, a - x] }[key];
  let best = null;
  let least = Infinity;
  for (const other of boxes) {
    const [forward, aside] = ahead(middle(other));
    const far = forward + 3 * Math.abs(aside);
    if (forward > 1 && far < least) [best, least] = [other, far];
  }
  return best;
}

document.addEventListener("found", ({ detail }) => {
  sheet.classList.toggle("searching", detail.length > 0);
  for (const box of boxes) box.classList.toggle("hit", detail.includes(box.dataset.address));
});

wide.addEventListener("change", arrange);
arrange();
