// Asks for the streams' state once a second; text goes in as text, never as markup.
const cards = new Map();
const large = document.getElementById("large");
const picture = document.getElementById("large-picture");

function card(name) {
  const made = document.getElementById("card").content.cloneNode(true).firstElementChild;
  made.querySelector("h2").textContent = name;
  made.querySelector(".picture").addEventListener("click", () => watch(name));
  return made;
}

// Only one picture moves at a time: a browser keeps no more than six connections to a host.
function watch(name) {
  document.getElementById("large-name").textContent = name;
  picture.alt = `live picture of ${name}`;
  picture.src = `/streams/${name}.mjpeg`;
  large.showModal();
}
large.addEventListener("close", () => picture.removeAttribute("src"));

async function still(made, name) {
  if (large.open) return;
  const image = made.querySelector(".picture img");
  const next = new Image();
  next.src = `/streams/${name}.jpg?${Date.now()}`;
  try {
    await next.decode();
    image.src = next.src;
    image.alt = `latest picture of ${name}`;
  } catch {
    // none yet, or the stream has gone: the text beside it says so
  }
}

function fill(made, stream) {
  const put = (name, text) => { made.querySelector(`.${name}`).textContent = text; };
  const sum = (counts) => Object.values(counts).reduce((a, b) => a + b, 0);
  made.classList.toggle("ready", stream.ready);
  put("state", `${stream.state}, ${stream.model}`);
  put("source", stream.source);
  put("error", stream.error);
  put("fps", stream.fps.toFixed(1));
  put("age", stream.latency_ms.age ? stream.latency_ms.age[0].toFixed(0) : "–");
  put("shown", stream.frames.shown);
  put("dropped", sum(stream.frames.dropped));
  put("reconnects", stream.events.reconnects ?? 0);
}

async function refresh() {
  const summary = document.getElementById("summary");
  try {
    const streams = await (await fetch("/streams")).json();
    summary.textContent = `${streams.filter((stream) => stream.ready).length} of ${streams.length} streams show fresh frames`;
    const names = new Set(streams.map((stream) => stream.name));
    for (const [name, made] of cards) {
      if (!names.has(name)) { made.remove(); cards.delete(name); }
    }
    for (const stream of streams) {
      if (!cards.has(stream.name)) {
        cards.set(stream.name, card(stream.name));
        document.getElementById("streams").append(cards.get(stream.name));
      }
      fill(cards.get(stream.name), stream);
      if (stream.frames.shown) still(cards.get(stream.name), stream.name);
    }
  } catch {
    summary.textContent = "the service does not answer";
  }
  setTimeout(refresh, 1000);
}
refresh();
