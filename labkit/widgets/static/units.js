// Large numbers: short(61706, "B") is 61.7 kB (1 kB = 1000 B), grouped(61706) is 61,706.
const UNITS = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]];
function short(value, unit = "") {
  const [scale, prefix] = UNITS.find(([size]) => Math.abs(value) >= size) ?? UNITS[4];
  return `${Number((value / scale).toPrecision(3))}\u00a0${prefix}${unit}`.trim();
}
const grouped = (value) => value.toLocaleString("en-GB");
