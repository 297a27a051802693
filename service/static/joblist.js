/** The list of assessments: rows that are changed in place, so that none loses the focus. */

import { make } from "./elements.js";
import { count } from "./formats.js";
import { allJobs, howFar, isActive } from "./jobs.js";

const AGAIN_MS = 2000;

const at = (id) => document.getElementById(id);
const rows = new Map();
/** Whether the last try failed; at first there was none. */
let isLost = true;

/** Return a new row of a job, and what changes the cells that change. */
function rowOf(job) {
  const link = make("a", { href: `assessments?job=${encodeURIComponent(job.id)}` }, job.target);
  const when = new Date(job.created_at).toLocaleString();
  const begun = make("time", { datetime: job.created_at }, when);
  const cells = {};
  for (const name of ["state", "far", "samples", "queries", "votes"]) cells[name] = make("td");
  for (const name of ["state", "far"]) cells[name].className = "text";
  const fixed = [job.surrogate ?? "none", begun].map((of) => make("td", { class: "text" }, of));
  const row = make("tr", {}, make("th", { scope: "row" }, link), ...fixed, ...Object.values(cells));
  return { row, cells };
}

function fill(cells, job) {
  cells.state.textContent = job.state;
  cells.far.textContent = howFar(job);
  cells.samples.textContent = count(job.samples);
  cells.queries.textContent = count(job.queries);
  cells.votes.textContent = count(job.votes);
}

function show(jobs) {
  for (const job of jobs) {
    if (!rows.has(job.id)) rows.set(job.id, rowOf(job));
    fill(rows.get(job.id).cells, job);
  }
  const wanted = jobs.map(({ id }) => rows.get(id).row);
  const shown = [...at("jobs").children];
  if (wanted.some((row, place) => row !== shown[place]) || wanted.length !== shown.length) {
    at("jobs").replaceChildren(...wanted);
  }
  at("none").hidden = jobs.length > 0;
  at("jobs-place").hidden = jobs.length === 0;
}

/**
 * Show the jobs, and again and again while one of them is under way.
 * @param {(error: Error | null) => void} onError told what went wrong, or that all is well again
 */
export async function keepList(onError) {
  let goesOn = true;
  try {
    const jobs = await allJobs();
    show(jobs);
    goesOn = jobs.some(isActive);
    if (isLost) onError(null);
    isLost = false;
  } catch (error) {
    goesOn = rows.size > 0;
    isLost = true;
    onError(error);
  }
  if (goesOn) setTimeout(keepList, AGAIN_MS, onError);
}
