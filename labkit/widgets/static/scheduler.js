// Block-to-SM scheduler: SMs x time, and the time per sample of all three mappings against one of the sizes.
const LEFT = 46, TOP = 20, FOOT = 32, OWN = "a GPU of your own";
const SWEEPS = { batch: [256, "batch N"], channels: [256, "output channels K"], sms: [160, "SMs"] };
const DASHES = { data: [], model: [7, 4], hybrid: [2, 3] };
const percent = (part) => `${sig(100 * part, 3)} %`;
const whole = (value) => value.toLocaleString("en-GB");
const count = (value, what) => `${whole(value)} ${what}${value === 1 ? "" : "s"}`;
const rowHeight = (sms) => clamp(Math.floor(290 / sms), 2, 24);

const RULES = { data: "one per sample", model: "one per channel", hybrid: "one per sample and channel" };

function sentence(set, now, held, plan, at) {
  const { blocks, units, room, waves, rounds } = now, idle = set.sms - now.busy;
  const run = rounds > 1 ? `${whole(rounds)} waves, the last ${percent(waves - rounds + 1)} full`
    : `${sig(waves, 3)} of a wave`;
  const text = `${set.mapping}: ${count(blocks, "block")}, ${RULES[set.mapping]}, of ${count(units, "unit")} each. `
    + `${count(set.sms, "SM")} hold ${held.held} each (limit: ${held.limit}), ${whole(room)} in all: ${run}. `;
  if (at < plan.end) {
    const here = moment(plan, at);
    return `${text}At ${sig(at, 3)} of ${sig(plan.end)} units: ${here.running} running on ${count(here.busy, "SM")}, `
      + `${here.done} done, ${here.waiting} waiting.`;
  }
  return `${text}${idle ? `${count(idle, "SM")} without any block. ` : ""}Tail efficiency ${percent(now.tail)}, `
    + `occupancy of a busy SM ${percent(now.occupancy)}. All done after ${sig(plan.end)} units.`;
}

// A box for each block that has begun. Where the places of an SM are too low to be told apart, a block is a veil over
// the whole height of its SM, so that fuller is darker.
function drawBlocks(ctx, right, look, plan, tailFrom, now) {
  const { sms, held } = plan, high = rowHeight(sms), low = high / held < 3, level = low ? high : high / held;
  const scale = (right - LEFT) / plan.end;
  for (let i = 0; i < plan.blocks; i++) {
    if (plan.start[i] > now) continue;
    const tail = i >= tailFrom, wide = plan.span[i] * scale, left = LEFT + plan.start[i] * scale;
    const top = TOP + plan.place[i] % sms * high + (low ? 0 : Math.floor(plan.place[i] / sms) * level);
    ctx.fillStyle = ctx.strokeStyle = look.colours[tail ? 1 : 0];
    const shade = tail ? 0.75 : 0.45;
    ctx.globalAlpha = low ? 1 - (1 - shade) ** (1 / held) : shade;
    ctx.fillRect(left, top, wide, level - (high > 3 ? 0.5 : 0));
    ctx.globalAlpha = 1;
    if (low) continue;
    if (wide > 3) ctx.strokeRect(left + 0.5, top + 0.5, wide - 1, level - 1.5);
    ctx.fillStyle = look.fg;
    if (level >= 11 && wide > 24) ctx.fillText(i, left + wide / 2, top + level / 2 + 4);
  }
}

