// How many of nine bands, each of one level of 1200, are lit in a column of the map's own canvas, at five heights.
//
// bench_page.py and tests/browser/test_map.py count with this one. Lit is what is bright on the dark map: the light
// one's own ground would count as a band.
globalThis.brightBands = async () => {
  const { view } = liqstream.mapGrid.focus;
  const { market, chart, element } = view;
  const [rows, columns, bands] = [1200, 300, 9];
  const long = new Uint16Array(rows * columns);
  for (let c = 0; c < columns; c++) for (let i = 0; i < bands; i++) long[c * rows + 61 + 127 * i] = 600;
  const header = { ...market.header, rows, columns, step: 1, p0: 100_000 };
  const flat = () => new Float64Array(columns).fill(header.p0 + 300);
  market.now = null;
  market.takeHistory({ header, long, short: new Uint16Array(rows * columns), candles: { open: flat(), high: flat(), low: flat(), close: flat() } });
  const { theme, view: kind, fit, candles, dots } = liqstream.store.state;
  liqstream.store.set({ theme: "dark", view: "density", fit: "map", candles: false, dots: false });
  const found = [];
  for (const height of [720, 555, 480, 333, 250]) {
    element.style.maxHeight = `${height}px`;
    for (let i = 0; i < 6; i++) await new Promise(requestAnimationFrame);
    const canvas = chart.takeScreenshot();
    const plot = canvas.height - 30; // above the time axis
    const x = Math.round((view.xOf(columns / 2) * canvas.width) / element.clientWidth);
    const { data } = canvas.getContext("2d").getImageData(x, 0, 1, plot);
    let [bright, before] = [0, false];
    for (let y = 0; y < plot; y++) {
      const lit = data[4 * y] + data[4 * y + 1] > 300;
      if (lit && !before) bright++;
      before = lit;
    }
    found.push(bright);
  }
  element.style.maxHeight = "";
  liqstream.store.set({ theme, view: kind, fit, candles, dots });
  return found;
};
