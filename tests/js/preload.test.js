// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const WEB = fileURLToPath(new URL("../../web/", import.meta.url));

/** @param {string} file @param {Set<string>} seen @returns {Set<string>} what it imports, and theirs */
function imports(file, seen = new Set()) {
  if (seen.has(file)) return seen;
  seen.add(file);
  if (file.startsWith("vendor")) return seen;
  for (const [, from] of readFileSync(join(WEB, file), "utf8").matchAll(/^(?:import|export)[^;]*?from "([^"]+)";/gm)) {
    imports(normalize(join(dirname(file), from)), seen);
  }
  return seen;
}

test("the page preloads exactly what its first picture needs, so that no module waits for another", () => {
  const wanted = imports("js/app.js");
  const html = readFileSync(join(WEB, "templates/coinglass_heatmap.html"), "utf8");
  const [, list] = /for module in \[(.*?)\]/s.exec(html) ?? [];
  const preloaded = new Set([...(list ?? "").matchAll(/"([^"]+)"/g)].map(([, module]) => module));
  for (const [, started] of html.matchAll(/<script type="module" src="{{ static }}\/([^"]+)"/g)) assert.ok(wanted.delete(started), started);
  assert.deepEqual([...preloaded].sort(), [...wanted].sort());
});
