// Zones and lines over the picture: drawn and moved with mouse, finger or keys.
import { $, draw, share } from "./dom.js";

const svg = $("shapes");
const STEP = 0.01; // of the picture, with an arrow key
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const REACH = matchMedia("(pointer: coarse)").matches ? 15 : 9; // of a point, in pixels of the screen
let width = 1;
let height = 1;
let shapes = [];
let chosen = null;
let growing = null; // the one whose points are being set
let at = null; // where the keys point, once one of them was pressed
let changed = () => {};

// A shape is {kind: "zones" | "lines", name, points: [[x, y], …]}, in fractions of the picture.
export function begin(list, size, onChange) {
  [shapes, chosen, changed] = [list, null, onChange];
  grown();
  svg.removeAttribute("hidden");
  width = 0;
  resize(size);
}

// The picture has another size.
export function resize([wide, high]) {
  if (wide === width && high === height) return;
  [width, height] = [wide, high];
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  show();
}

export function end() { svg.setAttribute("hidden", ""); }

export const picked = () => chosen;
export const unfinished = () => growing;

export function pick(shape) {
  chosen = shape;
  show();
}

export function add(kind, name) {
  growing = { kind, name, points: [] };
  at = null;
  shapes.push(growing);
  pick(growing);
  svg.setAttribute("tabindex", "0"); // for the keys
  svg.focus({ preventScroll: true });
}

export function remove() {
  shapes.splice(shapes.indexOf(chosen), 1);
  if (growing === chosen) grown();
  pick(null);
}

const least = (shape) => (shape.kind === "zones" ? 3 : 2);

export function finish() {
  if (!growing) return;
  if (growing.points.length < least(growing)) { chosen = growing; remove(); return; }
  const keyed = document.activeElement === svg && at;
  grown();
  show();
  if (keyed) svg.querySelector("circle")?.focus(); // which the keys move now
}

function grown() {
  growing = null;
  svg.removeAttribute("tabindex");
}

export function show() {
  const radius = (REACH * width) / (svg.getBoundingClientRect().width || width);
  svg.replaceChildren(...shapes.flatMap((shape) => {
    const points = shape.points.map(([x, y]) => [x * width, y * height]);
    const closed = shape.kind === "zones" && shape !== growing;
    const line = draw(closed ? "polygon" : "polyline", { points: points.join(" "), class: shape === chosen ? "chosen" : "" });
    line.addEventListener("pointerdown", (event) => {
      if (growing) return;
      event.stopPropagation();
      pick(shape);
    });
    const [x, y] = points[0] ?? [0, 0];
    const name = draw("text", { x: x + radius, y: Math.max(y - radius, radius * 1.6), "font-size": (radius * 16) / REACH }, shape.name);
    const handles = shape === chosen ? points.map((point, number) => handle(shape, number, point, radius)) : [];
    return [line, name, ...handles];
  }));
  if (growing && at) svg.append(draw("circle", { cx: at[0] * width, cy: at[1] * height, r: radius / 2, class: "cursor" }));
  changed();
}

function handle(shape, number, [cx, cy], r) {
  const made = draw("circle", {
    cx, cy, r, tabindex: 0, role: "button", "aria-label": `point ${number + 1} of ${shape.name}`,
  });
  made.addEventListener("pointerdown", (event) => {
    event.stopPropagation();
    if (shape === growing) {
      if (number === 0 && shape.points.length >= least(shape)) finish();
      return;
    }
    made.setPointerCapture(event.pointerId);
    made.onpointermove = (moved) => {
      shape.points[number] = place(moved);
      made.setAttribute("cx", shape.points[number][0] * width);
      made.setAttribute("cy", shape.points[number][1] * height);
    };
    made.onpointerup = made.onpointercancel = show;
  });
  made.addEventListener("keydown", (event) => {
    const [dx, dy] = ARROWS[event.key] ?? [0, 0];
    const gone = event.key === "Delete" && shape.points.length > least(shape);
    if (!dx && !dy && !gone) return;
    event.preventDefault();
    event.stopPropagation();
    const [x, y] = shape.points[number];
    if (gone) shape.points.splice(number, 1);
    else shape.points[number] = [within(x + dx * STEP), within(y + dy * STEP)];
    show();
    svg.querySelectorAll("circle")[Math.min(number, shape.points.length - 1)]?.focus();
  });
  return made;
}

svg.addEventListener("pointerdown", (event) => {
  if (growing) set(place(event));
  else pick(null);
});
svg.addEventListener("keydown", (event) => {
  const arrow = ARROWS[event.key];
  if (!growing || event.target !== svg || !(arrow || event.key === "Enter")) return;
  event.preventDefault();
  event.stopPropagation();
  if (!arrow && event.repeat) return; // that of the button which began the shape
  const [[x, y], [dx, dy]] = [at ?? [0.5, 0.5], arrow ?? [0, 0]];
  at = [within(x + dx * STEP), within(y + dy * STEP)];
  if (arrow) show();
  else set([...at]);
});

function set(point) {
  growing.points.push(point);
  if (growing.kind === "lines" && growing.points.length === 2) finish();
  else show();
}

const place = (event) => share(svg, event).map(within);
const within = (part) => Math.round(10_000 * Math.min(1, Math.max(0, part))) / 10_000;
