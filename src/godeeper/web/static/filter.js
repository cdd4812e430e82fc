// One filter, or the verdict: how much of a picture covers the photo, and the keys that lead on.

import { ask, Refusal } from "./again.js";
import { at } from "./base.js";
import { tell } from "./drop.js";

const overlay = document.querySelector(".scene .map");
const slider = document.getElementById("opacity");
const controls = document.getElementById("controls");

const cover = () => overlay.setAttribute("opacity", slider.value);
slider.addEventListener("input", cover);
cover();

// A page that comes back as the browser kept it: the controls say what the picture shows.
addEventListener("pageshow", () => {
  controls?.reset();
  cover();
});

controls?.addEventListener("change", async ({ target }) => {
  const { scale, colour } = controls.elements;
  const diverging = colour.value.startsWith("blue-");
  if (target === scale && (scale.value === "signed") !== diverging) colour.value = scale.value === "signed" ? "blue-orange" : "grey";
  const query = new URLSearchParams(new FormData(controls));
  try {
    await ask(at("/api/health")); // without the server, leaving would lose the page
    location.replace(`?${query}`);
  } catch (error) {
    controls.reset();
    tell(error instanceof Refusal ? error.message : "The server does not answer: the picture is as it was. Choose again.");
  }
});

addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const way = { ArrowLeft: "a[rel=prev]", ArrowRight: "a[rel=next]", Escape: "a[data-up]" }[event.key];
  if (way) document.querySelector(way)?.click();
});
