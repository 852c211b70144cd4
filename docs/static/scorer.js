// What the search shows first: the page of a name that is written as asked. Names that gradcore has
// from elsewhere, and ops, which functions stand for, come after.
const ASKED = new URLSearchParams(location.search).get("q") ?? "";
var Scorer = {
  score: ([page, title, anchor, about, score, file, kind]) => {
    if (kind !== "object") return score;
    const own = page.split("/").pop().split("-")[0] === title.split(".").pop();
    const asked = `.${title}`.endsWith(`.${ASKED}`);
    const later = /reference.(ops|numpy|autograd|array_api|backends)/.test(page);
    return score + 20 * asked + 20 * own - 10 * later;
  },
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2, // as Sphinx has them
};
