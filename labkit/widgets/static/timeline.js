// Timeline: lanes of all ranks against time, predicted above measured.
const LEFT = 134, TOP = 8, FOOT = 34;
const DOES = ["computes (FP)", "computes (BP)", "computes (KU)", "communicates", "waits"];
const percent = (part) => `${sig(100 * part, 3)}\u00a0%`;
const capital = (text) => text[0].toUpperCase() + text.slice(1);
const amount = (value, what) => `${grouped(value)} ${what}${value === 1 ? "" : "s"}`;

// "Measured, rank 2, main lane, step 0: “F0:13” computes (FP) from 0 ms to 3 ms, 3 ms in all."
function eventSentence(source, i) {
  const [rank, lane, , spelling, sent, received, messages, peers] = source.is(i), [from, to] = span(source, i);
  const moved = [sent && `sends ${grouped(sent)} B in ${amount(messages, "message")}`,
    received && `receives ${grouped(received)} B`,
    peers.length && `with rank${peers.length > 1 ? "s" : ""} ${peers.join(", ")}`].filter(Boolean).join(", ");
  return `${capital(source.name)}, rank ${rank}, ${LANES[lane]} lane, step ${source.step[i]}: “${spelling}” `
    + `${DOES[source.kind(i)]} from ${duration(from, 4)} to ${duration(to, 4)}, ${duration(to - from)} in all`
    + `${moved && `; ${moved}`}.`;
}

function summary(sources, step) {
  const parts = sources.map((source) => {
    const rows = totals(source, step), all = source.seconds * rows.length || 1;
    const mean = (key) => `${key} ${percent(rows.reduce((sum, row) => sum + row[key], 0) / all)}`;
    const out = source.left_out ? ` (${amount(source.left_out, "event")} of later steps left out)` : "";
    return `${source.name} ${duration(source.seconds)}: ${mean("computing")}, ${mean("communicating")}, `
      + `${mean("idle")} of the ranks' time${out}`;
  });
  const [first, second] = sources, factor = second && first.seconds
    ? ` ${capital(second.name)} is ${sig(second.seconds / first.seconds, 3)} times ${first.name}.` : "";
  return `${step < 0 ? "All steps" : `Step ${step}`}, ${amount(first.ranks, "rank")}: ${parts.join("; ")}.${factor}`;
}

// Heights of the rows from the top; ranks stand a little apart.
function placeRows(rows) {
  const high = clamp(Math.floor(420 / rows.length), 4, 20);
  let top = TOP, before = rows[0]?.rank;
  for (const row of rows) {
    if (row.rank !== before) top += Math.min(8, high);
    before = row.rank;
    Object.assign(row, { top, high });
    top += high + (high > 8 ? 2 : 1);
  }
  return top;
}

function drawRow(ctx, row, { set }, look, all, x, right) {
  const { source, top, high } = row, bins = new Float64Array(right * 5);
  for (const i of row.list) {
    const [from, to] = span(source, i).map(x), k = source.kind(i);
    if (to < LEFT || from > right) continue;
    if (to - from < 2) {
      bins[5 * clamp(Math.floor((from + to) / 4) * 2, 0, right - 1) + k] += Math.max(to - from, 0.05) / 2;
      continue;
    }
    ctx.globalAlpha = set.step < 0 || source.step[i] === set.step ? 1 : 0.3;
    fillBar(ctx, look, all, k, from, top, to - from, high);
    if (high > 11) label(ctx, look, source.is(i)[3], Math.max(from, LEFT), Math.min(to, right), top + high / 2 + 4);
  }
  ctx.globalAlpha = 1;
  // Bars that are too narrow are put together, two dots wide: the kinds stand on each other.
  const base = new Float64Array(right);
  inks(look).forEach((ink, k) => {
    ctx.fillStyle = ink;
    for (let px = 0; px < right; px += 2) {
      const part = Math.min(bins[5 * px + k], 1 - base[px]);
      base[px] += part;
      if (part) ctx.fillRect(px, top + high * (1 - base[px]), 2, Math.max(high * part, 1));
    }
  });
}

// Text inside a bar, where there is room for all of it.
function label(ctx, look, text, from, to, y) {
  if (to - from < 14 || ctx.measureText(text).width > to - from - 6) return;
  ctx.lineWidth = 3;
  ctx.strokeStyle = look.dark ? "#111" : "#fff";
  ctx.strokeText(text, (from + to) / 2, y);
  ctx.fillStyle = look.fg;
  ctx.fillText(text, (from + to) / 2, y);
}

