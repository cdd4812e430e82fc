// Searches tensors by any of their four names, and lists the results to choose from with the arrow keys.

import { at } from "./base.js";

const MAX_RESULTS = 40;

/** @param {HTMLInputElement} input @param {HTMLUListElement} list @param {string} photo */
export function wireSearch(input, list, photo) {
  let tensors = null;
  let chosen = -1;

  const load = async () => {
    tensors ??= fetch(at("/api/tensors")).then((response) => response.json()).then((record) => record.tensors.map(entry));
    try {
      return await tensors;
    } catch (error) {
      tensors = null; // so that the next keystroke tries again
      throw error;
    }
  };
  const entry = (tensor) => {
    const names = Object.values(tensor.names).filter(Boolean);
    return { ...tensor, others: names.filter((name) => name !== tensor.address), text: [tensor.address, ...names].join("\n").toLowerCase() };
  };
  const options = () => [...list.querySelectorAll('[role="option"]')];
  const choose = (number) => {
    chosen = number;
    options().forEach((item, k) => item.setAttribute("aria-selected", String(k === number)));
    const item = options()[number];
    if (item) input.setAttribute("aria-activedescendant", item.id);
    else input.removeAttribute("aria-activedescendant");
    item?.scrollIntoView({ block: "nearest" });
  };
  const notify = (found) => document.dispatchEvent(new CustomEvent("found", { detail: found.map(({ address }) => address) }));
  const close = () => { notify([]); list.hidden = true; input.setAttribute("aria-expanded", "false"); choose(-1); };
  const show = async () => {
    const query = input.value.trim().toLowerCase();
    if (!query) return close();
    let found = [];
    try {
      found = rank(await load(), query).slice(0, MAX_RESULTS);
      list.replaceChildren(...(found.length ? found.map(item) : [none(`No tensor has a name with “${input.value}”.`)]));
    } catch {
      list.replaceChildren(none("The server does not respond. Keep typing to try again."));
    }
    if (input.value.trim().toLowerCase() !== query) return undefined; // a later keystroke shows its own results
    list.hidden = false;
    notify(found);
    input.setAttribute("aria-expanded", "true");
    choose(found.length ? 0 : -1);
    return undefined;
  };
  const item = (tensor, k) => {
    const row = document.createElement("li");
    row.id = `found-${k}`;
    row.role = "option";
    row.dataset.url = at(`/photo/${photo}/tensor/${encodeURI(tensor.address)}`);
    row.append(Object.assign(document.createElement("b"), { textContent: tensor.address }));
    row.append(Object.assign(document.createElement("span"), { textContent: tensor.others.join(" · ") }));
    return row;
  };

  input.addEventListener("input", show);
  input.addEventListener("focus", show);
  input.addEventListener("blur", () => setTimeout(close, 150)); // so that a click on the list is handled first
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const count = options().length;
    if (step && count) { event.preventDefault(); choose((chosen + step + count) % count); }
    if (event.key === "Enter" && options()[chosen]) location.assign(options()[chosen].dataset.url);
    if (event.key === "Escape") { event.stopPropagation(); input.value = ""; input.blur(); }
  });
  list.addEventListener("mousedown", (event) => {
    const row = event.target.closest("[data-url]");
    if (row) location.assign(row.dataset.url);
  });
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.matches("input, select, textarea")) return;
    event.preventDefault();
    input.focus();
  });
}

/** Sorts the tensors: the exact name first, then names that begin with the query, then names that contain it. */
function rank(tensors, query) {
  const place = ({ text }) => {
    const names = text.split("\n");
    if (names.includes(query) || names.includes(`${query}/join`)) return 0;
    return names.some((name) => name.startsWith(query)) ? 1 : 2;
  };
  return tensors.filter((tensor) => tensor.text.includes(query)).sort((a, b) => place(a) - place(b));
}

function none(textContent) {
  return Object.assign(document.createElement("li"), { className: "none", role: "presentation", textContent });
}
