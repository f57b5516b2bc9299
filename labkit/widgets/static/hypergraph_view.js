// Hypergraph view: parts are moved by hand; cut, volume and loads follow at once.

// A coarse plan in the fine grain: all tasks of a filter where the filter is; and back: where its sum is.
const refine = (part, { of }) => of.map((v) => part[v]);
const coarsen = (part, { of }) => of.reduce((out, c, v) => { out[c] = part[v]; return out; }, []);
const digits = (part) => part.join("");

// The multistage graph: per net an edge between the vertex that makes its maps (or adds up its sums) and each other
// pin; each that is cut is charged.
function edges({ nets }, part) {
  const rows = nets.map(({ pins, hub, cost }) => {
    const count = pins.filter((v) => part[v] !== part[hub]).length;
    return { count, of: pins.length - 1, cost: count * cost };
  });
  const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
  return { rows, count: sum("count"), of: sum("of"), cut: sum("cost") };
}

function sentence(record, found, net, batch) {
  const split = found.rows.filter((row) => row.lambda > 1).length, { shares, ratio } = balance(found.loads);
  const volume = batch === 1 ? "" : `, ${grouped(batch * found.cut)} for a batch of ${batch}`;
  return `Cut ${grouped(found.cut)} elements per sample${volume} (${grouped(4 * batch * found.cut)} bytes): `
    + `${split} of ${record.nets.length} nets are cut. Loads ${listed(shares.map(share))}, max/average ${sig(ratio, 3)}.`
    + `\n${net < 0 ? "No net is held." : netSentence(record.nets[net], found.rows[net])}`;
}

function graphSentence({ count, of, cut }, sent) {
  const factor = cut ? `: ${sig(cut / sent, 3)} times the ${grouped(sent)} that the hypergraph counts` : "";
  return `As a multistage graph: ${count} of ${of} edges are cut, ${grouped(cut)} elements${factor}.`;
}

// Lets vertices and nets of a picture be pressed: press(kind, i, key), key "" for a click, Enter or the space bar, a
// digit, or "walk" where an arrow key has come to it. One of them can be reached by Tab, the others by arrow keys.
function pressable({ drawing, knobs, spot }, press) {
  const all = ["vertex", "net"].flatMap((kind) => knobs[kind].map((knob, i) => ({ kind, i, knob })));
  let current = all[0].knob;
  const enter = (knob) => {
    current.setAttribute("tabindex", -1);
    current = knob;
    current.setAttribute("tabindex", 0);
    current.focus();
  };
  for (const { kind, i, knob } of all)
    dress(knob, { role: "button", tabindex: knob === current ? 0 : -1,
      onclick: () => { enter(knob); press(kind, i, ""); } }, []);
  drawing.setAttribute("role", "group");
  const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const walk = ([dx, dy], from) => { // to the nearest neighbour in that direction
    const here = spot(from.kind, from.i), far = all.map(({ kind, i }) => {
      const { x, y } = spot(kind, i), along = (x - here.x) * dx + (y - here.y) * dy;
      const off = Math.abs((x - here.x) * dy + (y - here.y) * dx);
      return along < 1 || (dy && off > 1) ? Infinity : along + 0.5 * off;
    });
    const least = Math.min(...far), next = all[far.indexOf(least)];
    if (least === Infinity) return;
    enter(next.knob);
    press(next.kind, next.i, "walk");
  };
  drawing.addEventListener("keydown", (event) => {
    const from = all.find(({ knob }) => knob === event.target), key = event.key.replace(/^(Enter| )$/, "");
    if (!from || event.ctrlKey || event.metaKey || event.altKey) return;
    if (arrows[key]) walk(arrows[key], from);
    else if (/^\d?$/.test(key)) press(from.kind, from.i, key);
    else return;
    event.preventDefault();
  });
}