// Names of rows, and the axis of time below them.
function drawFrame(ctx, look, { rows, sources, bottom, window: [low, high], set }, right, x) {
  const [scale, unit] = high - low >= 2 ? [1, "s"] : high - low >= 2e-3 ? [1e3, "ms"] : [1e6, "µs"];
  ctx.textAlign = "center";
  for (const v of ticks(low * scale, high * scale, Math.max(2, (right - LEFT) / 90))) {
    ctx.fillStyle = look.grid;
    ctx.fillRect(x(v / scale), TOP - 4, 1, bottom - TOP + 6);
    ctx.fillStyle = look.soft;
    ctx.fillText(sig(v, 6), clamp(x(v / scale), LEFT, right - 12), bottom + 14);
  }
  const since = set.step < 0 ? "first event" : "step began";
  ctx.fillText(`time in ${unit} since the ${since}`, (LEFT + right) / 2, bottom + 28);
  ctx.textAlign = "right";
  let named = -20;
  for (const { rank, source, s, lane, top, high: tall } of rows) {
    ctx.fillStyle = look.grid;
    ctx.fillRect(LEFT, top + tall, right - LEFT, 1);
    if (top < named + 11) continue;
    named = top;
    ctx.fillStyle = s ? look.fg : look.soft;
    const words = ["rank", rank, sources[1] && `${source.name.slice(0, 4)}.`, lane ? LANES[lane] : ""];
    ctx.fillText(words.filter((word) => word != null).join(" ").trim(), LEFT - 6, top + tall / 2 + 4);
  }
}

function drawTimeline(ctx, width, look, view) {
  const { window: [low, high], bottom } = view, right = Math.floor(width - 8);
  const x = (t) => LEFT + (right - LEFT) * (t - low) / (high - low), all = fills(ctx, look), now = view.chosen();
  ctx.font = look.font(11);
  drawFrame(ctx, look, view, right, x);
  ctx.beginPath();
  ctx.rect(LEFT, 0, right - LEFT, bottom + 1);
  ctx.clip();
  ctx.textAlign = "center";
  for (const row of view.rows) drawRow(ctx, row, view, look, all, x, right);
  if (!now) return;
  const [from, to] = span(now.row.source, now.i).map(x);
  ctx.strokeStyle = look.fg;
  ctx.lineWidth = 2.5;
  ctx.strokeRect(from - 1, now.row.top - 1, Math.max(to - from, 2) + 2, now.row.high + 2);
}

// What is shown, worked out anew where step or rank change.
function arrange(view, set) {
  const key = `${set.step} ${set.rank}`, { sources } = view;
  view.set = set;
  if (view.key !== key) {
    measure(sources, set.step);
    Object.assign(view, { key, rows: rowsOf(sources, set.rank) });
    view.bottom = placeRows(view.rows);
    view.whole = Math.max(1e-9, ...sources.map((one) => one.seconds));
  }
  view.window = set.high > set.low ? [set.low, set.high] : [0, view.whole];
}

// Steps along a row, or to the row above or below; begins at what the window shows first.
function walk({ chosen, rows, window: [low] }, along, down) {
  const now = chosen();
  if (!now) return rows[0] && { row: rows[0], i: eventAt(rows[0], low, Infinity) };
  const { row, i } = now, { list } = row, [from, to] = span(row.source, i);
  if (along) return { row, i: list[clamp(list.indexOf(i) + along, 0, list.length - 1)] };
  const next = rows[clamp(rows.indexOf(row) + down, 0, rows.length - 1)];
  return next === row ? now : { row: next, i: eventAt(next, (from + to) / 2, Infinity) };
}

function tablesOf(view) {
  const head = ["rank", "which", "computing", "communicating", "idle", "network lane", "of it while computing",
    "bytes sent", "messages"], times = ["computing", "communicating", "idle", "network", "behind"];
  const ranks = dataTable("Data table: computing, communicating and idle of each rank", head, () =>
    view.sources.flatMap((source) => totals(source, view.set.step).map((row) => [source.name, row]))
      .sort(([, a], [, b]) => a.rank - b.rank).map(([name, row]) => ({ cells: [row.rank, name,
        ...times.map((key) => duration(row[key])), grouped(row.sent), grouped(row.messages)] })));
  const events = dataTable("Data table: the first 200 events of the picture",
    ["which", "rank", "lane", "step", "instruction", "start", "end", "sent, B", "received, B", "ranks"], () =>
      view.rows.flatMap(({ source, list }) => list.map((i) => [source, i])).filter(([source, i]) => {
        const [from, to] = span(source, i);
        return from <= view.window[1] && to >= view.window[0];
      }).slice(0, 200).map(([source, i]) => {
        const [rank, lane, , spelling, sent, received, , peers] = source.is(i), now = view.chosen();
        return { mark: now?.i === i && now.row.source === source, cells: [source.name, rank, LANES[lane],
          source.step[i], spelling, ...span(source, i).map((t) => duration(t, 5)), grouped(sent), grouped(received),
          peers.join(", ")] };
      }));
  events.node.classList.add("labkit-left");
  return [ranks, events];
}

