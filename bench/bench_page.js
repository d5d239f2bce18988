// Probes that bench_page.py runs within the page, on matrices of its own.
globalThis.bench = (() => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => done(performance.now())));
  const view = () => liqstream.mapGrid.focus.view;
  const stats = (values) => {
    const sorted = [...values].sort((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    return { median: at(0.5), p95: at(0.95), most: sorted.at(-1) };
  };
  // The next frame's work ends when a task posted from its callback runs: after style, layout and paint.
  const painted = () =>
    new Promise((done) =>
      requestAnimationFrame(() => {
        const began = performance.now();
        const channel = new MessageChannel();
        channel.port1.onmessage = () => done(performance.now() - began);
        channel.port2.postMessage(0);
      }),
    );

  let seed = 1;
  const random = () => ((seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32);

  function load([columns, rows]) {
    const { market } = view();
    const long = new Uint16Array(columns * rows);
    const short = new Uint16Array(columns * rows);
    const p0 = 100_000 - (rows / 2) * 50;
    let price = 100_000;
    const candles = Object.fromEntries(["open", "high", "low", "close"].map((name) => [name, new Float64Array(columns)]));
    for (let c = 0; c < columns; c++) {
      const open = price;
      price = Math.max(p0 + 2000, Math.min(p0 + rows * 50 - 2000, price + (random() - 0.5) * 160));
      candles.open[c] = open;
      candles.close[c] = price;
      candles.high[c] = Math.max(open, price) + 40;
      candles.low[c] = Math.min(open, price) - 40;
      const at = Math.round((price - p0) / 50);
      for (let r = 0; r < rows; r++) {
        const index = 250 + Math.round(120 * Math.sin(r / 7) + 90 * Math.sin(r / 3.1 + c / 400) + 30 * random());
        if (r < at - 2) long[c * rows + r] = index;
        else if (r > at + 2) short[c * rows + r] = index;
      }
    }
    const t0 = 1_700_000_000_000 - (1_700_000_000_000 % 900_000);
    market.now = null;
    market.liquidations = market.totals = [];
    market.takeHistory({ header: { ...market.header, columns, rows, p0, step: 50, t0, interval_ms: 900_000, gaps: [] }, long, short, candles });
    view().viewport.fitTime();
    return frame();
  }

  // What a live message costs us, from the parsed message to everything we handed the chart.
  async function updates(count) {
    const { market } = view();
    const { matrix } = market;
    const rows = matrix.rows;
    const grid = { p0: matrix.p0, step: matrix.step, long: new Float64Array(rows), short: new Float64Array(rows) };
    for (let r = 0; r < rows; r++) grid[r < rows / 2 ? "long" : "short"][r] = 1e5 + 1e6 * random();
    const spent = [];
    for (let i = 0; i < count; i++) {
      for (let k = 0; k < 15; k++) grid.long[Math.floor((random() * rows) / 2)] = 1e6 * random();
      const snapshot = {
        symbol: market.symbol, timeMs: matrix.timeOf(matrix.end - 1) + 60_000 + i, epoch: 9e15, seq: i + 1, stale: false, source: "simulated",
        quality: [], kernel: "tiered", levels: grid, currentPrice: 100_000 + i, created: 1, consumed: 0, full: false,
      };
      const began = performance.now();
      market.takeSnapshot(snapshot);
      spent.push(performance.now() - began);
      if (i % 4 === 0) await frame();
    }
    return stats(spent.slice(20)); // the first ones compile the code
  }

  async function pan(count) {
    const time = view().chart.timeScale();
    const { from, to } = time.getVisibleLogicalRange();
    const whole = to - from;
    const width = Math.min(whole, Math.max(300, whole * 0.6));
    const spent = [];
    const script = [];
    for (let i = 0; i < count; i++) {
      const shift = (0.5 + 0.5 * Math.sin(i / 9)) * (whole - width);
      time.setVisibleLogicalRange({ from: from + shift, to: from + shift + width });
      spent.push(await painted());
      script.push(view().heat.frameMs);
    }
    time.setVisibleLogicalRange({ from, to });
    await frame();
    return { spent: stats(spent.slice(5)), script: stats(script.slice(5)) };
  }

  async function pans(count) {
    await pan(20);
    const heat = await pan(count);
    const { heat: primitive, candles } = view();
    candles.detachPrimitive(primitive);
    const alone = await pan(count);
    candles.attachPrimitive(primitive);
    await frame();
    return { heat: heat.spent, script: heat.script, alone: alone.spent };
  }

  async function thresholds(count) {
    const spent = [];
    for (let i = 0; i < count; i++) {
      const began = performance.now();
      liqstream.store.set({ low: 20_000 + 5000 * (i % 40) });
      const ours = performance.now() - began;
      await frame();
      await frame();
      spent.push(ours + view().heat.frameMs);
    }
    liqstream.store.set({ low: null });
    await frame();
    return stats(spent);
  }

  // Hours of seconds without the waiting: a snapshot each, a column every five minutes.
  async function hours(count) {
    await load([288, 300]);
    const { market } = view();
    const { matrix } = market;
    const rows = matrix.rows;
    const start = matrix.timeOf(matrix.end);
    const heap = async () => {
      for (let i = 0; i < 3; i++) {
        globalThis.gc?.();
        await new Promise((done) => setTimeout(done, 60));
      }
      return performance.memory.usedJSHeapSize / 1e6;
    };
    const grid = { p0: matrix.p0, step: matrix.step, long: new Float64Array(rows).fill(2e5), short: new Float64Array(rows) };
    const run = async (from, seconds) => {
      for (let s = from; s < from + seconds; s++) {
        grid.long[s % (rows / 2)] = 1e6 * random();
        market.takeSnapshot({
          symbol: market.symbol, timeMs: start + s * 3000, epoch: 9.1e15, seq: s + 1, stale: false, source: "simulated", quality: [],
          kernel: "tiered", levels: grid, currentPrice: 100_000 + 300 * Math.sin(s / 500), created: 0, consumed: 0, full: false,
        });
        if (s % 60 === 0) await frame();
      }
    };
    await run(0, 3600); // tiles, pictures and compiled code reach their size
    const before = await heap();
    await run(3600, 3600 * count);
    return { hours: count, before, after: await heap() };
  }

  // Text of what the socket brings, as long as it is asked.
  function liveMessages(count) {
    const sizes = [];
    return new Promise((done) => {
      const off = liqstream.client.on("message", (text) => {
        if (text.includes('"delta"')) sizes.push(text.length);
        if (sizes.length >= count) {
          off();
          done(stats(sizes));
        }
      });
    });
  }

  return { load, updates, pans, thresholds, hours, liveMessages };
})();
