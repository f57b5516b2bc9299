// Thread-block microscope: the threads of one block, the cells that they touch, and the line that does it, step by step.
// Steps come sorted from Python; what a warp's requests cost is counted here.
const WARP = 32, BANKS = 32, SECTOR = 32, COLUMNS = 6, MOST = 32, TITLE = 20, STRIP = 76, ROW = 12;
const { floor, ceil, min, max } = Math;
const DOES = ["reads", "writes", "atomically changes"];
const plural = (count, word, more = word + "s") => count + " " + (count === 1 ? word : more);

// The binary trait as objects: per block its steps {phase, source, line, kind, array, threads, cells}.
function unpack(view, blocks) {
  const flat = floats(view), count = blocks.reduce((sum, one) => sum + one.steps, 0);
  const pairs = flat.subarray(count * COLUMNS);
  let at = 0;
  return blocks.map(({ steps }) => Array.from({ length: steps }, () => {
    const [phase, source, line, kind, array, first] = flat.subarray(at * COLUMNS, ++at * COLUMNS);
    const mine = pairs.subarray(2 * first, at < count ? 2 * flat[at * COLUMNS + 5] : pairs.length);
    return { phase, source, line, kind, array, threads: [...mine.filter((_, i) => i % 2 === 0)],
      cells: [...mine.filter((_, i) => i % 2)] };
  }));
}

// The requests of one step, one per warp: {warp, lanes, cells, units, least}. Units are 32-byte sectors of global memory,
// or passes over the banks of shared memory; `least` is how many would do.
function requests({ threads, cells }, array) {
  const warps = {};
  threads.forEach((thread, i) => (warps[floor(thread / WARP)] ??= []).push([thread % WARP, cells[i]]));
  return Object.entries(warps).map(([warp, all]) => {
    const pairs = all.filter(([, cell]) => cell >= 0), lanes = new Set(all.map(([lane]) => lane)).size;
    const cells = new Set(pairs.map(([, cell]) => cell)), count = array.space === "shared" ? passes : sectors;
    return { warp, lanes, cells, ...count(cells, array.bytes, pairs, all.length / lanes) };
  });
}

function sectors(cells, bytes) {
  const units = new Set([...cells].map((cell) => floor(cell * bytes / SECTOR))).size;
  return { units, least: ceil(cells.size * bytes / SECTOR) };
}

// Lanes that move 8 or 16 bytes are served in two or four parts; lanes that want the same word are served together.
function passes(_, bytes, pairs, values) {
  const banks = {}, worst = {}, words = max(1, bytes * values / 4);
  for (const [lane, cell] of pairs) {
    const word = floor(cell * bytes / 4), part = floor(lane * words / WARP);
    const bank = (banks[[part, word % BANKS]] ??= new Set()).add(word);
    worst[part] = max(worst[part] ?? 0, bank.size);
  }
  return { units: Object.values(worst).reduce((a, b) => a + b, 0), least: Object.keys(worst).length };
}

// x[0, 2, 7]: the cell as a kernel writes it.
function spelled({ name, shape }, cell) {
  const index = [];
  for (let k = shape.length - 1; k >= 0; cell = floor(cell / shape[k--])) index.unshift(cell % shape[k]);
  return `${name}[${cell < 0 ? "outside" : index.join(", ")}]`;
}

// "8 sectors of 32 bytes (5 would do)" for the requests of a step.
function cost(list, { space }) {
  const sum = (key) => list.reduce((total, one) => total + one[key], 0), units = sum("units"), least = sum("least");
  const what = space === "shared" ? plural(units, "pass", "passes") + " over the banks"
    : plural(units, "sector") + " of 32 bytes";
  return `${what} (${units > least ? least : "no fewer"} would do)`;
}

function sentence({ scope, steps, at, follow, marks }) {
  const step = steps[at], array = scope.arrays[step.array], list = requests(step, array);
  const active = new Set(step.threads).size, all = active === scope.threads ? "all " : "";
  const mine = step.cells.filter((_, i) => step.threads[i] === follow).map((cell) => spelled(array, cell)).join(", ");
  const after = step.phase ? ", after " + plural(step.phase, "barrier") : "";
  return [`Step ${at + 1} of ${steps.length}${after}. Line ${step.line}${scope.sources[step.source].where}`,
    `${DOES[step.kind]} ${array.name} in ${array.space} memory: ${all}${plural(active, "thread")},`,
    `${plural(list.length, "warp request")}, ${cost(list, array)}. Thread ${follow}: ${mine || "takes no part"}.`,
    ...marks.map(({ text }) => text)].join(" ");
}

