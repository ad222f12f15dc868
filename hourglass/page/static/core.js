// What all parts share: elements, documents of data sets, and sprites.

const find = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

/** Make an element with attributes and children; a text is never HTML. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Make an SVG element. */
function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const documents = new Map();

/** Return what is drawn of a data set: its JSON is read when it is first looked at. */
function read(number) {
  if (!documents.has(number)) documents.set(number, JSON.parse(find(`#document-${number}`).textContent));
  return documents.get(number);
}

const addresses = new Map();

/** Return the address of a picture: the browser decodes it once, however many elements show a part of it. */
function address(uri) {
  if (!addresses.has(uri)) {
    const bytes = Uint8Array.from(atob(uri.slice(uri.indexOf(",") + 1)), (letter) => letter.charCodeAt(0));
    addresses.set(uri, URL.createObjectURL(new Blob([bytes], { type: "image/webp" })));
  }
  return addresses.get(uri);
}

/** Show the image at a place of a sprite in an element, which keeps the image's proportions. */
function show(element, sprite, place) {
  const column = place % sprite.columns;
  const row = Math.floor(place / sprite.columns);
  const share = (index, count) => (count > 1 ? `${(100 * index) / (count - 1)}%` : "0%");
  element.classList.add("sprite");
  element.classList.toggle("pixels", Math.max(sprite.width, sprite.height) < 100);
  element.style.aspectRatio = `${sprite.width} / ${sprite.height}`;
  element.style.backgroundImage = `url("${address(sprite.uri)}")`;
  element.style.backgroundSize = `${100 * sprite.columns}% ${100 * sprite.rows}%`;
  element.style.backgroundPosition = `${share(column, sprite.columns)} ${share(row, sprite.rows)}`;
  return element;
}

/** Write a number with four digits at most that say something. */
function figure(value) {
  if (value === null) return "–";
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  return String(Number(value.toPrecision(4))).replace("-", "−");
}
