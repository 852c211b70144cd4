// The page of gradcore.show. From top to bottom: the data, the layout of the graph, drawing it, the
// panel on the right, the curves, and what keys and buttons do. A step is a number: steps 0 to n - 1
// are the ops in the order of the forward pass, the others the ops in that of the backward pass.

const data = JSON.parse(document.getElementById("data").textContent);
const { ops, values, groups, kinds, backward, findings } = data;
const n = ops.length, steps = n + backward.length;
const by = id => document.getElementById(id);
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const dark = matchMedia("(prefers-color-scheme: dark)");

/** Make an element: `make("p", { className: "key" }, "text", child, ...)`. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter(child => child !== null && child !== undefined));
  return element;
}

/** Make an element of SVG; `attributes` are set as they are. */
function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const shapeText = shape => `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
const count = (k, word) => `${k.toLocaleString("en")} ${word}${k === 1 ? "" : "s"}`;

function bytesText(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (bytes >= 1000 && unit < 4) { bytes /= 1000; unit++; }
  return `${unit ? bytes.toPrecision(3) : bytes} ${units[unit]}`;
}

function numberText(x) {
  if (typeof x === "string") return x.replace("-", "−").replace("inf", "∞").replace("nan", "NaN");
  const size = Math.abs(x);
  const text = size && (size < 1e-3 || size >= 1e5) ? x.toExponential(2) : String(+x.toPrecision(4));
  return text.replaceAll("-", "−");
}

// -- What belongs where ------------------------------------------------------------------------
// A part is the number of an op (>= 0) or of a group (-1 - index). `parentOf` leads outwards to the
// root, `null`. All walks over groups use stacks or loops: nothing here is recursive but the layout,
// as deep as modules are nested.

const root = { name: "", parts: data.tree, index: null };
const groupOf = part => groups[-1 - part];
const parentOf = new Map();
const opsIn = new Map();  // for each group, its ops

for (const group of [root, ...groups]) {
  group.open = group === root;
  group.edges = new Map();  // from one part, leaf or port to another, with the ops that use the edge, and
  // whether a gradient comes back on it
  group.leaves = [];
  for (const part of group.parts) parentOf.set(part, group);
}
groups.forEach((group, i) => { group.part = -1 - i; });
function around(part) {  // the groups around a part, from the outermost
  const found = [];
  for (let group = parentOf.get(part); group; group = group === root ? null : parentOf.get(group.part)) found.push(group);
  return found.reverse();
}
const pathOf = ops.map((_, i) => around(i));
for (const group of groups) opsIn.set(group, []);
pathOf.forEach((path, i) => { for (const group of path.slice(1)) opsIn.get(group).push(i); });
const firstOp = part => (part >= 0 ? part : opsIn.get(groupOf(part))[0]);
for (const group of [root, ...groups]) group.parts.sort((a, b) => firstOp(a) - firstOp(b));

const producer = new Map();  // for each value, the op that made it
ops.forEach((op, i) => op.outputs.forEach(v => producer.set(v, i)));
const uses = values.map(() => []);
ops.forEach((op, i) => op.inputs.forEach(v => { if (typeof v === "number") uses[v].push(i); }));

const visit = new Map();  // for each op, its step in the backward pass
backward.forEach((i, k) => visit.set(i, n + k));
const opAt = step => (step < n ? step : backward[step - n]);

function addEdge(group, from, to, op, v) {
  const key = `${from}>${to}`;
  if (!group.edges.has(key)) group.edges.set(key, { from, to, users: new Map() });
  const { users } = group.edges.get(key);
  users.set(op, users.get(op) || Boolean(values[v].gradient));
}

/** Add the edge from an op (or a leaf in a group) to an op: one piece in each group on the way. */
function connect(fromPath, fromUnit, to, v) {
  const path = pathOf[to];
  let k = 0;
  while (k + 1 < path.length && k + 1 < fromPath.length && path[k + 1] === fromPath[k + 1]) k++;
  const unitBelow = (steps, k, own) => (k + 1 < steps.length ? steps[k + 1].part : own);
  addEdge(path[k], unitBelow(fromPath, k, fromUnit), unitBelow(path, k, to), to, v);
  for (let j = k + 1; j < path.length; j++) addEdge(path[j], "in", unitBelow(path, j, to), to, v);
  for (let j = k + 1; j < fromPath.length; j++) addEdge(fromPath[j], unitBelow(fromPath, j, fromUnit), "out", to, v);
}

ops.forEach((op, i) => {
  for (const v of new Set(op.inputs)) {
    if (producer.has(v)) connect(pathOf[producer.get(v)], producer.get(v), i, v);
  }
});
values.forEach((value, v) => {
  if (producer.has(v) || !uses[v].length) return;
  const users = [...new Set(uses[v])];
  if (value.kind === "parameter") {  // beside each op, or once in each module that uses it
    for (const [group, inside] of grouped(users, i => pathOf[i].at(-1))) {
      for (const few of inside.length > 3 ? inside.map(i => [i]) : [inside]) addLeaf(group, v, few);
    }
  } else {  // once, outside of the modules that use it
    let shared = pathOf[users[0]];
    for (const i of users) shared = shared.filter((group, k) => pathOf[i][k] === group);
    const module = shared.findIndex(group => group.module);
    addLeaf(module < 0 ? shared.at(-1) : shared[module - 1], v, users);
  }
});
function grouped(list, key) {
  const found = new Map();
  for (const x of list) found.set(key(x), [...(found.get(key(x)) ?? []), x]);
  return found;
}
function addLeaf(group, v, users) {
  const leaf = `leaf ${v} ${group === root ? "root" : -1 - group.part} ${group.leaves.length}`;
  group.leaves.push({ unit: leaf, v });
  const path = group === root ? [root] : [...around(group.part), group];
  for (const i of users) connect(path, leaf, i, v);
}

// -- Layout: layers from top to bottom ---------------------------------------------------------

const GAP = 18, BETWEEN = 34, PAD = 14, HEAD = 22;
const widthOf = (...texts) => Math.max(84, Math.min(240, 36 + 7.3 * Math.max(...texts.map(t => t.length))));

function labelOf(unit) {
  if (typeof unit === "string") {
    const [, v, place] = unit.split(" "), value = values[v], group = place === "root" ? root : groups[place];
    const inside = [...(group === root ? [] : around(group.part)), group].findLast(g => g.path && value.name.startsWith(`${g.path}.`));
    if (!value.name && value.value.numbers?.length === 1) return [numberText(value.value.numbers[0]), shapeText(value.shape)];
    return [(inside ? value.name.slice(inside.path.length + 1) : value.name) || value.kind, shapeText(value.shape)];
  }
  if (unit >= 0) {
    const outputs = ops[unit].outputs.map(v => shapeText(values[v].shape));
    return [ops[unit].op, outputs.length > 2 ? `${outputs.length} outputs` : outputs.join(" ")];
  }
  const group = groupOf(unit), inside = opsIn.get(group);
  const range = group.module ? "" : `, ${inside[0] + 1} to ${inside.at(-1) + 1}`;
  return [group.name, `${count(inside.length, "op")}${range}`];
}

const isLeaf = id => typeof id === "string" && id.startsWith("leaf");

/** Find the places of all that is in a group: sets `group.size` and `group.units`. */
function layOut(group) {
  const units = new Map();
  const add = (id, w, h) => units.set(id, { id, w, h, layer: 0, before: [], after: [] });
  for (const part of group.parts) {
    const inner = part < 0 ? groupOf(part) : null;
    if (inner?.open) {
      layOut(inner);
      add(part, inner.size[0], inner.size[1]);
    } else add(part, widthOf(...labelOf(part)), 40);
  }
  const edges = [...group.edges.values()], middle = Math.ceil(group.leaves.length / 2);
  const addLeaves = leaves => { for (const { unit } of leaves) add(unit, widthOf(...labelOf(unit)), 38); };
  addLeaves(group.leaves.slice(0, middle));
  for (const port of ["in", "out"]) {
    if (edges.some(edge => edge.from === port || edge.to === port)) add(port, 10, 1);
  }
  addLeaves(group.leaves.slice(middle));
  // Layers: each part below all that it takes; a leaf just above the first that takes it.
  const into = new Map();
  for (const edge of edges) into.set(edge.to, [...(into.get(edge.to) ?? []), edge.from]);
  for (const part of group.parts) {
    const above = (into.get(part) ?? []).map(id => units.get(id).layer + (units.get(id).done || id === "in" || isLeaf(id) ? 1 : 0));
    Object.assign(units.get(part), { layer: Math.max(1, ...above), done: true });
  }
  for (const { unit } of group.leaves) {
    const below = edges.filter(edge => edge.from === unit).map(edge => units.get(edge.to).layer);
    units.get(unit).layer = Math.max(0, Math.min(...below) - 1);
  }
  if (units.has("out")) units.get("out").layer = 1 + Math.max(...[...units.values()].map(u => u.layer));
  // An edge over several layers goes through a thin unit in each.
  const routes = edges.map(edge => {
    const route = [edge.from];
    for (let layer = units.get(edge.from).layer + 1; layer < units.get(edge.to).layer; layer++) {
      const id = `bend ${edge.from}>${edge.to} ${layer}`;
      add(id, 8, 1);
      units.get(id).layer = layer;
      route.push(id);
    }
    route.push(edge.to);
    for (let k = 1; k < route.length; k++) {
      units.get(route[k - 1]).after.push(units.get(route[k]));
      units.get(route[k]).before.push(units.get(route[k - 1]));
    }
    return { edge, route };
  });
  const layers = [];
  for (const unit of units.values()) (layers[unit.layer] ??= []).push(unit);
  const rows = layers.filter(Boolean);
  place(rows);
  let y = HEAD;
  for (const row of rows) {
    const height = Math.max(...row.map(unit => unit.h));
    for (const unit of row) unit.y = y + (height - unit.h) / 2;
    y += height + (height > 1 || row.length > 1 ? BETWEEN : 8);
  }
  const left = Math.min(...[...units.values()].map(u => u.x - u.w / 2)) - PAD;
  for (const unit of units.values()) unit.x -= left;
  const title = group === root ? 0 : 50 + 7 * group.name.length;
  const right = Math.max(title, ...[...units.values()].map(u => u.x + u.w / 2)) + PAD;
  group.size = [right, y - BETWEEN + PAD + (units.has("out") ? 20 : 0)];
  for (const [port, height] of [["in", 0], ["out", group.size[1]]]) {  // in the middle of the frame
    if (units.has(port)) Object.assign(units.get(port), { x: right / 2, y: height, h: 0 });
  }
  Object.assign(group, { units, routes });
}

/** Order each row, and choose x (of the middle), so that units are near those they are joined to. */
function place(rows) {
  const weight = unit => (isLeaf(unit.id) ? 0.05 : 1);
  const mean = list => list.reduce((sum, unit) => sum + unit.x * weight(unit), 0) / list.reduce((sum, unit) => sum + weight(unit), 0);
  for (const row of rows) spread(row, row.map((_, k) => k * 100 - row.length * 50));
  for (let sweep = 0; sweep < 20; sweep++) {
    const down = sweep % 2 === 0, last = sweep > 7;
    for (const row of down ? rows : [...rows].reverse()) {
      const wish = unit => {
        const near = last ? [...unit.before, ...unit.after] : down ? unit.before : unit.after;
        return near.length ? mean(near) : unit.x;
      };
      const wishes = new Map(row.map(unit => [unit, wish(unit)]));
      if (!last) row.sort((a, b) => wishes.get(a) - wishes.get(b));
      spread(row, row.map(unit => wishes.get(unit)));
    }
  }
}

/** Give units in a row the x nearest to what they wish, without overlaps: where wishes are too near,
 * units stand side by side around the mean of their wishes. */
function spread(row, wishes) {
  const offsets = [0];
  for (let k = 1; k < row.length; k++) offsets[k] = offsets[k - 1] + (row[k - 1].w + row[k].w) / 2 + GAP;
  const blocks = [];
  row.forEach((unit, k) => {
    const weight = isLeaf(unit.id) ? 0.05 : unit.w <= 10 ? 0.3 : 1;
    blocks.push({ sum: (wishes[k] - offsets[k]) * weight, weight, size: 1 });
    while (blocks.length > 1 && blocks.at(-2).sum / blocks.at(-2).weight > blocks.at(-1).sum / blocks.at(-1).weight) {
      const { sum, weight: more, size } = blocks.pop();
      blocks.at(-1).sum += sum; blocks.at(-1).weight += more; blocks.at(-1).size += size;
    }
  });
  let k = 0;
  for (const { sum, weight, size } of blocks) {
    for (let j = 0; j < size; j++, k++) row[k].x = sum / weight + offsets[k];
  }
}

// -- The graph as elements ---------------------------------------------------------------------

const canvas = by("canvas"), pane = by("pane");
let boxes = new Map();  // the element of each unit that is drawn, by `unit`; leaves as well
let edgesDrawn = [];
let scale = 1, chosen = null, step = 0, focused = null;
const wrong = new Map();  // for each op, what begins there
for (const finding of findings) {
  const i = opAt(finding.step);
  wrong.set(i, [...(wrong.get(i) ?? []), finding]);
}
const shortName = finding => finding.kind.replace(/ in .*/, "").replace("vanishing gradient", "vanishes");

function drawGraph() {
  layOut(root);
  const [width, height] = root.size;
  boxes = new Map();
  edgesDrawn = [];
  const svg = draw("svg", { width, height, "aria-hidden": "true" });
  svg.append(draw("defs", {}, tip("tip", false), tip("tip-end", false), tip("tip-start", true)));
  const elements = [];
  drawGroup(root, 0, 0, elements, svg);
  canvas.replaceChildren(svg, ...elements);
  resize();
  mark();
}

function tip(id, reversed) {
  const marker = draw("marker", { id, viewBox: "0 0 8 8", refX: reversed ? 1 : 7, refY: 4, markerWidth: 7, markerHeight: 7, markerUnits: "userSpaceOnUse", orient: "auto" });
  marker.append(draw("path", { d: reversed ? "M8 0 0 4 8 8z" : "M0 0 8 4 0 8z" }));
  return marker;
}

function drawGroup(group, left, top, elements, svg) {
  const inOrder = [...group.units.values()].sort((a, b) => a.y - b.y || a.x - b.x);
  for (const unit of inOrder) {
    if (typeof unit.id === "string" && !unit.id.startsWith("leaf")) continue;
    const x = left + unit.x - unit.w / 2, y = top + unit.y;
    const inner = typeof unit.id === "number" && unit.id < 0 ? groupOf(unit.id) : null;
    const place = `left:${x}px;top:${y}px;width:${unit.w}px;height:${unit.h}px`;
    if (inner?.open) {
      const frame = make("div", { className: "frame" });
      frame.style.cssText = place;
      const head = make("button", { className: "head", type: "button", tabIndex: -1, textContent: `− ${inner.name}`, title: `Fold ${inner.name}` });
      head.style.cssText = `left:${x + 6}px;top:${y + 2}px;max-width:${unit.w - 12}px`;
      head.setAttribute("aria-expanded", "true");
      head.setAttribute("aria-label", `${inner.name}, unfolded, ${count(opsIn.get(inner).length, "op")}`);
      head.addEventListener("click", () => toggle(inner));
      boxes.set(unit.id, { element: head, frame });
      elements.push(frame, head);
      drawGroup(inner, x, y, elements, svg);
    } else elements.push(drawBox(unit.id, inner, place));
  }
  for (const { edge, route } of group.routes) {
    const points = route.map(id => group.units.get(id));
    let path = `M${left + points[0].x} ${top + points[0].y + points[0].h}`;
    for (let k = 1; k < points.length; k++) {
      const a = points[k - 1], b = points[k];
      const [y1, y2] = [top + a.y + a.h, top + b.y], bend = (y2 - y1) / 2;
      path += `C${left + a.x} ${y1 + bend} ${left + b.x} ${y2 - bend} ${left + b.x} ${y2}`;
      if (b.h > 1 && k < points.length - 1) path += `V${y2 + b.h}`;
    }
    const element = draw("path", { class: "edge", d: path });
    if (edge.to !== "out") element.setAttribute("marker-end", "url(#tip)");
    edgesDrawn.push({ element, edge });
    svg.append(element);
  }
}

function drawBox(unit, group, place) {
  const [name, below] = labelOf(unit);
  const leaf = typeof unit === "string" ? Number(unit.split(" ")[1]) : null;
  const kind = leaf !== null ? values[leaf].kind : group ? "module" : "op";
  const box = make("button", { className: `box ${kind}`, type: "button", tabIndex: -1, title: name },
    make("b", {}, group ? `+ ${name}` : name), make("small", {}, below));
  box.style.cssText = place;
  box.dataset.unit = unit;
  if (group) {
    box.setAttribute("aria-expanded", "false");
    box.addEventListener("click", () => toggle(group));
  } else if (leaf !== null) {
    box.setAttribute("aria-label", `${kind} ${values[leaf].name}, shape ${below}`);
    box.addEventListener("click", () => choose(leaf));
  } else {
    box.addEventListener("click", () => goTo(step >= n && visit.has(unit) ? visit.get(unit) : unit));
  }
  const inside = group ? opsIn.get(group) : unit >= 0 ? [unit] : [];
  const found = inside.length > 200 ? findings.filter(f => inside.includes(opAt(f.step))) : inside.flatMap(i => wrong.get(i) ?? []);
  if (found.length) {
    const text = [...new Set(found.map(shortName))].join(", ");
    box.append(make("span", { className: "badge" }, `! ${text}`));
  }
  boxes.set(unit, { element: box });
  return box;
}

function toggle(group) {
  group.open = !group.open;
  focused = group.part;
  drawGraph();
  boxes.get(group.part)?.element.focus({ preventScroll: true });
  keepInView(boxes.get(group.part)?.element);
}

/** The unit that is drawn for an op: itself, or the outermost folded group around it. */
function drawnFor(i) {
  const folded = pathOf[i].find(group => !group.open);
  return folded ? folded.part : i;
}

/** Show which ops are done, and which one is at work. */
function mark() {
  const now = opAt(step), inBackward = step >= n, current = drawnFor(now);
  document.body.classList.toggle("backward", inBackward);
  for (const [unit, { element, frame }] of boxes) {
    let forward = false, done = false, here = unit === current;
    if (typeof unit === "string") {
      const v = Number(unit.split(" ")[1]);
      done = inBackward && values[v].gradient && Math.max(...uses[v].map(i => visit.get(i) ?? 0)) <= step;
    } else {
      const inside = unit >= 0 ? [unit] : opsIn.get(groupOf(unit));
      forward = inBackward || inside.at(-1) <= step;
      done = inBackward && (visit.get(inside[0]) ?? Infinity) <= step;
      if (frame) here = pathOf[now].includes(groupOf(unit));
    }
    const target = frame ?? element;
    target.classList.toggle("forward", forward && !done);
    target.classList.toggle("backward", Boolean(done));
    target.classList.toggle("now", here);
    element.classList.toggle("chosen", chosen !== null && String(unit).startsWith(`leaf ${chosen} `));
    if (here && !frame) element.setAttribute("aria-current", "step"); else element.removeAttribute("aria-current");
    element.tabIndex = -1;
  }
  for (const { element, edge } of edgesDrawn) {
    const lit = inBackward ? edge.from === now || edge.users.get(now) === true : edge.users.has(now);
    element.classList.toggle("now", lit);
    if (edge.to !== "out") element.setAttribute("marker-end", lit ? (inBackward ? "" : "url(#tip-end)") : "url(#tip)");
    element.setAttribute("marker-start", lit && inBackward && edge.from !== "in" ? "url(#tip-start)" : "");
  }
  const stop = boxes.get(focused) ?? boxes.get(current) ?? boxes.values().next().value;
  stop.element.tabIndex = 0;
}

function keepInView(element) {
  if (!element) return;
  const a = element.getBoundingClientRect(), b = pane.getBoundingClientRect();
  const off = (low, high, from, to) => (low < from + 30 || high > to - 30 ? (low + high - from - to) / 2 : 0);
  const [x, y] = [off(a.left, a.right, b.left, b.right), off(a.top, a.bottom, b.top, b.bottom)];
  if (x || y) pane.scrollBy({ left: x, top: y, behavior: calm.matches || playing ? "instant" : "smooth" });
}

function resize() {
  const [width, height] = root.size;
  canvas.style.cssText = `width:${width * scale}px;height:${height * scale}px`;
  for (const child of canvas.children) {
    child.style.zoom = scale;
  }
}

function fit() {
  scale = Math.max(0.6, Math.min(1, (pane.clientWidth - 4) / root.size[0]));
  resize();
}

// -- Pictures of arrays ------------------------------------------------------------------------
// Colours: blue below 0, orange above, and the page's ground at 0; these differ for all kinds of
// colour blindness. Images in the data are grey or coloured.

const ENDS = { light: [[33, 102, 172], [247, 247, 247], [179, 88, 6]], dark: [[103, 169, 255], [24, 28, 34], [255, 157, 77]] };
const ODD = { 253: [0, 0, 0], 254: [0, 0, 0], 255: [255, 0, 190] };

function colourOf(t) {  // t from -1 to 1
  const [below, zero, above] = ENDS[dark.matches ? "dark" : "light"];
  const end = t < 0 ? below : above, part = Math.min(1, Math.abs(t)) ** 0.7;
  return zero.map((c, k) => Math.round(c + (end[k] - c) * part));
}

function summaryOf(picture, shape) {
  if (picture.least === undefined && !picture.nan && !picture.infinite) return "no elements";
  if (!shape.length && picture.numbers) return "";
  const parts = picture.least === undefined ? [] : [`min ${numberText(picture.least)}`, `mean ${numberText(picture.mean)}`, `max ${numberText(picture.greatest)}`];
  return parts.join(", ") + (picture.of ? ` of ${picture.of}` : "");
}

function oddText(picture) {
  return [picture.nan && `${picture.nan.toLocaleString("en")} NaN`, picture.infinite && `${picture.infinite.toLocaleString("en")} infinite`].filter(Boolean).join(", ");
}

function sampleText(picture) {
  if (!picture.codes) return picture.wrapped ? `in rows of ${picture.wrapped}` : "";
  const [total, rows, columns] = picture.whole, [down, across] = picture.steps, parts = [];
  const what = picture.image ? "image" : "matrix";
  if (total > 1) {
    const all = picture.tiles < total ? `the first ${picture.tiles > 1 ? `${picture.tiles} ` : ""}of ${total.toLocaleString("en")}` : `${total}`;
    parts.push(`${all} ${what === "image" ? "images" : "matrices"} of ${rows} × ${columns}`);
  }
  const every = (k, word) => (k > 1 ? `every ${k}${k === 2 ? "nd" : k === 3 ? "rd" : "th"} ${word}` : "");
  const kept = [every(down, "row"), every(across, "column")].filter(Boolean).join(" and ");
  if (kept) parts.push(`${kept} is shown`);
  return parts.join(", ");
}

/** Draw the codes of a picture, tile by tile, on a canvas. */
function paint(picture, label) {
  const { tiles, rows, columns } = picture, colours = picture.colours ?? 0;
  const codes = Uint8Array.from(atob(picture.codes), c => c.charCodeAt(0));
  const perRow = tiles === 1 ? 1 : Math.min(tiles, Math.ceil(Math.sqrt(tiles * rows / columns)));
  const line = tiles > 1 ? 1 : 0, [w, h] = [columns + line, rows + line];
  const width = perRow * w - line, height = Math.ceil(tiles / perRow) * h - line;
  const element = make("canvas", { className: "picture", width, height });
  const context = element.getContext("2d"), image = context.createImageData(width, height);
  const shade = Array.from({ length: 256 }, (_, c) => ODD[c] ?? colourOf((c - 126) / 126));
  for (let tile = 0, k = 0; tile < tiles; tile++) {
    const left = (tile % perRow) * w, top = Math.floor(tile / perRow) * h;
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
      let rgb;
      if (colours === 3) { rgb = [codes[k], codes[k + 1], codes[k + 2]]; k += 3; }
      else if (colours === 1) { rgb = [codes[k], codes[k], codes[k]]; k++; }
      else rgb = shade[codes[k++]];
      image.data.set([...rgb, 255], 4 * ((top + r) * width + left + c));
    }
  }
  context.putImageData(image, 0, 0);
  const times = Math.max(1, Math.min(14, Math.floor(340 / width) || 1, Math.floor(300 / height) || 1));
  element.style.width = `${width * times}px`;
  if (tiles === 1 && height * times < 50) element.style.height = `${Math.min(50, height * 14)}px`;  // a wide matrix
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", label);
  return element;
}

/** Say what the pointer is at: the place in the array, and the value, to the precision of a code. */
function readingAt(picture, element, event) {
  const { tiles, rows, columns, low, high, steps: [down, across] } = picture, colours = picture.colours ?? 1;
  const line = tiles > 1 ? 1 : 0, perRow = Math.floor((element.width + line) / (columns + line));
  const x = Math.floor(event.offsetX / element.clientWidth * element.width), y = Math.floor(event.offsetY / element.clientHeight * element.height);
  const [column, row] = [x % (columns + line), y % (rows + line)];
  const tile = Math.floor(y / (rows + line)) * perRow + Math.floor(x / (columns + line));
  if (tile >= tiles || column >= columns || row >= rows) return "\u00a0";
  const at = ((tile * rows + row) * columns + column) * colours, bytes = atob(picture.codes);
  const read = k => ({ 253: "−∞", 254: "∞", 255: "NaN" })[bytes.charCodeAt(k)] ?? numberText(+(low + bytes.charCodeAt(k) / 252 * high - bytes.charCodeAt(k) / 252 * low).toPrecision(3));
  const place = `row ${row * down}, column ${column * across}: about ${[...Array(colours).keys()].map(k => read(at + k)).join(", ")}`;
  return tiles > 1 ? `number ${tile}, ${place}` : place;
}

function legend(picture) {
  if (picture.colours) return null;
  const bar = make("i");
  const stops = [-1, -0.75, -0.5, -0.25, 0, 0.25, 0.5, 0.75, 1].map(t => `rgb(${colourOf(t)})`);
  bar.style.background = `linear-gradient(to right, ${stops})`;
  const parts = [make("span", {}, numberText(picture.low)), bar, make("span", {}, numberText(picture.high))];
  const swatch = colour => { const s = make("span", { className: "swatch" }); s.style.background = `rgb(${colour})`; return s; };
  if (picture.nan) parts.push(swatch(ODD[255]), "NaN");
  if (picture.infinite) parts.push(swatch(ODD[254]), "∞");
  return make("div", { className: "legend" }, ...parts);
}

function tableOf(picture, shape, label) {
  const { numbers, columns } = picture, most = Math.max(...numbers.map(x => (typeof x === "number" ? Math.abs(x) : 0))) || 1;
  const table = make("table");
  table.setAttribute("aria-label", label);
  for (let start = 0; start < numbers.length; start += columns) {
    const row = make("tr");
    if (picture.lead) {
      let rest = start / columns;
      const place = [...picture.lead].reverse().map(size => { const k = rest % size; rest = (rest - k) / size; return k; }).reverse();
      row.append(make("th", { scope: "row" }, `[${place}]`));
    }
    for (const x of numbers.slice(start, start + columns)) {
      const cell = make("td", {}, numberText(x));
      if (typeof x === "string") cell.className = "bad";
      else {
        const colour = colourOf(x / most);
        const light = 0.2126 * (colour[0] / 255) ** 2.2 + 0.7152 * (colour[1] / 255) ** 2.2 + 0.0722 * (colour[2] / 255) ** 2.2;
        cell.style.background = `rgb(${colour})`;
        cell.style.color = light > 0.18 ? "#000" : "#fff";
      }
      row.append(cell);
    }
    table.append(row);
  }
  return scrolling(table, label);
}

/** Wrap what may be too wide, so that keys can scroll it where it is. */
function scrolling(element, label) {
  const wrap = make("div", { className: "scroll" }, element);
  requestAnimationFrame(() => {
    if (wrap.scrollWidth > wrap.clientWidth) {
      wrap.tabIndex = 0;
      wrap.setAttribute("role", "group");
      wrap.setAttribute("aria-label", label);
    }
  });
  return wrap;
}

function figureOf(word, picture, shape, className = "") {
  const label = [word, summaryOf(picture, shape), oddText(picture), sampleText(picture)].filter(Boolean).join(", ");
  const figure = make("figure", { className });
  if (picture.numbers) figure.append(tableOf(picture, shape, label));
  if (picture.codes) {
    const canvas = paint(picture, label), bar = legend(picture), reading = make("div", { className: "reading" }, "\u00a0");
    canvas.addEventListener("pointermove", event => { reading.textContent = readingAt(picture, canvas, event); });
    canvas.addEventListener("pointerleave", () => { reading.textContent = "\u00a0"; });
    figure.append(...[canvas, bar, reading].filter(Boolean));
  }
  const odd = oddText(picture), caption = make("figcaption", {}, make("b", {}, word), " ", summaryOf(picture, shape));
  if (odd) caption.append(" ", make("span", { className: "bad" }, odd));
  if (sampleText(picture)) caption.append(make("br"), sampleText(picture));
  const greatest = Math.max(Math.abs(picture.least ?? 1), Math.abs(picture.greatest ?? 1));
  if (className === "gradient" && !odd && greatest <= data.vanished) {
    caption.append(" ", make("span", { className: "bad" }, greatest ? "vanished" : "all zero"));
  }
  figure.prepend(caption);
  return figure;
}

function card(title, v, withGradient) {
  const value = values[v], name = value.name ? ` ${value.name}` : "";
  const pair = make("div", { className: "pair" });
  if (withGradient && value.gradient) pair.append(figureOf("gradient", value.gradient, value.shape, "gradient"));
  pair.append(figureOf("value", value.value, value.shape));
  const about = [value.kind === "result" ? "" : value.kind, `${value.dtype} ${shapeText(value.shape)}`, bytesText(value.bytes)].filter(Boolean).join(", ");
  const element = make("article", { className: "card" }, make("h3", {}, title, name ? make("span", {}, `:${name}`) : null, " ", make("span", { className: "kind" }, about)), pair);
  if (withGradient && !value.gradient) element.append(make("p", { className: "where" }, "No gradient: nothing that this depends on requires one, or the loss does not depend on it."));
  const used = new Set(uses[v]).size;
  if (withGradient && value.gradient && used > 1) element.append(make("p", { className: "where" }, `The gradient is the sum over ${used} ops that use this value.`));
  return element;
}

// -- The panel: an op, or a leaf -----------------------------------------------------------------

function whereText(i) {
  const names = pathOf[i].slice(1).map(group => group.name);
  return names.length ? `in ${names.join(" › ")}` : "";
}

function showOp() {
  const i = opAt(step), op = ops[i], kind = kinds[op.kind], inBackward = step >= n;
  const panel = [make("h2", { id: "title" }, op.op, make("span", { className: "chip" }, inBackward ? "backward" : "forward"))];
  if (whereText(i)) panel.push(make("p", { className: "where" }, whereText(i)));
  if (kind.doc) panel.push(make("p", {}, ...kind.doc.split("`").map((text, k) => (k % 2 ? make("code", {}, text) : text))));
  for (const finding of wrong.get(i) ?? []) panel.push(make("p", { className: "alarm" }, finding.text));
  if (kind.formulas) {
    const [there, back] = kind.formulas;
    panel.push(make("div", { className: "formula" },
      make("div", { className: inBackward ? "" : "now" }, make("span", {}, "forward "), there),
      make("div", { className: inBackward ? "now" : "" }, make("span", {}, "backward "), back)));
  }
  const cards = make("div");
  const inputs = op.inputs.map((v, k) => [op.names[k], v]);
  const outputs = op.outputs.map((v, k) => [op.outputs.length > 1 ? `output y${k}` : "output y", v]);
  const cardOf = ([title, v]) => (typeof v === "number" ? card(title, v, inBackward)
    : make("article", { className: "card" }, make("h3", {}, title, " ", make("span", { className: "kind" }, `the number ${v}`))));
  const asInput = ([name, v]) => cardOf([`input ${name}`, v]);
  cards.append(...(inBackward ? [...outputs.map(cardOf), ...inputs.map(asInput)] : [...inputs.map(asInput), ...outputs.map(cardOf)]));
  panel.push(cards);
  const saved = make("dl");
  for (const [name, text] of op.saved) saved.append(make("dt", {}, name), make("dd", {}, text));
  panel.push(make("section", {}, make("h3", {}, "Saved in the context, from forward for backward"), op.saved.length ? saved : make("p", { className: "where" }, "Nothing.")));
  panel.push(sourceOf(op.op, kind, inBackward));
  by("panel").replaceChildren(...panel);
}

