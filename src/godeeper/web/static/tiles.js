// Draws all filters as tiles.  They are cut from one picture, enlarged by an integer, and painted in bands of rows.

const GUTTER = 2;
const MARGIN = 800; // pixels; bands this close to the window are painted in advance
const CROSS = "#8f4a43";
const LEAST_TILE = 24; // pixels; the smallest tile that is easy to point at
export const LARGEST_ZOOM = 24;

/** The tiles of one tensor on a page: their positions, and the painted bands. */
export class Tiles {
  /**
   * @param {HTMLElement} root the element that holds the bands
   * @param {{tile: number[], columns: number, count: number, crossed: Set<number>}} grid the grid of the picture that the tiles are cut from
   */
  constructor(root, grid) {
    Object.assign(this, { root, ...grid });
    this.order = Array.from({ length: this.count }, (_, k) => k);
    this.bands = [];
    this.observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) isIntersecting ? this.paint(target) : this.release(target);
    }, { rootMargin: `${MARGIN}px` });
  }

  /** The default zoom, at which all tiles fit into about one screen, unless they would be too small. */
  usualZoom() {
    const room = innerHeight * 1.1;
    const least = Math.ceil(LEAST_TILE / this.tile[1]);
    let zoom = LARGEST_ZOOM;
    while (zoom > least && (this.heightAt(zoom) > room || this.tile[1] * zoom > this.root.clientWidth)) zoom -= 1;
    return zoom;
  }

  heightAt(zoom) {
    const across = Math.max(1, Math.floor((this.root.clientWidth + GUTTER) / (this.tile[1] * zoom + GUTTER)));
    return Math.ceil(this.count / across) * (this.tile[0] * zoom + GUTTER);
  }

  /** Lays the tiles out for an order, a zoom and the width of the root. */
  arrange(zoom, order = this.order) {
    const ratio = devicePixelRatio || 1;
    this.order = order;
    this.zoom = zoom;
    this.places = new Map(order.map((filter, position) => [filter, position]));
    this.pixel = Math.max(1, Math.round(zoom * ratio)); // device pixels per value; an integer, so that all values are equally large
    this.ratio = ratio;
    this.size = this.tile.map((cells) => (cells * this.pixel) / ratio);
    this.across = Math.max(1, Math.min(this.count, Math.floor((this.root.clientWidth + GUTTER) / (this.size[1] + GUTTER))));
    this.rows = Math.ceil(this.count / this.across);
    for (const band of this.bands) { this.observer.unobserve(band); band.remove(); }
    const rowsEach = Math.max(1, Math.floor(1024 / (this.size[0] + GUTTER)));
    this.bands = [];
    for (let first = 0; first < this.rows; first += rowsEach) this.bands.push(this.band(first, Math.min(rowsEach, this.rows - first)));
    this.root.prepend(...this.bands);
    this.refresh();
    for (const band of this.bands) this.observer.observe(band);
  }

  /** Makes a canvas for some rows, not yet painted. */
  band(first, rows) {
    const canvas = document.createElement("canvas");
    canvas.setAttribute("aria-hidden", "true");
    canvas.style.width = `${this.across * (this.size[1] + GUTTER) - GUTTER}px`;
    canvas.style.height = `${rows * (this.size[0] + GUTTER)}px`;
    canvas.width = canvas.height = 0;
    return Object.assign(canvas, { first, rowCount: rows });
  }

  /** Shows another picture of the same tiles. */
  show(picture) {
    this.picture = picture;
    this.refresh();
  }

  /** Paints the bands near the window at once, to avoid flicker. */
  refresh() {
    for (const band of this.bands) {
      const { top, bottom } = band.getBoundingClientRect();
      if (bottom > -MARGIN && top < innerHeight + MARGIN) this.paint(band);
    }
  }

  paint(band) {
    if (!this.picture) return;
    const [height, width] = this.tile.map((cells) => cells * this.pixel);
    const gutter = Math.round(GUTTER * this.ratio);
    band.width = this.across * (width + gutter) - gutter;
    band.height = band.rowCount * (height + gutter);
    const pen = band.getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.strokeStyle = CROSS;
    pen.fillStyle = getComputedStyle(this.root).getPropertyValue("--well");
    pen.lineWidth = Math.max(1, this.ratio);
    const start = band.first * this.across;
    const chosen = this.order.slice(start, start + band.rowCount * this.across);
    chosen.forEach((filter, k) => {
      const left = (k % this.across) * (width + gutter);
      const top = Math.floor(k / this.across) * (height + gutter);
      const [h, w] = this.tile;
      pen.fillRect(left - gutter, top - gutter, width + 2 * gutter, height + 2 * gutter);
      pen.drawImage(this.picture, (filter % this.columns) * w, Math.floor(filter / this.columns) * h, w, h, left, top, width, height);
      if (this.crossed.has(filter)) cross(pen, left, top, width, height);
    });
  }

  /** Frees the memory of a band that is out of sight. */
  release(band) {
    band.width = band.height = 0;
  }

  /** The filter and its cell at a point of the root, or null between tiles. */
  at(x, y) {
    const pitch = this.size.map((side) => side + GUTTER);
    const column = Math.floor(x / pitch[1]);
    const row = Math.floor(y / pitch[0]);
    const inside = [y - row * pitch[0], x - column * pitch[1]];
    const filter = column >= 0 && column < this.across ? this.order[row * this.across + column] : undefined;
    if (filter === undefined || inside[0] >= this.size[0] || inside[1] >= this.size[1]) return null;
    const [cellRow, cellColumn] = inside.map((offset, axis) => Math.min(this.tile[axis] - 1, Math.floor((offset / this.size[axis]) * this.tile[axis])));
    return { filter, row: cellRow, column: cellColumn };
  }

  /** Where a filter's tile is: left, top, width, height within the root. */
  frame(filter) {
    const position = this.places.get(filter);
    return [(position % this.across) * (this.size[1] + GUTTER), Math.floor(position / this.across) * (this.size[0] + GUTTER), this.size[1], this.size[0]];
  }
}

/** Draws two thin lines over a tile that has the same value everywhere. */
function cross(pen, left, top, width, height) {
  pen.beginPath();
  pen.moveTo(left, top);
  pen.lineTo(left + width, top + height);
  pen.moveTo(left, top + height);
  pen.lineTo(left + width, top);
  pen.stroke();
}

/** Moves an element to a frame. */
export function place(element, [left, top, width, height]) {
  Object.assign(element.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
}
