// A hypergraph as a bipartite picture: vertices are circles in columns, nets are diamonds between the columns.
// record: {columns, names, weights: per vertex, heads: [column, text, text], nets: [{name, cost, at, hub, pins}]}.
const EDGE = 46, HEAD = 40;

// Per net the parts that hold pins of it, lambda and the cost; loads per part; the cut.
function tally({ nets, weights }, part, parts) {
  const loads = Array(parts).fill(0);
  weights.forEach((weight, v) => { loads[part[v]] += weight; });
  const rows = nets.map(({ pins, cost }) => {
    const counts = Array(parts).fill(0);
    for (const v of pins) counts[part[v]]++;
    const held = counts.flatMap((count, p) => (count ? [p] : []));
    return { counts, held, lambda: held.length, cost: (held.length - 1) * cost };
  });
  return { rows, loads, cut: rows.reduce((sum, row) => sum + row.cost, 0) };
}

// By how much the cut falls if the vertices `group`, all of one part, move to part `to`.
function gain({ nets }, rows, part, group, to) {
  const from = part[group[0]];
  return from === to ? 0 : nets.reduce((sum, { pins, cost }, e) => {
    const count = pins.filter((v) => group.includes(v)).length, { counts } = rows[e];
    return count ? sum + cost * ((counts[from] === count) - (counts[to] === 0)) : sum;
  }, 0);
}

// "0", "0 and 2", "0, 1 and 2".
const listed = (all) => all.join(", ").replace(/,\s([^,]*)$/, " and $1");
const share = (part) => `${sig(100 * part, 3)} %`;

function balance(loads) {
  const total = loads.reduce((a, b) => a + b, 0);
  return { shares: loads.map((load) => load / total), ratio: Math.max(...loads) * loads.length / total };
}

// "Net of map 3 of conv1: pins in parts 0 and 2, λ = 2, costs 144 elements."
function netSentence({ name, pins }, { held, lambda, cost }) {
  const where = lambda > 1 ? `pins in parts ${listed(held)}` : `all ${pins.length} pins in part ${held[0]}`;
  return `Net of ${name}: ${where}, λ = ${lambda}, costs ${cost ? `${grouped(cost)} elements` : "nothing"}.`;
}

// An element of a drawing. Its namespace is asked of the browser.
let space;
function svg(tag, attributes = {}, ...children) {
  if (!space) {
    const blank = el("div");
    blank.innerHTML = "<svg></svg>";
    space = blank.firstChild.namespaceURI;
  }
  return dress(document.createElementNS(space, tag), attributes, children);
}

// Where everything stands: the members of a column are spread evenly over its height.
function layout({ columns, nets }, width, graph) {
  const count = (list) => list.reduce((sums, c) => { sums[c] = (sums[c] ?? 0) + 1; return sums; }, {});
  const own = count(columns), most = Math.max(...Object.values(own)), places = nets.map((net) => net.at);
  const last = Math.max(...columns, ...(graph ? [] : places)), tall = most * clamp(300 / most, 27, 64);
  const x = (column) => EDGE + (width - 2 * EDGE) * column / (last || 1);
  const spread = (list) => {
    const all = count(list), seen = {};
    return list.map((c) => {
      const k = seen[c] = (seen[c] ?? 0) + 1;
      return { x: x(c), y: HEAD + tall * (k - 0.5) / all[c] };
    });
  };
  return { x, vertices: spread(columns), nets: spread(places), height: HEAD + tall + 6, row: tall / most,
    slot: x(graph ? 2 : 1) - EDGE, radius: tall / most < 32 ? 9 : 13 };
}

// A line from a pin to its net, which leaves both level; one that passes over a column is lifted between the rows.
function bend(a, b, from, to, { slot, row }) {
  const side = Math.sign(b.x - a.x) || 1, x = a.x + side * from, end = b.x - side * to, half = (end - x) / 2;
  const lift = Math.abs(b.x - a.x) > 1.5 * slot ? 0.67 * row : 0;
  return `M${x} ${a.y}C${x + half} ${a.y - lift} ${end - half} ${b.y - lift} ${end} ${b.y}`;
}

