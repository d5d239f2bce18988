// @ts-check
/**
 * What the map reached on recorded hours of a real market: shown where a simulated one has nothing to say of
 * it. The figures are those of the first table in docs/model.md, whose command prints them with `--json` too.
 * @module
 */

/** @typedef {import("../data/rest-client.js").Score} Score */

/** @type {Score & { symbol: string }} */
// score: made by `make docs-scores`
export const PUBLISHED = {
  "symbol": "BTCUSDT",
  "exchange": "binance",
  "from": "2026-02-25T00:00:00Z",
  "to": "2026-04-01T00:00:00Z",
  "n": 838,
  "interval": "1h",
  "mean": {
    "model": {
      "spearman": 0.876
    },
    "with_same_bar": {
      "spearman": 0.869,
      "gain_over_uniform": {
        "spearman": 0.0823,
        "ci": [
          0.0684,
          0.097
        ]
      },
      "gain_over_uniform_range": {
        "spearman": 0.0331,
        "ci": [
          0.0245,
          0.042
        ]
      }
    },
    "drawn_map": {
      "spearman": 0.798,
      "gain_over_uniform": {
        "spearman": 0.0119,
        "ci": [
          0.0016,
          0.0219
        ]
      },
      "gain_over_uniform_range": {
        "spearman": -0.0373,
        "ci": [
          -0.0531,
          -0.0219
        ]
      }
    },
    "baselines": {
      "uniform": {
        "spearman": 0.786
      },
      "uniform_range": {
        "spearman": 0.836
      },
      "excursion": {
        "spearman": 0.759
      },
      "extreme": {
        "spearman": 0.416
      },
      "one_sided": {
        "spearman": 0.529
      },
      "flat_2": {
        "spearman": 0.869
      },
      "flat_10": {
        "spearman": 0.867
      }
    }
  }
};
// /score

/** What must be known to read it right. */
export const PUBLISHED_NOTE = "The model was fitted on the months before.";

/** When it was: 5 Dec 2025 to 1 Apr 2026. */
export function publishedSpan() {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone: "UTC",
    day: "numeric",
    month: "short",
    year: "numeric",
  });
  return `${format.format(Date.parse(PUBLISHED.from))} to ${format.format(Date.parse(PUBLISHED.to))}`;
}
