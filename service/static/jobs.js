/** Assessments over HTTP: the jobs under `/attack`. */

import { ask, events, get } from "./service.js";

const pathOf = (id, what = "") => `attack/${encodeURIComponent(id)}${what}`;

export const choicesOf = () => get("attack/choices");
export const allJobs = async () => (await get("attack")).jobs;
export const jobOf = (id) => get(pathOf(id));
/** Ask for a change of a job, and return the job as it is then. */
const changed = async (id, what) => (await ask(pathOf(id, what), { method: "POST" })).json();

export const cancelled = (id) => changed(id, "/cancel");
export const resumed = (id) => changed(id, "/resume");
export const remove = (id) => ask(pathOf(id), { method: "DELETE" });

export const reportAt = (id) => pathOf(id, "/report.html");
export const jsonAt = (id) => pathOf(id, "/report");

/** Yield the events of a job until it stops. */
export const newsOf = (id, signal) => events(pathOf(id, "/events"), { signal });

let sent = "";
let key = "";

/** Start an assessment; the same body sent again, as after a lost reply, gives the same job. */
export async function started(body) {
  const json = JSON.stringify(body);
  if (json !== sent) key = [...crypto.getRandomValues(new Uint32Array(4))].join("-");
  sent = json;
  const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
  return (await ask("attack", { method: "POST", headers, body: json })).json();
}

export const isActive = ({ state }) => state === "queued" || state === "running";
export const isResumable = ({ state }) => ["failed", "cancelled", "interrupted"].includes(state);

/** Return seconds as one says how long something still takes. */
function roughly(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

/** Return how far a job has come, and how long it still takes if that is known. */
export function howFar({ state, progress, eta_s: eta }) {
  const share = `${Math.floor(100 * progress)} %`;
  return state === "running" && eta !== null ? `${share}, about ${roughly(eta)} left` : share;
}
