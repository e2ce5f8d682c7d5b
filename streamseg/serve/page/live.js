// Live pictures over WebRTC: an offer is posted, the answer comes back (WHEP).
const PATIENCE_MS = 4000;
let missing = false; // what it takes, on the service's machine

// Shows the stream at `path` in `video` and resolves to a function that ends it, or to null where this does not work here,
// or is no longer `wanted` when the first picture comes. Calls `lost` if it ends by itself afterwards.
export async function live(video, path, lost = () => {}, wanted = () => true) {
  if (!window.RTCPeerConnection || missing) return null;
  const peer = new RTCPeerConnection();
  let shown = null;
  const end = () => {
    peer.onconnectionstatechange = null;
    peer.close(); // which the service hears
    if (video.srcObject === shown) video.srcObject = null; // and not what came after it
  };
  try {
    const { receiver } = peer.addTransceiver("video", { direction: "recvonly" });
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    peer.ontrack = (event) => {
      if (wanted()) video.srcObject = shown = event.streams[0] ?? new MediaStream([event.track]);
    };
    await peer.setLocalDescription();
    const headers = { "Content-Type": "application/sdp" };
    const reply = await fetch(`${path}/whep`, { method: "POST", headers, body: peer.localDescription.sdp });
    missing = reply.status === 501;
    if (reply.status !== 201) throw new Error(await reply.text());
    await peer.setRemoteDescription({ type: "answer", sdp: await reply.text() });
    await firstPicture(video);
    if (!wanted()) throw new Error("another took its place");
    peer.onconnectionstatechange = () => {
      if (peer.connectionState === "connected") return;
      end();
      lost();
    };
    return end;
  } catch {
    end();
    return null;
  }
}

function firstPicture(video) {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("no picture")), PATIENCE_MS);
    video.requestVideoFrameCallback(() => { clearTimeout(late); resolve(); });
    video.play().catch(() => {});
  });
}