// Where everything stands: boxes {array, k, flat, size, columns, part, x, y, parts: [{first, label, x, y}]}, and the height. A
// part is a plane of the last two axes, or a row of 32 values as they lie in memory; only those that the block touches
// are drawn, and of very many the ones from the first of this step on.
function place({ scope, first, step, layout }, width) {
  let x = 0, y = 0, low = 0;
  const boxes = scope.arrays.flatMap((array, k) => {
    const { shape } = array, flat = layout === "memory" || shape.length < 2, left = flat ? 42 : 2;
    const columns = flat ? min(WARP, array.size) : shape.at(-1), part = flat ? columns : columns * shape.at(-2);
    const number = (cell) => floor(cell / part);
    let used = [...new Set([...first[k].keys()].map(number))].sort((a, b) => a - b);
    if (!used.length) return [];
    const at = step.array === k ? used.indexOf(number(step.cells.find((cell) => cell >= 0))) : 0;
    used = used.slice(clamp(at, 0, max(0, used.length - MOST))).slice(0, MOST);
    const size = clamp(floor((width - left - 4) / columns), 3, 14), pace = max(columns * size + 12, 46);
    const across = flat ? 1 : clamp(floor((width - left) / pace), 1, used.length);
    const wide = max(left + across * pace, array.title.length * 7), tall = part / columns * size + (flat ? 2 : 18);
    if (x && x + wide > width) { x = 0; y += low; low = 0; }
    const label = (at) => (flat ? at * part : shape.length > 2 ? spelled({ name: "", shape: shape.slice(0, -2) }, at) : "");
    const box = { array, k, flat, size, columns, part, x, y, parts: used.map((at, i) => ({ first: at * part,
      label: label(at), x: x + left + i % across * pace, y: y + TITLE + floor(i / across) * tall + (flat ? 0 : 14) })) };
    low = max(low, TITLE + ceil(used.length / across) * tall + 8);
    x += wide + 20;
    return [box];
  });
  return { boxes, height: y + low + 4 };
}

// What is drawn again and again. A circle reads, a square writes, a diamond changes atomically.
function pens(ctx, look) {
  return {
    text(what, x, y, strong) {
      ctx.fillStyle = strong ? look.fg : look.soft;
      ctx.font = strong ? look.font(12, "600") : look.font(10.5);
      ctx.fillText(what, x, y);
    },
    fill(colour, alpha, x, y, wide, tall = wide) {
      ctx.globalAlpha = alpha;
      ctx.fillStyle = colour;
      ctx.fillRect(x, y, wide, tall);
      ctx.globalAlpha = 1;
    },
    box(colour, thick, x, y, wide, tall = wide) {
      ctx.strokeStyle = colour;
      ctx.lineWidth = thick;
      ctx.strokeRect(x, y, wide, tall);
    },
    cross(x, y, size) {
      ctx.strokeStyle = look.fg;
      ctx.lineWidth = 2.5;
      ctx.beginPath();
      ctx.moveTo(x, y);
      ctx.lineTo(x + size, y + size);
      ctx.moveTo(x + size, y);
      ctx.lineTo(x, y + size);
      ctx.stroke();
    },
    mark(kind, x, y, size) {
      const corners = kind ? 4 : 24;
      ctx.fillStyle = look.colours[kind];
      ctx.beginPath();
      for (let i = 0; i < corners; i++) {
        const angle = (2 * i + kind) * Math.PI / corners;
        ctx.lineTo(x + size * (0.5 + 0.46 * Math.cos(angle)), y + size * (0.5 + 0.46 * Math.sin(angle)));
      }
      ctx.fill();
    },
  };
}

const threadSize = (width) => clamp(floor((width - 56) / WARP), 6, 15);

function drawThreads(ctx, width, height, look, { scope, block, step, follow, marks }) {
  const pen = pens(ctx, look), size = threadSize(width), active = new Set(step.threads);
  pen.text(`Threads of ${scope.blocks[block].label}`, 2, 12, true);
  for (let thread = 0; thread < scope.threads; thread++) {
    const x = 52 + thread % WARP * size, y = TITLE + floor(thread / WARP) * (size + 4);
    if (thread % WARP === 0) pen.text(`warp ${thread / WARP}`, 2, y + size / 2 + 4);
    pen.box(look.grid, 1, x + 0.5, y + 0.5, size);
    if (active.has(thread)) pen.mark(step.kind, x, y, size);
    if (thread === follow) pen.box(look.fg, 2, x, y, size);
    if (marks.some((one) => one.thread === thread)) pen.cross(x + 3, y + 3, size - 6);
  }
}

