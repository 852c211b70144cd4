// The page of gradcore.show: drawing the graph, the panel on the right, the curves, and what keys and
// buttons do. The files graph.js and arrays.js stand before this one, in the same program.

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
  const [name, ...below] = labelOf(unit);
  const leaf = typeof unit === "string" ? Number(unit.split(" ")[1]) : null;
  const kind = leaf !== null ? values[leaf].kind : group ? "module" : "op";
  const box = make("button", { className: `box ${kind}`, type: "button", tabIndex: -1, title: name },
    make("b", {}, group ? `+ ${name}` : name), ...below.map(line => make("small", {}, line)));
  box.style.cssText = place;
  box.dataset.unit = unit;
  if (group) {
    box.setAttribute("aria-expanded", "false");
    box.addEventListener("click", () => toggle(group));
  } else if (leaf !== null) {
    box.setAttribute("aria-label", `${kind}${name === kind ? "" : ` ${name}`}, shape ${below[0]}`);
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

// -- The panel: an op, or a leaf -----------------------------------------------------------------

function whereText(i) {
  const names = pathOf[i].slice(1).map(group => group.name);
  return names.length ? `in ${names.join(" › ")}` : "";
}

/** Write each of several equations in a line of its own. */
const lines = equations => make("div", {}, equations.replace(/,? {2}/g, "\n"));

function showOp() {
  const i = opAt(step), op = ops[i], kind = kinds[op.kind], inBackward = step >= n;
  const panel = [make("h2", { id: "title" }, op.op, " ", make("span", { className: "chip" }, inBackward ? "backward" : "forward"))];
  if (whereText(i)) panel.push(make("p", { className: "where" }, whereText(i)));
  if (kind.doc) panel.push(make("p", {}, ...kind.doc.split("`").map((text, k) => (k % 2 ? make("code", {}, text) : text))));
  for (const finding of wrong.get(i) ?? []) panel.push(make("p", { className: "alarm" }, finding.text));
  if (kind.formulas) {
    const [there, back] = kind.formulas;
    panel.push(make("div", { className: "formula" },
      make("div", { className: inBackward ? "" : "now" }, make("span", {}, "forward "), lines(there)),
      make("div", { className: inBackward ? "now" : "" }, make("span", {}, "backward "), lines(back)),
      make("small", {}, "Here go means ∂loss/∂y, the gradient of the output, and gx means ∂loss/∂x.")));
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
    make("h2", { id: "title" }, value.name || value.kind, " ", make("span", { className: "chip" }, value.kind)),
    make("p", { className: "where" }, `Used by ${[...new Set(uses[v].map(i => ops[i].op))].join(", ")}. An arrow key goes on with the steps.`),
    card(value.kind, v, true));
  by("step").textContent = `${value.kind}${value.name && ` ${value.name}`}, ${shapeText(value.shape)}`;
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
