// Gradient-descent stepper: the loss over two weights from above, and the path of an optimiser over it.
const LONGEST = 3000;

// Straight pieces of the line on which f = level, on a grid of (columns + 1) x (rows + 1) values.
function contour(values, columns, rows, level) {
  const pieces = [], at = (i, j) => values[j * (columns + 1) + i] - level;
  for (let j = 0; j < rows; j++) for (let i = 0; i < columns; i++) {
    const corners = [[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]], cuts = [];
    corners.forEach(([a, b], k) => {
      const [c, d] = corners[(k + 1) % 4], u = at(a, b), v = at(c, d);
      if (u < 0 !== v < 0) cuts.push([a + (c - a) * u / (u - v), b + (d - b) * u / (u - v)]);
    });
    for (let k = 0; k + 1 < cuts.length; k += 2) pieces.push([cuts[k], cuts[k + 1]]);
  }
  return pieces;
}

// The window: the start and the minimum with room around them, doubled until the path fits in.
function windowOf(path, best, ratio) {
  const start = path[0].w, middle = [0, 1].map((k) => (start[k] + best[k]) / 2);
  let half = 1.3 * Math.max(Math.abs(start[1] - best[1]) / 2, Math.abs(start[0] - best[0]) / 2 / ratio, 0.8);
  const out = (p) => Math.abs(p.w[0] - middle[0]) > half * ratio || Math.abs(p.w[1] - middle[1]) > half;
  while (half < 1e6 && path.some(out)) half *= 2;
  return { x: [middle[0] - half * ratio, middle[0] + half * ratio], y: [middle[1] - half, middle[1] + half] };
}

function contoursOf(kind, samples, view, best) {
  const columns = 80, rows = 60, values = [], put = ([lo, hi], part) => lo + (hi - lo) * part;
  for (let j = 0; j <= rows; j++) for (let i = 0; i <= columns; i++)
    values.push(measure(kind, samples, [put(view.x, i / columns), put(view.y, j / rows)]).loss);
  const low = measure(kind, samples, best).loss, high = Math.max(...values);
  return Array.from({ length: 11 }, (_, k) => {
    const ends = contour(values, columns, rows, low + (high - low) * 0.55 ** (k + 1)).flatMap(([a, b]) => [a, b, [NaN, NaN]]);
    return [ends.map((end) => put(view.x, end[0] / columns)), ends.map((end) => put(view.y, end[1] / rows))];
  });
}

const pair = (w) => `(${w.map((v) => sig(v, 3)).join(", ")})`.replaceAll("-", "−");
const bound = (now, optimizer) => (optimizer === "momentum" ? 3.8 : 2) / steepest(now.hessian);

function sentence(set, now, n) {
  const name = title(set.optimizer), limit = bound(now, set.optimizer);
  const text = `Step ${now.step}, epoch ${Math.ceil(Math.max(1, now.step) / Math.ceil(n / set.batch))}: w = ${pair(now.w)}, `
    + `loss ${sig(now.loss)}, gradient norm ${sig(Math.hypot(...now.gradient), 3)}. `;
  if (now.lost) return `${text}Diverged: the learning rate ${set.rate} is too large. Back, Reset or a smaller rate undoes it.`;
  const said = name[0] === "A" ? `the bound of SGD, not of ${name}`
    : `${name} at ${set.rate} ${set.rate < limit ? "can converge" : "overshoots in the steepest direction"}`;
  return `${text}${name === "Momentum" ? "2 (1 + 0.9)" : "2"} / λmax = ${sig(limit, 3)}: ${said}.`;
}