function drawArray(ctx, look, { step, at, follow, marks, first: touched }, { array, k, flat, size, columns, part, x: x0, y: y0, parts }) {
  const pen = pens(ctx, look), now = step.array === k, cells = new Set(now ? step.cells : []);
  const per = array.space === "global" && SECTOR / array.bytes, sector = (cell) => floor(cell / per);
  const fetched = new Set(per ? [...cells].map(sector) : []);
  const mine = new Set(now ? step.cells.filter((_, i) => step.threads[i] === follow) : []);
  pen.text(array.title + (cells.has(-1) ? "  ✗ outside of it" : ""), x0 + 2, y0 + 12, true);
  for (const { first, label, x: left, y: top } of parts) {
    pen.text(label, flat ? x0 + 2 : left, flat ? top + size - 2 : top - 3);
    for (let i = 0; i < part && first + i < array.size; i++) {
      const cell = first + i, x = left + i % columns * size, y = top + floor(i / columns) * size;
      if (fetched.has(sector(cell))) pen.fill(look.colours[step.kind], 0.28, x, y, size);
      else if (touched[k].get(cell) < at) pen.fill(look.soft, 0.22, x, y, size);
      if (size > 4) pen.box(look.grid, 1, x + 0.5, y + 0.5, size);
      if (flat && per && cell % per === 0) pen.fill(look.soft, 1, x, y, 1, size);
      if (cells.has(cell)) pen.mark(step.kind, x, y, size);
      if (mine.has(cell)) pen.box(look.fg, 2, x + 1, y + 1, size - 1);
      if (marks.some((one) => one.cell === cell && now)) pen.cross(x + 3, y + 3, size - 6);
    }
  }
}

const drawMemory = (ctx, width, height, look, view) =>
  place(view, width).boxes.forEach((box) => drawArray(ctx, look, view, box));

// All steps side by side, a row for each array; barriers as lines over all rows, mistakes as crosses above them.
const rowsOf = ({ scope, first }) => scope.arrays.map((_, k) => k).filter((k) => first[k].size);
function drawStrip(ctx, width, height, look, view) {
  const pen = pens(ctx, look), rows = rowsOf(view), wide = (width - STRIP - 6) / view.steps.length;
  rows.forEach((k, row) => pen.text(view.scope.arrays[k].name, 2, TITLE + row * ROW + 10));
  view.steps.forEach(({ kind, array, phase }, at) => {
    const x = STRIP + at * wide, inset = [3, 1, 4][kind]; // a write is taller than a read
    pen.fill(look.colours[kind], 1, x, TITLE + rows.indexOf(array) * ROW + inset, max(1, wide - wide / 8), ROW - 2 * inset);
    if (!at || view.steps[at - 1].phase === phase) return;
    pen.fill(look.fg, 1, x - 1, 14, 2, height);
    if (wide > 3) pen.text("barrier", x - 18, 11);
  });
  for (const { at } of view.all) pen.cross(STRIP + (at + 0.5) * wide - 4, 3, 8);
  pen.box(look.fg, 2, STRIP + view.at * wide - 1, TITLE - 3, max(4, wide), height - TITLE + 2);
}

// The text of the function, with the line of this step marked.
function listing() {
  const node = el("div", { class: "labkit-source", tabindex: 0, role: "region", "aria-label": "Source of the kernel" });
  let shown, lines;
  const set = (source, line) => {
    if (shown !== source) {
      lines = source.lines.map((text, i) => el("div", {}, el("span", {}, `${source.first + i}`), text));
      node.replaceChildren(...lines);
      shown = source;
    }
    lines.forEach((one, i) => one.toggleAttribute("aria-current", source.first + i === line));
    node.scrollTop = lines[line - source.first].offsetTop - node.clientHeight / 2;
  };
  return { node, set };
}

// The steps of a block, which step touches which cell first, and what is to be marked in it.
function looked(scope, blocks, block) {
  const steps = blocks[block], first = scope.arrays.map(() => new Map());
  steps.forEach(({ array, cells }, at) => cells.forEach((cell) =>
    cell < 0 || first[array].has(cell) || first[array].set(cell, at)));
  const all = scope.findings.flatMap(({ text, marks }) => marks.filter((one) => one[0] === block)
    .map(([, at, thread, cell]) => ({ text, at, thread, cell })));
  return { scope, block, steps, first, all };
}

