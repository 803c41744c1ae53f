(() => {
"use strict";
// One time axis for all charts: zooming or pointing at one moves them all. Every number comes from #data.
const data = JSON.parse(document.getElementById("data").textContent);
const times = data.times;
const last = times.length - 1;
const PAD = {left: 8, right: 64, top: 8, bottom: 20};
const SVG = "http://www.w3.org/2000/svg";
const view = {from: times[0] ?? 0, to: times[last] ?? 0};
const charts = [];
let cursor = null;
let picked = 0;

const clamp = (x, low, high) => Math.min(high, Math.max(low, x));

function node(parent, name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

// The first index whose time is not before t.
function indexAt(t) {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < t) low = middle + 1; else high = middle;
  }
  return low;
}

function nearest(t) {
  const after = clamp(indexAt(t), 0, last);
  const before = Math.max(0, after - 1);
  return t - times[before] < times[after] - t ? before : after;
}

function steps(low, high, count) {
  const raw = (high - low) / count || 1;
  const scale = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((m) => m * scale >= raw * 0.999) * scale;
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) ticks.push(k * step);
  return {ticks, decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9))};
}

const CLOCK = [1, 2, 5, 10, 20, 50, 100, 200, 500].concat(
  [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200,
   86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000].map((s) => s * 1000));

function clock(t, step) {
  const iso = new Date(data.start_ms + t).toISOString();
  if (step >= 86400000) return iso.slice(0, 10);
  if (step >= 60000) return view.to - view.from > 86400000 ? iso.slice(5, 16).replace("T", " ") : iso.slice(11, 16);
  return step >= 1000 ? iso.slice(11, 19) : iso.slice(11, 23);
}

function timeTicks(count) {
  const raw = (view.to - view.from) / count;
  const step = CLOCK.find((s) => s >= raw * 0.7) || CLOCK[CLOCK.length - 1];
  const ticks = [];
  const first = Math.ceil((data.start_ms + view.from) / step) * step - data.start_ms;
  for (let t = first; t <= view.to; t += step) ticks.push([t, clock(t, step)]);
  return ticks;
}

function number(value, decimals) {
  if (value === null || value === undefined) return "–";
  const text = Math.abs(value).toLocaleString("en-US", {minimumFractionDigits: decimals, maximumFractionDigits: decimals});
  return (value < 0 && Number(text.replace(/,/g, "")) !== 0 ? "−" : "") + text;
}

// What is drawn: [index, value] pairs; where points are closer than pixels, the lowest and highest of each pixel.
function visible(values, width) {
  const from = Math.max(0, indexAt(view.from) - 1), to = Math.min(last, indexAt(view.to) + 1);
  const kept = [];
  const all = to - from <= width * 2;
  let pixel = -1, low = -1, high = -1;
  const flush = () => {
    if (low < 0) return;
    kept.push(Math.min(low, high));
    if (low !== high) kept.push(Math.max(low, high));
  };
  for (let i = from; i <= to; i++) {
    if (all) { kept.push(i); continue; }
    const at = Math.floor((times[i] - view.from) / (view.to - view.from) * width);
    if (at !== pixel) { flush(); pixel = at; low = high = -1; }
    if (values[i] === null) continue;
    if (low < 0 || values[i] < values[low]) low = i;
    if (high < 0 || values[i] > values[high]) high = i;
  }
  if (!all) flush();
  return kept;
}

class Chart {
  constructor(figure) {
    this.figure = figure;
    this.kind = figure.dataset.chart;
    this.height = Number(figure.dataset.height) || 200;
    this.output = figure.querySelector("output");
    this.plot = figure.querySelector(".plot");
    this.svg = node(this.plot, "svg", {"aria-hidden": "true"});
    this.base = node(this.svg, "g", {});
    this.over = node(this.svg, "g", {});
    this.tip = document.createElement("div");
    this.tip.className = "tip";
    this.tip.hidden = true;
    figure.append(this.tip);
    this.listen();
  }

