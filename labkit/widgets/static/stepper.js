// Move stepper: a multilevel partitioner replayed, one recorded event after the other.
// events: {kind, ...}; vertices are the original ones, and of those that were merged the one that stands for all.

// What events change, those that change anything: group (who stands for a vertex), part (null before there is one),
// level, held (moved in this pass), best (the best cut of this pass, and the step that reached it), moves (of the pass).
const rules = {
  coarser: (now, { level }) => ({ level, groups: [...now.groups.slice(0, level - 1), now.group] }),
  merge: (now, { into, vertex }) => ({ group: now.group.map((one) => (one === vertex ? into : one)) }),
  start: (now, { level, part }) => ({ level, part, group: now.groups[level] ?? now.group, best: null }),
  pass: () => ({ moves: [], held: [] }),
  move: (now, { vertex, to }) => ({ held: [...now.held, vertex], moves: [...now.moves, [vertex, now.part[vertex]]],
    part: now.part.map((p, v) => (now.group[v] === vertex ? to : p)) }),
  rollback: (now, { moves }) => ({ moves: now.moves.slice(0, now.moves.length - moves),
    part: now.moves.slice(now.moves.length - moves).reduce((part, [vertex, from]) =>
      part.map((p, v) => (now.group[v] === vertex ? from : p)), now.part) }),
  end: () => ({ held: [] }),
};

// What holds before the first event and after each.
function replay(record, events, parts) {
  let now = { group: record.names.map((_, v) => v), groups: [], part: null, level: 0, held: [], moves: [] };
  return [now, ...events.map((event, i) => {
    now = { ...now, event, ...rules[event.kind]?.(now, event) };
    if (!now.part) return now;
    Object.assign(now, tally(record, now.part, parts));
    if (event.best) now.best = { cut: now.cut, step: i + 1 };
    return now;
  })];
}

// Per part that vertices could move to: [gain, vertices] from the highest gain down, of those that may still move.
function buckets(record, { part, rows, group, held }, parts) {
  return Array.from({ length: parts }, (_, to) => {
    const lists = {};
    group.forEach((own, v) => {
      if (own !== v || part[v] === to || held.includes(v)) return;
      const members = group.flatMap((one, u) => (one === v ? [u] : []));
      (lists[gain(record, rows, part, members, to)] ??= []).push(v);
    });
    return Object.entries(lists).map(([key, all]) => [Number(key), all]).sort(([a], [b]) => b - a);
  });
}

const signed = (value) => `${value > 0 ? "+" : value < 0 ? "−" : ""}${grouped(Math.abs(value))}`;
function sentence(frames, at) {
  const { event, cut, best, loads, level } = frames[at], last = frames.length - 1;
  return `Step ${at} of ${last}, level ${level}: ${event?.text ?? "each task is a vertex of its own"}.`
    + (loads ? ` Cut ${grouped(cut)}` : "") + (best ? `, best of this pass ${grouped(best.cut)}` : "")
    + (loads ? `; max/average ${sig(balance(loads).ratio, 3)}.` : "");
}

// The cut as a step line up to now; dashed lines where passes begin, a disc at the best moment of each.
function cutChart(frames) {
  const most = Math.max(1, ...frames.map(({ cut }) => cut ?? 0)), last = frames.length;
  const x = (t) => 56 + 496 * t / last, y = (cut) => 158 - 134 * cut / most;
  const write = (text, left, top) => svg("text", { x: left, y: top }, text);
  const rule = (d, dash) => svg("path", { d, class: "labkit-rule", "stroke-dasharray": dash });
  const moving = svg("g");
  const step = ({ part, cut }, t) => part && `${t && frames[t - 1].part ? "L" : "M"}${x(t)} ${y(cut)}H${x(t + 1)}`;
  const node = svg("svg", { class: "labkit-bipartite labkit-cuts", viewBox: "0 0 560 196", role: "img" },
    write("Cut after each step; ● the best moment of a pass", 280, 12), write(grouped(most), 28, 28),
    write(0, 40, 162), write("step", 280, 192), write(0, x(0.5), 176), write(last - 1, x(last - 0.5), 176),
    rule(`M56 24H552M56 158H552`), moving);
  const paint = (at) => {
    const seen = frames.slice(0, at + 1);
    moving.replaceChildren(
      ...seen.map(({ event }, t) => event?.kind === "pass" && rule(`M${x(t)} 24V158`, "3 3")).filter(Boolean),
      svg("path", { d: seen.map(step).join(""), class: "labkit-step" }), rule(`M${x(at + 0.5)} 18V164`),
      ...seen.filter(({ event, best }, t) => best && (t === at || event.kind === "end"))
        .map(({ best }) => svg("circle", { cx: x(best.step + 0.5), cy: y(best.cut), r: 5 })));
  };
  return { node, paint };
}

