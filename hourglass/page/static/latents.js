// Latents in two dimensions.

const CLASSES = 10; // told apart by color and mark; of more, the largest

const OF_MANY = [0, 1, 2, 3, 4, 5, 6, 8, 9]; // without gray, that of all others

/** Return the series that points belong to, by class: name, color and mark. */
function classes(labels) {
  const counts = new Map();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const natural = (one, other) => one.localeCompare(other, "en", { numeric: true });
  if (counts.size < 2) return { names: [labels[0] || "test images"], of: () => 0 };
  // Of many small classes no color says anything: their names are in the tips.
  if (counts.size > CLASSES && Math.max(...counts.values()) < 3) return { names: ["test images"], of: () => 0 };
  const bySize = [...counts.keys()].sort((one, other) => counts.get(other) - counts.get(one) || natural(one, other));
  const kept = counts.size <= CLASSES ? bySize : bySize.slice(0, CLASSES - 1);
  const names = kept.sort(natural);
  const number = new Map(names.map((name, index) => [name, index]));
  if (counts.size > CLASSES) names.push(`${counts.size - names.length} other classes`);
  return { names, of: (label) => number.get(label) ?? names.length - 1 };
}

/** Draw the latents of the model and in the projection that are chosen. */
function drawLatents(section, data) {
  const { labels, index, models, sprite } = data.latents;
  const model = find("[data-model]", section).value;
  const wanted = find(".switch input:checked", section).value;
  const found = models[model] ?? {};
  all(".switch input", section).forEach((input) => {
    input.disabled = !(input.value in found);
    input.parentElement.hidden = input.disabled;
  });
  const projection = wanted in found ? wanted : Object.keys(found)[0];
  const element = find("[data-chart]", section);
  if (!projection) return element.replaceChildren(make("p", { class: "hint" }, "No projection of this model."));
  const { names, of } = classes(labels);
  const many = names.length > 1 && names[names.length - 1].endsWith("other classes");
  const series = names.map((name, number) => {
    const color = many ? (number === names.length - 1 ? 7 : OF_MANY[number]) : number;
    return { name, color, mark: color, cloud: true, points: [] };
  });
  found[projection].forEach(([x, y], place) => {
    const label = labels[place] === "" ? "" : `class ${labels[place]}, `;
    series[of(labels[place])].points.push([x, y, `${label}test image ${index[place]}`, place]);
  });
  const picture = sprite ? (place) => show(make("div", { role: "img", "aria-label": "the image" }), sprite, place) : null;
  const axis = projection === "PCA" ? "principal component" : "t-SNE dimension";
  return chart(element, {
    label: `Latents of ${model} by ${projection}`,
    x: { name: `${axis} 1` },
    y: { name: `${axis} 2` },
    square: true,
    series,
    picture,
  });
}
