// Owners, loads and volume of a coarse plan. labkit.partition.volume and .loads say the same in Python.

// "0:64.1:64-2": a layer of 64 filters of part 0 and 64 of part 1, then one with a single filter of part 2.
const unpack = (text) => text.split("-").map((row) => row.split(".").flatMap((run) => {
  const [part, count = 1] = run.split(":").map(Number);
  return Array(count).fill(part);
}));

// Neighbouring filters of one owner: [part, first, count].
function runs(owner) {
  const found = [];
  owner.forEach((part, i) => {
    if (i && owner[i - 1] === part) found.at(-1)[2]++;
    else found.push([part, i, 1]);
  });
  return found;
}
const pack = (owners) => owners.map((owner) =>
  runs(owner).map(([part, , count]) => (count > 1 ? `${part}:${count}` : part)).join(".")).join("-");

// Parts that need each map of a tensor, one byte for each: a segment says which filters read which maps.
function needs({ readers }, maps, owners, parts) {
  const wanted = new Uint8Array(maps * parts);
  for (const [layer, segments] of readers) for (const [first, count, from, to, slope] of segments) {
    const seen = [...new Set(owners[layer].slice(from, to))];
    for (let i = 0; i < count; i++) {
      const held = slope ? owners[layer].slice(from + i * slope, to + i * slope) : seen;
      for (const part of held) wanted[(first + i) * parts + part] = 1;
    }
  }
  return wanted;
}

// Every map goes once to every part, other than its owner's, that holds a filter reading it. Elements of a batch.
function volume({ layers, tensors }, owners, parts, batch) {
  const sent = Array(parts).fill(0), received = Array(parts).fill(0), byLayer = layers.map(() => 0);
  for (const tensor of tensors) {
    const maps = tensor.made.reduce((sum, one) => sum + one[2], 0), wanted = needs(tensor, maps, owners, parts);
    let at = 0;
    for (const [layer, filter, count, each] of tensor.made) for (let i = 0; i < count; i++, at += parts) {
      const owner = owners[layer][filter + i];
      for (let part = 0; part < parts; part++) {
        if (!wanted[at + part] || part === owner) continue;
        sent[owner] += each * batch;
        received[part] += each * batch;
        byLayer[layer] += each * batch;
      }
    }
  }
  return { sent, received, byLayer, elements: sent.reduce((a, b) => a + b, 0) };
}

// Work of each part; the filters of a layer weigh the same.
function loads({ layers }, owners, parts) {
  const work = Array(parts).fill(0);
  owners.forEach((owner, l) => {
    const counts = Array(parts).fill(0);
    for (const part of owner) counts[part]++;
    counts.forEach((count, part) => { work[part] += count * (layers[l].work / owner.length); });
  });
  const average = work.reduce((a, b) => a + b, 0) / parts, most = Math.max(...work);
  return { work, average, most, over: most / average, heaviest: work.indexOf(most),
    empty: work.filter((one) => !one).length };
}

const measure = (scope, owners, parts, batch) =>
  ({ ...loads(scope, owners, parts), ...volume(scope, owners, parts, batch) });

// A plan against the reference: its share of the volume, and what is to be said. A plan that loads a part above what is
// allowed (times the average; and what the reference does is allowed), or leaves more parts idle, has bought its volume:
// it is not valid.
function judge(mine, reference, allowed) {
  const share = mine.elements / reference.elements;
  const why = mine.over > Math.max(allowed, reference.over) * (1 + 1e-9) ? "heavy"
    : mine.empty > reference.empty ? "idle" : share < 1 ? "better" : "worse";
  return { share, why, valid: why === "better" || why === "worse" };
}