function sourceOf(name, kind, inBackward) {
  const details = make("details", { open: sourceOpen }, make("summary", {}, `Source: ${kind.file}`));
  details.addEventListener("toggle", () => { sourceOpen = details.open; });
  const parts = kind.source.map((source, k) => [["forward", "backward"][k], source]);
  for (const [word, source] of inBackward ? parts.reverse() : parts) {
    if (!source) { details.append(make("p", { className: "where" }, `${word}: its file is not at hand`)); continue; }
    const pre = make("pre", { tabIndex: 0 }, source[1]);
    pre.setAttribute("role", "group");
    pre.setAttribute("aria-label", `Source of ${name}, ${word}`);
    details.append(make("p", { className: "where" }, `${word}, from line ${source[0]}`), pre);
  }
  return details;
}
let sourceOpen = true;

function choose(v) {
  chosen = v;
  const value = values[v];
  by("panel").replaceChildren(
    make("h2", { id: "title" }, value.name || value.kind, make("span", { className: "chip" }, value.kind)),
    make("p", { className: "where" }, `Used by ${[...new Set(uses[v].map(i => ops[i].op))].join(", ")}. An arrow key goes on with the steps.`),
    card(value.kind, v, true));
  by("step").textContent = `${value.kind} ${value.name}, ${shapeText(value.shape)}`;
  mark();
}

