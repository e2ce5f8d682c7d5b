// Events, newest first, with their pictures; a click plays the clip.
import { $, make } from "./dom.js";
import { listing } from "./listing.js";
import { play } from "./player.js";

export const refresh = listing("event", entry, (rows) => {
  offer("rule-names", rows.map((row) => row.rule));
  offer("class-names", rows.flatMap((row) => row.classes));
});

function entry(row) {
  const title = row.rule || `${row.classes.join(", ")} seen`;
  const thumb = make("span", { className: "thumb" });
  thumb.append(row.snapshot ? make("img", { src: row.snapshot, alt: "", loading: "lazy" }) : row.clip ? "clip" : "no picture");
  const peak = `${Number(row.peak.toPrecision(3))} ${row.unit}`.trim();
  const words = make("span", { className: "words" },
    make("strong", { textContent: title }),
    make("span", { textContent: [row.stream, row.zone, row.rule && row.classes.join(", ")].filter(Boolean).join(" · ") }),
    make("small", { textContent: `${new Date(row.began).toLocaleString()}, ${lasted(row)}, at most ${peak}` }));
  if (!row.clip) return make("div", { className: "kept" }, thumb, words);
  const made = make("button", { className: "kept", type: "button" }, thumb, words);
  made.dataset.id = `${row.stream} ${row.id}`;
  made.addEventListener("click", () => play(row.clip, `${title}, ${row.stream}, ${new Date(row.began).toLocaleString()}`));
  return made;
}

function lasted(row) {
  if (!row.ended) return "still lasts";
  const seconds = (new Date(row.ended) - new Date(row.began)) / 1000;
  return seconds < 90 ? `${seconds.toFixed(1)} s` : `${(seconds / 60).toFixed(1)} min`;
}

// What has been met so far can be chosen; anything else can be typed.
function offer(id, names) {
  const known = new Set([...$(id).options].map((option) => option.value));
  for (const name of new Set(names)) if (name && !known.has(name)) $(id).append(new Option(name, name));
}
