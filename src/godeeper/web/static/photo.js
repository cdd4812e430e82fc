// Draws receptive fields on the photo.  A receptive field is the part that one cell of a tensor depends on.

/**
 * The receptive field of a cell, in pixels of the photo, clipped to the photo.
 * @param {object} record of the tensor: field, input_size, used
 * @returns {number[]} left, top, right, bottom
 */
export function fieldBox(record, row, column) {
  const { size, jump, padding } = record.field;
  const [left, top, right, bottom] = record.used;
  const along = (cell, axis, low, high) => {
    const first = cell * jump - padding[axis];
    const ends = [first, first + size[axis]].map((pixel) => Math.min(record.input_size, Math.max(0, pixel)));
    return ends.map((pixel) => low + (pixel / record.input_size) * (high - low));
  };
  const [x0, x1] = along(column, 1, left, right);
  const [y0, y1] = along(row, 0, top, bottom);
  return [x0, y0, x1, y1];
}

/** Draws a box on a scene and darkens the rest. */
export function drawField(scene, [left, top, right, bottom]) {
  const { width, height } = scene.viewBox.baseVal;
  const frame = scene.querySelector(".field");
  const sides = { x: left, y: top, width: right - left, height: bottom - top };
  for (const [name, value] of Object.entries(sides)) frame.setAttribute(name, value);
  frame.setAttribute("visibility", "visible");
  scene.querySelector(".outside").setAttribute("d", `M0 0H${width}V${height}H0ZM${left} ${top}H${right}V${bottom}H${left}Z`);
}