  series() {
    const traded = data.instruments[picked];
    switch (this.kind) {
      case "equity": return [
        {name: "before fees", values: data.gross, look: "thin dashed s-soft", decimals: data.decimals},
        {name: "net", values: data.equity, look: "s-main", area: "f-main", decimals: data.decimals}];
      case "drawdown": return [
        {name: "below the peak", values: data.drawdown, look: "thin s-loss", area: "f-loss", decimals: data.decimals}];
      case "price": return [{name: "mid", values: traded.mid, look: "thin s-ink", decimals: traded.price_decimals}];
      default: return [
        {name: "position", values: traded.position, look: "thin s-main", area: "f-main", step: true,
         decimals: traded.quantity_decimals}];
    }
  }

  x(t) { return PAD.left + (t - view.from) / (view.to - view.from || 1) * this.inner; }
  y(v) { return PAD.top + (this.high - v) / (this.high - this.low || 1) * (this.height - PAD.top - PAD.bottom); }
  time(x) { return view.from + clamp((x - PAD.left) / this.inner, 0, 1) * (view.to - view.from); }

  marks() {
    if (this.kind !== "price") return [];
    const traded = data.instruments[picked];
    return traded.fills.filter((f) => f[0] >= view.from && f[0] <= view.to);
  }

  range() {
    let low = Infinity, high = -Infinity;
    const see = (v) => { if (v !== null) { low = Math.min(low, v); high = Math.max(high, v); } };
    for (const line of this.lines) for (const i of line.points) see(line.values[i]);
    for (const fill of this.marks()) see(fill[1]);
    if (this.kind !== "price") see(0);
    if (low > high) { low = 0; high = 1; }
    const room = (high - low) * 0.06 || Math.abs(high) * 0.01 || 1;
    this.low = this.kind !== "price" && low === 0 ? 0 : low - room;
    this.high = this.kind !== "price" && high === 0 ? 0 : high + room;
  }

  draw() {
    this.width = Math.max(240, this.plot.clientWidth);
    this.inner = this.width - PAD.left - PAD.right;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.svg.setAttribute("height", this.height);
    this.lines = this.series().map((line) => ({...line, points: visible(line.values, this.inner)}));
    this.range();
    this.base.replaceChildren();
    this.axes();
    for (const line of this.lines) this.line(line);
    this.fills();
    this.point();
  }

  axes() {
    const {ticks, decimals} = steps(this.low, this.high, this.height > 150 ? 5 : 4);
    for (const v of ticks) {
      const y = Math.round(this.y(v)) + 0.5;
      const zero = v === 0 && this.kind !== "price";
      node(this.base, "line", {class: zero ? "zero" : "gridline", x1: PAD.left, x2: this.width - PAD.right, y1: y, y2: y});
      node(this.base, "text", {x: this.width - PAD.right + 6, y: y + 4}, number(v, decimals));
    }
    for (const [t, label] of timeTicks(Math.max(2, Math.floor(this.inner / 110)))) {
      const x = this.x(t);
      node(this.base, "line", {class: "gridline", x1: Math.round(x) + 0.5, x2: Math.round(x) + 0.5, y1: PAD.top, y2: this.height - PAD.bottom});
      if (x > 26 && x < this.width - PAD.right + 12) {
        node(this.base, "text", {x, y: this.height - 5, "text-anchor": "middle"}, label);
      }
    }
    const id = `clip-${this.kind}`;
    const clip = node(this.base, "clipPath", {id});
    node(clip, "rect", {x: PAD.left, y: 0, width: this.inner, height: this.height});
    this.inside = node(this.base, "g", {"clip-path": `url(#${id})`});
  }

