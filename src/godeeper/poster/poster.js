'use strict';
// The viewer of a poster, on one canvas: the tiles of a Deep Zoom picture, with names, numbers and lines over them.
// Lengths on the poster are in its native pixels; `scale` is the number of CSS pixels per native pixel.
const record = JSON.parse(document.getElementById('record').textContent);
const canvas = document.getElementById('poster'), pen = canvas.getContext('2d');
const element = id => document.getElementById(id);
const SIDE = 256, LARGEST = 48, KEPT = 600, BLOCK_HEAD = 20, BAND_HEAD = 52, TOOLS = 54;
const top_level = Math.ceil(Math.log2(Math.max(record.width, record.height)));
const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
const tiles = new Map();
const pointers = new Map();
let view = {x: 0, y: 0, scale: 1}, labels = true, marked = null, flight = 0, waiting = 0, asked = false;

// ---- tiles

function tile(level, column, row) {
  const path = `poster_files/${level}/${column}_${row}.png`;
  let image = tiles.get(path);
  if (image) { tiles.delete(path); tiles.set(path, image); return image; }
  image = new Image();
  image.onload = () => { image.ready = true; await_tiles(-1); redraw(); };
  image.onerror = () => { await_tiles(-1); element('said').textContent = `${path} is missing`; };
  await_tiles(1);
  image.src = path;
  tiles.set(path, image);
  if (tiles.size > KEPT) tiles.delete(tiles.keys().next().value);
  return image;
}

function await_tiles(more) {
  waiting += more;
  document.body.dataset.waiting = waiting;
}

function draw_tiles(ratio) {
  const wanted = Math.ceil(Math.log2(view.scale * ratio) - 1e-6) + top_level;
  const level = Math.min(top_level, Math.max(0, wanted));
  const size = SIDE * 2 ** (top_level - level);  // of a tile, in native pixels
  const right = Math.min(record.width, view.x + canvas.clientWidth / view.scale);
  const bottom = Math.min(record.height, view.y + canvas.clientHeight / view.scale);
  pen.imageSmoothingEnabled = view.scale * ratio < 1;
  for (let row = Math.max(0, Math.floor(view.y / size)); row * size < bottom; row++)
    for (let column = Math.max(0, Math.floor(view.x / size)); column * size < right; column++)
      draw_tile(level, column, row, size);
}

function draw_tile(level, column, row, size) {
  const left = column * size, top = row * size;
  const wide = Math.min(size, record.width - left), high = Math.min(size, record.height - top);
  let image = tile(level, column, row), up = 0;
  while (!image.ready && up < level) {  // show a coarser tile until this one is loaded
    up++;
    const path = `poster_files/${level - up}/${column >> up}_${row >> up}.png`;
    image = tiles.get(path) || (up === 4 ? tile(level - up, column >> up, row >> up) : image);
  }
  if (!image.ready) return;
  const unit = size / SIDE * 2 ** up;  // native pixels per pixel of that image
  const from_x = left / unit - (column >> up) * SIDE, from_y = top / unit - (row >> up) * SIDE;
  const [x0, y0] = screen(left, top), [x1, y1] = screen(left + wide, top + high);
  pen.drawImage(image, from_x, from_y, Math.min(wide / unit, image.width - from_x), Math.min(high / unit, image.height - from_y),
    x0, y0, x1 - x0, y1 - y0);
}

// ---- labels

function screen(x, y) { return [Math.round((x - view.x) * view.scale), Math.round((y - view.y) * view.scale)]; }

function is_seen(x0, y0, x1, y1) { return x1 > 0 && y1 > 0 && x0 < canvas.clientWidth && y0 < canvas.clientHeight; }

function ends(tensor) {
  const [, high, wide] = tensor.shape;
  return [...screen(tensor.left, tensor.top), ...screen(tensor.left + tensor.columns * wide, tensor.top + tensor.rows * high)];
}

function draw_mark() {
  if (!marked) return;
  const [x0, y0, x1, y1] = ends(marked.tensor);
  pen.strokeStyle = '#8fd3ff'; pen.lineWidth = 2;
  pen.strokeRect(x0 - 2, y0 - 2, x1 - x0 + 4, y1 - y0 + 4);
  if (marked.filter !== null) {
    const {x, y, wide, high} = corner(marked.tensor, marked.filter), [left, top] = screen(x, y), [right, bottom] = screen(x + wide, y + high);
    pen.strokeRect(left - 1, top - 1, right - left + 2, bottom - top + 2);
  }
}

