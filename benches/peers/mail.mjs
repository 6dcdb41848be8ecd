// What both peers have in common: the jobs, and nodemailer's pool as its documentation advises for many mails.
import { randomUUID } from "node:crypto";
import nodemailer from "nodemailer";

export const jobs = Number(process.env.JOBS);
export const connections = 20;
const port = Number(process.env.SMTP_PORT || 0);

export const payload = (number) => ({
  id: randomUUID(),
  to: `nurse${number}@clinic.example`,
  code: "7F3K",
  neededBy: new Date().toISOString(),
  link: `https://bedside.example/c/${randomUUID()}`,
});

const transport = port
  ? nodemailer.createTransport({
      pool: true,
      host: "127.0.0.1",
      port,
      secure: false,
      ignoreTLS: true,
      maxConnections: connections,
      maxMessages: Infinity,
      name: "bedside.example",
    })
  : null;

export async function send(job) {
  if (!transport) return;
  await transport.sendMail({
    from: '"Reminders" <reminders@bedside.example>',
    to: job.to,
    subject: `Case ${job.code} needs you`,
    messageId: `<${job.id}@bedside.example>`,
    text: `Case ${job.code} needs you by ${job.neededBy}.\n\nOpen the page and take it:\n${job.link}\n\nThis mail was sent automatically.\n`,
    html: `<!doctype html><html><body><p>Case ${job.code} needs you by ${job.neededBy}.</p><p><a href="${job.link}">Open the page and take it</a></p><p>This mail was sent automatically.</p></body></html>`,
    headers: { "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All" },
  });
}

export const close = () => transport?.close();

export function took(begun) {
  console.log(`took_ms ${performance.now() - begun}`);
}