function drawGantt(ctx, width, height, look, view, at) {
  const { plan, now, set } = view, box = { right: width - 10, bottom: TOP + rowHeight(set.sms) * set.sms };
  const x = (t) => LEFT + (box.right - LEFT) * t / plan.end, high = rowHeight(set.sms);
  ctx.font = look.font(12, "600");
  ctx.fillStyle = look.fg;
  ctx.fillText("SM", 2, 12);
  ctx.font = look.font(11);
  ctx.textAlign = "right";
  ctx.fillStyle = look.soft;
  const every = Math.ceil(13 / high);
  for (let sm = 0; sm < set.sms; sm += every) ctx.fillText(sm, LEFT - 6, TOP + sm * high + Math.min(high / 2, 7) + 4);
  ctx.textAlign = "center";
  for (const t of ticks(0, plan.end, 8)) ctx.fillText(sig(t, 5), x(t), box.bottom + 14);
  ctx.fillText("time in units (one channel of one sample is one unit)", (LEFT + box.right) / 2, box.bottom + 28);
  ctx.strokeStyle = look.grid;
  ctx.strokeRect(LEFT, TOP, box.right - LEFT, box.bottom - TOP);
  ctx.save();
  ctx.beginPath();
  ctx.rect(LEFT, 0, x(at) - LEFT, height);
  ctx.clip();
  drawBlocks(ctx, box.right, look, plan, now.rounds > 1 ? (now.rounds - 1) * now.room : Infinity, at);
  ctx.restore();
  ctx.fillStyle = ctx.strokeStyle = look.fg;
  if (now.rounds < 40 && !set.spread) for (let wave = 0; wave < now.rounds; wave++) {
    ctx.setLineDash([4, 3]);
    ctx.beginPath();
    ctx.moveTo(x(wave * now.units), TOP - 4);
    ctx.lineTo(x(wave * now.units), box.bottom);
    if (wave) ctx.stroke();
    if (x(now.units) - LEFT > 50) ctx.fillText(`wave ${wave + 1}`, x((wave + 0.5) * now.units), 12);
  }
  ctx.setLineDash([]);
  ctx.fillRect(x(at) - 1, TOP - 4, 2, box.bottom - TOP + 8);
}

function drawSweep(ctx, width, height, look, view) {
  const { set, held } = view, [most, label] = SWEEPS[set.sweep], high = Math.max(most, set[set.sweep]);
  const xs = Array.from({ length: high }, (_, i) => i + 1);
  const of = (mapping, value) => figures(mapping, { ...set, [set.sweep]: value }, held.held, held.occupancy).perSample;
  const curves = MAPPINGS.map((mapping) => xs.map((value) => of(mapping, value))), all = curves.flat();
  const box = axes(ctx, width, height, look, { x: [1, high], y: [Math.min(...all) / 1.6, Math.max(...all) * 1.6],
    log: true, xlabel: label, ylabel: "Time per sample in units" });
  MAPPINGS.forEach((mapping, i) => {
    line(ctx, box, xs, curves[i], look.colours[i], { dash: DASHES[mapping] });
    const at = set[set.sweep], px = box.px(at), py = box.py(curves[i][at - 1]), name = ["● ", "■ ", "◆ "][i];
    ctx.fillStyle = look.colours[i];
    ctx.font = look.font(15);
    ctx.textAlign = "center";
    ctx.fillText(name.trim(), px, py + 5);
    ctx.font = look.font(12, mapping === set.mapping ? "600" : "");
    ctx.textAlign = "right";
    ctx.fillText(`${name}${mapping}${["", " - -", " ···"][i]}`, box.right - 85 * (2 - i), 12);
  });
}

function controls(set, gpus, change) {
  const size = (label, key, min, max, step = 1) => slider(label, { min, max, step }, set[key], change(key));
  return {
    mapping: choice("Mapping", MAPPINGS.map((one) => [one]), set.mapping, change("mapping")),
    batch: size("Batch N", "batch", 1, 512), channels: size("Channels K", "channels", 1, 512),
    gpu: choice("GPU", [...Object.entries(gpus).map(([key, one]) => [key, one[0]]), [OWN]], set.gpu, change("gpu")),
    sms: size("SMs", "sms", 1, 160), per_sm: size("Blocks per SM, at most", "per_sm", 1, 32),
    threads: size("Threads per block", "threads", 32, 1024, 32),
    spread: size("Spread of block times, %", "spread", 0, 90),
    replay: size("Seconds of a replay", "replay", 1, 60),
    sweep: choice("Curves against", Object.entries(SWEEPS).map(([key, one]) => [key, one[1]]), set.sweep,
      change("sweep")) };
}

