// What a timeline's events say: rows, extents, totals. An event is known by its source and its number there.
const LANES = ["main", "network", "server"];

// The events of all sources as columns; `what` leads to [rank, lane, kind, spelling, sent, received, messages, peers].
function unpackEvents(buffer, sources) {
  let at = 0;
  return sources.map((source) => {
    const flat = new Float64Array(buffer, 32 * at, 4 * source.count);
    const column = (k) => flat.filter((_, i) => i % 4 === k), [start, end, step, what] = [0, 1, 2, 3].map(column);
    const kinds = source.whats.map(([, , kind, spelling]) => kindOf(kind, spelling));
    at += source.count;
    return { ...source, start, end, step, kind: (i) => kinds[what[i]], is: (i) => source.whats[what[i]] };
  });
}

// Each source learns where the chosen step (-1: all) begins, `from`, and how long it takes, `seconds`.
function measure(sources, step) {
  for (const source of sources) {
    let from = Infinity, to = 0;
    source.step.forEach((one, i) => {
      if (step >= 0 && one !== step) return;
      from = Math.min(from, source.start[i]);
      to = Math.max(to, source.end[i]);
    });
    Object.assign(source, from <= to ? { from, seconds: to - from } : { from: 0, seconds: 0 });
  }
}

// Start and end of an event on the axis.
const span = (source, i) => [source.start[i] - source.from, source.end[i] - source.from];

// One {source, rank, lane, list} for each lane that does anything, in the order in which they are drawn.
function rowsOf(sources, only) {
  const found = {};
  sources.forEach((source, s) => source.step.forEach((_, i) => {
    const [rank, lane] = source.is(i);
    if (only >= 0 && rank !== only) return;
    (found[(rank * sources.length + s) * 3 + lane] ??= { source, s, rank, lane, list: [] }).list.push(i);
  }));
  return Object.values(found);
}

// How much of the intervals `a` [[start, end], ...] lies inside those of `b`; both sorted, neither with overlaps.
function inside(a, b) {
  let sum = 0, k = 0;
  for (const [start, end] of a) {
    while (k < b.length && b[k][1] <= start) k++;
    for (let j = k; j < b.length && b[j][0] < end; j++) sum += Math.min(end, b[j][1]) - Math.max(start, b[j][0]);
  }
  return sum;
}

// Per rank of a source: seconds computing, communicating and idle of its main lane (of one that only serves, of its
// server lane), of its network lane, and how much of that passes while it computes; bytes and messages sent.
function totals(source, step) {
  const all = Array.from({ length: source.ranks }, (_, rank) => ({ rank, sent: 0, messages: 0, lanes: [[], [], []] }));
  source.step.forEach((one, i) => {
    if (step >= 0 && one !== step) return;
    const [rank, lane, , , sent, , messages] = source.is(i);
    all[rank].lanes[lane].push(i);
    all[rank].sent += sent;
    all[rank].messages += messages;
  });
  const sum = (list) => list.reduce((total, i) => total + source.end[i] - source.start[i], 0);
  const spans = (list) => list.map((i) => span(source, i));
  return all.map(({ lanes: [main, network, server], ...row }) => {
    const own = main.length ? main : server, computes = own.filter((i) => source.kind(i) < 3);
    const computing = sum(computes), communicating = sum(own.filter((i) => source.kind(i) === 3));
    return { ...row, computing, communicating, idle: Math.max(0, source.seconds - computing - communicating),
      network: sum(network), behind: inside(spans(network), spans(computes)) };
  });
}

// The event of a row at a time on the axis, or the one that is nearest to it within `reach` seconds; -1: none.
// Where one ends and the next begins, it is the next.
function eventAt({ source, list }, time, reach) {
  let best = -1, least = reach;
  for (const i of list) {
    const [start, end] = span(source, i), far = Math.max(start - time, time - end, 0);
    if (far <= least) { best = i; least = far; }
  }
  return best;
}
