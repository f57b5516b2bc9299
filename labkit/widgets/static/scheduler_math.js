// Which block runs when on which SM, and the formulas for all three mappings.
const MAPPINGS = ["data", "model", "hybrid"];

// Blocks of a launch and the units that each takes. One unit: one channel of one sample.
const blocksOf = (mapping, N, K) =>
  ({ data: { blocks: N, units: K }, model: { blocks: K, units: N }, hybrid: { blocks: N * K, units: 1 } })[mapping];

// How many blocks an SM holds at once: what was asked for, as far as its places for warps and blocks go.
function residency(set, [, , warps, most]) {
  const each = Math.ceil(set.threads / 32), limits = { "registers or shared memory": set.per_sm,
    "places for warps": Math.floor(warps / each), "places for blocks": most };
  const limit = Object.keys(limits).reduce((a, b) => (limits[b] < limits[a] ? b : a));
  return { held: Math.max(1, limits[limit]), limit, occupancy: (count) => count * each / warps };
}

// The figures of one mapping, without the spread of block times.
function figures(mapping, set, held, warpShare) {
  const { blocks, units } = blocksOf(mapping, set.batch, set.channels), room = set.sms * held;
  const waves = blocks / room, rounds = Math.ceil(waves), time = rounds * units;
  return { mapping, blocks, units, room, waves, rounds, time, tail: waves / rounds, busy: Math.min(blocks, set.sms),
    perSample: time / set.batch, occupancy: warpShare(Math.min(held, Math.ceil(blocks / set.sms))) };
}

// A number from 0 to 1 that depends on i only, without pattern.
function chance(i) {
  let x = Math.imul(i + 1, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 15), 0x85ebca6b);
  return ((x ^ (x >>> 13)) >>> 0) / 2 ** 32;
}

// Blocks in order, each to the place that is free first. Place j is on SM j % sms, so that the SMs fill up evenly.
// The heap holds all places, ordered by the moment at which they become free.
function deal({ blocks, units, sms, held, spread }) {
  const start = new Float64Array(blocks), span = new Float64Array(blocks), place = new Int32Array(blocks);
  const heap = Array.from({ length: Math.min(sms * held, blocks) }, (_, j) => [0, j]);
  const before = ([t, j], [u, k]) => t < u || (t === u && j < k);
  const sink = (i) => {
    let least = i;
    for (const child of [2 * i + 1, 2 * i + 2]) if (heap[child] && before(heap[child], heap[least])) least = child;
    if (least === i) return;
    [heap[i], heap[least]] = [heap[least], heap[i]];
    sink(least);
  };
  let end = 0;
  for (let i = 0; i < blocks; i++) {
    const [free, at] = heap[0], long = units * (1 + spread / 100 * (2 * chance(i) - 1));
    start[i] = free; span[i] = long; place[i] = at;
    heap[0] = [free + long, at];
    end = Math.max(end, free + long);
    sink(0);
  }
  return { start, span, place, end, blocks, sms, held };
}

// What goes on at one moment.
function moment(plan, at) {
  let done = 0, running = 0, next = plan.end;
  const busy = new Set();
  for (let i = 0; i < plan.blocks; i++) {
    const end = plan.start[i] + plan.span[i];
    if (end <= at) done++;
    else if (plan.start[i] <= at) { running++; busy.add(plan.place[i] % plan.sms); }
    if (end > at && end < next) next = end;
  }
  return { done, running, waiting: plan.blocks - done - running, busy: busy.size, next };
}
