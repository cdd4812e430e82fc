// One filter, or the verdict: how much of a picture covers the photo, and the keys that lead on.

const overlay = document.querySelector(".scene .map");
const slider = document.getElementById("opacity");
const controls = document.getElementById("controls");

const cover = () => overlay.setAttribute("opacity", slider.value);
slider.addEventListener("input", cover);
cover();

controls?.addEventListener("change", ({ target }) => {
  const { scale, colour } = controls.elements;
  const diverging = colour.value.startsWith("blue-");
  if (target === scale && (scale.value === "signed") !== diverging) colour.value = scale.value === "signed" ? "blue-orange" : "grey";
  location.replace(`?${new URLSearchParams(new FormData(controls))}`);
});

addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const way = { ArrowLeft: "a[rel=prev]", ArrowRight: "a[rel=next]", Escape: "a[data-up]" }[event.key];
  if (way) document.querySelector(way)?.click();
});
