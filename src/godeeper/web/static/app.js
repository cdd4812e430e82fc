// Wires the parts that every page has: the colour theme, copy buttons, uploads and the search.
import { keepPictures } from "./again.js";
import { openCamera } from "./camera.js";
import { chooseFile, acceptPhotos, showProblem } from "./drop.js";
import { wireSearch } from "./search.js";

document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("theme", root.dataset.theme); } catch { /* storage is blocked: the choice holds for this page */ }
});

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard; // browsers provide no clipboard over plain HTTP to another machine
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      showProblem("The browser does not allow copying here. Select the name and copy it.");
      return;
    }
    button.classList.add("done");
    setTimeout(() => button.classList.remove("done"), 1200);
  });
}

keepPictures();
acceptPhotos();
for (const button of document.querySelectorAll("[data-choose]")) button.addEventListener("click", chooseFile);

const camera = document.getElementById("open-camera");
if (camera && navigator.mediaDevices?.getUserMedia) {
  camera.hidden = false;
  camera.addEventListener("click", openCamera);
}

const search = document.getElementById("search");
if (search) wireSearch(search, document.getElementById("found"), document.body.dataset.photo);
