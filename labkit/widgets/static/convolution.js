// Convolution walk-through. One list of connections serves all three passes: a product of FP joins one input cell, one
// filter cell and one output cell. FP adds up those of an output, BP those of an input, KU those of a filter cell.
const MODES = { forward: "y", dX: "x", dW: "f" };
const NAMES = { forward: { x: "X", f: "W", y: "Y" }, dX: { x: "dX", f: "W", y: "dY" },
  dW: { x: "X", f: "dW", y: "dY" } };
const SAID = { x: "input", f: "filter", y: "output" };

const outputSize = (size, filter, stride, padding) => Math.floor((size + 2 * padding - filter) / stride) + 1;

// Everything about one setting: grids {x, f, y} as {rows, columns, values}, and the connections {x, f, y, h, w}; x: -1
// where the window lies on padding. The gradient of the output is a fixed pattern of -3 to 3, easy to check by hand.
function lay(image, filter, stride, padding, mode) {
  const [H, W, R, S] = [image.length, image[0].length, filter.length, filter[0].length];
  const P = outputSize(H, R, stride, padding), Q = outputSize(W, S, stride, padding), joined = [];
  for (let p = 0; p < P; p++) for (let q = 0; q < Q; q++) for (let r = 0; r < R; r++) for (let s = 0; s < S; s++) {
    const h = p * stride + r - padding, w = q * stride + s - padding;
    joined.push({ y: p * Q + q, f: r * S + s, x: h < 0 || w < 0 || h >= H || w >= W ? -1 : h * W + w, h, w });
  }
  const grids = {
    x: { rows: H, columns: W, values: image.flat() }, f: { rows: R, columns: S, values: filter.flat() },
    y: { rows: P, columns: Q, values: Array.from({ length: P * Q }, (_, k) => (k * 5 + 1) % 7 - 3) } };
  const target = MODES[mode], sources = ["x", "f", "y"].filter((key) => key !== target);
  const value = (key, at) => (at < 0 ? 0 : grids[key].values[at]);
  for (const one of joined) one.product = value(sources[0], one[sources[0]]) * value(sources[1], one[sources[1]]);
  const sums = grids[target].values.map(() => 0);
  for (const one of joined) if (one[target] >= 0) sums[one[target]] += one.product;
  grids[target].values = sums;
  return { grids, joined, target, sources, padding, mode };
}

const termsOf = (board, cell) => board.joined.filter((one) => one[board.target] === cell);
const number = (value) => sig(value, 3).replace("-", "−");
const bracket = (value) => (value < 0 ? `(${number(value)})` : number(value));
const place = (grid, at) => `${Math.floor(at / grid.columns) + 1}, ${at % grid.columns + 1}`;

function product(board, one) {
  const [a, b] = board.sources.map((key) => (one[key] < 0 ? 0 : board.grids[key].values[one[key]]));
  return `${bracket(a)}·${bracket(b)}`;
}

// What the chosen cell is, in one line.
function sentence(board, cell) {
  const terms = termsOf(board, cell), { target, grids, mode, sources } = board, name = NAMES[mode][target];
  const padded = terms.filter((one) => one.x < 0).length;
  const many = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
  const why = mode === "forward" ? " under the window" : `: this cell took part in ${many(terms.length, "output")}`;
  const shape = (key) => `${NAMES[mode][key]} ${grids[key].rows} × ${grids[key].columns}`;
  const what = `${name}[${place(grids[target], cell)}] = ${number(grids[target].values[cell])}`;
  return `${what}, the sum of ${many(terms.length, "product")}${why}${padded ? `, ${padded} of them on padding` : ""}. `
    + `${[...sources, target].map(shape).join(", ")}.`;
}

const cellSize = (width, grid, ring) => Math.floor(clamp((width - 4) / (grid.columns + 2 * ring), 12, 34));
const ringOf = (board, key) => (key === "x" ? board.padding : 0);
const TOP = 22;

