// The facts of filters: as text, in order, and as rows of a table.
export const number = (value, digits = 4) => (Number.isFinite(value) ? Number(value.toPrecision(digits)).toString() : "–");
export const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** The places of filters by "number", or by a fact, the greatest first. */
export function order(filters, by) {
  const places = filters.map((_, place) => place);
  return by === "number" ? places : places.sort((a, b) => (filters[b][by] ?? -1) - (filters[a][by] ?? -1) || a - b);
}

/** A table's row for each filter; `address` gives the page of a filter, or null. */
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