function render({ model, el: host }) {
  const gpus = model.get("gpus"), view = {};
  let made = "";
  const build = () => {
    const set = view.set = state.get(), { mapping, batch, channels, sms, per_sm, threads, spread, gpu } = set;
    const key = JSON.stringify([mapping, batch, channels, sms, per_sm, threads, spread, gpu]);
    if (key === made) return;
    made = key;
    view.held = residency(set, gpus[gpu] ?? [OWN, sms, 64, 32]);
    view.now = figures(mapping, set, view.held.held, view.held.occupancy);
    view.plan = deal({ ...view.now, sms, held: view.held.held, spread });
  };
  const at = () => { const t = state.get().at; return t < 0 ? view.plan.end : Math.min(t, view.plan.end); };
  const go = (t) => state.put({ at: t >= view.plan.end ? -1 : t });
  const time = player((seconds) => {
    go(at() + Math.min(seconds / state.get().replay, 1) * view.plan.end);
    return state.get().at >= 0;
  }, () => refresh());
  const rest = () => { if (time.playing()) time.pause(); };
  const play = action("Play", "p", () => { if (!time.playing() && state.get().at < 0) go(0); time.toggle(); });
  const step = action("Step", "s", () => { rest(); go(state.get().at < 0 ? 0 : moment(view.plan, at()).next); });
  const again = action("Reset", "r", () => { rest(); go(0); });
  const end = action("End", "e", () => { rest(); state.put({ at: -1 }); });
  const root = frame(host, "scheduler", model.get("title"), keysOf(play, step, again, end));
  const state = settings(model, () => refresh());
  const fields = controls(state.get(), gpus, (key) => (value) => {
    if (key === "replay" || key === "sweep") return state.put({ [key]: value });
    rest();
    const part = { [key]: value, at: -1 };
    if (key === "gpu" && gpus[value]) part.sms = gpus[value][1];
    if (key === "sms" && gpus[state.get().gpu]?.[1] !== value) part.gpu = OWN;
    state.put(part);
  });
  const chart = plot("Blocks on SMs over time", () => TOP + FOOT + rowHeight(view.set.sms) * view.set.sms,
    (ctx, width, height, look) => drawGantt(ctx, width, height, look, view, at()));
  const sweep = plot("Time per sample of the three mappings", 230,
    (ctx, width, height, look) => drawSweep(ctx, width, height, look, view));
  const status = statusLine(), bar = (...list) => el("div", { class: "labkit-bar" }, ...list.map((one) => one.node));
  const table = dataTable("Data table: the three mappings at these sizes", ["mapping", "blocks", "units per block",
    "waves", "tail efficiency", "SMs with work", "occupancy of these", "time, units", "units per sample"], () =>
    MAPPINGS.map((one) => figures(one, view.set, view.held.held, view.held.occupancy)).map((f) => ({
      mark: f.mapping === view.set.mapping, cells: [f.mapping, whole(f.blocks), f.units, sig(f.waves, 3),
        percent(f.tail), f.busy, percent(f.occupancy), f.time, sig(f.perSample, 3)] })));
  const { mapping, batch, channels, gpu, sms, per_sm, threads, spread, replay, sweep: against } = fields;
  root.append(bar(mapping, batch, channels), bar(gpu, sms, per_sm, threads),
    bar({ node: buttons(play, step, again, end) }, replay, spread),
    ...[model.get("about")].filter(Boolean).map((text) => el("div", { class: "labkit-note" }, text)), chart.node,
    el("div", { class: "labkit-note" }, "A box is a block; the last wave, the tail, is darker. "
      + "Empty is a place without work."), bar(against), sweep.node, status.node, table.node);

  function refresh() {
    build();
    for (const [key, field] of Object.entries(fields)) field.set(view.set[key]);
    play.say(time.playing() ? "Pause" : "Play");
    end.enable(view.set.at >= 0);
    const text = sentence(view.set, view.now, view.held, view.plan, at());
    status.set(text);
    for (const one of [chart, sweep]) { one.name(text); one.redraw(); }
    table.fill();
  }
  refresh();
  return () => { time.pause(); state.close(); for (const one of [chart, sweep]) one.close(); };
}

export { blocksOf, deal, figures, moment, residency, sentence };
export default { render };
