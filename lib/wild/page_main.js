
// Ties the parts together: buttons, slider, keys.

const motion = loadMotion();
const video = byId("video");
if (byId("video-data")) video.src = URL.createObjectURL(new Blob(bytesOf("video-data"), { type: "video/mp4" }));
const player = new Player(motion.numFrames, motion.fps, video);
const view = new View(byId("view"), motion, player, BodyPainter.of(loadBody()));
const heatMap = new HeatMap(byId("heat"), motion, player);

const [play, slider] = [byId("play"), byId("slider")];
slider.max = motion.numFrames - 1;
player.listeners.push(() => {
  const { frame, playing } = player;
  play.classList.toggle("playing", playing);
  play.setAttribute("aria-label", playing ? "Pause" : "Play");
  slider.value = frame;
  slider.setAttribute("aria-valuetext", `${motion.time[frame].toFixed(2)} seconds`);
  byId("clock").textContent = `${motion.time[frame].toFixed(2)} s · ${frame + 1}/${motion.numFrames}`;
});
play.addEventListener("click", () => player.toggle());
video?.addEventListener("click", () => player.toggle());
slider.addEventListener("input", () => player.seek(Number(slider.value)));
byId("speed").addEventListener("change", (event) => player.setSpeed(Number(event.target.value)));

for (const button of document.querySelectorAll("[data-view]")) {
  button.addEventListener("click", (event) => {
    view.look(VIEWS[button.dataset.view]);
    if (event.detail > 0) button.blur(); // clicked with a pointer: space plays again
  });
}
byId("follow").addEventListener("change", (event) => view.look({ follows: event.target.checked }));
if (view.painter) {
  byId("mesh-choice").hidden = false;
  view.prefersBody = true;
  byId("mesh").addEventListener("change", (event) => view.look({ prefersBody: event.target.checked }));
  view.painter.gl.canvas.addEventListener("webglcontextlost", () => {
    byId("mesh-choice").hidden = true;
    view.look({ painter: null });
  });
}
byId("perspective").addEventListener("change", (event) => view.look({ perspective: event.target.checked }));

document.addEventListener("keydown", (event) => {
  const { target, key, shiftKey } = event;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const hasOwnKeys = key === " " ? "select, a, summary, button, input[type=checkbox]" : "select, a, summary";
  if (target.matches(hasOwnKeys)) return;
  const second = Math.round(motion.fps);
  const turns = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const jumps = { ArrowLeft: -1, ArrowRight: 1, PageUp: -second, PageDown: second, Home: -Infinity, End: Infinity };
  if (shiftKey && key in turns) view.rotate(...turns[key].map((step) => 15 * step));
  else if (key === " ") player.toggle();
  else if (key in jumps) player.step(jumps[key]);
  else if (key === "+" || key === "=") view.look({ zoom: 1.15 * view.zoom });
  else if (key === "-") view.look({ zoom: view.zoom / 1.15 });
  else if (key === "0") view.look(VIEWS.home);
  else return;
  event.preventDefault();
});

function fillLegend() {
  for (const side of ["left", "right"].filter((side) => motion.limbSides.includes(side))) {
    const stroke = motion.limbColors[motion.limbSides.indexOf(side)];
    const line = element("path", [], { d: "M2 3h12", stroke, "stroke-width": 5, "stroke-linecap": "round" });
    byId("grid-size").before(element("span", [side, element("svg", line, { viewBox: "0 0 16 6" })]));
  }
}

byId("joint-details").addEventListener("toggle", () => fillJointRows(byId("joint-rows"), motion), { once: true });
byId("csv").addEventListener("click", async () => {
  const url = URL.createObjectURL(await csvOf(motion));
  element("a", [], { href: url, download: "positions.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
});

function redraw() {
  view.draw();
  heatMap.draw();
  drawStrip(byId("strip"), motion);
}
new ResizeObserver(() => drawStrip(byId("strip"), motion)).observe(byId("strip"));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
redraw();
fillLegend();
fillLimbRows(byId("limb-rows"), motion);

// What the page's further sections may use.
window.ergolift = {
  joints: motion.jointIds,
  time: motion.time,
  seek(seconds) {
    player.seek(Math.round(seconds * motion.fps));
    showStage();
  },
  onTime(callback) {
    const tell = () => callback(motion.time[player.frame], player.frame);
    player.listeners.unshift(tell); // before the view draws, so that it shows what the callback changes
    tell();
  },
  setJointColors(colors) {
    view.jointColors = colors;
    if (!player.isTelling) view.draw();
  },
};

// begin where there is somebody to see
const someone = Array.from({ length: motion.numFrames }, (_, frame) => frame).find((frame) => motion.isSeen(frame));
if (someone) player.seek(someone);
else player.tell();
