// Takes a photo with the camera in a dialog.  The camera is on only while the dialog is open.
import { sendPhoto } from "./drop.js";

const dialog = document.getElementById("camera");
const video = dialog.querySelector("video");
const [take, close] = dialog.querySelectorAll("button");

take.addEventListener("click", () => {
  const canvas = document.createElement("canvas");
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob((blob) => { dialog.close(); sendPhoto(blob, "camera.jpg"); }, "image/jpeg", 0.95);
});
close.addEventListener("click", () => dialog.close());
dialog.addEventListener("close", () => {
  for (const track of video.srcObject?.getTracks() ?? []) track.stop();
  video.srcObject = null;
});

/** Opens the dialog and shows the camera's picture. */
export async function openCamera() {
  const problem = dialog.querySelector(".problem");
  problem.hidden = true;
  take.disabled = true;
  dialog.showModal();
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    await video.play();
    take.disabled = false;
  } catch (error) {
    problem.textContent = `The camera cannot be used: ${error.message || error.name}.`;
    problem.hidden = false;
  }
}
