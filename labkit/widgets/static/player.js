// Where time passes: tick(seconds) runs once per animation frame until it returns false or somebody pauses.
// A reader who asked for reduced motion sees the end at once: tick(Infinity).
function player(tick, changed) {
  let pending = 0, before = 0;
  const pause = () => { cancelAnimationFrame(pending); pending = 0; changed(); };
  const advance = (time) => {
    const seconds = clamp((time - before) / 1000, 0, 0.25);
    before = time;
    pending = tick(calm() ? Infinity : seconds) && !calm() ? requestAnimationFrame(advance) : 0;
    changed();
  };
  const play = () => { before = performance.now(); pending = requestAnimationFrame(advance); changed(); };
  return { play, pause, toggle: () => (pending ? pause() : play()), playing: () => pending !== 0 };
}

// A button with a key. It keeps the focus while it has nothing to do, so that the keys go on working.
function action(text, key, run) {
  const press = () => { if (node.getAttribute("aria-disabled") !== "true") run(); };
  const node = button(text, press, { key });
  const enable = (on) => node.setAttribute("aria-disabled", String(!on));
  const say = (next) => {
    if (node.textContent === next) return;
    node.textContent = node.ariaLabel = next;
    node.title = `${next} (key ${key})`;
  };
  return { node, key, press, enable, say };
}
const keysOf = (...actions) => Object.fromEntries(actions.map((one) => [one.key, one.press]));
const buttons = (...actions) => el("span", { class: "labkit-buttons" }, ...actions.map((one) => one.node));
