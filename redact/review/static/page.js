// Everything on these pages works without this file, but for the outlines over a playing clip,
// the choice of speed, and the keys that tick answers.
"use strict";

const film = document.getElementById("film");
const places = document.getElementById("places");

/** Draws the boxes of the frame that is shown; `places` came with the page, by permission. */
function outline() {
  const { width, height, fps, regions } = JSON.parse(places.textContent);
  const svg = document.getElementById("outlines");
  const shown = [film.videoWidth || film.naturalWidth, film.videoHeight || film.naturalHeight];
  if (!svg || shown[0] * height !== shown[1] * width) {
    document.getElementById("drawn").textContent =
      "The player turns or stretches this picture, so outlines can't be drawn over it; the table holds.";
    return;
  }
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const draw = (seconds) => {
    const frame = Math.floor((seconds * fps[0]) / fps[1] + 0.001);
    svg.replaceChildren(
      ...regions
        .filter(({ first, boxes }) => first <= frame && frame < first + boxes.length)
        .map(({ kind, first, boxes }) => {
          const [x0, y0, x1, y1] = boxes[frame - first];
          const box = document.createElementNS("http://www.w3.org/2000/svg", "rect");
          box.setAttribute("class", kind);
          Object.entries({ x: x0, y: y0, width: x1 - x0, height: y1 - y0 }).forEach(([name, value]) =>
            box.setAttribute(name, value),
          );
          return box;
        }),
    );
  };
  if (!film.requestVideoFrameCallback) return draw(0);
  const next = (_, { mediaTime }) => {
    draw(mediaTime);
    film.requestVideoFrameCallback(next);
  };
  film.requestVideoFrameCallback(next);
  draw(film.currentTime);
}

if (film && places) {
  const ready = film.tagName === "IMG" ? film.complete : film.readyState > 0;
  if (ready) outline();
  else film.addEventListener(film.tagName === "IMG" ? "load" : "loadedmetadata", outline);
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