// The picture; `graph`: without diamonds, one edge from the vertex that sends to each that receives.
// paint({part, rows, net, group, marks}): net: the one that is pointed out; group: per vertex the one that stands for
// it (where it is merged with others, which are then drawn as one); marks: classes of the vertices.
function bipartite(caption, record, graph) {
  const { nets, names, heads } = record;
  const knob = (kind, ...inside) => svg("g", { class: `labkit-${kind}` }, ...inside);
  const lines = nets.map(({ pins }) => pins.map(() => svg("path")));
  const knobs = { net: nets.map(() => knob("net", svg("path", { d: "M-8 0L0-8L8 0L0 8Z" }), svg("text", { y: -12 }))),
    vertex: names.map(() => knob("vertex", svg("circle"), svg("text", { y: 4.5 }), svg("text"))) };
  const titles = heads.flatMap(([, ...texts]) => texts.map((text, i) => svg("text", { y: 12 + 14 * i }, text)));
  const drawing = svg("svg", { class: "labkit-bipartite", role: "img", "aria-label": caption },
    svg("g", { class: "labkit-heads" }, ...titles), svg("g", {}, ...lines.flat()), ...(graph ? [] : knobs.net),
    ...knobs.vertex);
  const columns = Math.max(...record.columns), room = el("div", { class: "labkit-wide" }, drawing);
  const node = el("div", { class: "labkit-plot", style: `flex-basis:${66 * columns}px` },
    el("div", { class: "labkit-caption" }, caption), room);
  let place, now;
  const spot = (kind, i) => (kind === "net" ? place.nets[i] : place.vertices[now.group?.[i] ?? i]);

  function draw() {
    if (!node.clientWidth || !now) return;
    theme(node);
    const width = Math.max(node.clientWidth, 46 * columns);
    place = layout(record, width, graph);
    const { part, rows, net: chosen = -1, marks = [], group = part.map((_, v) => v) } = now, r = place.radius;
    dress(drawing, { width, height: place.height }, []);
    let k = 0;
    for (const [column, ...texts] of heads) for (const _ of texts) titles[k++].setAttribute("x", place.x(column));
    nets.forEach(({ name, pins, hub }, e) => {
      const row = rows[e], cut = row.lambda > 1, inside = pins.every((v) => group[v] === group[hub]);
      const mood = inside ? " labkit-gone" : chosen < 0 ? "" : e === chosen ? " labkit-on" : " labkit-off";
      pins.forEach((v, i) => {
        const split = graph ? part[v] !== part[hub] : cut, from = spot("vertex", v);
        dress(lines[e][i], { "data-part": part[v], class: (split ? "labkit-cut" : "") + mood,
          d: !graph ? bend(from, spot("net", e), r, 8, place)
            : v === hub ? "" : bend(spot("vertex", hub), from, r, r, place) }, []);
      });
      const { x, y } = spot("net", e), [, text] = knobs.net[e].children;
      dress(knobs.net[e], { transform: `translate(${x} ${y})`, class: `labkit-net${cut ? " labkit-cut" : ""}${mood}`,
        "data-part": row.held[0], "aria-label": netSentence({ name, pins }, row),
        "aria-pressed": String(e === chosen) }, []);
      text.textContent = cut ? `λ ${row.lambda}: ${grouped(row.cost)}` : "";
    });
    const pins = nets[chosen]?.pins;
    names.forEach((name, v) => {
      const { x, y } = spot("vertex", v), [circle, own, number] = knobs.vertex[v].children;
      const more = group.filter((one) => one === v).length - 1;
      const mood = more < 0 ? " labkit-gone" : !pins ? "" : pins.includes(v) ? " labkit-on" : " labkit-off";
      dress(knobs.vertex[v], { transform: `translate(${x} ${y})`, class: `labkit-vertex${mood} ${marks[v] ?? ""}`,
        "data-part": part[v], "aria-label": `Vertex ${v}, ${name}: part ${part[v]}` }, []);
      circle.setAttribute("r", r + Math.min(more, 5));
      own.textContent = part[v];
      dress(number, { x: -r + 1, y: -r + 1 - Math.min(more, 5) }, []);
      number.textContent = more > 0 ? `${v} +${more}` : v;
    });
  }
  const close = watch(node, draw);
  return { node, drawing, knobs, spot, close, paint: (view) => { now = view; draw(); },
    name: (text) => { drawing.ariaLabel = `${caption}. ${text}`; } };
}

// A bar for each part's load; a thin line at the average, and a thick one at the limit where there is one.
function loadBars(limit) {
  const node = el("div", { class: "labkit-loads" });
  const set = ({ loads }) => {
    const { shares } = balance(loads), n = loads.length, most = Math.max(...shares, (1 + (limit ?? 0)) / n);
    const at = (part) => `${100 * part / most}%`, over = (part) => limit != null && part * n > (1 + limit) * 1.000001;
    node.replaceChildren(...shares.map((part, p) => el("div", { "data-part": p },
      el("span", {}, `part ${p}`),
      el("span", { class: "labkit-load" }, el("span", { style: `width:${at(part)}` }),
        el("i", { style: `left:${at(1 / n)}` }),
        limit == null ? null : el("i", { class: "labkit-limit", style: `left:${at((1 + limit) / n)}` })),
      el("span", {}, `${share(part)}, ${sig(part * n, 3)} × average`,
        over(part) ? `, over ${sig(1 + limit)}` : null))));
  };
  return { node, set };
}
