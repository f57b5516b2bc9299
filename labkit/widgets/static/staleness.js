// Staleness: a histogram of it, and which version of the weights each worker computes with.
const LEFT = 64, TOP = 24, FOOT = 34, ROW = 40;
const percent = (part) => `${sig(100 * part, 3)}\u00a0%`;
const table = (view, width) => Array.from({ length: view.length / width }, (_, i) =>
  [...view.subarray(width * i, width * i + width)]);
const doubles = (view) => new Float64Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
const wanted = ({ rank, piece }, [r, p]) => (rank < 0 || r === rank) && (piece < 0 || p === piece);

// Updates per staleness, from 0 to the greatest, of what is chosen: [count].
function histogram(counts, set) {
  const out = [];
  for (const [rank, piece, stale, count] of counts) {
    if (!wanted(set, [rank, piece])) continue;
    while (out.length <= stale) out.push(0);
    out[stale] += count;
  }
  return out;
}

// One box for each step of a worker: {rank, step, low, high (versions), stale, start, end}. Shown are the newest steps of
// the worker that is first, and what the others did in that time; without times, the newest steps of each.
function boxesOf(lanes, set, timed) {
  const found = {};
  for (const [rank, step, piece, version, stale, start, end] of lanes) {
    if (!wanted(set, [rank, piece])) continue;
    const box = found[`${rank} ${step}`] ??= { rank, step, low: version, high: version, stale, start, end };
    Object.assign(box, { low: Math.min(box.low, version), high: Math.max(box.high, version),
      stale: Math.max(box.stale, stale) });
  }
  const all = Object.values(found), ranks = [...new Set(all.map((box) => box.rank))];
  const ends = ranks.map((rank) => Math.max(...all.filter((box) => box.rank === rank).map((box) => box.step)));
  const from = (timed ? Math.max(...ends) : Math.min(...ends)) - set.last;
  const newest = all.filter((box) => box.step > from), begin = Math.min(...newest.map((box) => box.start));
  return timed ? all.filter((box) => box.end > begin) : newest;
}

function sentence({ counts, info, set }) {
  const bars = histogram(counts, set), total = bars.reduce((a, b) => a + b, 0);
  const live = ["running", "paused"].includes(info.state);
  const state = live ? `${info.state[0].toUpperCase()}${info.state.slice(1)}: ` : "";
  if (!total) return `${state}no update yet. ${info.reason}`.trim();
  const mean = bars.reduce((sum, count, stale) => sum + count * stale, 0) / total, over = bars
    .reduce((sum, count, stale) => sum + (info.bound >= 0 && stale > info.bound ? count : 0), 0);
  const kept = info.bound < 0 ? "" : over ? `; the bound ${info.bound} is broken by ${grouped(over)}`
    : `; the bound ${info.bound} is kept`;
  const some = `${info.ranks.length} worker${info.ranks.length === 1 ? "" : "s"}`;
  const whose = set.rank < 0 ? some : `rank ${set.rank}`;
  return `${state}${grouped(total)} updates of ${whose}: staleness ${sig(mean, 3)} on average, at most `
    + `${bars.length - 1}, none in ${percent(bars[0] / total)}${kept}. ${info.reason}`.trim();
}

function drawHistogram(ctx, width, height, look, { counts, info, set }) {
  const bars = histogram(counts, set), most = Math.max(1, ...bars), bottom = height - FOOT, all = fills(ctx, look);
  const slots = Math.max(bars.length, info.bound + 2, 6), slot = (width - LEFT - 12) / slots;
  ctx.font = look.font(12, "600");
  ctx.fillStyle = look.fg;
  ctx.fillText("Updates", 2, 12);
  ctx.font = look.font(11);
  ctx.textAlign = "right";
  for (const v of ticks(0, most, 4)) {
    const y = bottom - (bottom - TOP) * v / most;
    ctx.fillStyle = look.grid;
    ctx.fillRect(LEFT, y, width - LEFT - 12, 1);
    ctx.fillStyle = look.soft;
    ctx.fillText(grouped(v), LEFT - 6, y + 4);
  }
  ctx.textAlign = "center";
  const every = Math.ceil(26 / slot);
  for (let stale = 0; stale < slots; stale++) {
    const high = (bottom - TOP) * (bars[stale] ?? 0) / most, x = LEFT + slot * stale;
    if (high) fillBar(ctx, look, all, stale ? 1 : 0, x + slot * 0.12, bottom - high, slot * 0.76, high);
    ctx.fillStyle = look.fg;
    if (high && slot > 30) ctx.fillText(grouped(bars[stale]), x + slot / 2, bottom - high - 4);
    ctx.fillStyle = look.soft;
    if (stale % every === 0) ctx.fillText(stale, x + slot / 2, bottom + 14);
  }
  ctx.fillText("staleness of the update, in versions", (LEFT + width) / 2, bottom + 29);
  if (info.bound < 0) return;
  const x = LEFT + slot * (info.bound + 1);
  ctx.strokeStyle = look.fg;
  ctx.setLineDash([6, 4]);
  ctx.beginPath();
  ctx.moveTo(x, TOP - 6);
  ctx.lineTo(x, bottom);
  ctx.stroke();
  ctx.setLineDash([]);
  ctx.fillStyle = look.fg;
  ctx.textAlign = x > width / 2 ? "right" : "left";
  ctx.fillText(` bound ${info.bound} `, x, TOP - 8);
}

