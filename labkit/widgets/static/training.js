// Live view of a training run, and its replay. Drawn at most once per animation frame, however many messages come.

// The columns of the table of points as arrays: {step, loss, ...}.
function unpack(flat, names) {
  const rows = flat.length / names.length;
  return Object.fromEntries(names.map((name, k) =>
    [name, Float32Array.from({ length: rows }, (_, i) => flat[i * names.length + k])]));
}

// How many of the sorted `steps` are at most `step`.
const upTo = (steps, step) => steps.filter((one) => one <= step).length;

// Mean of the last `size` finite values at every place.
function trailing(values, size) {
  let sum = 0, count = 0;
  return values.map((value, i) => {
    if (Number.isFinite(value)) { sum += value; count += 1; }
    const gone = values[i - size];
    if (Number.isFinite(gone)) { sum -= gone; count -= 1; }
    return count && Number.isFinite(value) ? sum / count : NaN;
  });
}

// Means of the phases over the 50 points before `count`, in seconds.
const phases = (data, count) =>
  ["fp", "bp", "ku"].map((name) => trailing(data[name].slice(0, count), 50).at(-1) ?? NaN);

// The gradient norms at `step`, and their range so far: one {name, value, low, high} per layer.
function normsAt(flat, layers, step) {
  const width = layers.length + 1, rows = flat.length / width;
  return layers.map((name, k) => {
    let value = NaN, low = Infinity, high = 0;
    for (let i = 0; i < rows && flat[i * width] <= step; i++) {
      const one = flat[i * width + k + 1];
      if (!(one > 0) || !Number.isFinite(one)) continue;
      value = one;
      low = Math.min(low, one);
      high = Math.max(high, one);
    }
    return { name, value, low, high };
  });
}

// Horizontal bars; a whisker from low to high where a row has both.
function bars(ctx, width, theme, title, rows, colours, log, write) {
  const left = 96, right = width - 80,
    values = rows.flatMap((row) => [row.value, row.high]).filter((v) => v > 0 && Number.isFinite(v));
  const high = Math.max(...values, 1e-12),
    least = Math.min(...rows.map((row) => row.low ?? row.value).filter((v) => v > 0), high);
  const low = least * 0.5, part = (v) => log ? Math.log(v / low) / Math.log(high / low) : v / high;
  const px = (v) => left + (right - left) * clamp(v > 0 ? part(v) : 0, 0, 1);
  ctx.textAlign = "left";
  ctx.font = theme.font(12, "600");
  ctx.fillStyle = theme.fg;
  ctx.fillText(title, 2, 12);
  rows.forEach((row, i) => {
    const y = 22 + i * 20;
    ctx.font = theme.font(12);
    ctx.fillStyle = theme.fg;
    ctx.fillText(row.name, 2, y + 12, left - 8);
    ctx.fillText(Number.isFinite(row.value) ? write(row.value) : "–", right + 8, y + 12);
    ctx.fillStyle = colours[i % colours.length];
    if (Number.isFinite(row.value)) ctx.fillRect(left, y + 2, Math.max(1, px(row.value) - left), 12);
    if (!(row.high > row.low)) return;
    ctx.fillStyle = theme.fg;
    ctx.fillRect(px(row.low), y + 7.5, px(row.high) - px(row.low), 1);
    for (const v of [row.low, row.high]) ctx.fillRect(px(v), y + 3, 1, 10);
  });
}

function strip(ctx, width, height, theme, data, count, last, { key, log, name, colour, percent }) {
  const all = [...data[key]].filter((v) => Number.isFinite(v) && (!log || v > 0));
  if (!all.length) all.push(log ? 0.1 : 0, 1);
  const low = log ? Math.min(...all) * 0.9 : 0, high = percent ? 1 : Math.max(...all) * 1.05 || 1;
  const box = axes(ctx, width, height, theme,
    { x: [0, Math.max(last, 1)], y: [low, high], log, percent, xlabel: "step", ylabel: name });
  const size = Math.max(1, Math.round(count / 40));
  line(ctx, box, data.step, data[key], colour, { count, width: 1, alpha: size > 1 ? 0.4 : 1 });
  if (size > 1) line(ctx, box, data.step, trailing(data[key].slice(0, count), size), colour, { count });
  if (!percent) return;
  ctx.fillStyle = theme.colours[1];
  ctx.textAlign = "center";
  for (let i = 0; i < count; i++)
    if (data.test_accuracy[i] >= 0) ctx.fillText("◆", box.px(data.step[i]), box.py(data.test_accuracy[i]) + 4);
}

const milli = (seconds) => `${sig(seconds * 1e3, 3)}\u00a0ms`;
const percent = (part, digits = 1) => `${(100 * part).toFixed(digits)}\u00a0%`;

function sentence(info, data, count, shown) {
  if (!count) return `${shown}: no step yet. ${info.reason}`;
  const of = (key) => data[key][count - 1], times = phases(data, count), sum = times[0] + times[1] + times[2];
  const held = Object.values(info.bytes_held).reduce((a, b) => a + b, 0);
  const test = data.test_accuracy.slice(0, count).findLast((v) => v >= 0);
  const total = info.steps ? ` of ${grouped(info.steps)}` : "";
  const tested = test >= 0 ? `, on test samples ${percent(test)}` : "";
  const shares = ["FP", "BP", "KU"].map((name, k) => `${name} ${percent(times[k] / sum, 0)}`).join(", ");
  return `${shown}: step ${grouped(of("step"))}${total}, epoch ${of("epoch")}, loss ${sig(of("loss"), 3)}, `
    + `accuracy ${percent(of("accuracy"))}${tested}; ${milli(sum)} a step (${shares}), `
    + `${short(held, "B")} held. ${info.reason}`;
}

