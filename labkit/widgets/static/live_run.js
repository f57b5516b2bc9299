// Live run: bars of all ranks (computing, communicating, idle), and the loss. A replay goes by per cent of the time.
const LEFT = 58, RIGHT = 92, ROW = 26, FOOT = 34;
const percent = (part) => `${sig(100 * part, 3)}\u00a0%`;
const doubles = (view) => new Float64Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

// Rows of numbers, `width` in each.
const rowsOf = (flat, width) => Array.from({ length: flat.length / width }, (_, i) =>
  [...flat.subarray(width * i, width * i + width)]);

// The last moment that a part of the whole time has reached: its number; -1 where there is none.
function momentAt(moments, part) {
  const until = part * (moments.at(-1)?.[0] ?? 0) * (1 + 1e-12);
  return moments.findLastIndex(([time]) => time <= until);
}

// What each rank has done until a moment: {rank, computing, communicating, idle, step}, and the time.
function usesAt(moments, number, ranks) {
  const [time = 0, ...numbers] = moments[number] ?? [];
  return { time, rows: Array.from({ length: ranks }, (_, rank) => {
    const [computing = 0, communicating = 0, step = 0] = numbers.slice(3 * rank, 3 * rank + 3);
    return { rank, computing, communicating, step, idle: Math.max(0, time - computing - communicating) };
  }) };
}

function sentence({ info, losses }, { time, rows }, shown) {
  const step = Math.max(0, ...rows.map((row) => row.step));
  if (!time && !losses.length) return `${shown}: nothing yet. ${info.reason}`.trim();
  const all = time * rows.length || 1, mean = (key) => percent(rows.reduce((sum, row) => sum + row[key], 0) / all);
  const of = info.steps ? ` of ${grouped(info.steps)}` : "", loss = losses.at(-1);
  const spent = time ? `step ${grouped(step)}${of}, ${duration(time)} since the first event; of the ranks' time `
    + `${mean("computing")} computing, ${mean("communicating")} communicating, ${mean("idle")} idle` : "no event yet";
  return `${shown}: ${spent}${loss ? `; loss ${sig(loss[1], 3)} in step ${grouped(loss[0])}` : ""}. ${info.reason}`.trim();
}

function drawBars(ctx, width, look, { time, rows }) {
  const right = width - RIGHT, bottom = rows.length * ROW + 4, all = fills(ctx, look);
  const x = (t) => LEFT + (right - LEFT) * t / (time || 1);
  ctx.font = look.font(11);
  ctx.textAlign = "center";
  for (const v of ticks(0, 100, 4)) {
    ctx.fillStyle = look.grid;
    ctx.fillRect(LEFT + (right - LEFT) * v / 100, 0, 1, bottom + 2);
    ctx.fillStyle = look.soft;
    ctx.fillText(`${v} %`, LEFT + (right - LEFT) * v / 100, bottom + 14);
  }
  ctx.fillText("of the time since the first event", (LEFT + right) / 2, bottom + 28);
  for (const { rank, computing, communicating, step } of rows) {
    const top = 4 + ROW * rank, ends = [0, computing, computing + communicating, time];
    ctx.textAlign = "right";
    ctx.fillStyle = look.fg;
    ctx.fillText(`rank ${rank}`, LEFT - 6, top + 14);
    ctx.textAlign = "left";
    ctx.fillText(`step ${grouped(step)}`, right + 8, top + 14);
    [0, 3, 4].forEach((kind, k) => {
      const wide = x(Math.min(ends[k + 1], time)) - x(ends[k]);
      if (wide > 0.5) fillBar(ctx, look, all, kind, x(ends[k]), top, wide, ROW - 8);
    });
  }
}

// `seen` of all losses; the axes hold them all.
function drawLoss(ctx, width, height, look, { seen, losses, info }, log) {
  const all = losses.map(([, loss]) => loss).filter((loss) => Number.isFinite(loss) && (!log || loss > 0));
  if (!all.length) all.push(log ? 0.1 : 0, 1);
  const y = [log ? Math.min(...all) * 0.9 : 0, Math.max(...all) * 1.05 || 1];
  const last = Math.max(1, info.steps, losses.at(-1)?.[0] ?? 0);
  const box = axes(ctx, width, height, look, { x: [0, last], y, log, xlabel: "step", ylabel: "Loss of the global batch" });
  line(ctx, box, seen.map(([step]) => step), seen.map(([, loss]) => loss), look.colours[0]);
  ctx.fillStyle = look.colours[0];
  for (const [step, loss] of losses.length < 60 ? seen : []) ctx.fillRect(box.px(step) - 2, box.py(loss) - 2, 4, 4);
}