function drawLanes(ctx, width, height, look, { info, boxes }) {
  const right = width - 10, bottom = height - FOOT, all = fills(ctx, look);
  const low = Math.min(...boxes.map((box) => box.start)), high = Math.max(...boxes.map((box) => box.end));
  const x = (t) => LEFT + (right - LEFT) * (t - low) / (high - low || 1);
  const [scale, unit] = !info.timed ? [1, ""] : high - low >= 2 ? [1, "s"] : [1e3, "ms"];
  ctx.font = look.font(12, "600");
  ctx.fillStyle = look.fg;
  ctx.fillText("Versions that the workers compute with", 2, 12);
  ctx.font = look.font(11);
  ctx.textAlign = "center";
  if (boxes.length) for (const v of ticks(low * scale, high * scale, Math.max(2, width / 110))) {
    ctx.fillStyle = look.grid;
    ctx.fillRect(x(v / scale), TOP - 4, 1, bottom - TOP + 4);
    ctx.fillStyle = look.soft;
    ctx.fillText(sig(v, 6), clamp(x(v / scale), LEFT, right - 10), bottom + 14);
  }
  ctx.fillText(info.timed ? `time in ${unit}` : "step", (LEFT + right) / 2, bottom + 29);
  info.ranks.forEach((rank, i) => {
    const y = TOP + ROW * i;
    ctx.textAlign = "right";
    ctx.fillStyle = look.fg;
    ctx.fillText(`rank ${rank}`, LEFT - 6, y + ROW / 2 + 2);
    ctx.textAlign = "center";
    for (const box of boxes.filter((one) => one.rank === rank)) {
      const from = x(box.start), wide = Math.max(x(box.end) - from, 2);
      const over = info.bound >= 0 && box.stale > info.bound;
      fillBar(ctx, look, all, box.stale ? 1 : 0, from, y, wide, ROW - 6);
      ctx.strokeStyle = look.fg;
      if (over) for (const edge of [1, 4]) ctx.strokeRect(from + edge, y + edge, wide - 2 * edge, ROW - 6 - 2 * edge);
      const range = box.low === box.high ? box.low : `${box.low}–${box.high}`;
      [[`v ${range}`], over ? [`✗ s ${box.stale}`, "✗"] : [`s ${box.stale}`]].forEach((words, k) => {
        const text = words.find((one) => ctx.measureText(one).width <= wide - 4);
        if (!text) return;
        ctx.lineWidth = 3;
        ctx.strokeStyle = look.dark ? "#111" : "#fff";
        ctx.strokeText(text, from + wide / 2, y + 14 + 14 * k);
        ctx.fillStyle = look.fg;
        ctx.fillText(text, from + wide / 2, y + 14 + 14 * k);
        ctx.lineWidth = 1;
      });
    }
  });
}

function render({ model, el: host }) {
  const view = {};
  const root = frame(host, "staleness", model.get("title"));
  const state = settings(model, () => refresh());
  const options = (list, name) => [["-1", "all"], ...list.map((one) => [String(one), `${name} ${one}`])];
  const fields = {}, place = el("div", { class: "labkit-bar" });
  const last = slider("Newest steps shown", { min: 2, max: 500, log: true }, 20, (value) => state.put({ last: value }));
  const bars = plot("Histogram of staleness", 220, (ctx, width, height, look) =>
    drawHistogram(ctx, width, height, look, view));
  const tall = () => TOP + FOOT + ROW * Math.max(1, view.info.ranks.length);
  const lanes = plot("Versions that the workers compute with", tall,
    (ctx, width, height, look) => drawLanes(ctx, width, height, look, view));
  const status = statusLine(500);
  const shares = dataTable("Data table: updates by staleness", ["staleness", "updates", "part of all"], () => {
    const found = histogram(view.counts, view.set), total = found.reduce((a, b) => a + b, 0);
    return found.map((count, stale) => ({ mark: view.info.bound >= 0 && stale > view.info.bound,
      cells: [stale, grouped(count), percent(count / total)] }));
  });
  const newest = dataTable("Data table: the newest steps of the workers",
    ["rank", "step", "version, least", "version, greatest", "staleness", "begins", "ends"], () =>
      [...view.boxes].sort((a, b) => b.step - a.step || a.rank - b.rank).slice(0, 60).map((box) => ({ cells: [
        box.rank, box.step, box.low, box.high, box.stale,
        ...[box.start, box.end].map((t) => (view.info.timed ? duration(t) : t))] })));
  root.append(place, bars.node, lanes.node, status.node, el("div", { class: "labkit-note" }, model.get("legend")),
    shares.node, newest.node);

  function refresh() {
    view.set = state.get();
    view.boxes = boxesOf(view.lanes, view.set, view.info.timed);
    for (const name of ["rank", "piece"]) fields[name].set(String(view.set[name]));
    last.set(view.set.last);
    const text = sentence(view);
    status.set(text);
    for (const one of [bars, lanes]) { one.name(text); one.redraw(); }
    for (const one of [shares, newest]) one.fill();
  }
  // Lists of ranks and pieces grow while a run goes on.
  function receive() {
    const info = model.get("info"), lists = { rank: info.ranks, piece: info.pieces };
    const known = JSON.stringify(lists);
    Object.assign(view, { info, counts: table(floats(model.get("counts")), 4),
      lanes: table(doubles(model.get("lanes")), 7) });
    if (view.known !== known) {
      view.known = known;
      for (const [name, list] of Object.entries(lists)) fields[name] = choice(name === "rank" ? "Worker" : "Piece",
        options(list, name), "-1", (value) => state.put({ [name]: Number(value) }));
      place.replaceChildren(fields.rank.node, fields.piece.node, last.node);
    }
    refresh();
  }
  model.on("change:info", receive);
  receive();
  return () => { state.close(); bars.close(); lanes.close(); model.off("change:info", receive); };
}

export { boxesOf, histogram, sentence, table };
export default { render };
