// What a rank does, each with a colour and with a pattern of its own: FP plain, BP slanted lines, KU dots,
// communicating crossed lines, waiting an outline.
const KINDS = ["FP", "BP", "KU", "communicate", "wait"];
const DRAWN = { BP: "M-2 10L10-2M-2 2L2-2M6 10L10 6", KU: "M2 2h1.6v1.6h-1.6zM6 6h1.6v1.6h-1.6z",
  communicate: "M-2 10L10-2M-2-2L10 10" };

// The kind of an event by its kind in Python and its spelling; what a server computes is an update.
function kindOf(kind, spelling) {
  if (kind !== "compute") return KINDS.indexOf(kind);
  return { F: 0, B: 1 }[spelling[0]] ?? 2;
}

// A colour for each kind.
const inks = (look) => [...look.colours, look.soft];

// A fill for each kind: the colour, pale, with its pattern in full strength.
function fills(ctx, look) {
  return KINDS.map((kind, k) => {
    const tile = el("canvas", { width: 8, height: 8 }), pen = tile.getContext("2d"), ink = inks(look)[k];
    pen.fillStyle = pen.strokeStyle = ink;
    pen.globalAlpha = kind === "wait" ? 0.12 : kind === "FP" ? 0.6 : 0.35;
    pen.fillRect(0, 0, 8, 8);
    pen.globalAlpha = 1;
    if (DRAWN[kind]) pen[kind === "KU" ? "fill" : "stroke"](new Path2D(DRAWN[kind]));
    return ctx.createPattern(tile, "repeat");
  });
}

// A bar of one kind; frames are left out where they would hide it.
function fillBar(ctx, look, all, kind, left, top, width, height) {
  ctx.fillStyle = all[kind];
  ctx.fillRect(left, top, width, height);
  if (width < 4) return;
  ctx.strokeStyle = inks(look)[kind];
  ctx.lineWidth = 1;
  ctx.strokeRect(left + 0.5, top + 0.5, width - 1, height - 1);
}

// The line that explains the fills; `names`: [kind, text] pairs.
function legendOf(names) {
  const boxes = names.map(([kind]) => {
    const box = el("canvas", { class: "labkit-fill", width: 26, height: 14, "aria-hidden": "true" });
    return (look) => {
      const ctx = box.getContext("2d");
      ctx.clearRect(0, 0, 26, 14);
      fillBar(ctx, look, fills(ctx, look), kind, 0, 0, 26, 14);
      return box;
    };
  });
  const node = el("div", { class: "labkit-bar labkit-legend" });
  let dark = null;
  return { node, paint: (look) => {
    if (dark === look.dark) return;
    dark = look.dark;
    node.replaceChildren(...names.map(([, text], i) => el("span", {}, boxes[i](look), text)));
  } };
}

// 1.5 s, 20 ms, 3.2 µs.
function duration(seconds, digits = 3) {
  const size = Math.abs(seconds), [scale, unit] = size >= 1 ? [1, "s"] : size >= 1e-3 || !size ? [1e3, "ms"] : [1e6, "µs"];
  return `${sig(seconds * scale, digits)}\u00a0${unit}`;
}
