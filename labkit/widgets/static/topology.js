// Topology: ranks in a ring or a tree, and the messages of a collective that move between them.
const PARTS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#9A9A9A"];
const HEAD = 32, FLOAT = 4;
const roundsOf = ({ holds }) => holds.length - 1;
const rangeOf = (start, stop) => (stop - start === 1 ? `value ${grouped(start)}`
  : `values ${grouped(start)} to ${grouped(stop - 1)}`);

// "0 + 2 + 2": the ranks whose values are in a cell, told by a digit for each rank.
const spelled = (cell) => [...cell].flatMap((count, rank) => Array(Number(count)).fill(rank)).join(" + ") || "nothing";

// Per rank messages and bytes sent and received in the first `rounds` rounds. A message counts once it has arrived.
function ledger({ holds, messages }, rounds) {
  const rows = holds[0].map((_, rank) => ({ rank, sends: 0, sent: 0, receives: 0, received: 0 }));
  for (const [round, , source, to, start, stop] of messages) {
    if (round > rounds) continue;
    const bytes = FLOAT * (stop - start);
    rows[source].sends += 1;
    rows[source].sent += bytes;
    rows[to].receives += 1;
    rows[to].received += bytes;
  }
  return rows;
}

const spoken = ([, , source, to, start, stop, , , add]) =>
  `rank ${source} → ${to} ${rangeOf(start, stop)} (${add ? "added" : "replace"})`;

function sentence(play, at) {
  const last = roundsOf(play), round = Math.ceil(at), now = play.messages.filter((one) => one[0] === round);
  const moved = now.slice(0, 8).map(spoken).join("; ") + (now.length > 8 ? `; ${now.length - 8} more` : "");
  const sent = ledger(play, Math.floor(at)).map((row) => row.sent), most = Math.max(...sent);
  const bytes = ` Sent so far: ${short(sent.reduce((a, b) => a + b), "B")}, by one rank at most ${short(most, "B")}.`;
  const text = round ? `Round ${round} of ${last}: ${moved || "no message arrives"}.`
    : `Before the first of ${last} rounds.`;
  return text + bytes + (at >= last ? ` ${play.says}` : "");
}

// Where the ranks stand, as parts of width and height: on a circle, or below the one above them in a tree.
function places({ parents, holds }) {
  const ranks = holds[0].length;
  if (!parents.length) {
    const begin = ranks === 2 ? Math.PI : -Math.PI / 2;
    return holds[0].map((_, rank) => {
      const angle = begin + 2 * Math.PI * rank / ranks;
      return [0.5 + 0.5 * Math.cos(angle), 0.5 + 0.5 * Math.sin(angle)];
    });
  }
  const depth = (rank) => (parents[rank] < 0 ? 0 : 1 + depth(parents[rank])), out = [];
  const below = (rank) => parents.flatMap((above, one) => (above === rank ? [one] : []));
  let leaves = 0;
  const put = (rank) => {
    const children = below(rank).map(put);
    out[rank] = [children.length ? (children[0] + children.at(-1)) / 2 : leaves++, depth(rank)];
    return out[rank][0];
  };
  put(parents.indexOf(-1));
  const deep = Math.max(...out.map(([, y]) => y));
  return out.map(([x, y]) => [leaves > 1 ? x / (leaves - 1) : 0.5, y / deep]);
}

// Sizes of a rank's box: columns for cells, levels for ranks.
function sizes(play, width) {
  const { cells, holds } = play, ranks = holds[0].length;
  const column = clamp(Math.floor(Math.min(240, width / 3.4) / cells.length), 4, 34);
  const level = ranks > 4 ? 9 : 14;
  return { column, level, wide: column * cells.length, high: level * ranks };
}

