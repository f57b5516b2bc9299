// Axes and lines of a plot. Returns the box inside the axes and where a pair of values stands in it.
function axes(ctx, width, height, theme, { x: [x0, x1], y: [y0, y1], log = false, xlabel, ylabel, percent }) {
  ctx.font = theme.font(11);
  const marks = ticks(y0, y1, Math.max(2, height / 45), log),
    write = (v) => (percent ? `${sig(v * 100, 3)} %` : sig(v, 3));
  const left = 12 + Math.max(...marks.map((v) => ctx.measureText(write(v)).width)), right = width - 10;
  const top = 22, bottom = height - 34;
  const px = (v) => left + (right - left) * (v - x0) / (x1 - x0 || 1);
  const unit = log ? (v) => Math.log(v / y0) / Math.log(y1 / y0) : (v) => (v - y0) / (y1 - y0 || 1);
  const py = (v) => bottom - (bottom - top) * unit(v);
  ctx.strokeStyle = theme.grid;
  const rule = (xa, ya, xb, yb) => { ctx.beginPath(); ctx.moveTo(xa, ya); ctx.lineTo(xb, yb); ctx.stroke(); };
  ctx.fillStyle = theme.soft;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  for (const v of marks) { rule(left, py(v), right, py(v)); ctx.fillText(write(v), left - 6, py(v)); }
  ctx.textAlign = "center";
  ctx.textBaseline = "alphabetic";
  for (const v of ticks(x0, x1, Math.max(2, width / 90))) {
    rule(px(v), top, px(v), bottom);
    ctx.fillText(sig(v, 6), clamp(px(v), left, right - 8), bottom + 14);
  }
  ctx.fillText(xlabel, (left + right) / 2, bottom + 29);
  ctx.textAlign = "left";
  ctx.font = theme.font(12, "600");
  ctx.fillStyle = theme.fg;
  ctx.fillText(ylabel, 2, 12);
  return { px, py, left, right, top, bottom };
}

// A line through (xs[i], ys[i]) for i < count; it breaks where a value is not a number.
function line(ctx, box, xs, ys, colour, { count = xs.length, dash = [], width = 2, alpha = 1 } = {}) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(box.left, box.top - 2, box.right - box.left, box.bottom - box.top + 4);
  ctx.clip();
  Object.assign(ctx, { strokeStyle: colour, lineWidth: width, globalAlpha: alpha, lineJoin: "round" });
  ctx.setLineDash(dash);
  ctx.beginPath();
  let open = false;
  for (let i = 0; i < count; i++) {
    const y = box.py(ys[i]);
    if (Number.isFinite(y)) { if (open) ctx.lineTo(box.px(xs[i]), y); else ctx.moveTo(box.px(xs[i]), y); }
    open = Number.isFinite(y);
  }
  ctx.stroke();
  ctx.restore();
}
