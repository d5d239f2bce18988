// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const WEB = fileURLToPath(new URL("../../web/", import.meta.url));

/**
 * @param {string} file
 * @param {Set<string>} seen
 * @returns {Set<string>} what it imports, and theirs
 */
function imports(file, seen = new Set()) {
  if (seen.has(file)) return seen;
  seen.add(file);
  if (file.startsWith("vendor")) return seen;
  for (const [, from] of readFileSync(join(WEB, file), "utf8").matchAll(/^(?:import|export)[^;]*?from "([^"]+)";/gm)) {
    imports(normalize(join(dirname(file), from)), seen);
  }
  return seen;
}

test("where nothing was built, the page preloads exactly what its first picture needs: no module waits for another", () => {
  const wanted = imports("js/app.js");
  const html = readFileSync(join(WEB, "templates/coinglass_heatmap.html"), "utf8");
  const [, list] = /for module in \(\[\] if bundled else \[(.*?)\]\)/s.exec(html) ?? [];
  const preloaded = new Set([...(list ?? "").matchAll(/"([^"]+)"/g)].map(([, module]) => module));
  for (const [, started] of html.matchAll(/<script type="module" src="{{ static }}\/([^"]+)"/g)) assert.ok(wanted.delete(started), started);
  assert.deepEqual([...preloaded].sort(), [...wanted].sort());
});

/** Static imports of a built file, as it writes them. @param {string} file */
function importsOf(file) {
  const text = readFileSync(join(WEB, "built", file), "utf8");
  return new Set([...text.matchAll(/\b(?:import|from)"(\.{1,2}\/[^"]+)"/g)].map(([, from]) => normalize(join(dirname(file), from))));
}

test("where they were built, three bundles hold every module, each once, and import only scripts of the head and those before them", () => {
  const { bundles } = JSON.parse(readFileSync(join(WEB, "built/sources.json"), "utf8"));
  const head = ["js/data/first-history.js", "vendor/lightweight-charts.mjs"];
  const held = new Set(head);
  const chain = ["js/app.js", "js/live-socket.js", "js/live-ui.js"];
  chain.forEach((bundle, i) => {
    const own = [...imports(bundle)].filter((file) => !held.has(file));
    assert.deepEqual(bundles[bundle].toSorted(), own.sort());
    for (const file of own) held.add(file);
    for (const from of importsOf(bundle)) assert.ok([...head, ...chain.slice(0, i)].includes(from), `${bundle} imports ${from}`);
  });
  assert.deepEqual([...importsOf("js/app.js")].sort(), head);
  assert.ok(!bundles["js/app.js"].includes("js/websocket-client.js") && !bundles["js/live-ui.js"].includes("js/websocket-client.js"));
  assert.deepEqual(bundles["js/markets-app.js"].toSorted(), [...imports("js/markets-app.js")].sort());
  assert.deepEqual([...importsOf("js/markets-app.js")], []);
});

test("a bundle exports what later ones take, and nothing more", () => {
  const read = (/** @type {string} */ file) => readFileSync(join(WEB, "built", file), "utf8");
  const names = (/** @type {string} */ list, /** @type {number} */ side) => list.split(",").map((each) => /** @type {string} */ (each.trim().split(/\s+as\s+/).at(side)));
  const exported = [...read("js/app.js").matchAll(/\bexport\s*\{([^}]*)\}/g)].flatMap(([, list]) => names(list, -1));
  const later = read("js/live-socket.js") + read("js/live-ui.js");
  const imported = [...later.matchAll(/\bimport\s*\{([^}]*)\}\s*from\s*"\.\/app\.js"/g)];
  const taken = imported.flatMap(([, list]) => names(list, 0));
  assert.ok(taken.length > 20);
  assert.deepEqual(exported.toSorted(), [...new Set(taken)].sort());
  const used = new Set(later.replaceAll(/\bimport\s*\{[^}]*\}/g, "").match(/[\w$]+/g));
  const unused = imported.flatMap(([, list]) => names(list, -1)).filter((name) => !used.has(name));
  assert.deepEqual(unused, []);
});