  line({values, points, look, area, step}) {
    let path = "", open = false, first = 0, end = 0, fill = "";
    const zero = this.y(clamp(0, this.low, this.high)).toFixed(1);
    const close = () => { if (open) fill += `L${end} ${zero}L${first} ${zero}Z`; open = false; };
    for (const i of points) {
      if (values[i] === null) { close(); continue; }
      const x = this.x(times[i]).toFixed(1), y = this.y(values[i]).toFixed(1);
      const piece = open ? (step ? `H${x}V${y}` : `L${x} ${y}`) : `M${x} ${y}`;
      if (!open) first = x;
      open = true; end = x; path += piece; fill += piece;
    }
    close();
    if (area) node(this.inside, "path", {class: `area ${area}`, d: fill});
    node(this.inside, "path", {class: `trace ${look}`, d: path});
  }

  fills() {
    const marks = this.marks();
    const r = marks.length > 600 ? 2.4 : marks.length > 150 ? 3.4 : 4.6;
    const group = node(this.inside, "g", {class: "marks"});
    const shapes = {};
    for (const [t, price, , side, maker] of marks) {
      const x = this.x(t), y = this.y(price), s = side > 0 ? 1 : -1;
      const look = `${s > 0 ? "mark-buy" : "mark-sell"}${maker ? "" : " mark-taker"}`;
      shapes[look] = (shapes[look] || "") +
        `M${x.toFixed(1)} ${(y - s * r).toFixed(1)}l${r} ${s * 2 * r}h${-2 * r}Z`;
    }
    for (const look in shapes) node(group, "path", {class: look, d: shapes[look]});
  }

  // The crosshair, the dots on the lines and the words above the chart.
  point() {
    this.over.replaceChildren();
    if (this.drag) {
      const [a, b] = this.drag;
      node(this.over, "rect", {class: "brush", x: Math.min(a, b), y: PAD.top, width: Math.abs(a - b), height: this.height - PAD.top - PAD.bottom});
    }
    this.output.replaceChildren();
    const i = cursor ?? clamp(indexAt(view.to), 0, last);
    const say = (text, strong) => {
      const word = document.createElement(strong ? "i" : "span");
      word.textContent = text;
      this.output.append(word, " ");
    };
    if (cursor !== null) say(clock(times[i], 1) + " UTC");
    for (const line of this.lines) {
      if (this.lines.length > 1) say(line.name);
      say(number(line.values[i], line.decimals), true);
    }
    if (cursor === null || times[i] < view.from || times[i] > view.to) return;
    const x = Math.round(this.x(times[i])) + 0.5;
    node(this.over, "line", {class: "cross", x1: x, x2: x, y1: PAD.top, y2: this.height - PAD.bottom});
    for (const line of this.lines) {
      if (line.values[i] !== null) node(this.over, "circle", {class: "dot", cx: x, cy: this.y(line.values[i]), r: 3});
    }
  }

  tell(x, y) {
    let best = null, distance = 14;
    for (const fill of this.marks()) {
      const d = Math.hypot(this.x(fill[0]) - x, this.y(fill[1]) - y);
      if (d < distance) { best = fill; distance = d; }
    }
    this.tip.hidden = !best;
    if (!best) return;
    const [t, price, quantity, side, maker, rule, order] = best;
    const traded = data.instruments[picked];
    this.tip.textContent = `${side > 0 ? "Bought" : "Sold"} ${quantity} at ${number(price, traded.price_decimals)}, ` +
      `${maker ? "maker" : "taker"}\n${clock(t, 1)} UTC\n${data.rules[rule]}\n${order}`;
    const left = this.x(t) + 12;
    this.tip.style.left = `${left > this.width - 250 ? Math.max(0, left - 270) : left}px`;
    this.tip.style.top = `${this.plot.offsetTop + this.y(price) + 12}px`;
  }

