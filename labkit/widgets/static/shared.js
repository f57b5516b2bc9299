// Helpers that stand at the head of every widget's module. No imports: nothing is fetched from anywhere.

// Okabe and Ito's colours, in an order that keeps neighbours apart; [on a light page, on a dark page].
const COLOURS = [["#0072B2", "#56B4E9"], ["#D55E00", "#E69F00"], ["#009E73", "#009E73"], ["#CC79A7", "#CC79A7"]];
const DARK = "(prefers-color-scheme: dark)";
const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// el("button", {class: "a", onclick: f}, "text", node): a DOM element.
const el = (tag, attributes = {}, ...children) => dress(document.createElement(tag), attributes, children);
function dress(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

// The frame of a widget. keys: {p: action}; they act while the focus is inside, but not while text is typed.
function frame(host, kind, title, keys = {}) {
  const root = el("div", { class: `labkit-widget labkit-${kind}`, role: "group", "aria-label": title },
    el("h3", {}, title));
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    // Else JupyterLab takes arrows and letters for its own commands (d d deletes the cell).
    event.stopPropagation();
    const typing = event.key.startsWith("Arrow") ? "select, input" : "select, input[type=number]";
    if (!keys[event.key] || event.target.matches(typing)) return;
    event.preventDefault();
    keys[event.key]();
  });
  host.append(root);
  return root;
}

function button(text, run, { key, name = text } = {}) {
  return el("button", { type: "button", onclick: run, "aria-label": name, "aria-keyshortcuts": key,
    title: key ? `${name} (key ${key})` : name }, text);
}

// A slider with a number field beside it. `log`: the slider walks through a list of round values, each a bit larger.
function slider(label, { min, max, step = 1, log = false }, value, changed) {
  const round = (x) => (log && step < 1 ? Number(x.toPrecision(2)) : Number((Math.round(x / step) * step).toFixed(6)));
  const list = log && [...new Set(Array.from({ length: 81 }, (_, k) => round(min * (max / min) ** (k / 80))))];
  const range = el("input", { type: "range", "aria-label": label, min: log ? 0 : min, max: log ? list.length - 1 : max,
    step: log ? 1 : step, oninput: () => take(log ? list[range.value] : Number(range.value)) });
  const field = el("input", { type: "number", "aria-label": `${label}, number`, min, max, step: step < 1 ? "any" : step,
    onchange: () => take(field.value === "" ? value : step < 1 ? Number(field.value) : Math.round(field.value)) });
  const set = (next) => {
    value = next;
    range.value = log ? list.filter((one) => one < next).length : next;
    range.setAttribute("aria-valuetext", field.value = String(next));
  };
  const take = (next) => { set(clamp(next, min, max)); changed(value); };
  const limit = (high) => { max = range.max = field.max = high; };
  set(value);
  return { node: el("span", { class: "labkit-field" }, el("span", { "aria-hidden": "true" }, label), range, field),
    set, limit };
}

// One line of text that screen readers speak when it changes, at most once every `pause` milliseconds.
function statusLine(pause = 200) {
  const node = el("div", { class: "labkit-status", role: "status", "aria-live": "polite" });
  let timer = 0, text = "", last = 0;
  const show = () => { timer = 0; last = Date.now(); node.textContent = text; };
  return { node, set: (next) => { text = next; timer ||= setTimeout(show, Math.max(0, last + pause - Date.now())); } };
}

// A table in <details>: filled only while it is open, so that a hidden table costs nothing.
function dataTable(summary, head, rows) {
  const body = el("tbody");
  const fill = () => details.open && body.replaceChildren(...rows().map(({ mark, cells }) =>
    el("tr", { class: mark && "labkit-mark" },
      ...cells.map((cell, i) => el(i ? "td" : "th", { scope: i ? null : "row" }, cell)))));
  const table = el("table", {},
    el("thead", {}, el("tr", {}, ...head.map((text) => el("th", { scope: "col" }, text)))), body);
  const details = el("details", { ontoggle: fill }, el("summary", {}, summary),
    el("div", { class: "labkit-scroll", tabindex: 0, role: "region", "aria-label": summary }, table));
  return { node: details, fill };
}