function render({ model, el: host }) {
  const view = { at: model.get("state").position, last: 100 };
  const go = (position) => { view.at = position; state.put({ position }); };
  const time = player((seconds) => {
    view.at = Math.min(100, nowOf(view) + Math.min(seconds / state.get().replay, 1) * 100);
    if (view.at >= 100) go(100);
    return view.at < 100;
  }, () => refresh());
  // The end of the step after this one: the first moment at which some rank has begun a later step.
  const next = () => {
    const { moments, info, now } = view, step = Math.max(...now.rows.map((row) => row.step));
    const later = moments.findIndex((_, i) => usesAt(moments, i, info.ranks).rows.some((row) => row.step > step));
    return later < 0 ? 100 : 100 * moments[later][0] / moments.at(-1)[0];
  };
  const run = runButtons(view, time, go, (command) => model.send({ command }), next);
  const root = frame(host, "live", model.get("title"), keysOf(...run.all));
  const state = settings(model, () => { if (!time.playing()) view.at = state.get().position; refresh(); });
  const key = legendOf([[0, "computing"], [3, "communicating"], [4, "idle: waiting, or done"]]);
  const bars = plot("Time of each rank", () => FOOT + ROW * Math.max(1, view.info.ranks), (ctx, width, height, look) => {
    key.paint(look);
    drawBars(ctx, width, look, view.now);
  });
  const loss = plot("Loss", 190, (ctx, width, height, look) =>
    drawLoss(ctx, width, height, look, view, state.get().log_loss));
  const status = statusLine(1000);
  const log = toggle("Logarithmic loss", state.get().log_loss, (value) => state.put({ log_loss: value }));
  const replay = slider("Seconds of a replay", { min: 1, max: 60 }, 6, (value) => state.put({ replay: value }));
  const position = slider("Moment shown, %", { min: 0, max: 100, step: 0.1 }, 100, (value) => { run.rest(); go(value); });
  const place = el("div", { class: "labkit-bar" }, position.node, replay.node);
  const uses = dataTable("Data table: time of each rank", ["rank", "step", "computing", "communicating", "idle",
    "computing, part", "idle, part"], () => view.now.rows.map((row) => ({ cells: [row.rank, grouped(row.step),
      ...["computing", "communicating", "idle"].map((name) => duration(row[name])),
      ...["computing", "idle"].map((name) => percent(row[name] / (view.now.time || 1)))] })));
  const points = dataTable("Data table: the last 20 losses", ["step", "loss"], () =>
    view.seen.slice(-20).reverse().map(([step, value]) => ({ cells: [grouped(step), sig(value)] })));
  root.append(el("div", { class: "labkit-bar" }, buttons(...run.all), log.node), place, key.node, bars.node, loss.node,
    status.node, uses.node, points.node);

  function refresh() {
    const { info, moments } = view, replayed = !isLive(view) && moments.length > 1, part = nowOf(view) / 100;
    view.now = usesAt(moments, momentAt(moments, part), info.ranks);
    const reached = Math.max(0, ...view.now.rows.map((row) => row.step));
    view.seen = part < 1 ? view.losses.filter(([step]) => step < reached) : view.losses;
    run.follow(replayed);
    log.set(state.get().log_loss);
    replay.set(state.get().replay);
    position.set(Number(nowOf(view).toFixed(1)));
    place.hidden = !replayed;
    const text = sentence({ info, losses: view.seen }, view.now, shownOf(view, time));
    status.set(text);
    for (const one of [bars, loss]) { one.name(text); one.redraw(); }
    for (const one of [uses, points]) one.fill();
  }
  const deaf = listen(model, view, () => {
    const info = model.get("info");
    Object.assign(view, { info, moments: rowsOf(doubles(model.get("moments")), 1 + 3 * info.ranks),
      losses: rowsOf(floats(model.get("losses")), 2) });
    refresh();
  });
  return () => { time.pause(); state.close(); bars.close(); loss.close(); deaf(); };
}

export { momentAt, rowsOf, sentence, usesAt };
export default { render };
