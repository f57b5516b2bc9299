// Partition studio: a row per layer, its width divided among its filters, each in the colour of the part that owns it.
const UNIT = 2 ** 20, HEAD = 20, MANY = 8, { min, max, floor } = Math;
const HUES = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#9A9A9A"];
const LINES = ["M-2 2 2-2M-2 10 10-2M6 10 10 6", "M-2 6 2 10M-2-2 10 10M6-2 10 2", "M4 0V8", "M0 4H8"];
const keyOf = ({ method, parts, imbalance }) => `${method}/${parts}/${imbalance}`;
const mega = (elements, digits) => sig(elements / UNIT, digits);
const bytes = (elements) => (elements < 256 * UNIT ? mega(4 * elements) + " MiB" : mega(elements / 256) + " GiB");
const percent = (share) => (share >= 0 ? (100 * share).toFixed(1) + " %" : "–");
const times = (load) => load.toFixed(3);
const rowHeight = ({ layers }) => clamp(floor(720 / layers.length), 14, 22);

// The first eight parts are plain; each further eight have lines in directions of their own.
const tiles = {};
function fillOf(ctx, part) {
  if (!tiles[part]) {
    const tile = el("canvas", { width: 8, height: 8 }), pen = tile.getContext("2d");
    pen.fillStyle = HUES[part % MANY];
    pen.fillRect(0, 0, 8, 8);
    LINES.forEach((line, bit) => part / MANY >> bit & 1 && pen.stroke(new Path2D(line)));
    tiles[part] = ctx.createPattern(tile, "repeat");
  }
  return tiles[part];
}

function pens(ctx, look) {
  const rect = (fill, ...box) => { ctx.fillStyle = fill; ctx.fillRect(...box); };
  const text = (what, x, y, side = "left", strong = false, colour = look.fg) => {
    ctx.font = look.font(strong ? 12 : 11, strong ? "600" : "");
    ctx.textAlign = side;
    ctx.fillStyle = colour;
    ctx.fillText(what, x, y);
  };
  const frame = (...box) => { ctx.strokeStyle = look.fg; ctx.lineWidth = 2; ctx.strokeRect(...box); };
  return { rect, text, frame };
}

function drawLayers(ctx, width, height, look, { scope, owners, now, before, set, box }) {
  const { rect, text, frame } = pens(ctx, look), tall = rowHeight(scope), high = tall - 3;
  ctx.font = look.font(11);
  const left = box.left = min(max(...scope.layers.map((one) => ctx.measureText(one.name).width)) + 44, width * 0.3);
  const right = box.right = width - min(190, width * 0.25), top = max(...now.byLayer, ...before.byLayer, 1);
  const bar = (elements) => (width - right - 62) * elements / top;
  scope.words.heads.forEach((head, i) => text(head, [2, left, right + 10][i], 12, "left", true));
  scope.layers.forEach(({ name, filters }, l) => {
    const y = HEAD + l * tall, each = (right - left) / filters, base = y + tall / 2 + 3;
    text(name, 2, base, "left", l === set.row);
    text(filters, left - 6, base, "right", false, look.soft);
    for (const [part, first, count] of runs(owners[l])) {
      const x = left + first * each, wide = count * each, room = ctx.measureText(part).width + 4;
      rect(fillOf(ctx, part), x, y, wide, high);
      if (first) ctx.clearRect(x - 0.5, y, min(1, each / 2), high);
      if (wide < room + 2) continue;
      if (part >= MANY) rect(HUES[part % MANY], x + (wide - room) / 2, y, room, high);
      text(part, x + wide / 2, base, "center", part === set.part, part % MANY ? "#000" : "#fff");
    }
    rect(look.dark ? "#777" : "#bbb", right + 10, y + 2, bar(now.byLayer[l]), high - 4);
    if (before.byLayer[l]) rect(look.fg, right + 9 + bar(before.byLayer[l]), y, 2, high);
    text(mega(now.byLayer[l], 3), right + 16 + bar(max(now.byLayer[l], before.byLayer[l])), base, "left", false,
      now.byLayer[l] ? look.fg : look.soft);
    if (l === set.row) frame(left + set.first * each, y - 1, (set.last + 1 - set.first) * each, high + 2);
  });
}

