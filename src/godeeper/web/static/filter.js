// The pages of a filter and of the verdict: the slider between photo and map, the controls, and keyboard navigation.

import { check, Refusal } from "./again.js";
import { at } from "./base.js";
import { showProblem } from "./drop.js";

const overlay = document.querySelector(".scene .map");
const slider = document.getElementById("opacity");
const controls = document.getElementById("controls");

const cover = () => overlay.setAttribute("opacity", slider.value);
slider.addEventListener("input", cover);
cover();

// When the browser restores the page from its back/forward cache, the controls must match the picture.
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
    await check(at("/api/health")); // if the server does not respond, stay on this page
    location.replace(`?${query}`);
  } catch (error) {
    controls.reset();
    showProblem(error instanceof Refusal ? error.message : "The server does not respond, so the picture did not change. Choose again.");
  }
});

addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const selector = /^[1-9]$/.test(event.key) ? `a[data-key="${event.key}"]` : { ArrowLeft: "a[rel=prev]", ArrowRight: "a[rel=next]", Escape: "a[data-up]", Backspace: "a[data-back]" }[event.key];
  const link = selector && document.querySelector(selector);
  if (!link) return;
  event.preventDefault();
  link.click();
});
