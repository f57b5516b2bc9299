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
    const level = low + (high - low) * 0.55 ** (k + 1);
    const ends = contour(values, columns, rows, level).flatMap(([a, b]) => [a, b, [NaN, NaN]]);
    return [ends.map((end) => put(view.x, end[0] / columns)), ends.map((end) => put(view.y, end[1] / rows))];
  });
}

const pair = (w) => `(${w.map((v) => sig(v, 3)).join(", ")})`.replaceAll("-", "−");
const bound = (now, optimizer) => (optimizer === "momentum" ? 3.8 : 2) / steepest(now.hessian);

function sentence(set, now, n) {
  const epoch = Math.ceil(Math.max(1, now.step) / Math.ceil(n / set.batch));
  const text = `Step ${now.step}, epoch ${epoch}: w = ${pair(now.w)}, `
    + `loss ${sig(now.loss)}, gradient norm ${sig(Math.hypot(...now.gradient), 3)}. `;
  const undo = "Back, Reset or a smaller rate undoes it.";
  return now.lost ? `${text}Diverged: the learning rate ${set.rate} is too large. ${undo}` : text.trim();
}

// What the curvature here says about the rate. Stands in <details>: the learner first looks for the limit.
function verdict(set, now) {
  const name = title(set.optimizer), limit = bound(now, set.optimizer);
  const said = name[0] === "A" ? `the bound of SGD, not of ${name}`
    : `${name} at ${set.rate} ${set.rate < limit ? "can converge" : "overshoots in the steepest direction"}`;
  return `${name === "Momentum" ? "2 (1 + 0.9)" : "2"} / λmax = ${sig(limit, 5)}: ${said}.`;
}

// Contours, the last path (dashed), this path, and where it stands.
function paintSurface(ctx, width, height, look, { points, ghost, best, samples, problem, cache }) {
  const view = windowOf(points, best, (width - 50) / (height - 56)), key = JSON.stringify([view, problem]);
  if (cache.key !== key) Object.assign(cache, { key, lines: contoursOf(problem, samples, view, best) });
  const box = axes(ctx, width, height, look,
    { ...view, xlabel: "w1", ylabel: "Loss over w1 and w2 (up)   ● now   + least" });
  cache.lines.forEach(([xs, ys], k) => line(ctx, box, xs, ys, look.colours[0], { width: 1, alpha: 0.4 + 0.05 * k }));
  const trace = (list, colour, dash) =>
    line(ctx, box, list.map((p) => p.w[0]), list.map((p) => p.w[1]), colour, { dash });
  trace(ghost, look.soft, [4, 4]);
  trace(points, look.colours[1]);
  ctx.textAlign = "center";
  ctx.font = look.font(15);
  ctx.fillStyle = look.colours[1];
  const mark = (text, w) => ctx.fillText(text, box.px(w[0]), box.py(w[1]) + 5);
  for (const p of points.slice(-200)) mark("•", p.w);
  ctx.fillStyle = look.fg;
  mark("+", best);
  mark("●", points.at(-1).w);
}

function paintLoss(ctx, width, height, look, { points, best, samples, problem }) {
  const all = points.map((p) => p.loss).filter((v) => v > 0 && v < Infinity),
    least = measure(problem, samples, best).loss;
  const box = axes(ctx, width, height, look, { x: [0, Math.max(20, points.length - 1)], log: true, xlabel: "step",
    y: [Math.min(least, ...all) * 0.8, Math.max(...all) * 1.25], ylabel: "Loss of all samples (dashed: the least)" });
  line(ctx, box, [0, 1e9], [least, least], look.soft, { dash: [5, 4] });
  line(ctx, box, points.map((p) => p.step), points.map((p) => p.loss), look.colours[1]);
}

