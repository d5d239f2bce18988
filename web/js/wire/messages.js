// @ts-check
/**
 * The messages of protocol 2 as the server may send them, parsed and checked before they are used.
 * liqstream/client/messages.py does the same in Python; tests/client_behaviours.json holds both to one table.
 * @module
 */

/** @typedef {import("./account.js").StreamPosition} StreamPosition */
/** @typedef {Record<string, StreamPosition>} Positions */
/**
 * @typedef {object} MessageHead what snapshots and deltas share
 * @property {string} symbol
 * @property {string} timestamp
 * @property {number} epoch
 * @property {number} seq
 * @property {number} [skipped]
 * @property {boolean} [repeat]
 * @property {boolean} [stale]
 * @property {string} [source]
 * @property {string[]} [quality]
 * @property {string} [kernel]
 * @property {Record<string, number>} [silent]
 * @property {number} checksum
 */
/** @typedef {{ current_price: number, positions_created?: number, positions_consumed?: number }} Totals */
/** @typedef {import("./levels.js").ColumnsData} ColumnsData */
/** @typedef {import("./levels.js").SideDelta} SideDelta */
/** @typedef {MessageHead & { type: "snapshot", data: ColumnsData & Totals }} SnapshotMessage */
/**
 * @typedef {MessageHead & { type: "delta", prev_seq: number, data: { long: SideDelta, short: SideDelta } &
 * Totals }} DeltaMessage
 */
/** @typedef {SnapshotMessage | DeltaMessage} StateMessage */
/**
 * @typedef {object} TickMessage the newest price, and what was passed since the state `seq`; USD
 * @property {"tick"} type
 * @property {string} symbol
 * @property {string} timestamp
 * @property {number} epoch
 * @property {number} seq
 * @property {number} n
 * @property {number} current_price
 * @property {number} low
 * @property {number} high
 */
/** @typedef {number | string | boolean | string[] | null} MarketValue */
/** @typedef {{ i: number[], v: MarketValue[] }} FieldChange new values of a column at the indices `i` */
/**
 * @typedef {object} MarketsMessage the table of markets: whole with `symbols`, else what changed
 * @property {"markets"} type
 * @property {string} timestamp
 * @property {number} epoch
 * @property {number} seq
 * @property {number} [prev_seq]
 * @property {string[]} [symbols]
 * @property {Record<string, MarketValue[] | FieldChange>} fields
 */
/** @typedef {{ type: "heartbeat", symbols?: Positions }} HeartbeatMessage */
/** @typedef {{ type: "pong", positions?: Positions }} PongMessage */
/**
 * @typedef {object} SubscribedMessage
 * @property {"subscribed"} type
 * @property {string[]} [symbols]
 * @property {number} [update_interval]
 * @property {string} [stream]
 * @property {number | string} [id]
 * @property {Positions} [positions]
 */
/**
 * @typedef {object} ErrorMessage
 * @property {"error"} type
 * @property {string} code
 * @property {string} [message]
 * @property {number | string} [id]
 * @property {string[]} [symbols] those of INVALID_SYMBOL that are not followed
 * @property {number} [retry_after_ms]
 */
/**
 * @typedef {object} WarningMessage
 * @property {"warning"} type
 * @property {string} code
 * @property {string} [message]
 * @property {number} [dropped_messages] of all symbols
 * @property {Record<string, number>} [dropped_by_symbol]
 * @property {string[]} [symbols] those of NO_DATA_YET and MARKET_ENDED
 * @property {number} [retry_after_ms]
 */
/**
 * @typedef {StateMessage | TickMessage | MarketsMessage | HeartbeatMessage | PongMessage |
 * SubscribedMessage | ErrorMessage | WarningMessage} Message
 */

const MAX_ROWS = 10_000;
const MOST = 1e15;
const LONGEST_RETRY_MS = 3_600_000;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;

/** @typedef {(value: unknown) => boolean} Check */
/** @type {Check} */
const isText = (value) => typeof value === "string";
/** @type {Check} */
const isSomeText = (value) => isText(value) && value !== "";
/** @type {Check} */
const isFlag = (value) => typeof value === "boolean";
/** @type {Check} */
const isCount = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
/** @type {Check} */
const isOrdinal = (value) => Number.isSafeInteger(value) && Number(value) >= 1;
/** @type {Check} */
const isPrice = (value) => typeof value === "number" && value > 0 && value <= MOST;
/** @type {Check} */
const isUsd = (value) => typeof value === "number" && value >= 0 && value <= MOST;
/** @type {Check} */
const isChecksum = (value) => isCount(value) && Number(value) < 2 ** 32;
/** @type {Check} */
const isRetry = (value) => isCount(value) && Number(value) <= LONGEST_RETRY_MS;
/** @type {Check} */
const isId = (value) => value === null || isText(value) || Number.isSafeInteger(value);
/** @type {Check} */
const isTime = (value) => {
  if (typeof value !== "string" || !TIME.test(value) || value.startsWith("0000")) return false;
  const timeMs = Date.parse(value); // takes 30 February for 2 March
  return Number.isFinite(timeMs) && new Date(timeMs).toISOString().startsWith(value.slice(0, 19));
};
/** @type {(each: Check, least?: number, most?: number) => Check} */
const isList = (each, least = 0, most = MAX_ROWS) => (value) =>
  Array.isArray(value) && value.length >= least && value.length <= most && value.every(each);
