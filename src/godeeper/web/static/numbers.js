// Formats the statistics of filters, sorts filters by them, and makes the rows of the table.
export const number = (value, digits = 4) => (Number.isFinite(value) ? Number(value.toPrecision(digits)).toString() : "–");
export const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** The positions of the filters, sorted by "number", or by a statistic in descending order. */
export function order(filters, by) {
  const places = filters.map((_, place) => place);
  return by === "number" ? places : places.sort((a, b) => (filters[b][by] ?? -1) - (filters[a][by] ?? -1) || a - b);
}

/** A table's row for each filter; `address` returns the URL of a filter's page, or null. */
export function rows(filters, address) {
  return filters.map((facts) => {
    const row = document.createElement("tr");
    const head = Object.assign(document.createElement("th"), { scope: "row" });
    const href = address(facts.filter);
    head.append(href === null ? String(facts.filter) : Object.assign(document.createElement("a"), { href, textContent: facts.filter }));
    const texts = [number(facts.minimum), number(facts.maximum), number(facts.mean), percent(facts.active), facts.selectivity?.toFixed(3) ?? "–"];
    row.append(head, ...texts.map((textContent) => Object.assign(document.createElement("td"), { textContent })));
    return row;
  });
}
