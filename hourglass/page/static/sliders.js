// Sliders over the dimensions of a latent, and new images.

function drawVaried(section, data) {
  const model = data.varied.find((one) => one.name === find("[data-model]", section).value) ?? data.varied[0];
  const sliders = find("[data-sliders]", section);
  sliders.replaceChildren(...(model.sprite ? model.dimensions.map((_, row) => makeSlider(model, row)) : []));
  const samples = find("[data-samples]", section);
  samples.replaceChildren();
  if (!model.samples) return;
  const image = make("div", { role: "img", "aria-label": `Images that ${model.name} decodes from random latents` });
  image.style.width = `${Math.max(Math.min(model.samples.width * 3, 480), Math.min(model.samples.width, 900))}px`;
  samples.append(show(image, model.samples, 0));
}

/** Make the slider of one dimension, with the image that it decodes to. */
function makeSlider(model, row) {
  const { values, dimensions, kl_nats: kl, sprite } = model;
  const name = `dimension ${dimensions[row]}`;
  const image = make("div", { role: "img", "aria-label": `decoded image, ${name}` });
  const output = make("output", {});
  const start = values.reduce((best, value, index) => (Math.abs(value) < Math.abs(values[best]) ? index : best), 0);
  const slider = make("input", { type: "range", min: 0, max: values.length - 1, value: start, "aria-label": name });
  const paint = () => {
    const column = Number(slider.value);
    show(image, sprite, row * values.length + column);
    output.textContent = figure(values[column]);
    slider.setAttribute("aria-valuetext", figure(values[column]));
  };
  slider.addEventListener("input", paint);
  paint();
  return make("div", { class: "slider" }, image, slider, make("div", {}, `${name}: `, output), `${figure(kl[row])} nats`);
}