function drawHold(ctx, look, hold, from, to, left, bottom, { column, level }, wrong) {
  for (let c = from; c < to; c++) {
    const x = left + (c - from) * column, high = level * hold[c].length;
    ctx.fillStyle = look.dark ? "#111" : "#fff";
    ctx.fillRect(x, bottom - high, column, high);
    [...hold[c]].forEach((count, rank) => {
      const y = bottom - level * (rank + 1);
      ctx.fillStyle = look.grid;
      if (rank) ctx.fillRect(x, y + level, column, 1);
      if (count === "0") return;
      ctx.fillStyle = PARTS[rank];
      ctx.fillRect(x + 1, y + 1, column - 2, level - 2);
      ctx.fillStyle = rank ? "#000" : "#fff";
      ctx.font = look.font(Math.min(11, level), "600");
      const text = count > 1 ? `${count}×` : rank;
      if (column >= (count > 1 ? 15 : 8)) ctx.fillText(text, x + column / 2, y + level / 2 + (level > 9 ? 4 : 3.5));
    });
    ctx.lineWidth = 1;
    ctx.strokeStyle = look.fg;
    ctx.strokeRect(x + 0.5, bottom - high + 0.5, column - 1, high - 1);
    if (wrong !== c) continue;
    ctx.lineWidth = 3;
    ctx.setLineDash([4, 2]);
    ctx.strokeRect(x - 1, bottom - high - 2, column + 2, high + 4);
    ctx.setLineDash([]);
    ctx.fillStyle = look.fg;
    ctx.font = look.font(15, "600");
    ctx.fillText("✗", x + column / 2, bottom + 15);
  }
}

// An arrow from one box to another, moved a little to its right hand so that two ways stand apart.
function arrow(ctx, [x0, y0], [x1, y1], { wide, high }) {
  const far = Math.hypot(x1 - x0, y1 - y0) || 1, ux = (x1 - x0) / far, uy = (y1 - y0) / far, side = 9;
  const edge = Math.min((wide / 2 + 6) / Math.abs(ux || 1e-9), (high / 2 + 8) / Math.abs(uy || 1e-9), far / 2 - 4);
  const [ax, ay, bx, by] = [x0 + ux * edge - uy * side, y0 + uy * edge + ux * side, x1 - ux * edge - uy * side,
    y1 - uy * edge + ux * side];
  ctx.beginPath();
  ctx.moveTo(ax, ay);
  ctx.lineTo(bx, by);
  for (const way of [0.45, -0.45]) {
    ctx.moveTo(bx, by);
    ctx.lineTo(bx - 10 * (ux * Math.cos(way) - uy * Math.sin(way)), by - 10 * (ux * Math.sin(way) + uy * Math.cos(way)));
  }
  ctx.stroke();
  return (part) => [ax + (bx - ax) * part, ay + (by - ay) * part];
}

function drawRanks(ctx, width, height, look, play, at) {
  const size = sizes(play, width), round = Math.ceil(at), part = at - Math.floor(at), { cells } = play;
  const left = Math.max(size.wide, 96) / 2 + 8, top = HEAD + size.high / 2;
  const spots = places(play).map(([x, y]) =>
    [left + (width - 2 * left) * x, top + (height - top - size.high / 2 - 26) * y]);
  const now = play.messages.filter((one) => one[0] === round);
  const rows = ledger(play, Math.floor(at)), holds = play.holds[Math.floor(at)];
  ctx.textAlign = "center";
  const paths = now.map(([, , source, to, , , , , add]) => {
    ctx.strokeStyle = look.fg;
    ctx.lineWidth = add ? 2 : 3;
    ctx.setLineDash(add ? [] : [7, 4]);
    const path = arrow(ctx, spots[source], spots[to], size);
    ctx.setLineDash([]);
    return path;
  });
  spots.forEach(([x, y], rank) => {
    const bottom = y + size.high / 2;
    const [wrongRank, wrongCell, wrongRound] = play.wrong;
    drawHold(ctx, look, holds[rank], 0, cells.length, x - size.wide / 2, bottom, size,
      at >= wrongRound && wrongRank === rank ? wrongCell : -1);
    ctx.fillStyle = look.fg;
    ctx.font = look.font(12, "600");
    ctx.fillText(`rank ${rank}`, x, y - size.high / 2 - 18);
    ctx.font = look.font(11);
    ctx.fillText(`${short(rows[rank].sent, "B")} sent`, x, y - size.high / 2 - 6);
  });
  if (part) now.forEach(([, gone, source, , start, stop], k) => {
    const from = cells.findIndex(([first]) => first >= start), to = cells.findLastIndex(([, end]) => end <= stop) + 1;
    const [x, y] = paths[k](part), small = { column: size.column * 0.7, level: size.level * 0.7 };
    drawHold(ctx, look, play.holds[gone - 1][source], from, to, x - small.column * (to - from) / 2,
      y + small.level * spots.length / 2, small, -1);
  });
}

