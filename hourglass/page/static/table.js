// The table of all models: sorted by a heading, of one data set or all.

function startTable() {
  const table = find("#headline");
  const body = find("tbody", table);
  const rows = all("tr", body);
  all("thead th", table).forEach((heading, column) => {
    find("button", heading).addEventListener("click", () => {
      const descending = heading.getAttribute("aria-sort") === "ascending";
      all("thead th", table).forEach((other) => other.setAttribute("aria-sort", "none"));
      heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const ordered = [...rows].sort((one, other) => compare(one.cells[column], other.cells[column], descending));
      body.append(...ordered);
    });
  });
  const only = find("#only");
  only.closest(".tools").hidden = false;
  only.addEventListener("change", () => {
    for (const row of rows) row.hidden = only.value !== "" && row.dataset.dataset !== only.value;
  });
}

/** Compare two cells, numbers as numbers; those without a value are last either way. */
function compare(one, other, descending) {
  const [first, second] = [one.dataset.value, other.dataset.value];
  if (!first || !second) return (first ? 0 : 1) - (second ? 0 : 1);
  const difference = Number(first) - Number(second);
  const order = Number.isNaN(difference) ? first.localeCompare(second, "en", { numeric: true }) : difference;
  return descending ? -order : order;
}
