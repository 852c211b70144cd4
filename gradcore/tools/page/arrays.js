// Arrays in the page of gradcore.show: as tables of numbers, heat maps or images.

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
  if (withGradient && value.gradient) pair.append(figureOf(title.startsWith("output y") ? `gradient go${title.slice(8)}` : "gradient", value.gradient, value.shape, "gradient"));
  pair.append(figureOf("value", value.value, value.shape));
  const about = [value.kind === "result" ? "" : value.kind, `${value.dtype} ${shapeText(value.shape)}`, bytesText(value.bytes)].filter(Boolean).join(", ");
  const element = make("article", { className: "card" }, make("h3", {}, title, name ? make("span", {}, `:${name}`) : null, " ", make("span", { className: "kind" }, about)), pair);
  if (withGradient && !value.gradient) element.append(make("p", { className: "where" }, "No gradient: nothing that this depends on requires one, or the loss does not depend on it."));
  const used = new Set(uses[v]).size;
  if (withGradient && value.gradient && used > 1) element.append(make("p", { className: "where" }, `The gradient is the sum over ${used} ops that use this value.`));
  return element;
}
