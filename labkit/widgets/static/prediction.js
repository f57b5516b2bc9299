// The form of a prediction: a text field for a number (or radio buttons), Commit and Skip, and a line that says what is kept.
function render({ model, el: host }) {
  const question = model.get("question"), unit = model.get("unit"), choices = model.get("choices");
  const root = frame(host, "prediction", question);
  const name = `labkit-prediction-${Math.random().toString(36).slice(2)}`;
  const kept = model.get("value");
  const onkeydown = (event) => { if (event.key === "Enter") ask("commit"); };
  // Not type=number: it drops a decimal comma without a word. Python reads the text as it was typed.
  const number = el("input", { type: "text", inputmode: "decimal", autocomplete: "off", value: kept || null, onkeydown,
    "aria-label": unit ? `Your prediction in ${unit}` : "Your prediction" });
  const radios = choices.map((text) =>
    el("input", { type: "radio", name, value: text, checked: text === kept, onkeydown }));
  const entry = choices.length
    ? el("span", { class: "labkit-buttons", role: "radiogroup", "aria-label": question },
      ...radios.map((radio, i) => el("label", { class: "labkit-field" }, radio, choices[i])))
    : el("label", { class: "labkit-field" }, "Your prediction", number, unit);
  const value = () => (choices.length ? radios.find((radio) => radio.checked)?.value ?? "" : number.value.trim());
  const ask = (action) => {
    if (action === "commit" && !value()) { status.set(choices.length ? "Choose an answer first." : "Type a number first."); return; }
    model.set("request", { action, value: value(), count: (model.get("request").count ?? 0) + 1 });
    model.save_changes();
  };
  const status = statusLine();
  const follow = () => status.set(model.get("status"));
  root.append(el("div", { class: "labkit-bar" }, entry, el("span", { class: "labkit-buttons" },
    button("Commit", () => ask("commit"), { name: "Commit this prediction" }),
    button("Skip", () => ask("skip"), { name: "Skip this prediction" }))), status.node);
  model.on("change:status", follow);
  follow();
  return () => model.off("change:status", follow);
}
export default { render };