function render({ model, el: host }) {
  const grains = model.get("grains"), batch = model.get("batch"), start = model.get("start");
  const view = {};
  const put = (next) => state.put({ part: digits(next) });
  const root = frame(host, "hypergraph", model.get("title"),
    { r: () => reset(), Escape: () => state.put({ net: -1 }) });
  const state = settings(model, () => refresh());
  const press = (kind, i, key) => {
    const { part, set } = view;
    if (kind === "net") state.put({ net: set.net === i && key !== "walk" ? -1 : i });
    else if (key === "walk") return;
    else if (key === "" || Number(key) < set.parts)
      put(part.map((p, v) => (v !== i ? p : key === "" ? (p + 1) % set.parts : Number(key))));
  };
  const parse = (set) => [...set.part].map(Number);
  const reset = () => put(parse({ part: start[state.get().grain] }).map((p) => p % state.get().parts));
  const other = { coarse: coarsen, fine: refine };
  const fields = {
    grain: choice("Grain", [["coarse", "coarse: a vertex is a filter"],
      ...(grains.fine ? [["fine", "fine: a vertex is a channel of a filter, or a sum"]] : [])], state.get().grain,
    (grain) => state.put({ grain, net: -1, part: digits(other[grain](view.part, grains.fine)) })),
    parts: slider("Parts", { min: 2, max: 8 }, state.get().parts,
      (parts) => state.put({ parts, part: digits(view.part.map((p) => p % parts)) })),
    graph: toggle("Multistage graph", state.get().graph, (graph) => state.put({ graph })),
  };
  const act = [["Start again", reset, "r"], ["All in part 0", () => put(view.part.map(() => 0))]];
  const pictures = Object.entries(grains).map(([grain, record]) => ({ grain,
    main: bipartite(`Hypergraph, ${grain} grain`, record), graph: bipartite("Multistage graph", record, true) }));
  for (const { main } of pictures) pressable(main, press);
  const said = el("div", { class: "labkit-note" });
  const aside = el("div", {}, ...pictures.map(({ graph }) => graph.node), said);
  const bars = loadBars(), status = statusLine();
  const nets = dataTable("Data table: nets", ["net", "cost", "pins", "parts", "λ", "(λ − 1) · cost"], () =>
    view.found.rows.map(({ held, lambda, cost }, e) => {
      const net = view.record.nets[e];
      return { mark: lambda > 1,
        cells: [net.name, grouped(net.cost), listed(net.pins), listed(held), lambda, grouped(cost)] };
    }));
  const vertices = dataTable("Data table: vertices, and what their moves would gain",
    ["vertex", "task", model.get("unit"), "part", "gain of a move to part"], () => view.record.names.map((name, v) => {
      const others = view.found.loads.flatMap((_, to) => (to === view.part[v] ? [] : [to]));
      const gains = others.map((to) => `${to}: ${grouped(gain(view.record, view.found.rows, view.part, [v], to))}`);
      return { cells: [v, name, grouped(view.record.weights[v]), view.part[v], gains.join("; ")] };
    }));
  const graphs = dataTable("Data table: edges of the multistage graph against nets",
    ["net", "cut edges", "edges", "λ − 1", "graph counts", "hypergraph counts"], () =>
      view.record.nets.map((net, e) => ({ cells: [net.name, view.edges.rows[e].count, view.edges.rows[e].of,
        view.found.rows[e].lambda - 1, grouped(view.edges.rows[e].cost), grouped(view.found.rows[e].cost)] })));
  const bar = (...list) => el("div", { class: "labkit-bar" }, ...list);
  root.append(bar(...Object.values(fields).map((one) => one.node),
    el("span", { class: "labkit-buttons" }, ...act.map(([text, run, key]) => button(text, run, { key })))),
  el("div", { class: "labkit-note" }, model.get("legend")),
  el("div", { class: "labkit-beside" }, ...pictures.map(({ main }) => main.node), aside), status.node,
  bars.node, nets.node, vertices.node, graphs.node);

  function refresh() {
    const set = view.set = state.get(), record = view.record = grains[set.grain], part = view.part = parse(set);
    const found = view.found = tally(record, part, set.parts);
    view.edges = edges(record, part);
    for (const [key, field] of Object.entries(fields)) field.set(set[key]);
    const text = sentence(record, found, set.net, batch);
    said.textContent = graphSentence(view.edges, found.cut);
    aside.hidden = graphs.node.hidden = !set.graph;
    for (const { grain, main, graph } of pictures) {
      main.node.hidden = graph.node.hidden = grain !== set.grain;
      if (grain !== set.grain) continue;
      for (const one of [main, graph]) one.paint({ part, rows: found.rows, net: set.net });
      graph.name(said.textContent);
    }
    status.set(text);
    bars.set(found);
    for (const one of [nets, vertices, graphs]) one.fill();
  }
  refresh();
  return () => { state.close(); for (const { main, graph } of pictures) { main.close(); graph.close(); } };
}

export { coarsen, edges, gain, graphSentence, layout, refine, sentence, tally };
export default { render };
