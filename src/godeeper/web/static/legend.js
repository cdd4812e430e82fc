// The legend under a mosaic: its ends, its words, its colours.
export function showLegend({ ends, legend }, colour) {
  document.querySelector(".ends.low").textContent = ends[0];
  document.querySelector(".ends.high").textContent = ends[1];
  document.querySelector(".ramp").className = `ramp ramp-${colour}`;
  sayInLegend(legend);
}

export function sayInLegend(text) {
  document.querySelector(".words").textContent = text;
}

/** The colour that suits a scale: a diverging scale has diverging colours, another has none. */
export function suitedColour(scale, colour) {
  const diverging = colour.startsWith("blue-");
  if ((scale === "signed") === diverging) return colour;
  return scale === "signed" ? "blue-orange" : "grey";
}