// -- Curves ----------------------------------------------------------------------------------------

function curve(into, heights, offset) {
  const svg = draw("svg", { viewBox: `0 0 ${Math.max(steps, 1)} 100`, preserveAspectRatio: "none", "aria-hidden": "true" });
  const skip = Math.ceil(heights.length / 2000), points = [];
  for (let k = 0; k < heights.length; k += skip) {
    let y = heights[k];
    for (let j = k; j < Math.min(k + skip, heights.length); j++) y = Math.max(y, heights[j]);
    points.push(`${offset + k} ${96 - 90 * y}`, `${Math.min(offset + k + skip, steps)} ${96 - 90 * y}`);
  }
  if (points.length) {
    svg.append(draw("path", { class: "area", d: `M${offset} 100L${points.join("L")}V100z` }), draw("path", { class: "curve", d: `M${points.join("L")}` }));
  }
  svg.append(draw("line", { class: "turn", x1: n, x2: n, y1: 0, y2: 100 }));
  for (const { step } of findings) svg.append(draw("line", { class: "wrong", x1: step + 0.5, x2: step + 0.5, y1: 0, y2: 100 }));
  const here = draw("line", { class: "here", y1: 0, y2: 100 });
  svg.append(here);
  into.append(svg);
  return here;
}
const most = Math.max(...data.memory, 1);
const heres = [curve(by("memory"), data.memory.map(bytes => bytes / most), 0)];
const logs = data.largest.map(x => (x === "nan" || x === "inf" ? NaN : Math.log10(Math.max(x, 1e-30))));
const finite = logs.filter(x => x > -30), low = Math.min(...finite, 0) - 0.5, high = Math.max(...finite, 0) + 0.5;
heres.push(curve(by("gradient"), logs.map(x => (Number.isNaN(x) ? 1 : Math.max(0, (x - low) / (high - low)))), n));