// The samples by their two features, and the line on which the score w·x is zero.
function paintSamples(ctx, width, height, look, { points, samples, features: [xlabel, ylabel] }) {
  const [a, b] = points.at(-1).w, far = 9 / Math.hypot(a, b, 1e-9);
  const box = axes(ctx, width, height, look, { x: [-3, 3], y: [-3, 3], xlabel, ylabel });
  ctx.font = look.font(11);
  ctx.textAlign = "center";
  for (const [x, y, t] of samples) {
    ctx.fillStyle = look.colours[t > 0 ? 0 : 1];
    ctx.fillText(t > 0 ? "○" : "×", box.px(x), box.py(y) + 4);
  }
  line(ctx, box, [-b * far, b * far], [a * far, -a * far], look.fg);
}

// move(key): what a control calls with its new value.
function controls(set, n, move) {
  const from = (label, key, range) => slider(label, range, set[key], move(key));
  return {
    problem: choice("Loss", Object.keys(LOSSES).map((name) => [name]), set.problem, move("problem")),
    optimizer: choice("Optimiser", Object.keys(RULES).map((id) => [id, title(id)]), set.optimizer, move("optimizer")),
    rate: from("Learning rate", "rate", { min: 0.001, max: 10, step: 0.001, log: true }),
    batch: from("Batch size", "batch", { min: 1, max: n, log: true }),
    speed: from("Steps per second", "speed", { min: 1, max: 100, log: true }),
    w1: from("Start w1", "w1", { min: -4, max: 4, step: 0.1 }),
    w2: from("Start w2", "w2", { min: -4, max: 4, step: 0.1 }),
    seed: from("Seed", "seed", { min: 0, max: 99 }) };
}

function render({ model, el: host }) {
  const flat = floats(model.get("samples")), n = flat.length / 3, features = model.get("features"), cache = {};
  const samples = Array.from({ length: n }, (_, i) => [...flat.slice(3 * i, 3 * i + 3)]);
  let path = [], ghost = [], made = "", best, carry = 0;
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
  const done = () => path.slice(0, state.get().steps + 1), now = () => path[state.get().steps];
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
  const fields = controls(state.get(), n, (key) => (value) => {
    if (key === "speed") return state.put({ speed: value });
    rest();
    state.put({ [key]: value, steps: 0 });
  });
  const picture = (caption, height, paint) => plot(caption, height, (...all) =>
    paint(...all, { points: done(), ghost, best, samples, features, cache, problem: state.get().problem }));
  const surface = picture("Loss over w1 and w2", (width) => clamp(width * 0.8, 300, 420), paintSurface);
  const loss = picture("Loss of all samples", 190, paintLoss);
  const data = picture("Samples and the line that separates them", 210, paintSamples);
  const status = statusLine(), bar = (...list) => el("div", { class: "labkit-bar" }, ...list.map((one) => one.node));
  const answer = el("p"), limit = el("details", {}, el("summary", {}, "What is the largest stable rate?"), answer);
  const numbers = (p) => [...p.w, p.loss, Math.hypot(...p.gradient)].map((v) => sig(v));
  const table = dataTable("Data table: the last 20 steps", ["step", "w1", "w2", "loss", "gradient norm"],
    () => done().slice(-20).reverse().map((p) => ({ cells: [p.step, ...numbers(p)] })));
  const { speed, w1, w2, seed, ...main } = fields;
  root.append(bar(...Object.values(main)), bar({ node: buttons(play, step, back, again) }, speed), bar(w1, w2, seed),
    el("div", { class: "labkit-grid" }, surface.node, el("div", {}, loss.node, data.node)), status.node, limit,
    table.node);

  function refresh() {
    const set = state.get();
    rebuild(set.steps);
    if (!now()) return state.put({ steps: path.length - 1 });
    for (const [key, field] of Object.entries(fields)) field.set(set[key]);
    play.say(time.playing() ? "Pause" : "Run");
    for (const one of [play, step]) one.enable(!ended());
    back.enable(set.steps > 0);
    const text = sentence(set, now(), n);
    status.set(text);
    answer.textContent = verdict(set, now());
    for (const one of [surface, loss, data]) { one.name(text); one.redraw(); }
    table.fill();
  }
  refresh();
  return () => { time.pause(); state.close(); for (const one of [surface, loss, data]) one.close(); };
}

export { advance, batchOf, contour, first, measure, minimum, sentence, steepest, verdict, windowOf };
export default { render };