function draw_labels() {
  for (const tensor of record.tensors) {
    const [x0, y0, x1, y1] = ends(tensor);
    if (!is_seen(x0, y0 - 30, x1, y1)) continue;
    if (view.scale > 0.25) { pen.strokeStyle = '#6a6d76'; pen.lineWidth = 1; pen.strokeRect(x0 - 0.5, y0 - 0.5, x1 - x0 + 1, y1 - y0 + 1); }
    draw_filters(tensor);
    if (view.scale * BLOCK_HEAD >= 9) block_label(tensor, x0, y0, x1, y1);
  }
  for (const band of record.bands) {
    const [x, y] = screen(30, band.top), size = Math.max(12, Math.min(30, 26 * view.scale));
    if (!is_seen(x, y - 40, x + 400, y + 80)) continue;
    text(band.title, Math.max(x, 8), y + BAND_HEAD * view.scale * 0.62, size, '#ffffff', 600, 400);
  }
}

function block_label(tensor, x0, y0, x1, y1) {
  const size = Math.max(10, Math.min(15, 13 * view.scale)), baseline = Math.min(Math.max(y0 - 5, TOOLS + 20), y1 - 4);
  const start = Math.max(x0, 4), room = Math.min(x1, canvas.clientWidth) - start - 8;
  const short = tensor.address.startsWith(tensor.part + '/') ? tensor.address.slice(tensor.part.length + 1) : tensor.address;
  const [count, high, wide] = tensor.shape;
  pen.font = `500 ${size}px system-ui,sans-serif`;
  const said = [`${tensor.address}   ${count} of ${high}×${wide}`, tensor.address, short].find(each => pen.measureText(each).width <= room);
  text(said || short, start, baseline, size, '#dcdcd8', 500, room);
}

function text(words, x, y, size, ink, weight, room) {
  pen.font = `${weight} ${size}px system-ui,sans-serif`;
  while (words.length > 1 && pen.measureText(words).width > room) words = '…' + words.slice(2);  // the end of a name is more distinctive
  if (words.length < 2) return;
  pen.fillStyle = '#1a1b1edd';
  pen.fillRect(x - 3, y - size, pen.measureText(words).width + 6, size * 1.32);
  pen.fillStyle = ink;
  pen.fillText(words, x, y);
}

function corner(tensor, filter) {
  const [, high, wide] = tensor.shape;
  return {x: tensor.left + filter % tensor.columns * wide, y: tensor.top + Math.floor(filter / tensor.columns) * high, wide, high};
}

function draw_filters(tensor) {
  const [count, high, wide] = tensor.shape, side = Math.min(high, wide) * view.scale;
  if (side < 14) return;
  const constant = new Set(tensor.constant);
  const first = Math.max(0, Math.floor((view.x - tensor.left) / wide)), last = Math.min(tensor.columns - 1, Math.floor((view.x + canvas.clientWidth / view.scale - tensor.left) / wide));
  const upper = Math.max(0, Math.floor((view.y - tensor.top) / high)), lower = Math.min(tensor.rows - 1, Math.floor((view.y + canvas.clientHeight / view.scale - tensor.top) / high));
  for (let row = upper; row <= lower; row++)
    for (let column = first; column <= last; column++) {
      const filter = row * tensor.columns + column;
      if (filter >= count) break;
      const [x0, y0] = screen(tensor.left + column * wide, tensor.top + row * high), [x1, y1] = screen(tensor.left + (column + 1) * wide, tensor.top + (row + 1) * high);
      pen.strokeStyle = '#5a5d6699'; pen.lineWidth = 1; pen.strokeRect(x0 + 0.5, y0 + 0.5, x1 - x0, y1 - y0);
      if (constant.has(filter)) {
        pen.strokeStyle = '#a04a42'; pen.beginPath();
        pen.moveTo(x0, y0); pen.lineTo(x1, y1); pen.moveTo(x1, y0); pen.lineTo(x0, y1); pen.stroke();
      }
      if (side >= 36) text(' ' + filter, x0 + 2, y0 + 12, 11, '#c9ccd4', 400, x1 - x0);
    }
}

function draw() {
  asked = false;
  const ratio = devicePixelRatio || 1, wide = Math.round(canvas.clientWidth * ratio), high = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== wide || canvas.height !== high) { canvas.width = wide; canvas.height = high; }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  draw_tiles(ratio);
  draw_mark();
  if (labels) draw_labels();
}

function redraw() { if (!asked) { asked = true; requestAnimationFrame(draw); } }

// ---- pan and zoom

