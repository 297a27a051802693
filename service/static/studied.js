/** What studies have measured: their reports, read once, for the accuracy that a setting promises. */

import { get } from "./service.js";
import { pathOf } from "./study.js";

/** Reports by path: nothing while they are read, or where they cannot be. */
const reports = new Map();

/** Return the report of a study if it has arrived; else read it, and call back when it has. */
function reportOf(name, study, arrived) {
  const path = pathOf(name, study, "report");
  if (!reports.has(path)) {
    reports.set(path, null);
    get(path).then(
      (report) => {
        reports.set(path, report);
        arrived();
      },
      () => {}, // the card's own figures are left
    );
  }
  return reports.get(path);
}

/** Return whether a study is of the noise, or of the device as it is, that a setting names. */
function isOf(study, device, setting) {
  if (study.device !== device) return false;
  if (!device) return study.noise === setting.noise;
  const temperature = setting.temperature_c ?? null;
  return study.device_digest === setting.digest && study.temperature_c === temperature;
}

/**
 * Return the accuracies that a study has of a setting without reads of its own, by votes.
 * @param {object} card with its studies
 * @param {object} setting fields of a request
 * @param {() => void} arrived called when a report has come in
 */
export function onStudy(card, setting, arrived) {
  const device = setting.device ?? null;
  const study = card.studies?.find((one) => isOf(one, device, setting));
  if (!study || setting.repeats || setting.chips > 1) return [];
  const report = reportOf(card.name, study, arrived);
  if (!report) return [];
  const { of, tables } = report;
  const at = device ? (setting.age_s ?? null) : setting.sigma;
  const here = tables.votes.rows.map((row) => ({ ...row, condition: of.operating }));
  return [...tables.sweep.rows, ...here]
    .filter((row) => row.condition === at && Number.isInteger(row.votes))
    .map(({ accuracy, votes, samples }) => ({
      accuracy: accuracy.value,
      interval: [accuracy.low, accuracy.high],
      votes,
      images: samples,
      split: "samples of the study",
      chips: device && of.chips > 1 ? of.chips : null,
    }));
}
