// The legend under a mosaic: its ends, its text, its colours.
export function showLegend({ ends, legend }, colour) {
  document.querySelector(".ends.low").textContent = ends[0];
  document.querySelector(".ends.high").textContent = ends[1];
  document.querySelector(".ramp").className = `ramp ramp-${colour}`;
  setLegendText(legend);
}

export function setLegendText(text) {
  document.querySelector(".words").textContent = text;
}

/** The colour that suits a scale: diverging colours for a signed scale, and no others for it. */
export function suitedColour(scale, colour) {
  const diverging = colour.startsWith("blue-");
  if ((scale === "signed") === diverging) return colour;
  return scale === "signed" ? "blue-orange" : "grey";
}
