// A film that is kept: a clip or a recording.
import { $ } from "./dom.js";

const film = $("player-film");

// `file` is what it is called and where it lies as one file, where that is not `url`.
export function play(url, title, file = { href: url, download: "" }) {
  $("player-name").textContent = title;
  $("player-said").textContent = "";
  Object.assign($("player-download"), file);
  if (url.endsWith(".m3u8") && !film.canPlayType("application/vnd.apple.mpegurl")) {
    $("player-said").textContent = "This browser does not play HLS. It can be downloaded as a file (MPEG-TS), "
      + `or a player opens ${new URL(url, location)}`;
  } else {
    film.src = url;
  }
  $("player").showModal();
  film.play().catch(() => {});
}

film.addEventListener("error", () => {
  if (film.hasAttribute("src")) $("player-said").textContent = "this browser cannot play it; it can be downloaded";
});
$("player").addEventListener("close", () => {
  film.removeAttribute("src");
  film.load();
});