// Upright bars of every part: `up` above the line, `down` below it.
function drawParts(ctx, width, height, look, { set, box }, title, up, down = [], lines = []) {
  const { rect, text, frame } = pens(ctx, look), right = width - (lines.length ? 96 : 2), each = (right - 2) / up.length;
  const top = max(...up, ...down, ...lines.map((one) => one[1]), 1e-9) * 1.06, foot = height - 16;
  const zero = down.length ? foot / 2 + 11 : foot, y = (value) => zero - (zero - 22) * value / top;
  box.each = each;
  text(title, 2, 12, "left", true);
  up.forEach((value, part) => {
    const bar = [2 + part * each, y(value), max(1, each - min(3, each / 4)), y(-(down[part] ?? 0)) - y(value)];
    const mine = part === set.part;
    rect(fillOf(ctx, part), ...bar);
    if (mine) frame(...bar);
    if (mine || each > 16 || part % 8 === 0 && Math.abs(part - set.part) * each > 20)
      text(part, bar[0] + each / 2, height - 3, "center", mine);
  });
  rect(look.fg, 2, zero, right, 1);
  let above = height;
  for (const [name, value, thick] of lines) {
    rect(look.fg, 2, y(value) - thick, right, thick);
    text(name, right + 8, above = min(y(value) + 4, above - 13));
  }
}

function sentence({ set, now, verdict, painted, best, scope: { words } }) {
  const said = { part: now.heaviest, over: times(now.over), batch: set.batch, volume: mega(now.elements),
    bytes: bytes(now.elements), share: percent(verdict.share), best: percent(best?.share) };
  const texts = [words.load_and_volume, painted ? words[verdict.why] : words.unpainted, best && words.best];
  return texts.filter(Boolean).join(" ").replace(/{(\w+)}/g, (_, name) => said[name]);
}

function dataTables(view) {
  const { words, layers } = view.scope, many = (value) => value.toLocaleString("en-GB");
  return [
    dataTable("Data table: layers", words.layers, () => layers.map(({ name, filters }, l) => {
      const counts = {};
      for (const part of view.owners[l]) counts[part] = (counts[part] ?? 0) + 1;
      const held = Object.entries(counts).map((one) => one.join(": ")).join(", ");
      return { mark: l === view.set.row, cells: [name, filters, held, many(view.now.byLayer[l])] };
    })),
    dataTable("Data table: parts", words.parts, () => view.now.work.map((work, part) => ({ mark: part === view.set.part,
      cells: [part, times(work / view.now.average), many(view.now.sent[part]), many(view.now.received[part])] }))),
  ];
}