// -- Steps -----------------------------------------------------------------------------------------

let playing = null;

function stepText() {
  const i = opAt(step), op = ops[i], inBackward = step >= n;
  const shapes = op.outputs.map(v => shapeText(values[v].shape)).join(" and ");
  const found = findings.filter(f => f.step === step).map(f => ` ${f.text}.`).join("");
  return `Step ${step + 1} of ${steps}, ${inBackward ? "backward" : "forward"}: ${op.op}, ${inBackward ? "gradient" : "output"} ${shapes}${found}`;
}

function goTo(to, { fromSlider = false } = {}) {
  step = Math.max(0, Math.min(steps - 1, to));
  chosen = null;
  if (!fromSlider) by("slider").value = step;
  by("slider").setAttribute("aria-valuetext", stepText());
  by("step").textContent = stepText();
  const now = opAt(step);
  let changed = false;
  if (by("follow").checked) {
    for (const group of groups) if (group.byItself && !pathOf[now].includes(group)) { group.open = group.byItself = false; changed = true; }
    for (const group of pathOf[now]) if (!group.open) { group.open = group.byItself = changed = true; }
  }
  if (changed) drawGraph(); else mark();
  keepInView(boxes.get(drawnFor(now))?.element);
  showOp();
  by("memory-now").textContent = `${bytesText(data.memory[step])} of ${bytesText(most)}`;
  const gradient = step < n ? null : data.largest[step - n];
  by("gradient-now").textContent = gradient === null ? "after forward" : numberText(gradient);
  for (const here of heres) { here.setAttribute("x1", step + 0.5); here.setAttribute("x2", step + 0.5); }
  for (const id of ["first", "back"]) by(id).disabled = step === 0;
  for (const id of ["next", "last"]) by(id).disabled = step === steps - 1;
}

