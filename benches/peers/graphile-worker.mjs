// graphile-worker with a local queue and batched completion (https://worker.graphile.org/docs/performance).
import { makeWorkerUtils, run, Logger } from "graphile-worker";
import pg from "pg";
import { close, connections, jobs, payload, send, took } from "./mail.mjs";

const connectionString = process.env.DATABASE_URL;
const logger = new Logger(() => () => {});
const utils = await makeWorkerUtils({ connectionString, logger });
await utils.migrate();
for (let first = 0; first < jobs; first += 1000) {
  const some = Array.from({ length: Math.min(1000, jobs - first) }, (_, n) => ({
    identifier: "mail",
    payload: payload(first + n),
  }));
  await utils.addJobs(some);
}
await utils.release();
const database = new pg.Client({ connectionString });
await database.connect();
await database.query("ANALYZE");

let done = 0;
const begun = performance.now();
const runner = await run({
  logger,
  noHandleSignals: true,
  preset: {
    worker: {
      connectionString,
      concurrentJobs: connections,
      maxPoolSize: 10,
      localQueue: { size: 500 },
      completeJobBatchDelay: 0,
      failJobBatchDelay: 0,
    },
  },
  taskList: {
    mail: async (job) => {
      await send(job);
      done += 1;
    },
  },
});
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
while (done < jobs) await sleep(5);
for (;;) {
  const { rows } = await database.query("SELECT count(*)::int AS left FROM graphile_worker.jobs");
  if (rows[0].left === 0) break;
  await sleep(5);
}
took(begun);
await runner.stop();
await database.end();
close();