function drawCell(ctx, look, { x, y, size, value, inside, text, most, low }) {
  if (inside && text && value) {
    ctx.globalAlpha = 0.12 + 0.4 * Math.abs(value) / most;
    ctx.fillStyle = look.colours[value > 0 ? 1 : 0];
    ctx.fillRect(x, y, size, size);
    ctx.globalAlpha = 1;
  }
  ctx.setLineDash(inside ? [] : [2, 2]);
  ctx.strokeStyle = look.grid;
  ctx.lineWidth = 1;
  ctx.strokeRect(x + 0.5, y + 0.5, size - 1, size - 1);
  ctx.setLineDash([]);
  ctx.font = look.font(clamp(size * 0.42, 9, 13));
  ctx.fillStyle = inside ? look.fg : look.soft;
  if (text) ctx.fillText(text, x + size / 2, y + size / 2 + low, size - 4);
}

// One grid: its cells, the ring of padding, and a frame around the cells that the chosen cell is computed from.
function drawGrid(ctx, width, look, board, key, state) {
  const grid = board.grids[key], ring = ringOf(board, key), isTarget = key === board.target,
    name = NAMES[board.mode][key];
  const size = cellSize(width, grid, ring), terms = termsOf(board, state.cell),
    most = Math.max(...grid.values.map(Math.abs), 1e-9);
  const numbered = terms.length <= 25, corner = (i, j) => [(j + ring) * size + 2, TOP + (i + ring) * size];
  ctx.textAlign = "left";
  ctx.font = look.font(12, "600");
  ctx.fillStyle = look.fg;
  ctx.fillText(`${name}: ${name[0] === "d" ? "gradient of the " : ""}${SAID[key]}`, 2, 12, width);
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  for (let i = -ring; i < grid.rows + ring; i++) for (let j = -ring; j < grid.columns + ring; j++) {
    const inside = i >= 0 && j >= 0 && i < grid.rows && j < grid.columns, at = i * grid.columns + j,
      [x, y] = corner(i, j);
    const text = inside ? (!isTarget || at <= state.reached) && number(grid.values[at]) : board.mode !== "dX" && "0";
    drawCell(ctx, look, { x, y, size, value: grid.values[at], inside, text, most, low: numbered ? 2 : 0 });
  }
  const outline = (i, j, label, colour, thick) => {
    const [x, y] = corner(i, j);
    ctx.strokeStyle = colour;
    ctx.lineWidth = thick;
    ctx.strokeRect(x + 1.5, y + 1.5, size - 3, size - 3);
    ctx.fillStyle = look.fg;
    ctx.font = look.font(8.5);
    if (size >= 22) ctx.fillText(label, x + 7, y + 7);
  };
  if (isTarget) outline(Math.floor(state.cell / grid.columns), state.cell % grid.columns, "", look.fg, 3);
  else terms.forEach((one, k) => {
    const [i, j] = key === "x" ? [one.h, one.w] : [Math.floor(one[key] / grid.columns), one[key] % grid.columns];
    outline(i, j, numbered ? String(k + 1) : "", look.colours[2], 2);
  });
  ctx.textBaseline = "alphabetic";
}

// The three grids; a click on a cell of the one that is computed goes there.
function grids(view, state, go) {
  return ["x", "f", "y"].map((key) => {
    const one = plot(`Grid of the ${SAID[key]}`, (width) => {
      const grid = view.board.grids[key], ring = ringOf(view.board, key);
      return TOP + 4 + cellSize(width, grid, ring) * (grid.rows + 2 * ring);
    }, (ctx, width, height, look) => drawGrid(ctx, width, look, view.board, key, state.get()));
    one.canvas.addEventListener("click", (event) => {
      const grid = view.board.grids[key], ring = ringOf(view.board, key),
        size = cellSize(one.node.clientWidth, grid, ring);
      const i = Math.floor((event.offsetY - TOP) / size) - ring, j = Math.floor((event.offsetX - 2) / size) - ring;
      if (key === view.board.target && i >= 0 && j >= 0 && i < grid.rows && j < grid.columns) go(i * grid.columns + j);
    });
    const fit = () => {
      const columns = view.board.grids[key].columns + 2 * ringOf(view.board, key);
      one.node.style.flexBasis = `${Math.max(185, 34 * columns + 4)}px`;
    };
    return { ...one, fit };
  });
}

// change(key): what a control calls with its new value.
function controls(set, images, filters, change) {
  const pick = (label, key, options) => choice(label, options, set[key], change(key));
  return {
    mode: pick("Pass", "mode",
      [["forward", "forward: Y (FP)"], ["dX", "backward: dX (BP)"], ["dW", "backward: dW (KU)"]]),
    image: pick("Image", "image", Object.keys(images).map((name) => [name])),
    filter: pick("Filter", "filter", Object.keys(filters).map((name) => [name])),
    stride: slider("Stride", { min: 1, max: 4 }, set.stride, change("stride")),
    padding: slider("Padding", { min: 0, max: 3 }, set.padding, change("padding")),
    speed: slider("Cells per second", { min: 1, max: 30 }, set.speed, change("speed")) };
}

