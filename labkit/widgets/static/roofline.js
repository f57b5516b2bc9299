// Roofline: ceilings of a GPU over FLOP per byte, and kernels under them, the learner's own among them.
const YOURS = "yours", TOP = 26, FOOT = 36, LEFT = 62;
const SLOPES = { memory: [[], "memory"], l2: [[8, 4], "L2, at most"], loads: [[2, 3], "shared memory and L1"] };

// The four limits of a kernel in FLOP/s; labkit.widgets.roofline.bounds says the same in Python.
function bounds(kernel, gpu) {
  const share = (part) => gpu.peak * Math.min(1, part);
  return { peak: gpu.peak, issue: share(gpu.slots / kernel.instructions_per_fma),
    loads: share(kernel.loads_per_fma ? gpu.passes / kernel.loads_per_fma : 1),
    memory: kernel.flops_per_byte * gpu.memory };
}
const least = (limits) => Object.keys(limits).reduce((a, b) => (limits[b] < limits[a] ? b : a));
const WHY = { peak: "the lanes themselves (peak)", issue: "issue slots: too many instructions per multiply-add",
  loads: "the load path: too many loads per multiply-add", memory: "the bandwidth of the memory" };

const HEAD = ["kernel", "origin", "instructions per FMA", "load passes per FMA", "FLOP per byte", "issue", "loads",
  "memory", "roof", "set by", "reached", "of the roof"];

// Marker and word for where a figure comes from.
function originOf(kernel) {
  if (kernel.name === YOURS) return ["★", "yours, a thought"];
  if (kernel.flops_per_s == null) return ["◇", `bound, ${kernel.origin}`];
  const sign = { measured: "●", recorded: "■", claimed: "▲" }[kernel.origin.split(" ")[0]] ?? "◆";
  return [sign, kernel.origin];
}

function rate(value) {
  const [size, name] = value >= 1e12 ? [1e12, "TFLOP/s"] : value >= 1e9 ? [1e9, "GFLOP/s"] : [1e6, "MFLOP/s"];
  return `${sig(value / size, 3)} ${name}`;
}
const percent = (part) => `${sig(100 * part, 3)} %`;

function place(kernel, gpu) {
  const limits = bounds(kernel, gpu), limit = least(limits), roof = limits[limit];
  return { kernel, limits, limit, roof, y: kernel.flops_per_s ?? roof };
}

function sentence(gpu, placed, chosen) {
  const one = placed.find((p) => p.kernel.name === chosen);
  if (!one) {
    return `${gpu.name}: float32 peak ${rate(gpu.peak)}, memory ${sig(gpu.memory / 1e12, 3)} TB/s; the two meet at `
      + `${sig(gpu.peak / gpu.memory, 3)} FLOP per byte. ${placed.length} kernels; choose one to read its limits.`;
  }
  const { kernel, limits, limit, roof } = one, reached = kernel.flops_per_s;
  const got = reached == null ? "" : ` It reached ${rate(reached)} (${kernel.origin}), ${percent(reached / roof)} of `
    + `its roof and ${percent(reached / gpu.peak)} of the peak.`;
  return `${kernel.name} on ${gpu.name}: ${sig(kernel.instructions_per_fma, 3)} instructions per multiply-add allow `
    + `${rate(limits.issue)}, ${sig(kernel.loads_per_fma, 3)} load passes per multiply-add ${rate(limits.loads)}, `
    + `${sig(kernel.flops_per_byte, 3)} FLOP per byte of memory ${rate(limits.memory)}. Roof: ${rate(roof)}, `
    + `${percent(roof / gpu.peak)} of the peak, set by ${WHY[limit]}.${got}`;
}

// The window: two decades left of the ridge at least, and every kernel inside.
function windowOf(gpu, placed) {
  const xs = placed.map((p) => p.kernel.flops_per_byte), ys = placed.map((p) => p.y);
  return { x: [Math.min(0.5, ...xs) / 2, Math.max(1000, ...xs) * 2],
    y: [Math.min(gpu.peak / 100, ...ys) / 1.6, gpu.peak * 1.8] };
}

