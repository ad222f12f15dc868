// A chart of points and lines that pointer and arrow keys explore.

const circle = (r) => `M${-r} 0a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
const turned = (r, turns) => [0, 1, 2].map((k) => (2 * k + turns) * (Math.PI / 3)).map((a) => `${1.25 * r * Math.sin(a)} ${-1.25 * r * Math.cos(a)}`);
const triangle = (turns) => (r) => `M${turned(r, turns).join("L")}Z`;
const cross = (r, w) => `M${-w} ${-r}H${w}V${-w}H${r}V${w}H${w}V${r}H${-w}V${w}H${-r}V${-w}H${-w}Z`;
// One for each color: circle, square, triangle, diamond, triangle down, plus, x, left, right, star
const MARKS = [
  (r) => circle(r),
  (r) => `M${-r} ${-r}h${2 * r}v${2 * r}h${-2 * r}Z`,
  triangle(0),
  (r) => `M0 ${-1.3 * r}L${1.3 * r} 0L0 ${1.3 * r}L${-1.3 * r} 0Z`,
  triangle(1),
  (r) => cross(1.15 * r, 0.4 * r),
  (r) => `M${-r} ${-0.5 * r}L${-0.5 * r} ${-r}L0 ${-0.5 * r}L${0.5 * r} ${-r}L${r} ${-0.5 * r}L${0.5 * r} 0L${r} ${0.5 * r}L${0.5 * r} ${r}L0 ${0.5 * r}L${-0.5 * r} ${r}L${-r} ${0.5 * r}L${-0.5 * r} 0Z`,
  triangle(1.5),
  triangle(0.5),
  (r) => `M${[...Array(10).keys()].map((k) => [k % 2 ? 0.6 * r : 1.4 * r, (k * Math.PI) / 5]).map(([d, a]) => `${d * Math.sin(a)} ${-d * Math.cos(a)}`).join("L")}Z`,
];

/**
 * Draw a chart into an element, again whenever its width changes.
 *
 * spec: label, x and y {name, log}, series [{name, color, mark, line, dash, thin, cloud, legend, points: [[x, y, said]]}],
 * limits [{x, name}], picture(said) -> element. `said` is what the tip and a screen reader say of a point.
 */
function chart(element, spec) {
  const state = { hidden: new Set(), at: null };
  const plot = make("div", { class: "plot", tabindex: 0, role: "application", "aria-roledescription": "chart", "aria-label": `${spec.label}. Arrow keys move between points.` });
  const tip = make("div", { class: "tip", hidden: "" });
  const voice = make("div", { class: "hidden", "aria-live": "polite" });
  element.replaceChildren(...(spec.title ? [make("p", { class: "chart-title" }, spec.title)] : []), plot, voice, legend(spec, state, () => paint()));
  let drawn = null;
  const paint = () => {
    if (!element.clientWidth) return;
    drawn = drawPlot(spec, state, element.clientWidth);
    plot.replaceChildren(drawn.svg, tip);
    point(null);
  };
  const point = (at) => {
    state.at = at;
    tip.hidden = at === null;
    find(".cursor", drawn.svg)?.remove();
    if (at === null) return;
    const dot = drawn.dots[at];
    drawn.svg.append(draw("circle", { class: "cursor", cx: dot.x, cy: dot.y, r: 8 }));
    const said = [make("b", {}, dot.series.name), dot.said];
    tip.replaceChildren(...(spec.picture ? [spec.picture(dot.key)] : []), ...said);
    place(tip, dot, element.clientWidth);
  };
  explore(plot, () => drawn.dots, state, point, (dot) => voice.replaceChildren(`${dot.series.name}: ${dot.said}`));
  new ResizeObserver(paint).observe(element);
  paint();
}

/** Put the tip beside a dot, inside the chart. */
function place(tip, dot, width) {
  const left = dot.x + 14 + tip.offsetWidth > width ? dot.x - 14 - tip.offsetWidth : dot.x + 14;
  tip.style.left = `${Math.max(0, Math.min(left, width - tip.offsetWidth))}px`;
  tip.style.top = `${Math.max(0, dot.y - tip.offsetHeight / 2)}px`;
}

/** Let pointer and keys choose a dot: left and right along a series, up and down between series. */
function explore(plot, dots, state, point, say) {
  const nearest = (event) => {
    const box = plot.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let [best, distance] = [null, 30];
    dots().forEach((dot, index) => {
      const far = Math.hypot(dot.x - x, dot.y - y);
      if (far < distance) [best, distance] = [index, far];
    });
    if (best !== state.at) point(best);
  };
  plot.addEventListener("pointermove", nearest);
  plot.addEventListener("pointerdown", nearest);
  plot.addEventListener("pointerleave", () => point(null));
  plot.addEventListener("blur", () => point(null));
  plot.addEventListener("keydown", (event) => {
    const next = step(dots(), state.at, event.key);
    if (event.key === "Escape") point(null);
    if (next === null) return;
    event.preventDefault();
    point(next);
    say(dots()[next]);
  });
}

/** Return the dot that a key leads to from the one at `at`; null for another key. */
function step(dots, at, key) {
  const along = { ArrowRight: 1, ArrowLeft: -1 }[key];
  const across = { ArrowDown: 1, ArrowUp: -1 }[key];
  if (!dots.length || (!along && !across)) return null;
  if (at === null) return 0;
  if (along) return Math.max(0, Math.min(dots.length - 1, at + along));
  const names = [...new Set(dots.map((dot) => dot.series))];
  const series = names[(names.indexOf(dots[at].series) + across + names.length) % names.length];
  const candidates = dots.map((dot, index) => [Math.abs(dot.x - dots[at].x), index]).filter(([, index]) => dots[index].series === series);
  return candidates.sort((one, other) => one[0] - other[0])[0][1];
}

/** Draw the SVG and return it with its dots, in pixels. */
function drawPlot(spec, state, width) {
  const height = Math.round(Math.max(280, Math.min(width * (spec.square ? 0.75 : 0.5), spec.square ? 560 : 430)));
  const series = spec.series.filter((one) => !state.hidden.has(one.name));
  const points = series.flatMap((one) => one.points);
  const limits = spec.limits || [];
  const box = { left: 52, right: width - 12, top: 26, bottom: height - 44 };
  const x = makeScale([...points.map((one) => one[0]), ...limits.map((one) => one.x)], box.left, box.right, spec.x.log, width / 90);
  const y = makeScale(points.map((one) => one[1]), box.bottom, box.top, spec.y.log, 6);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, height, "aria-hidden": "true" });
  svg.append(drawAxes(box, x, y, { x: spec.x.name, y: spec.y.name }));
  for (const limit of limits) {
    const end = x(limit.x) > width / 2;
    svg.append(
      draw("line", { class: "limit", x1: x(limit.x), x2: x(limit.x), y1: box.top, y2: box.bottom }),
      draw("g", { class: "axis" }, draw("text", { x: x(limit.x) + (end ? -6 : 6), y: box.top + 10, "text-anchor": end ? "end" : "start" }, limit.name)),
    );
  }
  const dots = [];
  for (const one of series) {
    const places = one.points.map(([px, py, said, key]) => ({ x: x(px), y: y(py), said, key, series: one }));
    if (one.line) svg.append(draw("path", { class: `line s${one.color}${one.thin ? " thin" : ""}`, "stroke-dasharray": one.dash || "none", d: `M${places.map((dot) => `${dot.x.toFixed(1)} ${dot.y.toFixed(1)}`).join("L")}` }));
    if (!one.thin) svg.append(drawMarks(places, one));
    if (!one.silent) dots.push(...places);
  }
  return { svg, dots };
}

/** Draw the marks of a series as one path; of a long line, some of them. */
function drawMarks(places, series) {
  const group = draw("g", { class: `s${series.color}${series.cloud ? " cloud" : ""}` });
  const every = series.line ? Math.max(1, Math.ceil(places.length / 12)) : 1;
  const mark = MARKS[series.mark](series.cloud ? 3.4 : 4);
  places.filter((_, index) => index % every === 0).forEach((dot) => group.append(draw("path", { class: "mark", d: mark, transform: `translate(${dot.x.toFixed(1)} ${dot.y.toFixed(1)})` })));
  return group;
}

/** Return the legend: a button for each series, which hides it and shows it again. */
function legend(spec, state, paint) {
  const list = make("ul", { class: "legend" });
  for (const one of spec.series.filter((series) => series.legend !== false)) {
    const key = draw("svg", { width: 26, height: 14, viewBox: "-13 -7 26 14", class: `s${one.color}`, "aria-hidden": "true" });
    if (one.line) key.append(draw("path", { class: "line", d: "M-12 0H12", "stroke-dasharray": one.dash || "none" }));
    key.append(draw("path", { class: "mark", d: MARKS[one.mark](4) }));
    const button = make("button", { type: "button", "aria-pressed": "true" }, key, one.name);
    button.addEventListener("click", () => {
      const hide = !state.hidden.delete(one.name);
      if (hide) state.hidden.add(one.name);
      button.setAttribute("aria-pressed", String(!hide));
      paint();
    });
    list.append(make("li", {}, button));
  }
  return list;
}
