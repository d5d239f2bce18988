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

test("where they were built, two bundles hold every module, each once, and import only scripts of the head and each other", () => {
  const { bundles } = JSON.parse(readFileSync(join(WEB, "built/sources.json"), "utf8"));
  const head = ["js/data/first-history.js", "vendor/lightweight-charts.mjs"];
  const first = imports("js/app.js");
  assert.deepEqual(bundles["js/app.js"].toSorted(), [...first].filter((file) => !head.includes(file)).sort());
  const rest = [...imports("js/live-ui.js")].filter((file) => !first.has(file) && !head.includes(file));
  assert.deepEqual(bundles["js/live-ui.js"].toSorted(), rest.sort());
  assert.deepEqual([...importsOf("js/app.js")].sort(), head);
  assert.deepEqual([...importsOf("js/live-ui.js")], ["js/app.js"]);
  assert.deepEqual(bundles["js/markets-app.js"].toSorted(), [...imports("js/markets-app.js")].sort());
  assert.deepEqual([...importsOf("js/markets-app.js")], []);
});

test("the first bundle exports what the second one takes, and nothing more", () => {
  const read = (/** @type {string} */ file) => readFileSync(join(WEB, "built", file), "utf8");
  const names = (/** @type {string} */ list, /** @type {number} */ side) => list.split(",").map((each) => /** @type {string} */ (each.trim().split(/\s+as\s+/).at(side)));
  const exported = [...read("js/app.js").matchAll(/\bexport\s*\{([^}]*)\}/g)].flatMap(([, list]) => names(list, -1));
  const taken = [...read("js/live-ui.js").matchAll(/\bimport\s*\{([^}]*)\}\s*from\s*"\.\/app\.js"/g)].flatMap(([, list]) => names(list, 0));
  assert.ok(taken.length > 20);
  assert.deepEqual(exported.toSorted(), [...new Set(taken)].sort());
});