function whole() {
  const room = {wide: canvas.clientWidth - 16, high: canvas.clientHeight - TOOLS - 8};
  const scale = Math.min(room.wide / record.width, room.high / record.height);
  return {x: record.width / 2 - canvas.clientWidth / 2 / scale, y: -TOOLS / scale, scale};
}

function bounded(next) {
  const scale = Math.min(LARGEST, Math.max(whole().scale * 0.7, next.scale));
  const wide = canvas.clientWidth / scale, high = canvas.clientHeight / scale;
  return {x: Math.min(record.width - wide * 0.2, Math.max(-wide * 0.8, next.x)), y: Math.min(record.height - high * 0.2, Math.max(-high * 0.8, next.y)), scale};
}

function set(next) { view = bounded(next); redraw(); }

function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
  const scale = Math.min(LARGEST, Math.max(whole().scale * 0.7, view.scale * factor));
  set({x: view.x + x / view.scale - x / scale, y: view.y + y / view.scale - y / scale, scale});
}

function move(x, y) { set({x: view.x + x / view.scale, y: view.y + y / view.scale, scale: view.scale}); }

function fly(goal) {
  cancelAnimationFrame(flight);
  if (calm) { set(goal); return; }
  const start = view, began = performance.now();
  const step = now => {
    const share = Math.min(1, (now - began) / 450), eased = share * share * (3 - 2 * share);
    const scale = start.scale * (goal.scale / start.scale) ** eased;
    const near = goal.scale === start.scale ? eased : (1 / start.scale - 1 / scale) / (1 / start.scale - 1 / goal.scale);
    set({x: start.x + (goal.x - start.x) * near, y: start.y + (goal.y - start.y) * near, scale});
    if (share < 1) flight = requestAnimationFrame(step);
  };
  flight = requestAnimationFrame(step);
}

function around(x, y, wide, high, most) {
  const scale = Math.min(most, (canvas.clientWidth - 40) / wide, (canvas.clientHeight - 220) / high);
  return {x: x + wide / 2 - canvas.clientWidth / 2 / scale, y: y + high / 2 - (canvas.clientHeight - 80) / 2 / scale, scale};
}

function go(tensor, filter, quick) {
  const [count, high, wide] = tensor.shape;
  filter = filter !== null && filter < count ? filter : null;
  marked = {tensor, filter};
  const part = filter === null ? {x: tensor.left, y: tensor.top, wide: tensor.columns * wide, high: tensor.rows * high} : corner(tensor, filter);
  const goal = around(part.x, part.y, part.wide, part.high, filter === null ? 6 : 24);
  if (quick) set(goal); else fly(goal);
  tell(tensor, filter);
  try { history.replaceState(null, '', '#' + tensor.address + (filter === null ? '' : `[${filter}]`)); } catch { /* a page on a disk may refuse */ }
}

// ---- search

const every_name = record.tensors.map(tensor => [tensor, [...new Set([tensor.address, ...Object.values(tensor.names)])].filter(Boolean)]);
element('names').append(...every_name.flatMap(([, names]) => names.map(name => Object.assign(document.createElement('option'), {value: name}))));

function find(words) {
  const match = /^(.*?)(?::0)?(?:\[(\d+)\])?$/.exec(words.trim()), wanted = match[1].toLowerCase();
  if (!wanted) return null;
  const fits = [name => name === wanted, name => name.startsWith(wanted), name => name.includes(wanted)];
  for (const fit of fits)
    for (const [tensor, names] of every_name)
      if (names.some(name => fit(name.toLowerCase()))) return [tensor, match[2] === undefined ? null : Number(match[2])];
  return null;
}

function search() {
  const found = find(element('search').value);
  element('said').textContent = found || !element('search').value ? '' : 'no tensor has this name';
  if (found) go(...found, false);
}

// ---- facts

function at(x, y) {
  const left = view.x + x / view.scale, top = view.y + y / view.scale;
  for (const tensor of record.tensors) {
    const [count, high, wide] = tensor.shape, column = Math.floor((left - tensor.left) / wide), row = Math.floor((top - tensor.top) / high);
    if (column < 0 || row < 0 || column >= tensor.columns || row >= tensor.rows) continue;
    const filter = row * tensor.columns + column;
    return [tensor, filter < count ? filter : null];
  }
  return null;
}

const digits = value => Number(value).toPrecision(4).replace(/\.?0+$/, '');