function render({ model, el: host }) {
  const flat = floats(model.get("samples")), n = flat.length / 3;
  const samples = Array.from({ length: n }, (_, i) => [...flat.slice(3 * i, 3 * i + 3)]);
  let path = [], ghost = [], made = "", best, drawn = {}, carry = 0;
  const rebuild = (steps) => {
    const set = state.get(), key = JSON.stringify({ ...set, steps: 0, speed: 0 });
    if (key !== made) {
      if (path.length > 1) ghost = path;
      path = [first(set, samples)];
      best = minimum(set.problem, samples);
      made = key;
    }
    while (path.length <= steps && !path.at(-1).lost) path.push(advance(path.at(-1), set, samples));
  };
  const done = () => path.slice(0, state.get().steps + 1);
  const now = () => path[state.get().steps];
  const ended = () => now().lost || now().step >= LONGEST;
  const go = (steps) => {
    rebuild(Math.min(steps, LONGEST));
    state.put({ steps: clamp(steps, 0, path.length - 1) });
  };
  const time = player((seconds) => {
    carry += Math.min(seconds * state.get().speed, 300);
    const more = Math.floor(carry);
    carry -= more;
    if (more) go(state.get().steps + more);
    return !ended();
  }, () => refresh());
  const rest = () => { if (time.playing()) time.pause(); };
  const play = action("Run", "p", () => time.toggle());
  const step = action("Step", "s", () => { rest(); go(state.get().steps + 1); });
  const back = action("Back", "b", () => { rest(); go(state.get().steps - 1); });
  const again = action("Reset", "r", () => { rest(); ghost = done(); go(0); });
  const root = frame(host, "descent", model.get("title"), keysOf(play, step, back, again));
  const state = settings(model, () => refresh());
  const set = state.get(), move = (key) => (value) => { rest(); state.put({ [key]: value, steps: 0 }); };
  const fields = {
    problem: choice("Loss", Object.keys(LOSSES).map((name) => [name]), set.problem, move("problem")),
    optimizer: choice("Optimiser", Object.keys(RULES).map((id) => [id, title(id)]), set.optimizer, move("optimizer")),
    rate: slider("Learning rate", { min: 0.001, max: 10, step: 0.001, log: true }, set.rate, move("rate")),
    batch: slider("Batch size", { min: 1, max: n, log: true }, set.batch, move("batch")),
    w1: slider("Start w1", { min: -4, max: 4, step: 0.1 }, set.w1, move("w1")),
    w2: slider("Start w2", { min: -4, max: 4, step: 0.1 }, set.w2, move("w2")),
    seed: slider("Seed", { min: 0, max: 99 }, set.seed, move("seed")),
    speed: slider("Steps per second", { min: 1, max: 100, log: true }, set.speed, (value) => state.put({ speed: value })) };

  const surface = plot("Loss over w1 and w2", (width) => clamp(width * 0.8, 300, 420), (ctx, width, height, look) => {
    const points = done(), view = windowOf(points, best, (width - 50) / (height - 56)), { problem } = state.get();
    const key = JSON.stringify([view, problem]);
    if (drawn.key !== key) drawn = { key, lines: contoursOf(problem, samples, view, best) };
    const box = axes(ctx, width, height, look, { ...view, xlabel: "w1", ylabel: "Loss over w1 and w2 (up)   ● now   + least" });
    drawn.lines.forEach(([xs, ys], k) => line(ctx, box, xs, ys, look.colours[0], { width: 1, alpha: 0.4 + 0.05 * k }));
    const trace = (list, colour, dash) => line(ctx, box, list.map((p) => p.w[0]), list.map((p) => p.w[1]), colour, { dash });
    trace(ghost, look.soft, [4, 4]);
    trace(points, look.colours[1]);
    ctx.textAlign = "center";
    ctx.font = look.font(15);
    ctx.fillStyle = look.colours[1];
    const mark = (text, w) => ctx.fillText(text, box.px(w[0]), box.py(w[1]) + 5);
    for (const p of points.slice(-200)) mark("•", p.w);
    ctx.fillStyle = look.fg;
    mark("+", best);
    mark("●", now().w);
  });
  const loss = plot("Loss of all samples", 190, (ctx, width, height, look) => {
    const points = done(), all = points.map((p) => p.loss).filter((v) => v > 0 && v < Infinity);
    const least = measure(state.get().problem, samples, best).loss;
    const box = axes(ctx, width, height, look, { x: [0, Math.max(20, points.length - 1)], y: [Math.min(least, ...all) * 0.8, Math.max(...all) * 1.25],
      log: true, xlabel: "step", ylabel: "Loss of all samples (dashed: the least)" });
    line(ctx, box, [0, 1e9], [least, least], look.soft, { dash: [5, 4] });
    line(ctx, box, points.map((p) => p.step), points.map((p) => p.loss), look.colours[1]);
  });
  const data = plot("Samples and the line that separates them", 210, (ctx, width, height, look) => {
    const w = now().w, far = 9 / Math.hypot(...w, 1e-9);
    const box = axes(ctx, width, height, look, { x: [-3, 3], y: [-3, 3], xlabel: model.get("features")[0], ylabel: model.get("features")[1] });
    ctx.font = look.font(11);
    ctx.textAlign = "center";
    for (const [x, y, t] of samples) {
      ctx.fillStyle = look.colours[t > 0 ? 0 : 1];
      ctx.fillText(t > 0 ? "○" : "×", box.px(x), box.py(y) + 4);
    }
    line(ctx, box, [-w[1] * far, w[1] * far], [w[0] * far, -w[0] * far], look.fg);
  });
  const plots = [surface, loss, data], status = statusLine();
  const table = dataTable("Data table: the last 20 steps", ["step", "w1", "w2", "loss", "gradient norm", "2 / λmax"], () =>
    done().slice(-20).reverse().map((p) => ({ cells: [p.step, ...p.w.map((v) => sig(v)), sig(p.loss), sig(Math.hypot(...p.gradient)), sig(2 / steepest(p.hessian))] })));
  const { speed, w1, w2, seed, ...main } = fields;
  const bar = (...list) => el("div", { class: "labkit-bar" }, ...list.map((one) => one.node));
  root.append(bar(...Object.values(main)), bar({ node: buttons(play, step, back, again) }, speed), bar(w1, w2, seed),
    el("div", { class: "labkit-grid" }, surface.node, el("div", {}, loss.node, data.node)), status.node, table.node);

  function refresh() {
    rebuild(state.get().steps);
    if (!now()) { state.put({ steps: path.length - 1 }); return; }
    for (const [key, field] of Object.entries(fields)) field.set(state.get()[key]);
    play.say(time.playing() ? "Pause" : "Run");
    for (const one of [play, step]) one.enable(!ended());
    back.enable(state.get().steps > 0);
    const text = sentence(state.get(), now(), n);
    status.set(text);
    plots.forEach((one) => { one.name(text); one.redraw(); });
    table.fill();
  }
  refresh();
  return () => { time.pause(); state.close(); plots.forEach((one) => one.close()); };
}

export { advance, batchOf, contour, first, measure, minimum, sentence, steepest, windowOf };
export default { render };