function render({ model, el: host }) {
  const scope = model.get("trace"), blocks = unpack(model.get("data"), scope.blocks), last = () => view.at === view.steps.length - 1;
  let carry = 0, view = {};
  const go = (step) => state.put({ step: clamp(step, 0, view.steps.length - 1) });
  const follow = (thread) => state.put({ thread: clamp(thread, 0, scope.threads - 1) });
  const time = player((seconds) => {
    carry += seconds * state.get().speed;
    const ahead = floor(min(carry, view.steps.length));
    carry -= ahead;
    if (ahead) go(view.at + ahead);
    return !last();
  }, () => { if (!time.playing()) carry = 0; refresh(); });
  const stop = () => { if (time.playing()) time.pause(); };
  const play = action("Play", "p", () => { if (!time.playing() && last()) go(0); time.toggle(); });
  const step = action("Step", "s", () => go(view.at + 1)), again = action("Reset", "r", () => { stop(); go(0); });
  const root = frame(host, "microscope", model.get("title"), { ...keysOf(play, step, again),
    ArrowLeft: () => go(view.at - 1), ArrowRight: () => go(view.at + 1),
    ArrowUp: () => follow(view.follow - 1), ArrowDown: () => follow(view.follow + 1) });
  const state = settings(model, () => refresh()), set = state.get();
  const fields = {
    step: slider("Step", { min: 1, max: 2 }, 1, (value) => go(value - 1)),
    speed: slider("Steps per second", { min: 1, max: 30 }, set.speed, (speed) => state.put({ speed })),
    block: choice("Block", scope.blocks.map((one, k) => [k, one.label]), set.block,
      (value) => { stop(); state.put({ block: Number(value), step: 0 }); }),
    thread: slider("Thread", { min: 0, max: scope.threads - 1 }, 0, follow),
    layout: choice("Arrays drawn", [["array", "by their axes"], ["memory", "as they lie in memory"]], set.layout,
      (layout) => state.put({ layout })),
  };
  const paint = (draw) => (...given) => draw(...given, view);
  const strip = plot("All steps of the block", () => TITLE + ROW * rowsOf(view).length + 4, paint(drawStrip));
  const threads = plot("Threads of the block",
    (width) => TITLE + ceil(scope.threads / WARP) * (threadSize(width) + 4), paint(drawThreads));
  const memory = plot("Cells of the arrays", (width) => place(view, width).height, paint(drawMemory));
  strip.canvas.addEventListener("click", ({ offsetX }) =>
    go(floor((offsetX - STRIP) / (strip.node.clientWidth - STRIP - 6) * view.steps.length)));
  const plots = [strip, threads, memory], source = listing(), status = statusLine();
  const table = dataTable("Data table: the requests of this step", scope.head, () => {
    const array = scope.arrays[view.step.array];
    return requests(view.step, array).map(({ warp, lanes, cells, units, least }) => ({ mark: units > least, cells: [warp,
      lanes, cells.size, spelled(array, min(...cells)), spelled(array, max(...cells)), units, least] }));
  });
  const found = scope.findings.map(({ text, marks }) => el("li", {}, text, marks.length ? button("Show", () => {
    const [block, step, thread] = marks.at(-1);
    stop();
    state.put({ block, step, thread });
  }, { name: "Show: " + text }) : null));
  const bar = (...list) => el("div", { class: "labkit-bar" }, ...list), { step: at, speed, ...rest } = fields;
  root.append(bar(buttons(play, step, again), at.node, speed.node), bar(...Object.values(rest).map((one) => one.node)),
    el("div", { class: "labkit-note" }, scope.legend), strip.node, status.node,
    el("div", { class: "labkit-grid" }, source.node, threads.node), memory.node,
    el("ul", { class: "labkit-findings" }, ...found), table.node);

  function refresh() {
    const now = state.get();
    if (view.block !== now.block) view = looked(scope, blocks, now.block);
    view.layout = now.layout;
    view.at = min(now.step, view.steps.length - 1);
    view.step = view.steps[view.at];
    view.follow = min(now.thread, scope.threads - 1);
    view.marks = view.all.filter((one) => one.at === view.at);
    at.limit(view.steps.length);
    const shown = { ...now, step: view.at + 1, thread: view.follow };
    for (const [key, field] of Object.entries(fields)) field.set(shown[key]);
    play.say(time.playing() ? "Pause" : "Play");
    step.enable(!last());
    source.set(scope.sources[view.step.source], view.step.line);
    const text = sentence(view);
    status.set(text);
    for (const one of plots) { one.name(text); one.redraw(); }
    table.fill();
  }
  refresh();
  return () => { time.pause(); state.close(); for (const one of plots) one.close(); };
}

export { unpack, requests, spelled, cost, sentence, place, looked };
export default { render };
