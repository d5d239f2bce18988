// Notes which price the line at the price now stands at, by the pixels of the map's own canvas.
//
// Each animation frame begins with a look at what the frame before it left on the canvas: this callback is asked
// for before any that draws. What it finds has been painted by then, so a moment noted here is late, by a frame at
// most, and never early.
globalThis.priceLine = (() => {
  const STRIP = 200; // px of the map's right edge
  const LEAST_SHARE = 0.3; // of the strip: the line is dashed, half of it is gaps
  const view = () => liqstream.mapGrid.focus.view;
  const waiting = [];
  const notes = { ticks: [], received: 0, unmoved: 0, frames: 0, readMs: 0 };
  let shownRow = -1;

  // The pane's canvas lies below the one of the crosshair, which is as large.
  const canvas = [...view().element.querySelectorAll("canvas")]
    .sort((a, b) => b.width * b.height - a.width * a.height)
    .slice(0, 2)
    .sort((a, b) => Number(getComputedStyle(a).zIndex) - Number(getComputedStyle(b).zIndex))[0];
  const context = canvas.getContext("2d");

  function colour() {
    const probe = new OffscreenCanvas(1, 1).getContext("2d");
    probe.fillStyle = view().theme.muted;
    probe.fillRect(0, 0, 1, 1);
    return new Uint32Array(probe.getImageData(0, 0, 1, 1).data.buffer)[0];
  }

  const wanted = colour();

  /** The row of canvas pixels that the line covers, -1 if there is none. */
  function lineRow() {
    const image = context.getImageData(canvas.width - STRIP, 0, STRIP, canvas.height);
    const words = new Uint32Array(image.data.buffer);
    let [best, most] = [-1, LEAST_SHARE * STRIP];
    for (let row = 0; row < canvas.height; row++) {
      let count = 0;
      for (let i = row * STRIP; i < (row + 1) * STRIP; i++) count += words[i] === wanted;
      if (count > most) [best, most] = [row, count];
    }
    return best;
  }

  function look() {
    const now = performance.now();
    requestAnimationFrame(look);
    notes.frames += 1;
    if (!waiting.length) return;
    const row = lineRow();
    notes.readMs += performance.now() - now;
    const ratio = canvas.height / canvas.clientHeight;
    // The newest that the line can stand for; those before it were never seen.
    const at = waiting.findLastIndex(({ price }) => Math.abs(view().yOf(price) * ratio - row) <= 1.5);
    if (at < 0) return;
    const seen = waiting.splice(0, at + 1);
    // A snapshot may have repeated the tick's price before this frame.
    const tick = seen.find(({ price, isTick }) => isTick && price === seen[at].price);
    if (tick && row === shownRow) notes.unmoved += 1; // a price within the row that stood there changes no pixel
    else if (tick) notes.ticks.push([tick.price, tick.gotMs, now]);
    shownRow = row;
  }

  function take(snapshot, isTick) {
    if (snapshot.symbol !== view().market.symbol) return;
    waiting.push({ price: snapshot.currentPrice, isTick, gotMs: performance.now() });
    notes.received += isTick;
  }

  liqstream.client.on("snapshot", (snapshot) => take(snapshot, false));
  liqstream.client.on("tick", (snapshot) => take(snapshot, true));
  shownRow = lineRow();
  requestAnimationFrame(look);
  return notes;
})();
