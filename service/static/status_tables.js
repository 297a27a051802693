/** The tables of the status page. */

import { hint, make, section, table, words } from "./elements.js";
import { count, digits, percent } from "./formats.js";

/** Routes that cast votes. */
const VOTES = /predict|infer/;
const OUTCOMES = [
  ["Answered", (status) => status < 400],
  ["Refused, too busy", (status) => status === 429 || status === 503],
  ["Wrong requests", (status) => status >= 400 && status < 500 && status !== 429],
  ["Failed", (status) => status >= 500 && status !== 503],
];
const STATES = { "-1": "less than the card says", 0: "no alarm", 1: "more than the card says" };
const TIMES = ["Last minute", "Since the start"];
const RUNNING = ["queued", "running"];

const minuteOf = (minute, name, isWanted) => (minute ? count(minute.grown(name, isWanted)) : "–");

function outcomes({ last, minute }) {
  const name = "noisevote_requests_total";
  const rows = OUTCOMES.map(([title, is]) => {
    const isWanted = ({ route, status }) => VOTES.test(route) && is(Number(status));
    return [title, minuteOf(minute, name, isWanted), count(last.sum(name, isWanted) ?? 0)];
  });
  return table("Requests for votes, by outcome", ["Outcome", ...TIMES], rows);
}

function errors({ last, minute }) {
  const name = "noisevote_rejections_total";
  const rows = [...last.by(name, "code")].sort(([, a], [, b]) => b - a).map(([code, sum]) => [
    code, minuteOf(minute, name, (labels) => labels.code === code), count(sum),
  ]);
  if (!rows.length) return null;
  return table("Errors of all requests, by code", ["Code", ...TIMES], rows);
}

function networks({ last, minute }) {
  const answers = last.by("noisevote_predictions_total", "checkpoint");
  const votes = last.by("noisevote_votes_cast_total", "checkpoint");
  const abstained = last.by("noisevote_abstentions_total", "checkpoint");
  const rows = [...answers].map(([name, sum]) => {
    const isIt = ({ checkpoint }) => checkpoint === name;
    return [
      cardOf(name),
      minuteOf(minute, "noisevote_predictions_total", isIt),
      minuteOf(minute, "noisevote_votes_cast_total", isIt),
      count(sum),
      count(votes.get(name) ?? 0),
      count(abstained.get(name) ?? 0),
    ];
  });
  if (!rows.length) return hint("No network has answered since the start.");
  const recent = ["Answers, last minute", "Votes, last minute"];
  const heads = ["Network", ...recent, "Answers", "Votes", "Abstentions"];
  return table("What the networks answered, since the start unless said", heads, rows);
}

const cardOf = (name) =>
  make("a", { href: `networks?checkpoint=${encodeURIComponent(name)}` }, name);

function drift({ last }) {
  const states = last.all("noisevote_drift_state");
  if (!states.length) {
    return hint("No network has had enough answers yet to be compared with its card.");
  }
  const rows = states.map(({ labels, value }) => {
    const isIt = (other) =>
      ["checkpoint", "noise", "sigma", "votes"].every((name) => other[name] === labels[name]);
    const isShare = (one, of) => isIt(one) && one.share === "agreement" && one.of === of;
    const share = (of) => last.sum("noisevote_drift_shares", (one) => isShare(one, of));
    const looks = last.all("noisevote_drift_effective_sigma").find((one) => isIt(one.labels));
    return [
      cardOf(labels.checkpoint),
      `${labels.noise}, sigma ${labels.sigma}, N ${labels.votes}`,
      STATES[value] ?? `${value}`,
      percent(share("seen"), 1),
      percent(share("expected"), 1),
      looks ? digits(looks.value) : "–",
    ];
  });
  const heads = [
    "Network", words("Noise and votes"), words("Votes agree"),
    "Agreement, seen", "expected", "Looks like sigma",
  ];
  return table("Answers of late beside the cards", heads, rows);
}

function refused({ listed }) {
  if (listed.error) return hint(`The list cannot be read: ${listed.error}.`);
  const rows = Object.entries(listed.refused);
  const says = `${count(listed.checkpoints.length)} serve, ${rows.length || "none"} refused.`;
  if (!rows.length) return hint(says);
  return table(says, ["Checkpoint", words("Reason")], rows);
}

function assessments({ last, jobs }) {
  const states = [...last.by("noisevote_jobs", "state")].filter(([, sum]) => sum > 0);
  const counted = states.map(([state, sum]) => `${count(sum)} ${state}`).join(", ") || "none";
  const parts = [hint(`Of all keys: ${counted}.`)];
  if (jobs.error) parts.push(hint(`They cannot be listed: ${jobs.error}.`));
  const active = (jobs.jobs ?? []).filter(({ state }) => RUNNING.includes(state));
  if (active.length) {
    const rows = active.map((job) => [
      job.id, job.target, job.state, percent(job.progress, 0), count(job.samples),
    ]);
    const heads = ["Job", words("Network"), words("State"), "Done", "Samples"];
    parts.push(table("Assessments that wait or run", heads, rows));
  }
  return make("div", {}, ...parts);
}

const SECTIONS = [
  ["Requests", (found) => make("div", { class: "side" }, outcomes(found), errors(found))],
  ["Networks", networks],
  ["Drift", drift],
  ["Checkpoints", refused],
  ["Assessments", assessments],
];

const before = [];

/** Show the tables, each anew only if it has changed, so that nobody loses the place in it. */
export function showTables(place, found) {
  if (!place.children.length) {
    place.append(...SECTIONS.map(([title]) => section(title, make("div"))));
  }
  SECTIONS.forEach(([, shown], number) => {
    const made = shown(found);
    const html = made.outerHTML;
    if (before[number] === html) return;
    before[number] = html;
    replace(place.children[number].lastElementChild, made);
  });
}

/** Replace a part, and keep the keyboard's place and how far tables were scrolled. */
function replace(old, made) {
  const scrolled = [...old.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
  const focusable = () => [...old.querySelectorAll("a, .scroll")];
  const focused = focusable().indexOf(document.activeElement);
  old.replaceChildren(made);
  [...old.querySelectorAll(".scroll")].forEach((one, at) => {
    one.scrollLeft = scrolled[at] ?? 0;
  });
  if (focused >= 0) {
    const again = focusable()[focused];
    if (again?.matches(".scroll")) again.tabIndex = 0;
    again?.focus();
  }
}
