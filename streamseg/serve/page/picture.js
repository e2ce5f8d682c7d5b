// The moving picture of one stream: the one place that knows how it comes.
import { path } from "./dom.js";
import { live } from "./live.js";

const AGAIN_MS = 2000;

// Shows the stream in `stage`, drawn as `query` asks, and gives a function that ends it. Motion JPEG is there at once; where
// nothing special is asked, and the service and the browser can, H.264 takes its place.
export function show(stage, name, query) {
  const [image, video] = [stage.querySelector("img"), stage.querySelector("video")];
  let again = 0;
  let ended = false;
  let endVideo = () => {};
  const begin = () => {
    [image.hidden, video.hidden] = [false, true];
    if (document.hidden) return; // see `turned`
    image.src = `${path(name)}.mjpeg?${query}&t=${Date.now()}`; // else one that ended without a picture would be waited for
  };
  const endImage = () => {
    clearTimeout(again);
    image.removeAttribute("src");
  };
  // Each such picture takes one of the six connections that a browser has to a host, for all its tabs: none of a hidden tab.
  const turned = () => {
    if (!image.hidden) { endImage(); begin(); }
  };
  document.addEventListener("visibilitychange", turned);
  image.onerror = () => {
    if (!image.getAttribute("src")) return;
    stage.dataset.says = "no picture comes, perhaps because too many watch; it is asked for again";
    again = setTimeout(begin, AGAIN_MS);
  };
  image.onload = () => { delete stage.dataset.says; };
  image.alt = `live picture of ${name}`;
  video.setAttribute("aria-label", `live picture of ${name}`);
  begin();
  const lost = () => { if (!ended) begin(); };
  if (!query) {
    live(video, path(name), lost, () => !ended).then((end) => {
      if (!end) return;
      if (ended) { end(); return; }
      endVideo = end;
      endImage();
      delete stage.dataset.says;
      [image.hidden, video.hidden] = [true, false];
    });
  }
  return () => {
    ended = true;
    document.removeEventListener("visibilitychange", turned);
    image.onerror = image.onload = null;
    delete stage.dataset.says;
    endImage();
    endVideo();
    video.hidden = true;
  };
}

// What is seen at this moment, as a canvas; null where nothing is.
export function frozen(stage, canvas) {
  const video = stage.querySelector("video");
  const seen = video.hidden ? stage.querySelector("img") : video;
  canvas.width = seen.videoWidth || seen.naturalWidth;
  canvas.height = seen.videoHeight || seen.naturalHeight;
  if (!canvas.width) return null;
  canvas.getContext("2d").drawImage(seen, 0, 0);
  return canvas;
}