  listen() {
    const where = (event) => {
      const box = this.svg.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    this.plot.addEventListener("pointerdown", (event) => {
      if (event.button || event.pointerType === "touch") return;
      const [x] = where(event);
      this.drag = [x, x];
      this.plot.setPointerCapture(event.pointerId);
    });
    this.plot.addEventListener("pointermove", (event) => {
      const [x, y] = where(event);
      if (this.drag) this.drag[1] = clamp(x, PAD.left, this.width - PAD.right);
      moveTo(nearest(this.time(x)));
      this.tell(x, y);
    });
    this.plot.addEventListener("pointerup", () => {
      const drag = this.drag;
      this.drag = null;
      if (drag && Math.abs(drag[0] - drag[1]) > 6) zoomTo(this.time(Math.min(...drag)), this.time(Math.max(...drag)));
      else this.point();
    });
    this.plot.addEventListener("pointerleave", () => { if (!this.drag) { this.tip.hidden = true; moveTo(null); } });
    this.plot.addEventListener("dblclick", reset);
    this.plot.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      zoomBy(event.deltaY < 0 ? 0.7 : 1 / 0.7, this.time(where(event)[0]));
    }, {passive: false});
    this.plot.addEventListener("keydown", (event) => {
      const act = KEYS[event.key];
      if (!act) return;
      event.preventDefault();
      act(event.shiftKey ? 10 : 1);
    });
    this.plot.addEventListener("blur", () => moveTo(null));
  }
}

function middle() { return cursor === null ? (view.from + view.to) / 2 : times[cursor]; }

const KEYS = {
  ArrowLeft: (n) => walk(-n), ArrowRight: (n) => walk(n),
  "+": () => zoomBy(0.7, middle()), "=": () => zoomBy(0.7, middle()), "-": () => zoomBy(1 / 0.7, middle()),
  "0": () => reset(), Escape: () => reset(), Home: () => moveTo(0), End: () => moveTo(last),
};

function walk(n) {
  const i = clamp((cursor ?? nearest(n > 0 ? view.from : view.to)) + n, 0, last);
  const span = view.to - view.from;
  if (times[i] < view.from) zoomTo(times[i], times[i] + span);
  if (times[i] > view.to) zoomTo(times[i] - span, times[i]);
  moveTo(i);
}

function moveTo(i) {
  cursor = i;
  for (const chart of charts) chart.point();
}

function zoomTo(from, to) {
  const least = Math.max(1, (times[last] - times[0]) / 5000);
  if (to - from < least) { const m = (from + to) / 2; from = m - least / 2; to = m + least / 2; }
  view.from = clamp(from, times[0], times[last]);
  view.to = clamp(to, times[0], times[last]);
  redraw();
}

function zoomBy(factor, at) { zoomTo(at - (at - view.from) * factor, at + (view.to - at) * factor); }
function reset() { zoomTo(times[0], times[last]); }
function redraw() { for (const chart of charts) chart.draw(); }

function themes() {
  const button = document.getElementById("theme");
  const names = ["auto", "light", "dark"];
  let at = 0;
  button.addEventListener("click", () => {
    at = (at + 1) % names.length;
    if (at) document.documentElement.dataset.theme = names[at];
    else delete document.documentElement.dataset.theme;
    button.textContent = `Theme: ${names[at]}`;
  });
}

function tools() {
  const on = (id, act) => document.getElementById(id)?.addEventListener("click", act);
  on("zoom-in", () => zoomBy(0.5, middle()));
  on("zoom-out", () => zoomBy(2, middle()));
  on("zoom-reset", reset);
  const select = document.getElementById("instrument");
  select?.addEventListener("change", () => {
    picked = Number(select.value);
    for (const name of document.querySelectorAll("[data-instrument-name]")) name.textContent = data.instruments[picked].name;
    redraw();
  });
}

themes();
if (times.length > 1) {
  for (const figure of document.querySelectorAll("figure.chart")) charts.push(new Chart(figure));
  tools();
  redraw();
  let width = 0;
  new ResizeObserver(() => {
    const now = document.documentElement.clientWidth;
    if (now !== width) { width = now; redraw(); }
  }).observe(document.documentElement);
  addEventListener("beforeprint", redraw);
  addEventListener("afterprint", redraw);
}
})();