// What changes the window of time, with buttons.
function windows(view, put) {
  const show = (low, high) => put(low <= 0 && high >= view.whole * 0.9999 ? { low: 0, high: 0 } : { low, high });
  const shift = (by) => {
    const [low, high] = view.window, move = clamp(by, -low, Math.max(0, view.whole - high));
    show(low + move, high + move);
  };
  const zoom = (factor) => {
    const [low, high] = view.window, now = view.chosen(), [from, to] = now ? span(now.row.source, now.i) : view.window;
    const middle = clamp((from + to) / 2, low, high), half = Math.max((high - low) * factor / 2, 5e-8);
    show(Math.max(0, middle - half), Math.min(middle + half, view.whole));
  };
  const part = (sign) => shift(sign * (view.window[1] - view.window[0]) / 4);
  return { shift, list: [action("Zoom in", "+", () => zoom(0.5)), action("Zoom out", "-", () => zoom(2)),
    action("Earlier", "[", () => part(-1)), action("Later", "]", () => part(1)),
    action("Whole", "0", () => put({ low: 0, high: 0 }))] };
}

// The mouse: what it points at is named, a click holds it, and dragging moves the window.
function mouse(view, { canvas }, shift, hover, hold) {
  let moved = 0;
  const dot = () => (view.window[1] - view.window[0]) / (canvas.clientWidth - 8 - LEFT);
  const find = ({ offsetX: x, offsetY: y }) => {
    const row = view.rows.find((one) => y >= one.top - 1 && y <= one.top + one.high + 1);
    const i = row && x > LEFT ? eventAt(row, view.window[0] + (x - LEFT) * dot(), 4 * dot()) : -1;
    return i < 0 ? null : { row, i };
  };
  const on = (name, run) => canvas.addEventListener(name, run);
  on("pointerdown", () => { moved = 0; });
  on("pointermove", (event) => {
    if (!event.buttons) return hover(find(event));
    moved += Math.abs(event.movementX);
    shift(-event.movementX * dot());
  });
  on("click", (event) => { if (moved < 5) hold(find(event)); });
  on("pointerleave", () => hover(null));
}

function render({ model, el: host }) {
  const bytes = model.get("events"), view = { over: null };
  view.sources = unpackEvents(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength),
    model.get("sources"));
  view.chosen = () => {
    const { source, event } = view.set, row = event < 0 ? null
      : view.rows.find((one) => one.s === source && one.list.includes(event));
    return row ? { row, i: event } : null;
  };
  const put = (part) => state.put(part), time = windows(view, put);
  const hold = (found) => {
    if (!found) return put({ event: -1 });
    const { row: { s, source }, i } = found, [low, high] = view.window, [from, to] = span(source, i);
    put({ source: s, event: i });
    if (to < low || from > high) time.shift((from + to - low - high) / 2);
  };
  const arrows = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
  const keys = Object.fromEntries(Object.entries(arrows).map(([key, way]) => [key, () => hold(walk(view, ...way))]));
  const root = frame(host, "timeline", model.get("title"),
    { ...keys, ...keysOf(...time.list), Escape: () => hold(null) });
  const state = settings(model, () => refresh());
  const steps = [...new Set(view.sources.flatMap((one) => [...one.step]))].sort((a, b) => a - b);
  const ranks = Array.from({ length: view.sources[0].ranks }, (_, rank) => rank);
  const field = (name, key, values) => choice(name, [["-1", "all"], ...values.map((one) => [String(one)])], "-1",
    (value) => put({ [key]: Number(value), low: 0, high: 0 }));
  const fields = { step: field("Step", "step", steps), rank: field("Rank", "rank", ranks) };
  arrange(view, state.get());
  const key = legendOf(KINDS.map((kind, k) => [k, kind]));
  const chart = plot("Timeline of the ranks", () => view.bottom + FOOT, (ctx, width, height, look) => {
    key.paint(look);
    drawTimeline(ctx, width, look, view);
  });
  dress(chart.canvas, { tabindex: 0, role: "application" }, []);
  const status = statusLine(), data = tablesOf(view);
  mouse(view, chart, time.shift, (found) => { view.over = found; say(); }, hold);
  root.append(el("div", { class: "labkit-bar" }, fields.step.node, fields.rank.node, buttons(...time.list)),
    key.node, chart.node, status.node, el("div", { class: "labkit-note" }, model.get("legend")),
    ...data.map((one) => one.node));

  function say() {
    const now = view.over ?? view.chosen();
    const text = now ? eventSentence(now.row.source, now.i) : summary(view.sources, view.set.step);
    status.set(text);
    chart.name(text);
  }
  function refresh() {
    arrange(view, state.get());
    for (const name of ["step", "rank"]) fields[name].set(String(view.set[name]));
    time.list[4].enable(view.set.high > view.set.low);
    say();
    chart.redraw();
    for (const one of data) one.fill();
  }
  refresh();
  return () => { state.close(); chart.close(); };
}

export { eventAt, eventSentence, inside, measure, rowsOf, summary, totals, unpackEvents };
export default { render };