function play(on) {
  clearInterval(playing);
  if (on && step === steps - 1) goTo(0);
  playing = on ? setInterval(() => (step < steps - 1 ? goTo(step + 1) : play(false)), Math.max(60, Math.min(700, 60000 / steps))) : null;
  by("play").textContent = on ? "⏸ Pause" : "▶ Play";
  by("play").setAttribute("aria-label", on ? "Pause" : "Play");
  by("step").setAttribute("aria-live", on ? "off" : "polite");
}

const actions = { first: () => goTo(0), back: () => goTo(step - 1), next: () => goTo(step + 1), last: () => goTo(steps - 1) };
for (const [id, action] of Object.entries(actions)) by(id).addEventListener("click", () => { play(false); action(); });
by("play").addEventListener("click", () => play(!playing));
by("slider").addEventListener("input", event => { play(false); goTo(Number(event.target.value), { fromSlider: true }); });
const keys = { ArrowLeft: "back", ArrowRight: "next", Home: "first", End: "last" };
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  const at = event.target;
  if (at === by("slider") && event.key !== " ") return;
  if (keys[event.key]) {
    if (at.scrollWidth > at.clientWidth && at.matches(".scroll, pre") && event.key.startsWith("Arrow")) return;
    event.preventDefault();
    play(false);
    actions[keys[event.key]]();
  } else if (event.key === " " && !at.matches("button, summary, input[type=checkbox]")) {
    event.preventDefault();
    play(!playing);
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && pane.contains(at) && at !== pane) {
    event.preventDefault();
    const all = [...boxes.entries()], here = all.findIndex(([, { element }]) => element === at);
    const [unit, { element }] = all[Math.max(0, Math.min(all.length - 1, here + (event.key === "ArrowDown" ? 1 : -1)))];
    at.tabIndex = -1;
    element.tabIndex = 0;
    focused = unit;
    element.focus({ preventScroll: true });
    keepInView(element);
  }
});
pane.addEventListener("focusin", event => {
  const entry = [...boxes.entries()].find(([, { element }]) => element === event.target);
  if (entry) focused = entry[0];
});

