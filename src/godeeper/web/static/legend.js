// Updates the legend of a mosaic: its ends, its text and its colours.
export function showLegend({ ends, legend }, colour) {
  document.querySelector(".ends.low").textContent = ends[0];
  document.querySelector(".ends.high").textContent = ends[1];
  document.querySelector(".ramp").className = `ramp ramp-${colour}`;
  setLegendText(legend);
}

export function setLegendText(text) {
  document.querySelector(".words").textContent = text;
}

/** The chosen colour map if it suits the scale, otherwise the default one.  Diverging maps suit only the signed scale, which takes no others. */
export function suitedColour(scale, colour) {
  const diverging = colour.startsWith("blue-");
  if ((scale === "signed") === diverging) return colour;
  return scale === "signed" ? "blue-orange" : "grey";
}
