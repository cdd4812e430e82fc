// Uploads a photo that is dropped, pasted or chosen on any page, and shows the progress and errors.
import { at, here } from "./base.js";
import { tabToken } from "./tab.js";

const overlay = document.getElementById("dropping");
const panel = document.getElementById("upload");
const problem = document.getElementById("problem");
const input = document.getElementById("file");
let sending = null;

/** Accepts photos dropped or pasted anywhere in the window. */
export function acceptPhotos() {
  let depth = 0; // dragenter and dragleave fire for every element that the pointer crosses
  const isFile = (event) => event.dataTransfer?.types.includes("Files");
  const show = (shown) => { overlay.hidden = !shown; };
  addEventListener("dragenter", (event) => { if (isFile(event)) { depth += 1; show(true); } });
  addEventListener("dragleave", (event) => { if (isFile(event)) { depth -= 1; show(depth > 0); } });
  addEventListener("dragover", (event) => { if (isFile(event)) event.preventDefault(); });
  addEventListener("drop", (event) => {
    if (!isFile(event)) return;
    event.preventDefault();
    depth = 0;
    show(false);
    sendPhoto(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (file) sendPhoto(file);
  });
  input.addEventListener("change", () => {
    if (input.files[0]) sendPhoto(input.files[0]);
    input.value = "";
  });
  panel.querySelector("button").addEventListener("click", () => sending?.abort());
  problem.querySelector("button").addEventListener("click", () => { problem.hidden = true; });
}

/** Opens the browser's file dialog. */
export function chooseFile() {
  input.click();
}

/** Shows an error message. */
export function showProblem(message) {
  problem.querySelector("p").textContent = message;
  problem.hidden = false;
}

/** The URL of the current page for another photo. */
function samePlace(url) {
  const [, inside] = here().match(/^\/photo\/[^/]+(.*)/) ?? [];
  return inside === undefined ? url : url + inside + location.search + location.hash;
}

/**
 * Uploads a photo and opens the current page for it; an upload in progress is cancelled.
 * @param {Blob} file
 * @param {string} name
 */
export function sendPhoto(file, name = file.name || "pasted photo") {
  sending?.abort();
  problem.hidden = true;
  const form = new FormData();
  form.append("tab", tabToken());
  form.append("photo", file, name);
  const request = new XMLHttpRequest(); // fetch does not report upload progress
  sending = request;
  const bar = panel.querySelector("progress");
  panel.querySelector("p").textContent = `Uploading ${name}`;
  bar.value = 0;
  panel.hidden = false;
  request.upload.addEventListener("progress", (event) => { if (event.lengthComputable) bar.value = event.loaded / event.total; });
  request.upload.addEventListener("load", () => { panel.querySelector("p").textContent = `Decoding ${name}`; bar.removeAttribute("value"); });
  request.addEventListener("loadend", () => { if (sending === request) { sending = null; panel.hidden = request.status !== 201; } });
  request.addEventListener("load", () => {
    const record = request.response;
    if (request.status === 201) location.assign(samePlace(record.url));
    else showProblem(record?.error ?? `The server returned status ${request.status}.`);
  });
  request.addEventListener("error", () => showProblem("The photo could not be sent: the server does not respond."));
  request.responseType = "json";
  request.open("POST", at("/api/photos"));
  request.setRequestHeader("Accept", "application/json");
  request.send(form);
}
