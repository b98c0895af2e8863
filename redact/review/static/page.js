// Everything on these pages works without this file, but for the outlines over a playing clip,
// the choice of speed, and the keys that tick answers.
"use strict";

const film = document.getElementById("film");
const places = document.getElementById("places");

/** The transform that turns a picture as its display matrix says, and its size after that. */
function turned({ width, height, turn: [a, b, c, d] }) {
  const x = [0, a * width, c * height, a * width + c * height];
  const y = [0, b * width, d * height, b * width + d * height];
  const [left, top] = [Math.min(...x), Math.min(...y)];
  const size = [Math.max(...x) - left, Math.max(...y) - top];
  return { size, transform: `matrix(${a} ${b} ${c} ${d} ${-left} ${-top})` };
}

/** The frame that is shown at a time, by the frames' own times, microseconds in order. */
function frameAt(times, seconds) {
  let [low, high] = [0, times.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (times[middle] <= seconds * 1e6 + 500) low = middle;
    else high = middle;
  }
  return low;
}

/** The outlines of a frame, as elements. */
function outlinesOf(regions, frame) {
  return regions
    .filter(({ first, boxes }) => first <= frame && frame < first + boxes.length)
    .map(({ kind, first, boxes }) => {
      const [x0, y0, x1, y1] = boxes[frame - first];
      const box = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      box.setAttribute("class", kind);
      Object.entries({ x: x0, y: y0, width: x1 - x0, height: y1 - y0 }).forEach(([name, value]) =>
        box.setAttribute(name, value),
      );
      return box;
    });
}

/** Draws the boxes of the frame that is shown; `places` came with the page, by permission. */
function outline() {
  const found = JSON.parse(places.textContent);
  const svg = document.getElementById("outlines");
  if (!svg) return;
  const { size, transform } = turned(found);
  const turns = found.turn[0] === 0;
  const wanted = turns ? size[0] / found.aspect / size[1] : (size[0] * found.aspect) / size[1];
  const shown = (film.videoWidth || film.naturalWidth) / (film.videoHeight || film.naturalHeight);
  if (Math.abs(shown / wanted - 1) > 0.02) {
    say("This player turns or stretches the picture in its own way, so outlines can't be drawn over it; the table holds.");
    return;
  }
  svg.setAttribute("viewBox", `0 0 ${size[0]} ${size[1]}`);
  const layer = document.createElementNS("http://www.w3.org/2000/svg", "g");
  layer.setAttribute("transform", transform);
  svg.replaceChildren(layer);
  const draw = (seconds) => layer.replaceChildren(...outlinesOf(found.regions, frameAt(found.times, seconds)));
  if (!film.requestVideoFrameCallback) return draw(0);
  const next = (_, { mediaTime }) => {
    draw(mediaTime);
    film.requestVideoFrameCallback(next);
  };
  film.requestVideoFrameCallback(next);
  draw(film.currentTime);
}

function say(text) {
  document.getElementById("drawn").textContent = text;
}

/** What to do once the clip has loaded, or has turned out to be one that this browser can't show. */
function loaded() {
  const size = film.tagName === "VIDEO" ? film.videoWidth : 1;
  if (size === 0) unplayed("Your browser plays the sound of this clip and not its picture: it does not know how that is coded.");
  else if (places) outline();
}

function unplayed(text) {
  const notice = document.getElementById("unplayed");
  if (notice) notice.textContent = `${text} Open the file in a player, or this page in another browser.`;
  if (notice) notice.hidden = false;
  if (places) say("There is nothing to draw outlines over; the table holds.");
}

if (film) {
  const still = film.tagName === "IMG";
  const broken = () => unplayed("Your browser can't show this clip.");
  film.addEventListener("error", broken);
  if (film.error) broken();
  else if (still ? film.complete : film.readyState > 0) loaded();
  else film.addEventListener(still ? "load" : "loadedmetadata", loaded);
}

const speed = document.getElementById("speed");
if (speed && film) {
  speed.addEventListener("change", () => {
    film.playbackRate = Number(speed.value);
  });
}

const keys = document.getElementById("keys");
if (keys) {
  keys.checked = sessionStorage.getItem("keys") === "on";
  keys.addEventListener("change", () => sessionStorage.setItem("keys", keys.checked ? "on" : "off"));
  document.addEventListener("keydown", (event) => {
    if (!keys.checked || event.ctrlKey || event.altKey || event.metaKey) return;
    const ticks = document.querySelectorAll("fieldset input[type=checkbox]");
    const tick = ticks[Number(event.key) - 1];
    if (tick) tick.checked = !tick.checked;
  });
}
