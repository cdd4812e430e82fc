// Pans and zooms the map.  The wheel, pinches, drags, buttons and keys all change one transform.

const SMALLEST_SHARE = 0.6; // the smallest zoom, as a share of the zoom that shows the whole map
const LARGEST = 4;
const STEP = 1.25;
const NUDGE = 80;
const FAR = 0.62; // below this zoom, small text is hidden
const NEAR = 1.8; // above this zoom, thumbnails show their pixels
const SLIP = 5; // pixels that the pointer may move during a click

/** The transform of ``sheet`` within ``desk``. */
export class View {
  constructor(desk, sheet) {
    this.desk = desk;
    this.sheet = sheet;
    this.pointers = new Map();
    this.dragged = false;
    this.all();
    this.listen();
  }

  /** Shows the whole map. */
  all() {
    const { width, height } = this.desk.getBoundingClientRect();
    const scale = Math.min((width - 24) / this.sheet.offsetWidth, (height - 32) / this.sheet.offsetHeight);
    this.whole = scale;
    this.set((width - this.sheet.offsetWidth * scale) / 2, 16 + Math.max(0, (height - 32 - this.sheet.offsetHeight * scale) / 2), scale);
  }

  set(x, y, scale) {
    Object.assign(this, { x, y, scale });
    this.sheet.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    this.desk.classList.toggle("far", scale < FAR);
    this.desk.classList.toggle("near", scale > NEAR);
  }

  /** Zooms by ``factor`` around a point of the desk. */
  zoom(factor, x = this.desk.clientWidth / 2, y = this.desk.clientHeight / 2) {
    const scale = Math.min(LARGEST, Math.max(this.whole * SMALLEST_SHARE, this.scale * factor));
    const ratio = scale / this.scale;
    this.set(x - (x - this.x) * ratio, y - (y - this.y) * ratio, scale);
  }

  /** Centres one part at the largest zoom that fits, but at most ``most``. */
  show(part, most = 1.5) {
    const { offsetWidth: width, offsetHeight: height } = this.desk;
    const box = { left: parseFloat(getComputedStyle(part).left), top: parseFloat(getComputedStyle(part).top), width: part.clientWidth, height: part.clientHeight };
    const scale = Math.min(most, (width - 48) / box.width, (height - 48) / box.height);
    this.glide(() => this.set(width / 2 - (box.left + box.width / 2) * scale, height / 2 - (box.top + box.height / 2) * scale, scale));
  }

  /** Animates a change. */
  glide(change) {
    this.desk.classList.add("gliding");
    change();
    setTimeout(() => this.desk.classList.remove("gliding"), 400);
  }

  /** Pans just far enough to bring ``element`` into view. */
  reveal(element) {
    const inner = element.getBoundingClientRect();
    const outer = this.desk.getBoundingClientRect();
    const shift = (low, high, least, most) => (low < least + 24 ? least + 24 - low : high > most - 24 ? most - 24 - high : 0);
    const dx = shift(inner.left, inner.right, outer.left, outer.right);
    const dy = shift(inner.top, inner.bottom, outer.top, outer.bottom);
    if (dx || dy) this.glide(() => this.set(this.x + dx, this.y + dy, this.scale));
  }

  listen() {
    const { desk } = this;
    desk.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    desk.addEventListener("pointerdown", (event) => this.down(event));
    desk.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) desk.addEventListener(end, (event) => this.up(event));
    desk.addEventListener("click", (event) => { if (this.dragged) event.preventDefault(); }, true);
    desk.addEventListener("dragstart", (event) => event.preventDefault());
    desk.addEventListener("scroll", () => { desk.scrollTop = desk.scrollLeft = 0; }); // undo the browser's own scrolling to the focused element
    new ResizeObserver(() => { if (this.scale === this.whole) this.all(); }).observe(desk);
  }

  wheel(event) {
    event.preventDefault();
    const { left, top } = this.desk.getBoundingClientRect();
    const lines = event.deltaMode ? 16 : 1;
    if (event.ctrlKey || !event.shiftKey) this.zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX - left, event.clientY - top);
    else this.set(this.x - event.deltaY * lines, this.y, this.scale);
  }

  down(event) {
    if (event.button) return;
    this.pointers.set(event.pointerId, event);
    this.start = event;
    this.dragged = false;
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const held = [...this.pointers.values()];
    if (held.length === 1) {
      if (!this.dragged && Math.hypot(event.clientX - this.start.clientX, event.clientY - this.start.clientY) < SLIP) return;
      this.grab(event);
      this.set(this.x + event.clientX - before.clientX, this.y + event.clientY - before.clientY, this.scale);
    } else if (held.length === 2) {
      this.grab(event);
      this.pinch(before, event, held.find((pointer) => pointer.pointerId !== event.pointerId));
    }
    this.pointers.set(event.pointerId, event);
  }

  /** Marks the gesture as a drag, so that it does not click. */
  grab(event) {
    this.dragged = true;
    this.desk.setPointerCapture(event.pointerId);
    this.desk.classList.add("moving");
  }

  pinch(before, now, other) {
    const { left, top } = this.desk.getBoundingClientRect();
    const span = (pointer) => Math.hypot(pointer.clientX - other.clientX, pointer.clientY - other.clientY);
    const middle = [(now.clientX + other.clientX) / 2, (now.clientY + other.clientY) / 2];
    this.set(this.x + (now.clientX - before.clientX) / 2, this.y + (now.clientY - before.clientY) / 2, this.scale);
    this.zoom(span(now) / span(before), middle[0] - left, middle[1] - top);
  }

  up(event) {
    this.pointers.delete(event.pointerId);
    if (this.pointers.size) return;
    this.desk.classList.remove("moving");
    setTimeout(() => { this.dragged = false; }); // the click event that ends a drag fires first
  }

  /** Handles a key; returns whether it had an effect. */
  key(key) {
    const moves = { ArrowLeft: [NUDGE, 0], ArrowRight: [-NUDGE, 0], ArrowUp: [0, NUDGE], ArrowDown: [0, -NUDGE] };
    if (moves[key]) this.set(this.x + moves[key][0], this.y + moves[key][1], this.scale);
    else if (key === "+" || key === "=") this.zoom(STEP);
    else if (key === "-" || key === "_") this.zoom(1 / STEP);
    else if (key === "0") this.glide(() => this.all());
    else return false;
    return true;
  }
}