function render({ model, el: host }) {
  const record = model.get("record"), events = model.get("events"), parts = model.get("parts");
  const frames = replay(record, events, parts), last = frames.length - 1, nobody = record.names.map(() => "");
  const bare = tally(record, record.names.map(() => 0), 1).rows.map((row) => ({ ...row, held: [""] }));
  let carry = 0;
  const at = () => Math.min(state.get().at, last), go = (t) => state.put({ at: clamp(t, 0, last) });
  const time = player((seconds) => {
    carry += Math.min(seconds * state.get().speed, last);
    const more = Math.floor(carry);
    carry -= more;
    if (more) go(at() + more);
    return at() < last;
  }, () => refresh());
  const rest = (t) => { if (time.playing()) time.pause(); go(t); };
  const small = (i) => ["move", "merge", "tried"].includes(frames[i].event.kind);
  const play = action("Play", "p", () => { if (!time.playing() && at() === last) go(0); time.toggle(); });
  const step = action("Step", "s", () => rest(at() + 1)), back = action("Back", "b", () => rest(at() - 1));
  const skip = action("Next phase", "n", () => {
    let t = at() + 1;
    while (t < last && small(t)) t++;
    rest(t);
  });
  const again = action("Reset", "r", () => rest(0));
  const root = frame(host, "stepper", model.get("title"), keysOf(play, step, back, skip, again));
  const state = settings(model, () => refresh());
  const fields = { at: slider("Step number", { min: 0, max: last }, 0, rest),
    speed: slider("Steps per second", { min: 1, max: 30 }, 1, (speed) => state.put({ speed })) };
  const picture = bipartite("Hypergraph", record);
  const chart = cutChart(frames);
  const lists = el("div", { class: "labkit-buckets", role: "group", "aria-label": "Gain buckets" });
  const bars = loadBars(model.get("imbalance")), status = statusLine();
  const table = dataTable("Data table: all events", ["step", "level", "what", "cut", "best of the pass"], () =>
    frames.slice(1).map(({ event, level, cut, best }, i) => ({ mark: i + 1 === at(), cells: [i + 1, level,
      event.text, cut == null ? "–" : grouped(cut), best ? grouped(best.cut) : "–"] })));
  root.append(
    el("div", { class: "labkit-bar" }, buttons(play, step, back, skip, again), fields.at.node, fields.speed.node),
    el("div", { class: "labkit-note" }, model.get("legend")), picture.node, status.node,
    el("div", { class: "labkit-grid" }, chart.node, bars.node), el("div", { class: "labkit-caption" },
      "Gain buckets: vertices that may still move, by what a move gains"), lists, table.node);

  function drawBuckets(now) {
    if (!now.part) lists.replaceChildren(el("p", {}, "They are filled when there are parts to move to."));
    else lists.replaceChildren(...buckets(record, now, parts).map((rows, to) => el("div", {},
      el("div", { class: "labkit-note" }, `to part ${to}`), ...rows.map(([won, all], i) => el("div", {},
        el("b", {}, `${i ? "" : "max ▶ "}${signed(won)}`),
        ...all.map((v) => el("span", { class: "labkit-chip", "data-part": now.part[v] }, v)))))));
  }

  function refresh() {
    const set = state.get(), now = frames[at()];
    fields.at.set(at());
    fields.speed.set(set.speed);
    play.say(time.playing() ? "Pause" : "Play");
    step.enable(at() < last);
    skip.enable(at() < last);
    back.enable(at() > 0);
    const { event, group, held } = now, touched = [event?.vertex, event?.into];
    picture.paint({ part: now.part ?? nobody, rows: now.rows ?? bare, group, marks: group.map((_, v) =>
      `${held.includes(v) ? "labkit-held" : ""} ${touched.includes(v) ? "labkit-now" : ""}`) });
    drawBuckets(now);
    bars.node.hidden = !now.loads;
    if (now.loads) bars.set(now);
    const text = sentence(frames, at());
    status.set(text);
    picture.name(text);
    chart.node.ariaLabel = `Cut after each step. ${text}`;
    chart.paint(at());
    table.fill();
  }
  refresh();
  return () => { time.pause(); state.close(); picture.close(); };
}

export { buckets, replay, sentence };
export default { render };
