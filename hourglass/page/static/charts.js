// The charts of a data set.

const DASHES = { model: null, pca: "7 5", "image codec": "2 5", sheet: "9 4 2 4" };
const CODECS = { JPEG: [6, 6], WebP: [8, 5], AVIF: [9, 9] }; // color and mark

/** Draw PSNR or SSIM against bytes; lossless files are a limit, as their PSNR has no end. */
function drawRate(element, data, measure) {
  const column = measure === "SSIM" ? 2 : 1;
  const unit = measure === "SSIM" ? "" : " dB";
  const series = data.rate
    .filter((curve) => curve.kind !== "lossless")
    .map((curve) => {
      const [color, mark] = look(curve, data.looks);
      const dash = DASHES[curve.name.endsWith("sheet") ? "sheet" : curve.kind];
      const points = curve.points
        .filter((point) => point[column] !== null && point[0] > 0)
        .map(([bytes, psnr, ssim, setting]) => {
          const value = column === 1 ? psnr : ssim;
          return [bytes, value, `${setting ? `${setting}: ` : ""}${figure(bytes)} bytes, ${figure(value)}${unit}`];
        });
      return { name: curve.name, color, mark, line: true, dash, points };
    })
    .filter((one) => one.points.length);
  const limits = data.rate
    .filter((curve) => curve.kind === "lossless" && curve.name === "PNG") // one line says where that is
    .map((curve) => ({ x: curve.points[0][0], name: `${curve.name}, lossless` }));
  if (!series.length) {
    element.replaceChildren(make("p", { class: "hint" }, `No ${measure}: the images are smaller than its window.`));
    return;
  }
  chart(element, {
    label: `${measure} against bytes of an image of ${data.name}`,
    x: { name: "bytes of an image", log: true },
    y: { name: measure === "SSIM" ? "SSIM" : "PSNR (dB)" },
    series,
    limits,
  });
}

/** Return color and mark of a curve: those of its model, one of each for a codec; gray for PCA. */
function look(curve, looks) {
  return looks[curve.name] ?? (curve.kind === "pca" ? [7, 7] : (CODECS[curve.name.split(" ")[0]] ?? [4, 4]));
}

/** Draw the losses of all models: a chart for each kind of loss. */
function drawLosses(element, data) {
  element.replaceChildren();
  for (const panel of data.losses) {
    const losses = panel.models.flatMap((model) => model.points.flatMap(([, train, val]) => [train, val])).filter((loss) => loss !== null);
    const series = panel.models.flatMap((model) => {
      const curve = (column, split) =>
        model.points
          .filter((point) => point[column] !== null)
          .map((point) => [point[0], point[column], `epoch ${point[0]}: ${figure(point[column])} on ${split} images`]);
      const [color, mark] = data.looks[model.name];
      const validation = { name: model.name, color, mark, line: true, points: curve(2, "validation") };
      const training = { ...validation, thin: true, legend: false, silent: true, points: curve(1, "training") };
      return training.points.length > 1 ? [validation, training] : [validation];
    });
    const holder = make("div", { class: "chart" });
    element.append(holder);
    chart(holder, {
      title: panel.title,
      label: `${panel.title} by epoch of ${data.name}`,
      x: { name: "epoch" },
      y: { name: "loss", log: losses.every((loss) => loss > 0) },
      series,
    });
  }
}
