// The same test images through every model.

const WHY = { best: "best", median: "in the middle", worst: "worst" };

/** Say what an image is: its class and its place in the test split. */
function naming(about) {
  const label = about.label === "" ? "" : `class ${about.label}, `;
  return `${label}test image ${about.index}${about.source ? `, ${about.source}` : ""}`;
}

/** Fill in the table of images: a row for the originals and one for each model, a column for each image. */
function drawStrips(element, data) {
  const { about, original, rows } = data.images;
  const begins = about.map((one, place) => place > 0 && one.why !== about[place - 1].why);
  const groups = Object.entries(WHY).filter(([why]) => about.some((one) => one.why === why));
  const heads = groups.map(([why, words]) => {
    const count = about.filter((one) => one.why === why).length;
    const first = why === about[0].why;
    return make("th", { scope: "colgroup", colspan: count, class: first ? null : "gap" }, groups.length > 1 ? words : "test images");
  });
  const lines = [{ name: "original", sprite: original }, ...rows].map((row, number) => {
    const cells = about.map((one, place) => {
      const open = () => openViewer(data, place, Math.max(0, number - 1));
      const button = make("button", { type: "button", class: "cell", "aria-label": `${row.name}: ${WHY[one.why]}, ${naming(one)}`, onclick: open });
      return make("td", { class: begins[place] ? "gap" : null }, show(button, row.sprite, place));
    });
    return make("tr", {}, make("th", { scope: "row" }, row.name), ...cells);
  });
  const head = make("tr", {}, make("td", {}), ...heads);
  element.classList.toggle("few", about.length < 8);
  element.replaceChildren(make("table", {}, make("thead", {}, head), make("tbody", {}, ...lines)));
}