// A canvas that follows width, theme and pixel density; draw(ctx, width, height, theme) runs once per animation frame.
function plot(caption, height, draw) {
  const canvas = el("canvas", { role: "img", "aria-label": caption });
  const node = el("div", { class: "labkit-plot" }, canvas);
  let pending = 0;
  const paint = () => {
    pending = 0;
    const width = node.clientWidth, tall = typeof height === "function" ? height(width) : height;
    if (!width) return;
    const ratio = devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(tall * ratio);
    canvas.style.height = `${tall}px`;
    const ctx = canvas.getContext("2d");
    ctx.scale(ratio, ratio);
    draw(ctx, width, tall, theme(node));
  };
  const redraw = () => { pending ||= requestAnimationFrame(paint); };
  return { node, canvas, redraw, close: watch(node, redraw),
    name: (text) => { canvas.ariaLabel = `${caption}. ${text}`; } };
}

// Calls `redraw` when the node's size changes, and when JupyterLab or the system change between light and dark.
function watch(node, redraw) {
  const size = new ResizeObserver(redraw), skin = new MutationObserver(redraw), dark = matchMedia(DARK);
  size.observe(node);
  skin.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name"] });
  dark.addEventListener("change", redraw);
  return () => { size.disconnect(); skin.disconnect(); dark.removeEventListener("change", redraw); };
}

// Colours and font as the page has them now; also tells the frame whether the page is dark.
function theme(node) {
  const root = node.closest(".labkit-widget"), style = getComputedStyle(root);
  const [r, g, b] = style.color.match(/[\d.]+/g).map(Number);
  const dark = style.getPropertyValue("--jp-ui-font-color1") ? r + g + b > 384 : matchMedia(DARK).matches;
  root.toggleAttribute("data-dark", dark);
  const font = (size, weight = "") => `${weight} ${size}px ${style.fontFamily}`;
  return { dark, font, fg: style.color, soft: dark ? "#9a9a9a" : "#666",
    grid: dark ? "#3c3c3c" : "#e0e0e0", colours: COLOURS.map((pair) => pair[dark ? 1 : 0]) };
}

// The settings of a view live in one trait, `state`, so that Python can write them into a string.
function settings(model, changed) {
  model.on("change:state", changed);
  return {
    get: () => model.get("state"),
    put: (part) => { model.set("state", { ...model.get("state"), ...part }); model.save_changes(); },
    close: () => model.off("change:state", changed),
  };
}

// The float32 values of a binary trait; copied, because a message need not start at a multiple of four bytes.
const floats = (view) => new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

const sig = (value, digits = 4) => !Number.isFinite(value) ? String(value)
  : value === 0 ? "0" : Math.abs(value) >= 1e5 || Math.abs(value) < 1e-3
    ? value.toExponential(digits - 2).replace(/\.?0*e\+?/, "e")
  : String(Number(value.toPrecision(digits)));

// About `count` round numbers between low and high; powers of ten on a log axis.
function ticks(low, high, count = 4, log = false) {
  const out = [];
  if (log) {
    const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
    const by = Math.max(1, Math.ceil((last - first + 1) / (count + 1)));
    for (let power = first; power <= last; power += by) out.push(10 ** power);
    if (out.length > 1) return out;
    out.length = 0;
  }
  const raw = (high - low) / count || 1, base = 10 ** Math.floor(Math.log10(raw));
  const step = base * [1, 2, 5, 10].find((factor) => factor * base >= raw * 0.999);
  const end = high + step * 1e-9;
  for (let k = Math.ceil(low / step - 1e-9); k * step <= end; k++) out.push(Number((k * step).toPrecision(12)));
  return out;
}
