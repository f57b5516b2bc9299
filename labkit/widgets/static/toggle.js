// A box to tick.
function toggle(label, value, changed) {
  const box = el("input", { type: "checkbox", "aria-label": label, onchange: () => changed(box.checked) });
  box.checked = value;
  return { node: el("label", { class: "labkit-field" }, box, label), set: (next) => { box.checked = next; } };
}
