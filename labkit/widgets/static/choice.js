// A labelled list to choose from; options: [id, text] pairs.
function choice(label, options, value, changed) {
  const select = el("select", { "aria-label": label, onchange: () => changed(select.value) },
    ...options.map(([id, text]) => el("option", { value: id }, text ?? id)));
  select.value = value;
  const node = el("label", { class: "labkit-field" }, label, select);
  return { node, set: (next) => { select.value = next; } };
}