function draw(ctx, width, height, look, view) {
  const { gpu, placed, chosen } = view, { x: [x0, x1], y: [y0, y1] } = windowOf(gpu, placed);
  const right = width - 12, bottom = height - FOOT;
  const px = (v) => LEFT + (right - LEFT) * Math.log(v / x0) / Math.log(x1 / x0);
  const py = (v) => bottom - (bottom - TOP) * Math.log(v / y0) / Math.log(y1 / y0);
  const rule = (xa, ya, xb, yb) => { ctx.beginPath(); ctx.moveTo(xa, ya); ctx.lineTo(xb, yb); ctx.stroke(); };
  ctx.font = look.font(11);
  ctx.strokeStyle = look.grid;
  ctx.fillStyle = look.soft;
  ctx.textAlign = "center";
  for (const v of ticks(x0, x1, 8, true)) { rule(px(v), TOP, px(v), bottom); ctx.fillText(sig(v), px(v), bottom + 14); }
  ctx.fillText("FLOP per byte", (LEFT + right) / 2, bottom + 30);
  ctx.textAlign = "right";
  for (const v of ticks(y0, y1, 8, true)) {
    rule(LEFT, py(v), right, py(v));
    ctx.fillText(sig(v / 1e12, 3), LEFT - 6, py(v) + 4);
  }
  ctx.textAlign = "left";
  ctx.fillStyle = look.fg;
  ctx.font = look.font(12, "600");
  ctx.fillText("TFLOP/s, float32", 2, 14);
  ctx.font = look.font(11);
  ctx.strokeStyle = look.fg;
  ctx.lineWidth = 2;
  rule(px(Math.max(x0, gpu.peak / gpu.loads)), py(gpu.peak), right, py(gpu.peak));
  ctx.textAlign = "right";
  ctx.fillText(`peak ${rate(gpu.peak)}`, right - 4, py(gpu.peak) - 6);
  Object.entries(SLOPES).forEach(([key, [dash, label]], i) => {
    const from = Math.max(x0, y0 / gpu[key]), to = gpu.peak / gpu[key];
    ctx.strokeStyle = ctx.fillStyle = look.colours[[0, 2, 3][i]];
    ctx.setLineDash(dash);
    rule(px(from), py(from * gpu[key]), px(to), py(gpu.peak));
    ctx.setLineDash([]);
    ctx.save();
    ctx.translate(px(from), py(from * gpu[key]));
    ctx.rotate(Math.atan2(py(gpu.peak) - py(from * gpu[key]), px(to) - px(from)));
    ctx.textAlign = "left";
    ctx.fillText(`${label} ${sig(gpu[key] / 1e12, 3)} TB/s`, 12, -5);
    ctx.restore();
  });
  drawKernels(ctx, look, placed, chosen, { px, py, right, bottom, rule });
}

// Markers, the roof of each as a short bar, and names that keep out of each other's way: left or right of the marker,
// where there is room at its height, else a line below the last one.
function drawKernels(ctx, look, placed, chosen, { px, py, right, bottom, rule }) {
  const taken = { left: [], right: [] };
  for (const one of [...placed].sort((a, b) => b.y - a.y)) {
    const { kernel, y, roof } = one, x = px(kernel.flops_per_byte), mine = kernel.name === chosen;
    ctx.fillStyle = ctx.strokeStyle = look.colours[1];
    ctx.lineWidth = mine ? 3 : 2;
    rule(x - 9, py(roof), x + 9, py(roof));
    ctx.setLineDash([1, 3]);
    rule(x, py(y), x, py(roof));
    ctx.setLineDash([]);
    ctx.font = look.font(mine ? 19 : 15);
    ctx.textAlign = "center";
    ctx.fillText(originOf(kernel)[0], x, py(y) + 5);
    ctx.font = look.font(11, mine ? "600" : "");
    ctx.fillStyle = look.fg;
    const wide = ctx.measureText(kernel.name).width + 14;
    const sides = [["left", x - wide], ["right", x]].filter(([, from]) => from > LEFT && from + wide < right);
    const spots = (sides.length ? sides : [["left", x - wide]]).map(([side, from]) => {
      let at = py(y) + 4;
      for (const [low, high, line] of taken[side])
        if (from < high && from + wide > low && Math.abs(line - at) < 13) at = line + 13;
      return { side, from, at: Math.min(at, bottom - 4) };
    });
    const { side, from, at } = spots.reduce((a, b) => (b.at < a.at ? b : a));
    taken[side].push([from, from + wide, at]);
    ctx.textAlign = side === "left" ? "right" : "left";
    ctx.fillText(kernel.name, side === "left" ? x - 14 : x + 14, at);
  }
}

