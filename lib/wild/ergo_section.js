
// Posture scores: action levels over time, the body's parts now, the worst moments.

const ergo = JSON.parse(byId("ergo-data").textContent);
const levels = arrayOf("ergo-levels", Uint8Array), scores = arrayOf("ergo-scores", Uint8Array);
const risks = arrayOf("ergo-risks", Uint8Array), numFrames = ergolift.time.length;
const UNKNOWN_LEVEL = 255, ROW = 28, LINE = 13, GAP = 5, AXIS = 22;
const canvas = byId("ergo-lines"), context = canvas.getContext("2d"), tip = byId("ergo-tip");
const cursor = byId("ergo-cursor"), down = ergo.methods.length * ROW;
let left = 0, right = 0, across = 1, current = 0;
canvas.style.height = `${down + AXIS}px`;
cursor.style.height = `${down}px`;

const levelAt = (method, frame) => levels[method * numFrames + frame];

function levelText(method, frame) {
  const level = levelAt(method, frame), { levels: known, hasScore } = ergo.methods[method];
  if (level === UNKNOWN_LEVEL) return "no score";
  return (hasScore ? `${scores[method * numFrames + frame]} · ` : "") + known[level][0];
}

// The worst of the frames that a column stands for.
function worstLevel(method, from, to) {
  let worst = -1;
  for (let frame = from; frame < Math.max(to, from + 1) && frame < numFrames; frame++) {
    const level = levelAt(method, frame);
    if (level !== UNKNOWN_LEVEL) worst = Math.max(worst, level);
  }
  return worst;
}

// A name in as many lines as it needs, broken between its words.
function drawName(name, x, y, width) {
  const lines = [];
  for (const word of name.split(" ")) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && context.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  lines.forEach((line, number) => context.fillText(line, x, y + (number - (lines.length - 1) / 2) * LINE));
}

function drawLines() {
  const width = canvas.clientWidth;
  if (!width) return;
  fitCanvas(canvas, width, canvas.clientHeight);
  context.clearRect(0, 0, width, canvas.clientHeight);
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "middle";
  const longest = Math.max(...ergo.methods.map(({ title }) => context.measureText(title).width));
  const words = ergo.methods.flatMap(({ levels: all, hasScore }) => all.map(([name]) => (hasScore ? "15 · " : "") + name));
  const widest = Math.max(...words.map((word) => context.measureText(word).width));
  left = Math.min(longest + 12, 0.3 * width);
  right = width > 560 ? widest + 26 : 0;
  across = width - left - right;
  const columns = Math.min(numFrames, Math.round(across));
  ergo.methods.forEach((method, row) => {
    context.fillStyle = cssColor("--ink");
    drawName(method.title, 0, (row + 0.5) * ROW, left - 8);
    for (let column = 0; column < columns; ) {
      const worst = (at) => {
        const [from, to] = [at, at + 1].map((edge) => Math.floor((edge * numFrames) / columns));
        return worstLevel(row, from, to);
      };
      const level = worst(column);
      let stop = column + 1;
      while (stop < columns && worst(stop) === level) stop++;
      context.fillStyle = level < 0 ? cssColor("--soft") : method.levels[level][1];
      const [x0, x1] = [column, stop].map((edge) => left + (edge / columns) * across);
      context.fillRect(x0, row * ROW + GAP / 2, x1 - x0 + 0.3, ROW - GAP);
      column = stop;
    }
  });
  drawSeconds();
  follow(current);
}

function drawSeconds() {
  const { time } = ergolift, length = numFrames > 1 ? (time[numFrames - 1] - time[0]) * (numFrames / (numFrames - 1)) : 1;
  const step = TICK_STEPS_S.find((seconds) => (seconds / length) * across >= 64) ?? 3600;
  context.fillStyle = cssColor("--muted");
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "center";
  for (let tick = Math.ceil(time[0] / step); tick * step < time[0] + length; tick++) {
    const x = left + ((tick * step - time[0]) / length) * across, label = clockTime(tick * step);
    const half = context.measureText(label).width / 2;
    context.fillRect(x, down + 1, 1, 4);
    context.fillText(label, clamp(x, half, left + across - half), down + 14);
  }
  context.textAlign = "left";
}

// What the right margin, the body and the 3D view show of a frame.
function follow(frame) {
  current = frame;
  cursor.style.transform = `translateX(${left + ((frame + 0.5) / numFrames) * across}px)`;
  if (right) {
    context.clearRect(left + across + 1, 0, right, down);
    context.font = "12px system-ui, sans-serif";
    ergo.methods.forEach((method, row) => {
      const level = levelAt(row, frame), y = row * ROW + ROW / 2;
      context.fillStyle = level === UNKNOWN_LEVEL ? ergo.unknown : method.levels[level][1];
      context.fillRect(left + across + 8, y - 6, 12, 12);
      context.fillStyle = cssColor("--ink");
      context.fillText(levelText(row, frame), left + across + 25, y);
    });
  }
  ergo.parts.forEach((part, number) => {
    for (const shape of byId("ergo-now").querySelectorAll(`[data-part=${part}] > :not(title)`)) {
      shape.setAttribute(shape.getAttribute("fill") === "none" ? "stroke" : "fill", riskColor(number, frame));
    }
  });
  if (byId("ergo-colors").checked) {
    ergolift.setJointColors(ergo.partOfJoint.map((number) => (number < 0 ? null : riskColor(number, frame))));
  }
  for (const button of document.querySelectorAll(".ergo-moment")) {
    button.classList.toggle("current", Math.abs(Number(button.dataset.seconds) - ergolift.time[frame]) < 1e-4);
  }
}

function riskColor(part, frame) {
  return ergo.riskColors[risks[part * numFrames + frame]] ?? ergo.unknown;
}

function frameAt(event) {
  const share = (event.offsetX - left) / across;
  return share < 0 || share >= 1 || event.offsetY >= down ? -1 : Math.floor(share * numFrames);
}

function tellTip(event) {
  const frame = frameAt(event);
  tip.hidden = frame < 0;
  if (frame < 0) return;
  const row = clamp(Math.floor(event.offsetY / ROW), 0, ergo.methods.length - 1);
  tip.textContent = `${ergo.methods[row].title} · ${ergolift.time[frame].toFixed(2)} s · ${levelText(row, frame)}`;
  placeTip(tip, event.offsetX, event.offsetY, canvas.clientWidth);
}
canvas.addEventListener("pointermove", tellTip);
canvas.addEventListener("pointerdown", tellTip);
canvas.addEventListener("pointerleave", () => (tip.hidden = true));
canvas.addEventListener("click", (event) => {
  const frame = frameAt(event);
  if (frame >= 0) ergolift.seek(ergolift.time[frame] - ergolift.time[0]);
});
for (const button of document.querySelectorAll(".ergo-moment")) {
  button.addEventListener("click", () => ergolift.seek(Number(button.dataset.seconds) - ergolift.time[0]));
}
byId("ergo-colors").addEventListener("change", (event) => {
  if (event.target.checked) follow(current);
  else ergolift.setJointColors(null);
});
new ResizeObserver(drawLines).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawLines);
drawLines();
ergolift.onTime((seconds, frame) => follow(frame));
