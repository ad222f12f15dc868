// Start: what is drawn of a data set is drawn when it is first shown.

const shown = new Set();

function drawDataset(article) {
  const number = Number(article.dataset.number);
  if (shown.has(number)) return;
  shown.add(number);
  const data = read(number);
  const rate = find('[data-chart="rate"]', article);
  const switches = all(`input[name="measure-${number}"]`, article);
  const paintRate = () => drawRate(rate, data, switches.find((input) => input.checked).value);
  switches.forEach((input) => input.addEventListener("change", paintRate));
  paintRate();
  drawLosses(find('[data-chart="losses"]', article), data);
  const strips = find("[data-strips]", article);
  if (strips) drawStrips(strips, data);
  for (const [selector, paint] of [["[data-latents]", drawLatents], ["[data-varied]", drawVaried]]) {
    const section = find(selector, article);
    if (!section) continue;
    section.addEventListener("change", (event) => event.target.matches("select, .switch input") && paint(section, data));
    paint(section, data);
  }
}

function showDataset(number) {
  for (const article of all(".dataset")) article.hidden = article.dataset.number !== String(number);
  drawDataset(find(`#dataset-${number}`));
}

function startTheme() {
  const button = find("#theme");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
  const name = () => {
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colors`);
  };
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    name();
  });
  dark.addEventListener("change", name);
  button.hidden = false;
  name();
}

function startDatasets() {
  const choices = all("#choose input");
  choices.forEach((input) => input.addEventListener("change", () => showDataset(input.value)));
  all("[data-show]").forEach((link) =>
    link.addEventListener("click", () => {
      const article = all(".dataset").find((one) => one.dataset.dataset === link.dataset.show);
      const input = choices[Number(article.dataset.number)];
      input.checked = true;
      showDataset(input.value);
    }),
  );
  const chosen = choices.find((input) => input.checked) ?? choices[0];
  requestAnimationFrame(() => setTimeout(() => showDataset(chosen.value))); // after the first paint
}

startTheme();
startTable();
startViewer();
startDatasets();
