// Network anatomy: per layer, bars of weight bytes, activation bytes and MAC. Everything is rescaled here.
const ROW = 27, TOP = 40;

// The sizes of one layer at a batch size; `equal` is the batch at which its activations weigh as much as its weights.
function sizes(row, batch) {
  const activations = row.activation_bytes * batch;
  return { ...row, activations, weights: row.weight_bytes, heavy: row.weight_bytes > activations,
    equal: row.activation_bytes ? row.weight_bytes / row.activation_bytes : Infinity };
}

// A scale from a value to a position between `left` and `right`; zero stands at the left end.
function scaleOf(values, log, left, right) {
  const high = Math.max(...values, 1) * (log ? 1.3 : 1.05);
  const least = Math.min(...values.filter((v) => v > 0), high / 10);
  const low = log ? 10 ** Math.floor(Math.log10(least) - 0.15) : 0; // the shortest bar can still be seen
  const part = (v) => v <= 0 ? 0 : log ? Math.log(v / low) / Math.log(high / low) : v / high;
  return { low, high, at: (v) => left + (right - left) * clamp(part(v), 0, 1) };
}

function hatch(ctx, x, y, width, height, colour) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, width, height);
  ctx.clip();
  ctx.strokeStyle = ctx.fillStyle = colour;
  ctx.globalAlpha = 0.35;
  ctx.fillRect(x, y, width, height);
  ctx.globalAlpha = 1;
  for (let k = -height; k < width; k += 6) {
    ctx.beginPath();
    ctx.moveTo(x + k, y + height);
    ctx.lineTo(x + k + height, y);
    ctx.stroke();
  }
  ctx.strokeRect(x + 0.5, y + 0.5, Math.max(0, width - 1), height - 1);
  ctx.restore();
}

function axis(ctx, scale, log, left, right, bottom, theme, unit, title) {
  ctx.fillStyle = theme.fg;
  ctx.font = theme.font(12, "600");
  ctx.textAlign = "left";
  ctx.fillText(title, left, 12, right - left);
  ctx.font = theme.font(11);
  let free = -Infinity;
  for (const tick of ticks(scale.low, scale.high, Math.max(2, (right - left) / 75), log)) {
    const x = Math.round(scale.at(tick)) + 0.5, text = short(tick, unit), half = ctx.measureText(text).width / 2;
    ctx.strokeStyle = theme.grid;
    ctx.beginPath();
    ctx.moveTo(x, TOP - 6);
    ctx.lineTo(x, bottom);
    ctx.stroke();
    const middle = clamp(x, left + half, right - half);
    if (middle - half < free) continue;
    free = middle + half + 8;
    ctx.textAlign = "center";
    ctx.fillStyle = theme.soft;
    ctx.fillText(text, middle, TOP - 10);
  }
}

function draw(ctx, width, height, theme, rows, state) {
  const log = state.scale === "log", names = width < 620 ? 96 : 150, gap = 22;
  const split = names + (width - names - gap) * 0.64, bottom = height - 4;
  const bytes = scaleOf(rows.flatMap((row) => [row.weights, row.activations]), log, names, split);
  const macs = scaleOf(rows.map((row) => row.macs), log, split + gap, width - 8);
  rows.forEach((row, i) => { // bands first, so that the grid stays visible over them
    if (!row.heavy) return;
    ctx.fillStyle = theme.dark ? "#2b2b20" : "#fbf3dc";
    ctx.fillRect(0, TOP + i * ROW, width, ROW);
  });
  axis(ctx, bytes, log, names, split, bottom, theme, "B", `Bytes, batch ${grouped(state.batch)}`);
  axis(ctx, macs, log, split + gap, width - 8, bottom, theme, "", "MAC per sample");
  rows.forEach((row, i) => {
    const y = TOP + i * ROW, chosen = row.name === state.layer;
    ctx.textAlign = "left";
    ctx.font = theme.font(12, row.heavy ? "600" : "");
    ctx.fillStyle = theme.fg;
    ctx.fillText(`${row.heavy ? "▶ " : "   "}${row.name}`, 2, y + 17, names - 8);
    ctx.fillStyle = theme.colours[0];
    ctx.fillRect(names, y + 3, bytes.at(row.weights) - names, 10);
    hatch(ctx, names, y + 14, bytes.at(row.activations) - names, 10, theme.colours[1]);
    ctx.fillStyle = theme.colours[2];
    ctx.fillRect(split + gap, y + 6, macs.at(row.macs) - split - gap, 15);
    if (!chosen) return;
    ctx.strokeStyle = theme.fg;
    ctx.lineWidth = 2;
    ctx.strokeRect(1, y + 1, width - 2, ROW - 2);
    ctx.lineWidth = 1;
  });
}

