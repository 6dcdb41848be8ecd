// pg-boss in batches: a handler gets many jobs, sends them over the pool at once, and they are completed together.
import pg from "pg";
import * as module from "pg-boss";
import { close, jobs, payload, send, took } from "./mail.mjs";

const PgBoss = module.PgBoss ?? module.default;
const connectionString = process.env.DATABASE_URL;
const boss = new PgBoss({ connectionString, supervise: false, schedule: false, max: 10 });
boss.on("error", (error) => console.error(error));
await boss.start();
await boss.createQueue("mail");
for (let first = 0; first < jobs; first += 1000) {
  const some = Array.from({ length: Math.min(1000, jobs - first) }, (_, n) => ({
    name: "mail",
    data: payload(first + n),
  }));
  await (boss.insert.length > 1 ? boss.insert("mail", some) : boss.insert(some));
}
const database = new pg.Client({ connectionString });
await database.connect();
await database.query("ANALYZE");

let done = 0;
const begun = performance.now();
// `fetch` and `complete` directly: `work` waits half a second or more between two batches. Two loops, so that one
// fetches while the other sends.
const loop = async () => {
  for (;;) {
    const some = await boss.fetch("mail", { batchSize: 500 });
    if (!some || some.length === 0) return;
    await Promise.all(some.map((job) => send(job.data)));
    await boss.complete("mail", some.map((job) => job.id));
    done += some.length;
  }
};
await Promise.all([loop(), loop()]);
const { rows } = await database.query("SELECT count(*)::int AS left FROM pgboss.job WHERE name = 'mail' AND state <> 'completed'");
if (done !== jobs || rows[0].left !== 0) throw new Error(`${done} done, ${rows[0].left} left`);
took(begun);
await database.end();
await boss.stop({ graceful: false });
close();
process.exit(0);
