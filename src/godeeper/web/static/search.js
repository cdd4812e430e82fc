// The search by any of a tensor's four names: a list that the arrow keys walk through.

import { at } from "./base.js";

const MOST = 40;

/** @param {HTMLInputElement} input @param {HTMLUListElement} list @param {string} photo */
export function wireSearch(input, list, photo) {
  let tensors = null;
  let chosen = -1;

  const load = async () => {
    tensors ??= fetch(at("/api/tensors")).then((answer) => answer.json()).then((record) => record.tensors.map(entry));
    try {
      return await tensors;
    } catch (error) {
      tensors = null; // the next letter asks again
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
  const tell = (found) => document.dispatchEvent(new CustomEvent("found", { detail: found.map(({ address }) => address) }));
  const close = () => { tell([]); list.hidden = true; input.setAttribute("aria-expanded", "false"); choose(-1); };
  const show = async () => {
    const wanted = input.value.trim().toLowerCase();
    if (!wanted) return close();
    let found = [];
    try {
      found = rank(await load(), wanted).slice(0, MOST);
      list.replaceChildren(...(found.length ? found.map(item) : [none(`No tensor is called “${input.value}” in any convention.`)]));
    } catch {
      list.replaceChildren(none("The server does not answer. Type on to ask again."));
    }
    if (input.value.trim().toLowerCase() !== wanted) return undefined; // a later letter has its own answer
    list.hidden = false;
    tell(found);
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
  input.addEventListener("blur", () => setTimeout(close, 150)); // a click on the list comes first
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

/** The very name comes first, then names that begin with what is wanted, then those that contain it. */
function rank(tensors, wanted) {
  const place = ({ text }) => {
    const names = text.split("\n");
    if (names.includes(wanted) || names.includes(`${wanted}/join`)) return 0;
    return names.some((name) => name.startsWith(wanted)) ? 1 : 2;
  };
  return tensors.filter((tensor) => tensor.text.includes(wanted)).sort((a, b) => place(a) - place(b));
}

function none(textContent) {
  return Object.assign(document.createElement("li"), { className: "none", role: "presentation", textContent });
}
