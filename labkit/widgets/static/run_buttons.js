// The buttons of a view that follows a run, or replays a finished one. A view holds `info` (with the state of the run),
// `last`, where its replay ends, and `at`, where the replay is (-1: at the end).
const isLive = (view) => ["running", "paused"].includes(view.info.state);
const nowOf = (view) => (isLive(view) || view.at < 0 ? view.last : Math.min(view.at, view.last));
const begun = (text) => text[0].toUpperCase() + text.slice(1);

// What the view shows, as the first word of its sentence.
function shownOf(view, time) {
  const replayed = time.playing() ? "replay" : "replay, paused";
  return begun(isLive(view) || (view.info.live && nowOf(view) >= view.last) ? view.info.state : replayed);
}

// Play or pause, step, stop, restart. next(): where the step after this one ends.
function runButtons(view, time, go, send, next) {
  const rest = () => { if (time.playing()) time.pause(); go(nowOf(view)); };
  const begin = () => { if (nowOf(view) >= view.last) view.at = 0; time.play(); };
  const play = action("Pause", "p", () => {
    if (isLive(view)) send(view.info.state === "paused" ? "play" : "pause");
    else if (time.playing()) rest();
    else begin();
  });
  const step = action("Step", "s", () => {
    if (isLive(view)) return send("step");
    rest();
    go(next());
  });
  const stop = action("Stop", "x", () => send("stop"));
  const again = action("Restart", "r", () => { rest(); go(0); });
  const follow = (replay) => {
    play.say((isLive(view) ? view.info.state === "running" : time.playing()) ? "Pause" : "Play");
    play.enable(isLive(view) || replay);
    step.enable(isLive(view) || (replay && nowOf(view) < view.last));
    stop.enable(isLive(view));
    again.enable(replay);
  };
  return { all: [play, step, stop, again], rest, follow };
}

// JupyterLab cuts the line to the kernel when it restarts it; no further message comes. Kept in the model, for the
// views of this run that are opened later. Returns what to call when the view is closed.
function listen(model, view, receive) {
  const cut = () => isLive(view) && model.set("info", { ...view.info, state: "ended",
    reason: "The kernel was restarted: this run has ended with it." });
  model.on("comm_live_update", cut);
  // Every message carries it.
  model.on("change:info", receive);
  receive();
  return () => { model.off("comm_live_update", cut); model.off("change:info", receive); };
}
