// Gradient descent on two weights: two losses, five optimisers, batches. Pure functions, the same formulas as the
// engine.
const title = (id) => (id === "sgd" ? "SGD" : id[0].toUpperCase() + id.slice(1));
const dot = (a, b) => a[0] * b[0] + a[1] * b[1];
const sigmoid = (z) => 1 / (1 + Math.exp(-z));

// One sample is [x1, x2, target], target -1 or 1. Its loss, the derivative and the curvature in the score w·x.
const LOSSES = {
  "least squares": (score, t) => [(score - t) ** 2 / 2, score - t, 1],
  logistic: (score, t) => [Math.max(0, -t * score) + Math.log1p(Math.exp(-Math.abs(score))), -t * sigmoid(-t * score),
    sigmoid(score) * sigmoid(-score)],
};

// Means over `samples` at the weights w: {loss, gradient, hessian: [a, b, c] of [[a, b], [b, c]]}.
function measure(kind, samples, w) {
  let loss = 0, gradient = [0, 0], hessian = [0, 0, 0];
  for (const [x, y, t] of samples) {
    const [value, slope, bend] = LOSSES[kind](w[0] * x + w[1] * y, t);
    loss += value;
    gradient = [gradient[0] + slope * x, gradient[1] + slope * y];
    hessian = [hessian[0] + bend * x * x, hessian[1] + bend * x * y, hessian[2] + bend * y * y];
  }
  const n = samples.length;
  return { loss: loss / n, gradient: gradient.map((v) => v / n), hessian: hessian.map((v) => v / n) };
}

const steepest = ([a, b, c]) => (a + c) / 2 + Math.hypot((a - c) / 2, b);

// The minimum, by Newton's method.
function minimum(kind, samples) {
  let w = [0, 0];
  for (let k = 0; k < 30; k++) {
    const { gradient: [g, h], hessian: [a, b, c] } = measure(kind, samples, w), det = a * c - b * b;
    w = [w[0] - (c * g - b * h) / det, w[1] - (a * h - b * g) / det];
  }
  return w;
}

// Numbers from 0 to 1 that depend on the seed only (mulberry32).
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// Which of n samples step `step` sees: an epoch goes once through all of them, in an order of its own.
function batchOf(n, batch, seed, step) {
  const each = Math.ceil(n / batch), epoch = Math.floor(step / each), from = (step % each) * batch;
  const order = Array.from({ length: n }, (_, i) => i), next = random(seed * 7919 + epoch);
  if (batch < n) for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order.slice(from, from + batch);
}

// What one weight moves by and what its optimiser remembers: (gradient, memory, rate, number of the step) -> [move,
// memory].
const RULES = {
  sgd: (g, _, rate) => [rate * g, []],
  momentum: (g, [v = 0], rate) => [rate * (0.9 * v + g), [0.9 * v + g]],
  adagrad: (g, [s = 0], rate) => [rate * g / (Math.sqrt(s + g * g) + 1e-10), [s + g * g]],
  adadelta: (g, [s = 0, u = 0], rate) => {
    const next = 0.95 * s + 0.05 * g * g, step = Math.sqrt(u + 1e-6) / Math.sqrt(next + 1e-6) * g;
    return [rate * step, [next, 0.95 * u + 0.05 * step * step]];
  },
  adam: (g, [m = 0, s = 0], rate, t) => {
    const mean = 0.9 * m + 0.1 * g, square = 0.999 * s + 0.001 * g * g;
    return [rate * mean / (1 - 0.9 ** t) / (Math.sqrt(square / (1 - 0.999 ** t)) + 1e-8), [mean, square]];
  },
};

const first = (set, samples) =>
  ({ w: [set.w1, set.w2], memory: [[], []], step: 0, ...measure(set.problem, samples, [set.w1, set.w2]) });

// The state after one more step; `lost` once the loss has left every sensible range.
function advance(now, set, samples) {
  const chosen = batchOf(samples.length, set.batch, set.seed, now.step).map((i) => samples[i]);
  const { gradient } = set.batch < samples.length ? measure(set.problem, chosen, now.w) : now;
  const moves = gradient.map((g, k) => RULES[set.optimizer](g, now.memory[k], set.rate, now.step + 1));
  const w = now.w.map((value, k) => value - moves[k][0]), full = measure(set.problem, samples, w);
  return { w, memory: moves.map((move) => move[1]), step: now.step + 1, ...full, lost: !(full.loss < 1e6) };
}