function render({ model, el: host }) {
  const scope = model.get("scope"), { layers, words } = scope, view = { scope, undo: [], box: {} };
  const plans = () => model.get("plans"), here = () => keyOf(state.get()), put = (part) => state.put(part);
  const send = (command) => model.send({ command, ...view.wanted });
  const remember = () => { view.undo = [...view.undo, state.get()].slice(-50); };
  const open = ({ method, parts, imbalance }, owners = "") => {
    view.wanted = null;
    put({ method, parts, imbalance, owners, part: min(view.set.part, parts - 1) });
  };
  const adopt = (key, owners) => { remember(); open(plans()[key], owners); };
  const wish = (part) => {
    const { method, parts, imbalance } = { ...state.get(), ...view.wanted, ...part };
    view.wanted = { method, parts, imbalance };
    if (plans()[keyOf(view.wanted)]) adopt(keyOf(view.wanted));
    else send("partition");
  };
  const painted = ({ row, first, last, part }) =>
    view.base.map((one, l) => (l === row ? one.slice().fill(part, first, last + 1) : one));
  const give = () => {
    const text = pack(painted(view.set));
    if (text === view.text) return;
    remember();
    put({ owners: text === plans()[here()].owners ? "" : text });
  };
  // Filters a to b of a row, or all of them where the layer is one block.
  const span = (row, a, b) => (layers[row].block ? { row, first: 0, last: layers[row].filters - 1 }
    : { row, first: min(a, b), last: max(a, b) });
  const whole = (row) => span(row, 0, layers[row].filters - 1);
  const step = (by) => put(whole(clamp(view.set.row + by, 0, layers.length - 1)));
  const brush = (part) => put({ part: clamp(part, 0, view.set.parts - 1) });
  const back = action("Undo", "z", () => {
    const last = view.undo.pop();
    if (last) open(last, last.owners);
  });
  const reset = action("Reset to the method's plan", "r", () => adopt(here()));
  const bestOf = action("Best so far", "b", () => adopt(here(), view.best.owners));
  const stop = action("Stop", "x", () => { send("stop"); view.wanted = null; });
  const hand = action("Give", "g", give);
  const root = frame(host, "studio", model.get("title"), { ...keysOf(back, reset, bestOf, stop, hand),
    ArrowUp: () => step(-1), ArrowDown: () => step(1),
    ArrowLeft: () => brush(view.set.part - 1), ArrowRight: () => brush(view.set.part + 1) });
  const state = settings(model, refresh), set = state.get(), range = { min: 0, max: 1 };
  const bar = (...list) => el("div", { class: "labkit-bar" }, ...list.map((one) => one.node));
  const list = (label, key) => choice(label, scope[key].map((one) => [one]), "", (value) => wish({ [key]: +value || value }));
  const plan = choice("Plan", [], "", (key) => adopt(key));
  const searched = { method: list("Method", "method"), parts: list("Parts", "parts"), imbalance: list("Imbalance", "imbalance") };
  const fields = { ...searched,
    batch: slider("Batch", { min: 1, max: 1024, log: true }, set.batch, (batch) => put({ batch })),
    part: slider("Part that gets filters", range, 0, brush),
    row: choice("Layer", layers.map((one, l) => [l, one.name]), set.row, (row) => put(whole(Number(row)))),
    first: slider("First filter", range, 0, (at) => put(span(view.set.row, at, max(at, view.set.last)))),
    last: slider("Last filter", range, 0, (at) => put(span(view.set.row, min(at, view.set.first), at))) };
  const figures = words.figures.map((name) => [el("strong"), name]), status = statusLine();
  const news = el("div", { class: "labkit-note", role: "alert" }), note = el("div", { class: "labkit-note" });
  const picture = plot("Layers and the owners of their filters", HEAD + rowHeight(scope) * layers.length,
    (...given) => drawLayers(...given, view));
  const load = plot(words.load, 200, (...given) => drawParts(...given, view, words.load,
    view.now.work.map((one) => one / view.now.average), [], view.lines));
  const flow = plot(words.flow, 200, (...given) => {
    const { sent, received } = view.now, most = max(...sent);
    drawParts(...given, view, words.flow, sent, received, [[mega(most, 3) + " × 2²⁰", most, 1]]);
  });
  const plots = [picture, load, flow], tables = dataTables(view), live = bar(...Object.values(searched), stop);
  const canvas = picture.canvas;
  canvas.tabIndex = 0;
  root.append(bar(plan, fields.batch), news,
    el("div", { class: "labkit-bar labkit-figures" }, ...figures.map((one) => el("span", {}, ...one))),
    bar(fields.part, { node: buttons(back, reset, bestOf) }), picture.node,
    bar(fields.row, fields.first, fields.last, hand), note,
    el("div", { class: "labkit-grid" }, load.node, flow.node), status.node, ...tables.map((one) => one.node));

  const spot = ({ offsetX, offsetY }, row = clamp(floor((offsetY - HEAD) / rowHeight(scope)), 0, layers.length - 1)) => {
    const { left, right } = view.box, K = layers[row].filters;
    return [row, clamp(floor((offsetX - left) / (right - left) * K), 0, K - 1), K - 1];
  };
  canvas.onpointerdown = (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    const [row, at, end] = spot(event);
    // On the name of a layer: all of it.
    view.from = event.offsetX < view.box.left ? end : at;
    view.draft = span(row, view.from, at);
    refresh();
  };
  canvas.onpointermove = (event) => {
    const [row, at] = spot(event, view.draft?.row);
    canvas.title = `${layers[row].name}, filter ${at}: part ${view.owners[row][at]}`;
    if (!view.draft) return;
    view.draft = span(row, view.from, at);
    refresh();
  };
  canvas.onpointerup = canvas.onpointercancel = ({ type }) => {
    const { draft } = view;
    view.draft = null;
    if (draft && type === "pointerup") { put(draft); give(); } else refresh();
  };
  for (const one of [load, flow]) one.canvas.onclick = ({ offsetX }) => brush(floor((offsetX - 2) / view.box.each));

  function refresh() {
    const set = view.set = { ...state.get(), ...view.draft }, entry = plans()[keyOf(set)], text = set.owners || entry.owners;
    if (view.text !== text) Object.assign(view, { text, base: unpack(text) });
    view.owners = view.draft ? painted(set) : view.base;
    view.now = measure(scope, view.owners, set.parts, set.batch);
    view.before = measure(scope, unpack(entry.owners), set.parts, set.batch);
    view.painted = view.draft || set.owners;
    view.verdict = judge(view.now, view.before, 1 + set.imbalance);
    view.lines = [["average", 1, 1], [`limit ${sig(1 + set.imbalance)}`, 1 + set.imbalance, 2],
      [`at first ${times(view.before.over)}`, view.before.over, 1]].sort((a, b) => a[1] - b[1]);
    keepBest(keyOf(set));
    show(set, entry);
  }
  function keepBest(key) {
    const all = model.get("best"), { share, valid } = view.verdict;
    view.best = all[key];
    if (view.draft || !valid || !(share < (view.best?.share ?? 1))) return;
    view.best = { share, owners: view.text };
    model.set("best", { ...all, [key]: view.best });
    model.save_changes();
  }
  function show(set, entry) {
    const { now, best, verdict } = view, run = model.get("run"), end = layers[set.row].filters - 1;
    fields.part.limit(set.parts - 1);
    fields.first.limit(end);
    fields.last.limit(end);
    for (const [name, field] of Object.entries(fields)) field.set({ ...set, ...view.wanted }[name]);
    plan.node.lastChild.replaceChildren(...Object.entries(plans()).map(([key, one]) =>
      el("option", { value: key }, one.label)));
    plan.set(keyOf(set));
    hand.say(`Give to part ${set.part}`);
    back.enable(view.undo.length);
    reset.enable(set.owners);
    bestOf.enable(best && best.owners !== view.text);
    stop.enable(run.busy);
    news.textContent = run.text;
    [times(now.over), mega(now.elements), bytes(now.elements), percent(verdict.share) + (verdict.valid ? "" : " ✗"),
      percent(best?.share)].forEach((text, i) => { figures[i][0].textContent = text; });
    note.textContent = `${words.note} ${entry.by}`;
    const text = sentence(view);
    status.set(text);
    for (const one of plots) { one.name(text); one.redraw(); }
    for (const one of tables) one.fill();
  }
  const arrived = () => {
    const key = view.wanted && keyOf(view.wanted), { failed } = model.get("run");
    if (plans()[key]) return adopt(key);
    if (failed) view.wanted = null;
    refresh();
  };
  // The kernel has answered, so it can be asked for plans; or it is gone.
  const heard = () => root.firstChild.after(live), cut = () => live.remove();
  const events = { "change:plans": arrived, "change:run": arrived, "msg:custom": heard, comm_live_update: cut };
  for (const [name, run] of Object.entries(events)) model.on(name, run);
  refresh();
  send("hello");
  return () => {
    state.close();
    for (const one of plots) one.close();
    for (const [name, run] of Object.entries(events)) model.off(name, run);
  };
}

export { judge, measure, pack, sentence, unpack };
export default { render };
