// Load test of /ws/heatmap for k6: clients ramp up to 100, 500 and 1000, stay, and leave again.
//
//   k6 run -e LIQSTREAM_URL=ws://127.0.0.1:8000 tests/load/ws_load_test.js
//
// `make load-test` starts a server and runs this, with TIME_SCALE to make it short. One virtual user is one
// client: it connects, subscribes, reads, pings, and holds its socket until its time is over.

import { check } from 'k6';
import { Counter, Rate, Trend } from 'k6/metrics';
import ws from 'k6/ws';

const URL = `${__ENV.LIQSTREAM_URL || 'ws://127.0.0.1:8000'}/ws/heatmap`;
const SYMBOLS = (__ENV.LIQSTREAM_SYMBOLS || 'BTCUSDT').split(',');
const INTERVAL_S = Number(__ENV.UPDATE_INTERVAL || 5);
const CLIENTS = Number(__ENV.CLIENTS || 1000);
const TIME_SCALE = Number(__ENV.TIME_SCALE || 1);

/** Seconds of the whole plan, scaled. */
const scaled = (seconds) => Math.max(1, Math.round(seconds * TIME_SCALE));
const HOLD_MS = scaled(120) * 1000;
const PING_EVERY_MS = Math.min(5000, HOLD_MS / 3);

const firstSnapshotMs = new Trend('subscribe_to_first_snapshot', true);
const pongMs = new Trend('ping_to_pong', true);
const failures = new Rate('client_failures');
const snapshots = new Counter('snapshots_received');

export const options = {
  scenarios: {
    clients: {
      executor: 'ramping-vus',
      startVUs: 0,
      stages: [
        { duration: `${scaled(60)}s`, target: Math.round(CLIENTS / 10) },
        { duration: `${scaled(120)}s`, target: Math.round(CLIENTS / 2) },
        { duration: `${scaled(120)}s`, target: CLIENTS },
        { duration: `${scaled(120)}s`, target: CLIENTS },
        { duration: `${scaled(60)}s`, target: 0 },
      ],
      gracefulRampDown: '10s',
      gracefulStop: '10s',
    },
  },
  thresholds: {
    client_failures: ['rate<0.01'],
    checks: ['rate>0.99'],
    subscribe_to_first_snapshot: ['p(95)<500'],
    ping_to_pong: ['p(95)<500'],
  },
  summaryTrendStats: ['avg', 'med', 'p(95)', 'p(99)', 'max'],
};

export default function client() {
  let subscribedAt = 0;
  let pingedAt = 0;
  let seen = 0;
  let broken = false;

  const response = ws.connect(URL, {}, (socket) => {
    socket.on('open', () => {
      subscribedAt = Date.now();
      socket.send(JSON.stringify({ action: 'subscribe', symbols: SYMBOLS, update_interval: INTERVAL_S }));
      socket.setInterval(() => {
        pingedAt = Date.now();
        socket.send(JSON.stringify({ action: 'ping' }));
      }, PING_EVERY_MS);
      socket.setTimeout(() => socket.close(), HOLD_MS);
    });

    socket.on('message', (text) => {
      const now = Date.now();
      // Reading every map as JSON would make the generator the bottleneck: the first one is, the others by
      // their first characters.
      if (text.startsWith('{"type":"snapshot"')) {
        seen += 1;
        snapshots.add(1);
        if (seen > 1) {
          return;
        }
        firstSnapshotMs.add(now - subscribedAt);
        check(JSON.parse(text), {
          'is a snapshot': (each) => each.type === 'snapshot',
          'has levels': (each) => Array.isArray(each.data.levels) && each.data.levels.length > 0,
        });
      } else if (text.startsWith('{"type":"pong"')) {
        pongMs.add(now - pingedAt);
      } else {
        broken = true;
      }
    });

    socket.on('error', () => {
      broken = true;
    });
  });

  const opened = check(response, { 'status is 101': (each) => each && each.status === 101 });
  failures.add(!opened || broken || seen === 0);
}