function tablesOf(view) {
  const ranks = dataTable("Data table: each rank now",
    ["rank", "messages sent", "bytes sent", "messages received", "bytes received", "what its values are sums of"], () =>
      ledger(view.play, Math.floor(view.at)).map((row) => ({ cells: [row.rank, row.sends, grouped(row.sent),
        row.receives, grouped(row.received), view.play.holds[Math.floor(view.at)][row.rank].map(spelled).join(" | ")] })));
  const all = dataTable("Data table: all messages",
    ["arrives in round", "left in round", "from rank", "to rank", "values", "bytes", "there"], () =>
      view.play.messages.map(([round, gone, source, to, start, stop, , , add]) => ({ mark: round === Math.ceil(view.at),
        cells: [round, gone, source, to, rangeOf(start, stop), grouped(FLOAT * (stop - start)),
          add ? "added" : "replaces"] })));
  return [ranks, all];
}

function render({ model, el: host }) {
  const plays = model.get("plays"), view = {};
  const read = () => {
    view.set = state.get();
    view.play = plays[view.set.algorithm];
    view.at = clamp(view.set.at, 0, roundsOf(view.play));
  };
  const go = (at) => state.put({ at: clamp(at, 0, roundsOf(view.play)) });
  const time = player((seconds) => {
    go(view.at + Math.min(seconds * view.set.speed, 1e6));
    return view.at < roundsOf(view.play);
  }, () => refresh());
  const rest = (at) => { if (time.playing()) time.pause(); go(at); };
  const play = action("Play", "p", () => {
    if (!time.playing() && view.at >= roundsOf(view.play)) go(0);
    time.toggle();
  });
  const step = action("Step", "s", () => rest(Math.floor(view.at) + 1));
  const back = action("Back", "b", () => rest(Math.ceil(view.at) - 1));
  const again = action("Reset", "r", () => rest(0)), end = action("End", "e", () => rest(Infinity));
  const root = frame(host, "topology", model.get("title"), keysOf(play, step, back, again, end));
  const state = settings(model, () => refresh());
  read();
  const fields = {
    algorithm: choice("Algorithm", Object.keys(plays).map((name) => [name]), view.set.algorithm, (algorithm) => {
      if (time.playing()) time.pause();
      state.put({ algorithm, at: 0 });
    }),
    at: slider("Rounds passed", { min: 0, max: roundsOf(view.play) }, 0, rest),
    speed: slider("Rounds per second", { min: 0.1, max: 10, step: 0.1 }, 1, (speed) => state.put({ speed })) };
  const tall = () => {
    const { high } = sizes(view.play, chart.node.clientWidth), depth = new Set(places(view.play).map(([, y]) =>
      y.toFixed(3))).size;
    return view.play.parents.length ? depth * (high + 62) : Math.max(2, Math.min(depth, 4)) * (high + 62);
  };
  const chart = plot("Ranks and messages", tall,
    (ctx, width, height, look) => drawRanks(ctx, width, height, look, view.play, view.at));
  const status = statusLine(), data = tablesOf(view);
  root.append(el("div", { class: "labkit-bar" }, fields.algorithm.node, buttons(play, step, back, again, end),
    fields.at.node, fields.speed.node), chart.node, status.node,
    el("div", { class: "labkit-note" }, model.get("legend")), ...data.map((one) => one.node));

  function refresh() {
    read();
    fields.at.limit(roundsOf(view.play));
    fields.at.set(Math.floor(view.at));
    fields.algorithm.set(view.set.algorithm);
    fields.speed.set(view.set.speed);
    play.say(time.playing() ? "Pause" : "Play");
    step.enable(view.at < roundsOf(view.play));
    back.enable(view.at > 0);
    const text = sentence(view.play, view.at);
    status.set(text);
    chart.name(text);
    chart.redraw();
    for (const one of data) one.fill();
  }
  refresh();
  return () => { time.pause(); state.close(); chart.close(); };
}

export { ledger, places, sentence, spelled };
export default { render };