function sentence(all, shown, state) {
  const total = (key) => all.reduce((sum, row) => sum + row[key], 0);
  const heavy = all.filter((row) => row.heavy), names = heavy.map((row) => row.name);
  const list = names.length > 6 ? `${names.slice(0, 5).join(", ")} and ${names.length - 5} more` : names.join(", ");
  const row = all.find((one) => one.name === state.layer);
  if (row) {
    const equal = row.weights === 0 ? "it has no weights"
      : !row.activation_bytes ? "it stores no activations of its own"
      : row.equal < 1 ? "its activations weigh more at every batch size"
      : `both weigh the same at batch ${sig(row.equal)}`;
    return `${row.name} (${row.kind}, output ${row.output_shape.join(" × ")}): weights ${short(row.weights, "B")}, `
      + `activations ${short(row.activations, "B")} at batch ${grouped(state.batch)}, `
      + `${short(row.macs)} MAC per sample; ${equal}.`;
  }
  const weighty = all.filter((one) => one.weights).length;
  return `Batch ${grouped(state.batch)}: ${heavy.length} of ${weighty} layers with weights `
    + `hold more bytes of weights than of activations${heavy.length ? ` (${list})` : ""}. `
    + `Whole network: weights ${short(total("weights"), "B")}, activations ${short(total("activations"), "B")}, `
    + `${short(total("macs"))} MAC per sample.`;
}

function render({ model, el: host }) {
  const root = frame(host, "anatomy", model.get("title"));
  let all = [], shown = [];
  const state = settings(model, () => refresh());
  const compute = () => {
    const { batch, all_layers: every } = state.get();
    all = model.get("rows").map((row) => sizes(row, batch));
    shown = every ? all : all.filter((row) => row.weights > 0);
  };
  compute();
  const picture = plot("Bars of weight bytes, activation bytes and MAC per layer", () => TOP + shown.length * ROW + 6,
    (ctx, width, height, look) => draw(ctx, width, height, look, shown, state.get()));
  picture.canvas.addEventListener("click", (event) => {
    const row = shown[Math.floor((event.offsetY - TOP) / ROW)];
    if (row) state.put({ layer: row.name === state.get().layer ? "" : row.name });
  });
  const status = statusLine();
  const table = dataTable("Data table: sizes per layer",
    ["layer", "kind", "output", "weights", "activations", "weights / activations", "equal at batch", "MAC per sample"],
    () => shown.map((row) => ({ mark: row.heavy, cells: [row.name, row.kind, row.output_shape.join(" × "),
      grouped(row.weights), grouped(row.activations), row.activations ? sig(row.weights / row.activations, 3) : "–",
      row.weights && row.activation_bytes ? sig(row.equal, 3) : "–", grouped(row.macs)] })));
  const batch = slider("Batch", { min: 1, max: model.get("largest_batch"), log: true }, state.get().batch,
    (value) => state.put({ batch: value }));
  const scale = choice("Scale", [["log", "logarithmic"], ["linear", "linear"]], state.get().scale,
    (value) => state.put({ scale: value }));
  const layer = choice("Layer", [["", "whole network"], ...all.map((row) => [row.name])], state.get().layer,
    (value) => state.put({ layer: value }));
  const every = toggle("Layers without weights", state.get().all_layers, (value) => state.put({ all_layers: value }));
  const swatch = (kind) => el("span", { class: `labkit-swatch labkit-${kind}` });
  const legend = el("div", { class: "labkit-bar labkit-legend" },
    el("span", {}, swatch("weights"), "weights"),
      el("span", {}, swatch("activations"), "activations of the whole batch"),
    el("span", {}, swatch("macs"), "multiply-accumulates (MAC)"),
    el("span", {}, "▶ more bytes of weights than of activations"));
  root.append(el("div", { class: "labkit-bar" }, batch.node, scale.node, layer.node, every.node), legend,
    el("div", { class: "labkit-tall", tabindex: 0, role: "region", "aria-label": "Bars per layer" }, picture.node),
      status.node, table.node);

  function refresh() {
    compute();
    const now = state.get();
    batch.set(now.batch);
    scale.set(now.scale);
    layer.set(now.layer);
    every.set(now.all_layers);
    const text = sentence(all, shown, now);
    status.set(text);
    picture.name(text);
    picture.redraw();
    table.fill();
  }
  refresh();
  return () => { state.close(); picture.close(); };
}

export { sizes, scaleOf, sentence };
export default { render };