function openAll(open) {
  for (const group of groups) { group.open = open; group.byItself = false; }
  drawGraph();
  keepInView(boxes.get(drawnFor(opAt(step)))?.element);
}
by("unfold").addEventListener("click", () => openAll(true));
by("fold").addEventListener("click", () => openAll(false));
by("unfold").disabled = n > 1000;
if (n > 1000) by("unfold").title = "Too many ops: unfold groups one by one";
for (const id of ["unfold", "fold"]) by(id).hidden = !groups.length;
by("follow").parentElement.hidden = !groups.length;
by("follow").addEventListener("change", () => goTo(step));
by("smaller").addEventListener("click", () => { scale = Math.max(0.3, scale / 1.25); resize(); });
by("larger").addEventListener("click", () => { scale = Math.min(2, scale * 1.25); resize(); });
dark.addEventListener("change", () => (chosen === null ? showOp() : choose(chosen)));

// -- Start: unfold the outer modules as long as few boxes are drawn; the innermost stay folded --------

for (let level = [root], drawn = root.parts.length; ;) {
  const next = level.flatMap(group => group.parts.filter(part => part < 0).map(groupOf)).filter(group => group.module && group.parts.some(part => part < 0));
  drawn += next.reduce((sum, group) => sum + group.parts.length, 0);
  if (!next.length || drawn > 18) break;
  for (const group of next) group.open = true;
  level = next;
}
const parameters = values.filter(value => value.kind === "parameter");
const numbers = parameters.reduce((sum, value) => sum + value.shape.reduce((a, b) => a * b, 1), 0);
by("about").textContent = `${data.loss}: ${count(n, "op")}, ${count(parameters.length, "parameter")} with ${count(numbers, "number")}, on ${data.backend}`;
document.title = `Backprop, seen: ${data.loss}`;
for (const finding of findings) {
  const button = make("button", { type: "button" }, `! ${finding.text}: go to step ${finding.step + 1}`);
  button.addEventListener("click", () => { play(false); goTo(finding.step); });
  by("findings").append(make("li", {}, button));
}
by("slider").max = steps - 1;
for (const [k, span] of [...document.querySelectorAll(".phases span")].entries()) span.style.width = `${100 * (k ? steps - n : n) / steps}%`;
drawGraph();
fit();
goTo(0);
addEventListener("resize", fit);
performance.mark("ready");
