/** One assessment: its plan, how far it has come, what was found, and what can be done with it. */

import { code, folded, make, table, terms } from "./elements.js";
import { count, digits, duration, sigmaText } from "./formats.js";
import {
  cancelled, howFar, isActive, isResumable, jobOf, jsonAt, newsOf, remove, reportAt, resumed,
} from "./jobs.js";
import { ask, hasKey, Refusal } from "./service.js";

/** Wait before a job is asked for again when its events broke off. */
const AGAIN_MS = 2000;
/** Refusals that asking again does not change. */
const FINAL = ["unauthorized", "unknown_job"];

const SAID = {
  queued: "It waits for its turn.",
  running: "It is under way.",
  done: "It is done.",
  failed: "It failed; what is finished is kept, and it can be resumed.",
  cancelled: "It was cancelled; what is finished is kept, and it can be resumed.",
  interrupted: "It was interrupted; what is finished is kept, and it can be resumed.",
};

const at = (id) => document.getElementById(id);
let shown = null;
let following = new AbortController();
/** Whether the job could not be asked for; at first it was not yet. */
let isLost = true;

/** Return a share with its interval, in percent. */
function share(of) {
  if (!of) return "–";
  const [low, high] = of.interval.map((bound) => (100 * bound).toFixed(1));
  return `${(100 * of.share).toFixed(1)} % [${low}, ${high}] of ${of.of}`;
}

function noiseOf({ kind, sigma, device, repeats }) {
  const reads = Object.entries(repeats).map(([point, number]) => `${point} ${number}`);
  const averaged = reads.length ? `; reads that are averaged: ${reads.join(", ")}` : "";
  return `${device ? deviceOf(device) : `${kind}, sigma ${sigmaText(sigma)}`}${averaged}`;
}

function deviceOf({ profiles, chip, chips, age_s: age }) {
  const named = ([points, profile]) => `${points} ${profile?.name ?? "digital"}`;
  const name = profiles.name ?? Object.entries(profiles).map(named).join(", ");
  const which = chips === 1 ? `chip ${chip}` : `${chips} chips from ${chip} on`;
  return `device ${name}, ${which}${age === null ? "" : `, age ${duration(age)}`}`;
}

function wantedOf({ target_class: wanted }) {
  if (wanted === null) return "any wrong class";
  if (typeof wanted === "number") return `class ${wanted}`;
  if (Array.isArray(wanted)) return "a class given for each sample";
  return { next: "the class after the label", random: "a random wrong class" }[wanted] ??
    "the class that his network finds least likely";
}

function showPlan({ plan, target, surrogate, samples }) {
  const shortStep = digits(plan.step_size ?? plan.epsilon / 6);
  const labels = plan.labels === "predicted" ? "; labels: its own noiseless answers" : "";
  const asksTarget = plan.attacks.some((name) => ["square", "hop_skip_jump"].includes(name));
  const asked = Math.min(plan.query_samples, samples);
  const whole = () => JSON.stringify(plan, null, 1);
  const attributes = { tabindex: 0, role: "group", "aria-label": "All settings" };
  at("job-plan").replaceChildren(
    make("h3", {}, "Plan"),
    terms([
      ["target", target],
      ["its noise", noiseOf(plan)],
      ["votes of a reply", count(plan.votes)],
      ["attacker’s network", surrogate ?? "none: he can only ask"],
      ["samples", `${count(samples)}${labels}`],
      ["wanted", wantedOf(plan)],
      ["epsilon", `${plan.epsilon}, ${plan.norm}`],
      ["attacks", plan.attacks.join(", ")],
      ["steps", surrogate && `${plan.steps} of ${shortStep}, ${plan.restarts} restarts`],
      ["queries", asksTarget ? `${count(plan.queries)} a sample, on the first ${count(asked)}` : null],
      ["judged by", `${plan.replies} fresh replies an example`],
      ["seed", `${plan.seed}`],
    ]),
    folded("All settings", () => make("pre", attributes, whole())),
  );
}

function showSteps({ steps, finished_steps: finished, step }) {
  const rows = finished.map(({ name, seconds }) => [
    code(name),
    seconds === null ? "–" : duration(seconds),
  ]);
  const running = step ? ` Under way: ${step}.` : "";
  at("steps-done").textContent = `${finished.length} of ${steps} are finished and kept.${running}`;
  at("steps-finished").hidden = rows.length === 0;
  at("job-steps").replaceChildren(table("In the order of their end", ["step", "took"], rows));
}

function showResults({ results, plan }) {
  const { noiseless_accuracy: noiseless, voted_accuracy: voted, attacks, verdict } = results;
  const isTargeted = plan.target_class !== null;
  const found = [];
  if (noiseless || voted) {
    const head = ["accuracy", "without noise", "with noise and votes"];
    const row = ["of all samples", share(noiseless), share(voted)];
    found.push(table("Accuracy without attack", head, [row]));
  }
  if (attacks.length) {
    const what = isTargeted ? "target class reached" : "robust accuracy";
    const name = isTargeted ? "target_reached" : "robust_accuracy";
    const rows = attacks.map((each) => [
      each.attack,
      each.family,
      share(each[`${name}_noiseless`]),
      share(each[name]),
      share(each.attack_success_rate),
    ]);
    const head = [
      "attack",
      { name: "counts as", isText: true },
      `${what}, without noise`,
      "with noise",
      "verified success, with noise",
    ];
    found.push(table(`Under attack${verdict ? "" : ", so far"}`, head, rows));
  }
  if (found.length) {
    found.unshift(make("h3", {}, "Results"));
    const note = "In brackets: intervals. The report says what each row means.";
    found.push(make("p", { class: "hint" }, note));
  }
  at("job-results").replaceChildren(...found);
  at("job-verdict").replaceChildren();
  if (!verdict) return;
  const sentences = verdict.sentences.map((sentence) => make("p", {}, sentence));
  const title = make("h3", {}, `Verdict: ${verdict.answer}`);
  at("job-verdict").append(make("div", { class: "verdict-box" }, title, ...sentences));
}