function render({ model, el: host }) {
  const gpus = model.get("gpus"), kernels = model.get("kernels"), view = {};
  const root = frame(host, "roofline", model.get("title"));
  const state = settings(model, () => refresh());
  const build = () => {
    const { gpu, kernel, own, intensity, instructions, loads } = state.get();
    const mine = { name: YOURS, flops_per_byte: intensity, instructions_per_fma: instructions, loads_per_fma: loads };
    view.gpu = gpus[gpu];
    view.chosen = kernel;
    view.placed = [...kernels, ...(own ? [mine] : [])].map((one) => place(one, view.gpu));
  };
  const put = (key) => (value) => state.put({ [key]: value });
  const mine = (key) => (value) => state.put({ [key]: value, own: true, kernel: YOURS });
  const fields = {
    gpu: choice("GPU", Object.entries(gpus).map(([key, one]) => [key, one.name]), state.get().gpu, put("gpu")),
    kernel: choice("Kernel", [["", "none chosen"], ...kernels.map((one) => [one.name]), [YOURS]], state.get().kernel,
      (value) => state.put({ kernel: value, ...(value === YOURS ? { own: true } : {}) })),
    own: toggle("A kernel of your own", state.get().own,
      (on) => state.put({ own: on, ...(on || state.get().kernel !== YOURS ? {} : { kernel: "" }) })),
    instructions: slider("Instructions per multiply-add", { min: 1, max: 100, step: 0.1, log: true },
      state.get().instructions, mine("instructions")),
    loads: slider("Load passes per multiply-add", { min: 0.01, max: 10, step: 0.01, log: true }, state.get().loads,
      mine("loads")),
    intensity: slider("FLOP per byte of memory", { min: 0.1, max: 10000, step: 0.1, log: true }, state.get().intensity,
      mine("intensity")) };
  const picture = plot("Roofline", 420, (ctx, width, height, look) => draw(ctx, width, height, look, view));
  const status = statusLine(), bar = (...list) => el("div", { class: "labkit-bar" }, ...list.map((one) => one.node));
  const table = dataTable("Data table: kernels and their limits", HEAD, () => view.placed.map((one) => {
    const { kernel, limits, limit, roof } = one, reached = kernel.flops_per_s;
    return { mark: kernel.name === view.chosen, cells: [kernel.name, originOf(kernel)[1],
      ...["instructions_per_fma", "loads_per_fma", "flops_per_byte"].map((key) => sig(kernel[key], 3)),
      ...["issue", "loads", "memory"].map((key) => rate(limits[key])), rate(roof), limit,
      reached == null ? "–" : rate(reached), reached == null ? "–" : percent(reached / roof)] };
  }));
  const legend = "● measured here  ■ recorded  ◇ bound from machine code, not run  ▲ claimed  ★ yours. The bar above or "
    + "through a sign is the roof of that kernel.";
  root.append(bar(fields.gpu, fields.kernel, fields.own), bar(fields.instructions, fields.loads, fields.intensity),
    picture.node, el("div", { class: "labkit-note" }, legend), status.node, table.node);

  function refresh() {
    build();
    for (const [key, field] of Object.entries(fields)) field.set(state.get()[key]);
    const text = sentence(view.gpu, view.placed, view.chosen);
    status.set(text);
    picture.name(text);
    picture.redraw();
    table.fill();
  }
  refresh();
  return () => { state.close(); picture.close(); };
}

export { bounds, originOf, place, rate, sentence, windowOf };
export default { render };
