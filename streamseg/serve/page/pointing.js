// Clicks and boxes on the picture: what a model that is asked is to follow.
import { $, draw, path, share } from "./dom.js";
import { ask } from "./operator.js";

const svg = $("pointer");
const image = $("large-picture");
const A_BOX = 0.02; // of a side: a pointer that moves further while it is pressed drags a box
const STEP = 0.01; // of the picture, with an arrow key
let name = null;
let from = null; // where it was pressed
let at = [0.5, 0.5]; // where the keys point

export const pointing = () => name !== null;

export function offer(stream) {
  $("point").hidden = !stream.asked;
  if (!stream.asked && pointing()) leave();
}

export function toggle(stream, beginPicture) {
  if (pointing()) leave();
  else enter(stream);
  beginPicture();
}

function enter(stream) {
  name = stream;
  $("pointing").hidden = false;
  $("point").setAttribute("aria-expanded", "true");
  svg.removeAttribute("hidden");
  resize();
  say("");
}

export function leave() {
  name = null;
  from = null;
  $("pointing").hidden = true;
  $("point").setAttribute("aria-expanded", "false");
  svg.setAttribute("hidden", "");
  svg.replaceChildren();
}

const size = () => [image.naturalWidth || 1280, image.naturalHeight || 720];
function resize() { svg.setAttribute("viewBox", `0 0 ${size().join(" ")}`); }
image.addEventListener("load", resize);

const within = ([x, y]) => [x, y].map((each) => Math.round(10_000 * Math.min(1, Math.max(0, each))) / 10_000);
const inside = (place) => place.every((each) => each >= 0 && each <= 1);

function click(place, takesAway) {
  send("POST", { click: within(place), adds: !(takesAway || $("point-not").checked) });
}

async function send(method, body) {
  say("asking …");
  try {
    const told = await ask(method, `${path(name)}/prompts`, body);
    say(told === null ? "" : told.done);
  } catch (error) {
    say(error.message);
  }
}

function say(text) { $("point-said").textContent = text; }

function corners(end) {
  const [[x, y], [toX, toY]] = [within(from), within(end)];
  return [Math.min(x, toX), Math.min(y, toY), Math.max(x, toX), Math.max(y, toY)];
}

function show(box) {
  const [[width, height], [left, top, right, bottom]] = [size(), box];
  svg.replaceChildren(draw("rect", {
    x: left * width, y: top * height, width: (right - left) * width, height: (bottom - top) * height,
  }));
}

svg.addEventListener("pointerdown", (event) => {
  const place = share(svg, event);
  if (event.button !== 0 || !inside(place)) return;
  from = place;
  svg.setPointerCapture(event.pointerId);
});
svg.addEventListener("pointermove", (event) => { if (from) show(corners(share(svg, event))); });
svg.addEventListener("pointercancel", () => { from = null; svg.replaceChildren(); });
svg.addEventListener("pointerup", (event) => {
  if (!from || event.button !== 0) return;
  const box = corners(share(svg, event));
  const small = Math.min(box[2] - box[0], box[3] - box[1]) < A_BOX;
  if (small || event.shiftKey || $("point-not").checked) click(share(svg, event), event.shiftKey);
  else send("POST", { box });
  from = null;
  svg.replaceChildren();
});
svg.addEventListener("contextmenu", (event) => {
  event.preventDefault();
  from = null;
  if (inside(share(svg, event))) click(share(svg, event), true);
});
svg.addEventListener("keydown", (event) => {
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
  const asked = event.key === "Enter" || event.key === "Delete";
  if (!dx && !dy && !asked) return;
  event.preventDefault();
  event.stopPropagation();
  at = within([at[0] + dx * STEP, at[1] + dy * STEP]);
  show([at[0] - STEP, at[1] - STEP, at[0] + STEP, at[1] + STEP]);
  if (asked) click(at, event.key === "Delete");
});
$("point-clear").addEventListener("click", () => send("DELETE"));