/** Show what changes with each event: progress and what it has cost. */
function showStanding(job) {
  at("job-state").textContent = job.state;
  at("job-state").dataset.state = job.state;
  at("job-error").textContent = job.error ?? "";
  at("job-progress").value = job.progress;
  at("job-far").textContent = howFar(job);
  const spent = `${count(job.queries)} queries and ${count(job.votes)} votes`;
  at("job-spent").textContent = `Spent so far: ${spent}, those that judge examples included.`;
}

/** Offer what can be done with a job in its state. */
function showTools(job) {
  const offered = { cancel: isActive(job), resume: isResumable(job), delete: !isActive(job) };
  const hadFocus = document.activeElement;
  for (const [id, isOffered] of Object.entries(offered)) at(id).hidden = !isOffered;
  if (hadFocus?.hidden) at("job-title").focus();
  at("job-report").hidden = job.finished_steps.length === 0;
  const soFar = job.state === "done" ? "" : " so far";
  at("report-page").textContent = `Report${soFar}`;
  at("report-page").href = reportAt(job.id);
  at("report-json").href = jsonAt(job.id);
  at("open-page").textContent = `Open the report${soFar}`;
  for (const id of ["report-page", "report-json"]) at(id).hidden = hasKey();
  for (const id of ["open-page", "open-json"]) at(id).hidden = !hasKey();
}

/** Return whether something of a job is another than what is shown. */
const differs = (job, ...names) =>
  shown === null || names.some((name) => JSON.stringify(job[name]) !== JSON.stringify(shown[name]));

function show(job) {
  at("job").hidden = false;
  if (shown === null) {
    at("job-title").textContent = `Assessment of ${job.target}`;
    document.title = `noisevote: assessment of ${job.target}`;
    const when = new Date(job.created_at).toLocaleString();
    at("job-about").textContent = `${job.id}, asked for ${when}`;
    showPlan(job);
  }
  showStanding(job);
  if (differs(job, "finished_steps", "step", "steps")) showSteps(job);
  if (differs(job, "results")) showResults(job);
  if (differs(job, "state", "finished_steps")) showTools(job);
  if (differs(job, "state")) {
    const answer = job.results.verdict ? ` Verdict: ${job.results.verdict.answer}.` : "";
    at("status").textContent = `${SAID[job.state]}${answer}`;
  }
  shown = job;
}

/** Show a job that was heard of; what an action complained of stays. */
function found(job, onError) {
  if (isLost) onError(null);
  isLost = false;
  show(job);
}

/** Follow a job until it stops: by its events, and where these break off by asking. */
async function follow(id, onError) {
  following.abort();
  following = new AbortController();
  const { signal } = following;
  while (!signal.aborted) {
    try {
      for await (const { name, data } of newsOf(id, signal)) {
        found(data, onError);
        if (name === "end") return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Refusal && FINAL.includes(error.code)) {
        isLost = true;
        onError(error);
        return;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    if (signal.aborted) return;
    try {
      const job = await jobOf(id);
      found(job, onError);
      if (!isActive(job)) return;
    } catch (error) {
      isLost = true;
      onError(error);
    }
  }
}

/** Open a report that needs a key: it is fetched, as a link sends none. */
async function open(path, onError) {
  const tab = window.open("", "_blank"); // at once, or the browser takes it for unwanted
  try {
    const url = URL.createObjectURL(await (await ask(path)).blob());
    if (tab) tab.location = url;
    else location.assign(url);
    onError(null);
  } catch (error) {
    tab?.close();
    onError(error);
  }
}

/**
 * Show a job and keep it up to date.
 * @param {string} id of the job
 * @param {(error: Error | null) => void} onError told what went wrong, or that all is well again
 */
export function keepJob(id, onError) {
  const change = (button, call) =>
    at(button).addEventListener("click", async () => {
      at(button).disabled = true;
      try {
        show(await call(id));
        onError(null);
        if (at(button).hidden) at("job-title").focus();
        follow(id, onError);
      } catch (error) {
        onError(error);
      }
      at(button).disabled = false;
    });
  change("cancel", cancelled);
  change("resume", resumed);
  at("delete").addEventListener("click", () => at("ask-delete").showModal());
  at("keep").addEventListener("click", () => at("ask-delete").close());
  at("really-delete").addEventListener("click", async () => {
    at("ask-delete").close();
    try {
      await remove(id);
      location.assign("assessments");
    } catch (error) {
      onError(error);
    }
  });
  at("open-page").addEventListener("click", () => open(reportAt(id), onError));
  at("open-json").addEventListener("click", () => open(jsonAt(id), onError));
  return () => follow(id, onError);
}
