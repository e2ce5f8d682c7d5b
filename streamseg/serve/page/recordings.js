// Films that outputs have written, newest first.
import { make } from "./dom.js";
import { listing } from "./listing.js";
import { play } from "./player.js";

export const refresh = listing("recording", entry);

function entry(row) {
  const words = make("span", { className: "words" },
    make("strong", { textContent: row.file }),
    make("span", { textContent: row.stream }),
    make("small", { textContent: `${size(row.bytes)}, ${new Date(row.changed).toLocaleString()}` }));
  const list = row.file.endsWith("/index.m3u8");
  const whole = row.finished ? "play" : "unfinished";
  const made = make("button", { className: "kept", type: "button" },
    make("span", { className: "thumb", textContent: list ? "HLS" : whole }), words);
  made.dataset.id = row.url;
  const file = { href: row.download, download: list ? `${row.stream}-${row.file.split("/")[0]}.ts` : "" };
  made.addEventListener("click", () => play(row.url, row.finished || list ? row.file : `${row.file} (unfinished)`, file));
  return made;
}

function size(bytes) {
  const unit = bytes < 1e6 ? ["kB", 1e3] : bytes < 1e9 ? ["MB", 1e6] : ["GB", 1e9];
  return `${(bytes / unit[1]).toFixed(1)} ${unit[0]}`;
}