// What a view holds: the numbers as they came, and what `run_buttons.js` asks for; its replay goes by steps.
const countOf = (view) => upTo(view.data.step, nowOf(view));
const phaseRows = (view) => ["FP", "BP", "KU"].map((name, k) => ({ name, value: phases(view.data, countOf(view))[k] }));
const byteRows = (view) =>
  Object.entries(view.info.bytes_held).map(([name, value]) => ({ name: name.replaceAll("_", " "), value }));
const normRows = (view) => normsAt(view.norms, view.info.layers, nowOf(view));

function pictures(view, state) {
  const lines = (caption, options) => plot(caption, 190, (ctx, width, height, look) =>
    strip(ctx, width, height, look, view.data, countOf(view), view.last, options(look.colours)));
  const chart = (caption, rows, write, log, pick) => plot(caption, () => 28 + 20 * Math.max(1, rows(view).length),
    (ctx, width, height, look) => bars(ctx, width, look, caption, rows(view), pick(look.colours), log, write));
  return [
    lines("Loss", (colours) =>
      ({ key: "loss", name: "Loss of the batch", colour: colours[0], log: state.get().log_loss })),
    lines("Accuracy", (colours) =>
      ({ key: "accuracy", name: "Accuracy of the batch (◆ test samples)", colour: colours[2], percent: true })),
    chart("Seconds per step and phase", phaseRows, milli, false, (colours) => colours),
    chart("Bytes held", byteRows, (v) => short(v, "B"), false, (colours) => [colours[0]]),
    chart("Gradient norm per layer (line: range so far)", normRows, (v) => sig(v, 3), true, (colours) => [colours[3]]),
  ];
}

function tables(view) {
  const steps = dataTable("Data table: the last 20 points",
    ["step", "epoch", "loss", "accuracy", "test accuracy", "FP", "BP", "KU"], () => {
    const { data } = view, count = countOf(view);
    const test = (i) => (data.test_accuracy[i] >= 0 ? sig(data.test_accuracy[i]) : "–");
    return Array.from({ length: Math.min(20, count) }, (_, k) => count - 1 - k).map((i) => ({
      cells: [grouped(data.step[i]), data.epoch[i], sig(data.loss[i]), sig(data.accuracy[i]), test(i),
        milli(data.fp[i]), milli(data.bp[i]), milli(data.ku[i])] }));
  });
  const others = dataTable("Data table: phases, bytes, gradient norms", ["quantity", "now", "least", "greatest"], () =>
    [[phaseRows, milli], [byteRows, grouped], [normRows, sig]].flatMap(([rows, write]) => rows(view).map((row) => ({
      cells: [row.name, write(row.value), row.low ? write(row.low) : "", row.low ? write(row.high) : ""] }))));
  return [steps, others];
}

function render({ model, el: host }) {
  const view = { at: model.get("state").position };
  const go = (position) => { view.at = position; state.put({ position: Math.round(position) }); };
  const time = player((seconds) => {
    view.at = Math.min(view.last, nowOf(view) + seconds * state.get().speed);
    if (view.at >= view.last) go(view.at);
    return view.at < view.last;
  }, () => refresh());
  const next = () => view.data.step[Math.min(countOf(view), view.data.step.length - 1)] ?? 0;
  const run = runButtons(view, time, go, (command) => model.send({ command }), next);
  const root = frame(host, "training", model.get("title"), keysOf(...run.all));
  const state = settings(model, () => { if (!time.playing()) view.at = state.get().position; refresh(); });
  const plots = pictures(view, state), status = statusLine(1000), data = tables(view);
  const log = toggle("Logarithmic loss", state.get().log_loss, (value) => state.put({ log_loss: value }));
  const speed = slider("Steps per second", { min: 1, max: 10000, log: true }, state.get().speed,
    (value) => state.put({ speed: value }));
  const position = slider("Step shown", { min: 0, max: 1 }, 0, (value) => { run.rest(); go(value); });
  const place = el("div", { class: "labkit-bar" }, position.node, speed.node);
  root.append(el("div", { class: "labkit-bar" }, buttons(...run.all), log.node), place,
    el("div", { class: "labkit-grid" }, ...plots.map((one) => one.node)), status.node, ...data.map((one) => one.node));

  function refresh() {
    const { info, last } = view, now = nowOf(view), replay = !isLive(view) && view.data.step.length > 1;
    run.follow(replay);
    log.set(state.get().log_loss);
    speed.set(state.get().speed);
    position.limit(last);
    position.set(Math.round(now));
    place.hidden = !replay;
    const text = sentence(info, view.data, countOf(view), shownOf(view, time));
    status.set(text);
    for (const one of plots) { one.name(text); one.redraw(); }
    for (const one of data) one.fill();
  }
  function receive() {
    Object.assign(view, { data: unpack(floats(model.get("points")), model.get("columns")),
      norms: floats(model.get("norms")), info: model.get("info") });
    view.last = view.data.step.at(-1) ?? 0;
    refresh();
  }
  const deaf = listen(model, view, receive);
  return () => {
    time.pause();
    state.close();
    for (const one of plots) one.close();
    deaf();
  };
}

export { normsAt, phases, sentence, trailing, unpack, upTo };
export default { render };