function render({ model, el: host }) {
  const images = model.get("images"), filters = model.get("filters"), view = {};
  let carry = 0;
  const build = () => {
    const { image, filter, stride, padding, mode } = state.get();
    view.board = lay(images[image], filters[filter], stride, padding, mode);
  };
  const target = () => view.board.grids[view.board.target], count = () => target().values.length;
  const go = (cell) => {
    const next = clamp(cell, 0, count() - 1);
    state.put({ cell: next, reached: Math.max(next, state.get().reached) });
  };
  const time = player((seconds) => {
    carry += seconds * state.get().speed;
    const ahead = Math.floor(Math.min(carry, count()));
    carry -= ahead;
    if (ahead) go(state.get().cell + ahead);
    return state.get().cell < count() - 1;
  }, () => { if (!time.playing()) carry = 0; refresh(); });
  const restart = () => state.put({ cell: 0, reached: 0 });
  const play = action("Play", "p",
    () => { if (!time.playing() && state.get().cell === count() - 1) restart(); time.toggle(); });
  const step = action("Step", "s", () => go(state.get().cell + 1));
  const again = action("Reset", "r", () => { if (time.playing()) time.pause(); restart(); });
  const move = (rows, columns) => () => {
    const { columns: across, rows: down } = target(), cell = state.get().cell;
    go(clamp(Math.floor(cell / across) + rows, 0, down - 1) * across + clamp(cell % across + columns, 0, across - 1));
  };
  const root = frame(host, "convolution", model.get("title"), { ...keysOf(play, step, again), ArrowLeft: move(0, -1),
    ArrowRight: move(0, 1), ArrowUp: move(-1, 0), ArrowDown: move(1, 0) });
  const state = settings(model, () => refresh());
  const fields = controls(state.get(), images, filters, (key) => (value) => {
    if (key === "speed") return state.put({ speed: value });
    if (time.playing()) time.pause();
    state.put({ [key]: value, cell: 0, reached: 0 });
  });
  const { speed, ...main } = fields, cell = slider("Cell", { min: 1, max: 1 }, 1, (value) => go(value - 1));
  const plots = grids(view, state, go), products = el("div", { class: "labkit-products" }), status = statusLine();
  const table = dataTable("Data table: the products of this cell",
    ["product", "input cell", "filter cell", "output cell", "value"], () => {
    const { board } = view, at = (key, one) => (one[key] < 0 ? "padding" : place(board.grids[key], one[key]));
    return termsOf(board, state.get().cell).map((one, k) => ({ cells: [`${k + 1}: ${product(board, one)}`,
      at("x", one), at("f", one), at("y", one), number(one.product)] }));
  });
  root.append(el("div", { class: "labkit-bar" }, ...Object.values(main).map((one) => one.node)),
    el("div", { class: "labkit-bar" }, buttons(play, step, again), cell.node, speed.node),
    el("div", { class: "labkit-note" },
      "Arrow keys move to another cell. Equal small numbers are multiplied with each other."),
    el("div", { class: "labkit-trio" }, ...plots.map((one) => one.node)), products, status.node, table.node);

  function refresh() {
    build();
    const at = state.get(), terms = termsOf(view.board, at.cell),
      shown = terms.slice(0, 16).map((one) => product(view.board, one));
    for (const [key, field] of Object.entries(fields)) field.set(at[key]);
    cell.limit(count());
    cell.set(at.cell + 1);
    play.say(time.playing() ? "Pause" : "Play");
    step.enable(at.cell < count() - 1);
    const rest = terms.length > 16 ? " + …" : "";
    products.textContent = `${shown.join(" + ") || "0"}${rest} = ${number(target().values[at.cell])}`;
    const text = sentence(view.board, at.cell);
    status.set(text);
    for (const one of plots) { one.fit(); one.name(text); one.redraw(); }
    table.fill();
  }
  refresh();
  return () => { time.pause(); state.close(); for (const one of plots) one.close(); };
}

export { lay, outputSize, sentence, termsOf };
export default { render };
