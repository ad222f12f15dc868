// One image, enlarged: the original on the left of a line that moves, what a model makes of it on the right.

const viewer = { data: null, image: 0, row: 0 };

function openViewer(data, image, row) {
  Object.assign(viewer, { data, image, row });
  find("#viewer").showModal();
  paintViewer();
}

function startViewer() {
  const dialog = find("#viewer");
  const wipe = find("#wipe");
  const slider = find("input", dialog);
  const move = (event) => {
    const box = wipe.getBoundingClientRect();
    slider.value = String(Math.round(Math.max(0, Math.min(100, (100 * (event.clientX - box.left)) / box.width))));
    paintWipe();
  };
  slider.addEventListener("input", paintWipe);
  wipe.addEventListener("pointerdown", (event) => {
    wipe.setPointerCapture(event.pointerId);
    move(event);
  });
  wipe.addEventListener("pointermove", (event) => event.buttons && move(event));
  find("[data-close]", dialog).addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // beside it
  all("[data-step]", dialog).forEach((button) => button.addEventListener("click", () => stepViewer(...button.dataset.step.split(",").map(Number))));
  dialog.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!steps || event.target === slider) return; // there they move the line
    event.preventDefault();
    stepViewer(...steps);
  });
  window.addEventListener("resize", () => dialog.open && paintViewer());
}

function stepViewer(images, rows) {
  const { about, rows: models } = viewer.data.images;
  viewer.image = (viewer.image + images + about.length) % about.length;
  viewer.row = (viewer.row + rows + models.length) % models.length;
  paintViewer();
}

function paintViewer() {
  const { about, original, rows } = viewer.data.images;
  const row = rows[viewer.row] ?? { name: "original", sprite: original };
  const stage = find(".viewer-stage");
  const width = Math.min(stage.clientWidth, (0.58 * window.innerHeight * original.width) / original.height);
  const wipe = find("#wipe");
  wipe.style.width = `${width}px`;
  wipe.style.height = `${(width * original.height) / original.width}px`;
  const parts = [make("div", { class: "after" }), make("div", { class: "before" }), make("div", { class: "divider" })];
  wipe.replaceChildren(...parts);
  show(parts[0], row.sprite, viewer.image);
  show(parts[1], original, viewer.image);
  wipe.setAttribute("role", "img");
  wipe.setAttribute("aria-label", `original and ${row.name}: ${naming(about[viewer.image])}`);
  find("#viewer-title").textContent = row.name;
  find("#viewer-model").textContent = row.name;
  find("#viewer-about").textContent = `${viewer.image + 1} of ${about.length}, ${WHY[about[viewer.image].why]}: ${naming(about[viewer.image])}`;
  paintWipe();
}

function paintWipe() {
  const share = Number(find("#viewer input").value);
  find(".before", find("#wipe")).style.clipPath = `inset(0 ${100 - share}% 0 0)`;
  find(".divider", find("#wipe")).style.left = `${share}%`;
}
