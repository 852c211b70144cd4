// The graph of the page of gradcore.show: the data, what belongs where, and the layout. A step is a number:
// steps 0 to n - 1 are the ops in the order of the forward pass, the others the ops in that of the
// backward pass.

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
    for (const [group, inside] of Map.groupBy(users, i => pathOf[i].at(-1))) {
      for (const few of inside.length > 3 ? inside.map(i => [i]) : [inside]) addLeaf(group, v, few);
    }
  } else {  // once, outside of the modules that use it
    let shared = pathOf[users[0]];
    for (const i of users) shared = shared.filter((group, k) => pathOf[i][k] === group);
    const module = shared.findIndex(group => group.module);
    addLeaf(module < 0 ? shared.at(-1) : shared[module - 1], v, users);
  }
});
function addLeaf(group, v, users) {
  const leaf = `leaf ${v} ${group === root ? "root" : -1 - group.part} ${group.leaves.length}`;
  group.leaves.push({ unit: leaf, v });
  const path = group === root ? [root] : [...around(group.part), group];
  for (const i of users) connect(path, leaf, i, v);
}

// -- Layout: layers from top to bottom ---------------------------------------------------------

const GAP = 18, BETWEEN = 34, PAD = 14, HEAD = 22;
const ruler = document.createElement("canvas").getContext("2d");
ruler.font = `bold 13.5px ${getComputedStyle(document.body).fontFamily}`;
const widthOf = (...texts) => Math.max(84, Math.min(240, 36 + Math.max(...texts.map(t => ruler.measureText(t).width))));

function labelOf(unit) {
  if (typeof unit === "string") {
    const [, v, place] = unit.split(" "), value = values[v], group = place === "root" ? root : groups[place];
    const inside = [...(group === root ? [] : around(group.part)), group].findLast(g => g.path && value.name.startsWith(`${g.path}.`));
    if (!value.name && value.value.numbers?.length === 1) return [numberText(value.value.numbers[0]), shapeText(value.shape)];
    return [(inside ? value.name.slice(inside.path.length + 1) : value.name) || value.kind, shapeText(value.shape)];
  }
  if (unit >= 0) {
    const outputs = ops[unit].outputs.map(v => shapeText(values[v].shape));
    const formula = kinds[ops[unit].kind].formulas?.[0].split(/,? {2}/)[0].replace("y = ", "");
    const shapes = outputs.length > 2 ? `${outputs.length} outputs` : outputs.join(" ");
    return [ops[unit].op, ...(formula?.length <= 26 ? [formula] : []), shapes];
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
    } else add(part, widthOf(...labelOf(part)), 12 + 14 * labelOf(part).length);
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