function tell(tensor, filter) {
  const [count, high, wide] = tensor.shape, own = Array.isArray(tensor.low);
  element('name').textContent = tensor.address + (filter === null ? '' : `[${filter}]`);
  element('names-of').textContent = [...new Set(Object.values(tensor.names))].filter(name => name && name !== tensor.address).join('   ');
  const silent = tensor.constant.length ? `, ${tensor.constant.length} the same all over this photo (crossed out)` : '';
  element('what').textContent = `${tensor.kind}, ${count} filters of ${high} × ${wide}${silent}; a cell sees ${tensor.receptive_field.join(' × ')} pixels`;
  element('legend').hidden = own && filter === null;
  if (element('legend').hidden) element('what').textContent += '; each filter on its own scale: point at one';
  else {
    element('low').textContent = digits(own ? tensor.low[filter] : tensor.low);
    element('high').textContent = digits(own ? tensor.high[filter] : tensor.high) + (own ? ', this filter’s own scale' : ', all filters of this tensor');
  }
}

function introduce() {
  element('name').textContent = `${record.network || ''}: ${record.tensors.length} tensors, ${record.tensors.reduce((sum, each) => sum + each.shape[0], 0)} filters`;
  element('what').textContent = 'Point at a filter, or search for a tensor by any of its names.';
  element('legend').hidden = true;
  element('source').textContent = [record.photo, record.weights && `weights ${record.weights}`, record.preprocessing].filter(Boolean).join(' · ');
}

function draw_ramp() {
  const ramp = element('ramp').getContext('2d');
  record.ramp.forEach((colour, place) => { ramp.fillStyle = colour; ramp.fillRect(place * 256 / record.ramp.length, 0, 256 / record.ramp.length + 1, 1); });
}

// ---- events

canvas.addEventListener('wheel', event => { event.preventDefault(); cancelAnimationFrame(flight); zoom(1.0018 ** -Math.max(-300, Math.min(300, event.deltaMode ? event.deltaY * 30 : event.deltaY)), event.offsetX, event.offsetY); }, {passive: false});
canvas.addEventListener('dblclick', event => zoom(event.shiftKey ? 0.5 : 2, event.offsetX, event.offsetY));
canvas.addEventListener('pointerdown', event => { cancelAnimationFrame(flight); canvas.setPointerCapture(event.pointerId); pointers.set(event.pointerId, [event.offsetX, event.offsetY]); canvas.classList.add('held'); });
for (const kind of ['pointerup', 'pointercancel']) canvas.addEventListener(kind, event => { pointers.delete(event.pointerId); canvas.classList.toggle('held', pointers.size > 0); });
canvas.addEventListener('pointermove', event => {
  const before = pointers.get(event.pointerId), now = [event.offsetX, event.offsetY];
  if (!before) { const found = at(...now); if (found) tell(...found); return; }
  const other = [...pointers].find(([id]) => id !== event.pointerId);
  if (other) {
    const apart = point => Math.hypot(point[0] - other[1][0], point[1] - other[1][1]) || 1;
    zoom(apart(now) / apart(before), (before[0] + other[1][0]) / 2, (before[1] + other[1][1]) / 2);
    move((before[0] - now[0]) / 2, (before[1] - now[1]) / 2);
  } else move(before[0] - now[0], before[1] - now[1]);
  pointers.set(event.pointerId, now);
});

const doing = {
  in: () => zoom(1.6), out: () => zoom(1 / 1.6), all: () => { marked = null; introduce(); fly(whole()); },
  labels: () => { labels = !labels; document.querySelector('[data-do=labels]').setAttribute('aria-pressed', labels); redraw(); },
};
for (const button of document.querySelectorAll('[data-do]')) button.addEventListener('click', doing[button.dataset.do]);
const keys = {
  '+': doing.in, '=': doing.in, '-': doing.out, '0': doing.all, l: doing.labels, L: doing.labels,
  ArrowLeft: () => move(-90, 0), ArrowRight: () => move(90, 0), ArrowUp: () => move(0, -90), ArrowDown: () => move(0, 90),
  '/': () => element('search').focus(),
};
addEventListener('keydown', event => {
  if (event.target === element('search')) { if (event.key === 'Escape') canvas.focus(); return; }
  if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key]) return;
  event.preventDefault(); cancelAnimationFrame(flight); keys[event.key]();
});
element('tools').addEventListener('submit', event => { event.preventDefault(); search(); });
element('search').addEventListener('change', search);
addEventListener('resize', redraw);

function arrive() {
  const place = decodeURIComponent(location.hash.slice(1)), given = /^at=([-\d.]+),([-\d.]+),([\d.]+)$/.exec(place);
  if (given) { set({x: Number(given[1]), y: Number(given[2]), scale: Number(given[3])}); return; }
  const found = place && find(place);
  if (found) go(...found, true); else set(whole());
}

addEventListener('hashchange', arrive);
introduce();
draw_ramp();
arrive();
