// Scales and ticks.

/** Return a scale from values to pixels with its ticks; `log` needs values above 0. */
function makeScale(values, from, to, log, count) {
  const change = log ? Math.log10 : (value) => value;
  let [low, high] = [Math.min(...values), Math.max(...values)];
  if (!values.length || !Number.isFinite(low)) [low, high] = log ? [1, 10] : [0, 1];
  let [first, last] = [change(low), change(high)];
  const margin = (last - first || Math.abs(first) || 1) * 0.04;
  [first, last] = [first - margin, last + margin];
  const scale = (value) => from + ((change(value) - first) / (last - first)) * (to - from);
  scale.ticks = log ? logTicks(first, last, count) : linearTicks(first, last, count);
  return scale;
}

function linearTicks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough);
  const ticks = [];
  for (let index = Math.ceil(low / step); index * step <= high; index += 1) ticks.push(Number((index * step).toPrecision(12)));
  return ticks;
}

/** 1, 2, 5 and 10 where there is room for them, else powers of 10; between two powers as of a linear scale. */
function logTicks(first, last, count) {
  const ticks = [];
  for (let power = Math.floor(first); power <= last; power += 1) {
    for (const times of [1, 2, 5]) ticks.push(Number((times * 10 ** power).toPrecision(12)));
  }
  const shown = ticks.filter((tick) => Math.log10(tick) >= first && Math.log10(tick) <= last);
  if (shown.length > 1.4 * count) return shown.filter((tick) => Number.isInteger(Number(Math.log10(tick).toFixed(9))));
  return shown.length > 1 ? shown : linearTicks(10 ** first, 10 ** last, count);
}

/** Write the value of a tick with all of its digits, of which neighbors may differ in the last alone. */
function tickLabel(tick) {
  if (tick !== 0 && Math.abs(tick) < 1e-4) return figure(tick);
  return tick.toLocaleString("en-US", { maximumSignificantDigits: 12 }).replace("-", "−");
}

/** Draw grid, ticks and names of both axes. */
function drawAxes(box, x, y, names) {
  const group = draw("g", { class: "axis" });
  for (const tick of y.ticks) {
    group.append(
      draw("line", { x1: box.left, x2: box.right, y1: y(tick), y2: y(tick) }),
      draw("text", { x: box.left - 8, y: y(tick) + 4, "text-anchor": "end" }, tickLabel(tick)),
    );
  }
  for (const tick of x.ticks) {
    group.append(
      draw("line", { x1: x(tick), x2: x(tick), y1: box.bottom, y2: box.bottom + 4, class: "end" }),
      draw("text", { x: x(tick), y: box.bottom + 18, "text-anchor": "middle" }, tickLabel(tick)),
    );
  }
  group.append(
    draw("line", { x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom, class: "end" }),
    draw("text", { x: box.left - 8, y: 12, class: "name", "text-anchor": "start", dx: -box.left + 8 }, names.y),
    draw("text", { x: box.right, y: box.bottom + 36, class: "name", "text-anchor": "end" }, names.x),
  );
  return group;
}