/** @type {(each: Check) => Check} */
const isRecordOf = (each) => (value) =>
  isObject(value) && Object.values(/** @type {object} */ (value)).every(each);
/** @type {(required: Record<string, Check>, optional?: Record<string, Check>) => Check} */
const isForm = (required, optional = {}) => (value) => {
  if (!isObject(value)) return false;
  const fields = /** @type {Record<string, unknown>} */ (value);
  return (
    Object.entries(required).every(([name, check]) => check(fields[name])) &&
    Object.entries(optional).every(([name, check]) => fields[name] === undefined || check(fields[name]))
  );
};

/** @param {unknown} value */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const HEAD = { symbol: isText, timestamp: isTime, epoch: isOrdinal, seq: isOrdinal, checksum: isChecksum };
const OPTIONAL_HEAD = {
  skipped: isCount, repeat: isFlag, stale: isFlag, source: isText, quality: isList(isText), kernel: isText,
  silent: isRecordOf(isCount),
};
const TOTALS = { current_price: isPrice };
const OPTIONAL_TOTALS = { positions_created: isCount, positions_consumed: isCount };
const COLUMN = isList(isUsd, 1);
const SIDE = isForm({ i: isList(isCount), v: isList(isUsd) });
const POSITIONS = isRecordOf(isForm({ epoch: isOrdinal, seq: isOrdinal }));
const OPTIONAL_ACK = {
  id: isId, stream: isText, symbols: isList(isText), update_interval: isCount, positions: POSITIONS,
};

/** @type {Check} */
const isFigure = (value) =>
  value === null || isText(value) || isFlag(value) || Number.isFinite(value) || isList(isText)(value);
const isChange = isForm({ i: isList(isCount), v: isList(isFigure) });
/** @type {Check} */
const isColumnOrChange = (value) => isList(isFigure)(value) || isChange(value);

/** @type {Record<string, Check>} */
const FORMS = {
  snapshot: isForm(
    {
      ...HEAD,
      data: isForm({ ...TOTALS, p0: isPrice, step: isPrice, long: COLUMN, short: COLUMN }, OPTIONAL_TOTALS),
    },
    OPTIONAL_HEAD,
  ),
  delta: isForm(
    { ...HEAD, prev_seq: isOrdinal, data: isForm({ ...TOTALS, long: SIDE, short: SIDE }, OPTIONAL_TOTALS) },
    OPTIONAL_HEAD,
  ),
  markets: isForm(
    { timestamp: isTime, epoch: isOrdinal, seq: isOrdinal, fields: isRecordOf(isColumnOrChange) },
    { prev_seq: isOrdinal, symbols: isList(isText) },
  ),
  tick: isForm({
    symbol: isText, timestamp: isTime, epoch: isOrdinal, seq: isOrdinal, n: isCount, current_price: isPrice,
    low: isPrice, high: isPrice,
  }),
  heartbeat: isForm({}, { symbols: POSITIONS }),
  pong: isForm({}, { timestamp: isText, positions: POSITIONS }),
  subscribed: (message) =>
    isForm({}, OPTIONAL_ACK)(message) &&
    (isForm({ stream: isSomeText })(message) ||
      isForm({ symbols: isList(isText, 1), update_interval: isOrdinal })(message)),
  error: isForm(
    { code: isText },
    { message: isText, id: isId, symbols: isList(isText), retry_after_ms: isRetry },
  ),
  warning: isForm(
    { code: isText },
    {
      message: isText,
      dropped_messages: isCount,
      dropped_by_symbol: isRecordOf(isCount),
      symbols: isList(isText),
      retry_after_ms: isRetry,
    },
  ),
};

/**
 * The message in a text frame.
 * @param {unknown} text
 * @returns {Message | "old" | null} "old" for a snapshot of the first protocol; null for all else that is
 * no message of the second, which is passed over, so that servers may send more than is known here
 */
export function decode(text) {
  /** @type {any} */
  let message;
  try {
    message = JSON.parse(/** @type {string} */ (text));
  } catch {
    return null;
  }
  if (!isObject(message)) return null;
  if (Object.hasOwn(FORMS, message.type) && FORMS[message.type](message)) return message;
  const data = message.data;
  return isObject(data) && "levels" in data && !("p0" in data) ? "old" : null;
}
