
// The charts: confidence of each joint over time, gaps, stability of limb lengths; and positions as CSV.

const AXIS_HEIGHT = 24, TICK_STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800];
const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)}%`;
const signedPercent = (share) => ["−", "", "+"][1 + Math.sign(Math.round(1000 * share))] + percent(Math.abs(share), 1);

function clockTime(seconds) {
  if (seconds < 60) return `${+seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)}:${(seconds % 60).toFixed(0).padStart(2, "0")}`;
}

class HeatMap {
  constructor(canvas, motion, player) {
    Object.assign(this, { canvas, motion, player });
    this.context = canvas.getContext("2d");
    this.row = motion.numJoints <= 26 ? 18 : 13;
    canvas.style.height = `${motion.numJoints * this.row + AXIS_HEIGHT}px`;
    byId("heat-cursor").style.height = `${motion.numJoints * this.row}px`;
    this.listen();
    new ResizeObserver(() => this.draw()).observe(canvas);
    player.listeners.push(() => this.moveCursor());
  }

  // How doubtful a joint is in a frame: not seen > filled in > low confidence.
  doubt(frame, joint) {
    const at = frame * this.motion.numJoints + joint, flag = this.motion.flag[at];
    return flag === SEEN ? 255 - this.motion.confidence[at] : 255 + flag;
  }

  // The most doubtful of the frames that a column stands for.
  worstFrame(column, joint) {
    const { columns, motion } = this;
    const from = Math.floor((column * motion.numFrames) / columns);
    const to = Math.floor(((column + 1) * motion.numFrames) / columns);
    let worst = from;
    for (let frame = from + 1; frame < to; frame++) {
      if (this.doubt(frame, joint) > this.doubt(worst, joint)) worst = frame;
    }
    return worst;
  }

  draw() {
    const { canvas, context, motion, row } = this, width = canvas.clientWidth;
    if (!width) return;
    fitCanvas(canvas, width, canvas.clientHeight);
    const font = `${row > 14 ? 12 : 10.5}px system-ui, sans-serif`;
    context.font = font;
    const longest = Math.max(...motion.joints.map((joint) => context.measureText(joint).width));
    this.left = Math.min(longest + 22, 0.38 * width);
    this.across = width - this.left;
    this.columns = Math.min(motion.numFrames, Math.round(this.across));
    this.down = motion.numJoints * row;
    context.clearRect(0, 0, width, canvas.clientHeight);
    this.drawHatching();
    context.imageSmoothingEnabled = false;
    context.drawImage(this.picture(), this.left, 0, this.across, this.down);
    this.drawLabels(font);
    this.drawTicks();
    this.moveCursor();
    const pooled = motion.numFrames / this.columns;
    byId("heat-note").textContent = pooled > 1
      ? `Each column of the chart stands for ${Math.ceil(pooled)} frames and shows the most doubtful of them. Click or tap to go there.`
      : "Click or tap to go to a frame.";
  }

  picture() {
    const { motion, columns } = this, image = new ImageData(columns, motion.numJoints);
    const [sure, unsure, filled] = ["--sure", "--unsure", "--filled"].map((name) => channels(cssColor(name)));
    for (let joint = 0; joint < motion.numJoints; joint++) {
      for (let column = 0; column < columns; column++) {
        const doubt = this.doubt(this.worstFrame(column, joint), joint), share = doubt / 255;
        const color = doubt > 255 ? filled : sure.map((value, at) => value + (unsure[at] - value) * share);
        image.data.set([...color, doubt === 255 + ABSENT ? 0 : 255], 4 * (joint * columns + column));
      }
    }
    const canvas = Object.assign(document.createElement("canvas"), { width: columns, height: motion.numJoints });
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas;
  }

  // Shows through where a joint is absent.
  drawHatching() {
    const { context, left, across, down } = this;
    context.save();
    context.beginPath();
    context.rect(left, 0, across, down);
    context.clip();
    context.strokeStyle = cssColor("--filled");
    context.lineWidth = 0.8;
    context.beginPath();
    for (let x = left - down; x < left + across; x += 6) {
      context.moveTo(x, down);
      context.lineTo(x + down, 0);
    }
    context.stroke();
    context.restore();
  }

  drawLabels(font) {
    const { context, motion, row, left } = this;
    context.font = font;
    context.textAlign = "left";
    context.textBaseline = "middle";
    motion.joints.forEach((joint, at) => {
      context.fillStyle = motion.jointColors[at];
      context.fillRect(0, at * row + 3, 4, row - 6);
      context.fillStyle = cssColor("--ink");
      let label = joint;
      while (label.length > 3 && context.measureText(label).width > left - 20) label = `${label.slice(0, -2)}…`;
      context.fillText(label, 10, (at + 0.5) * row);
      context.fillStyle = cssColor("--surface");
      context.fillRect(left, (at + 1) * row - 1, this.across, 1);
    });
  }

  drawTicks() {
    const { context, motion, left, across, down } = this, { time, numFrames, fps } = motion;
    const start = time[0], length = numFrames / fps;
    const step = TICK_STEPS_S.find((seconds) => (seconds / length) * across >= 64) ?? 3600;
    context.fillStyle = context.strokeStyle = cssColor("--muted");
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "alphabetic";
    context.lineWidth = 1;
    for (let tick = Math.ceil(start / step); tick * step < start + length; tick++) {
      const x = left + ((tick * step - start) / length) * across, label = clockTime(tick * step);
      const half = context.measureText(label).width / 2;
      context.fillRect(x, down + 2, 1, 4);
      context.textAlign = "center";
      context.fillText(label, clamp(x, half, left + across - half), down + 19);
    }
  }

  moveCursor() {
    const x = this.left + ((this.player.frame + 0.5) / this.motion.numFrames) * this.across;
    byId("heat-cursor").style.transform = `translateX(${x}px)`;
  }

  // Joint and frame at a place of the canvas; null beside the plot.
  at(event) {
    const column = Math.floor(((event.offsetX - this.left) / this.across) * this.columns);
    const joint = Math.floor(event.offsetY / this.row);
    if (column < 0 || column >= this.columns || joint < 0 || joint >= this.motion.numJoints) return null;
    return { joint, frame: this.worstFrame(column, joint) };
  }

  listen() {
    const { canvas, motion, player } = this, tip = byId("heat-tip");
    const tell = (event) => {
      const found = this.at(event);
      tip.hidden = !found;
      if (!found) return;
      const { joint, frame } = found, state = certainty(motion, frame * motion.numJoints + joint);
      tip.textContent = `${motion.joints[joint]} · ${motion.time[frame].toFixed(2)} s · ${state}`;
      placeTip(tip, event.offsetX, event.offsetY, canvas.clientWidth);
    };
    canvas.addEventListener("pointermove", tell);
    canvas.addEventListener("pointerdown", tell);
    canvas.addEventListener("pointerleave", (event) => (tip.hidden = event.pointerType === "mouse")); // a finger has left when it is read
    canvas.addEventListener("click", (event) => {
      const found = this.at(event);
      if (found) player.seek(found.frame);
    });
  }
}

// The slider's track: solid where the person is seen, hatched by gaps where not.
function drawStrip(canvas, motion) {
  const width = canvas.clientWidth, context = canvas.getContext("2d");
  if (!width) return;
  fitCanvas(canvas, width, canvas.clientHeight);
  context.clearRect(0, 0, width, canvas.clientHeight);
  context.fillStyle = cssColor("--soft");
  context.fillRect(0, 0, width, canvas.clientHeight);
  context.fillStyle = cssColor("--filled");
  for (let frame = 0; frame < motion.numFrames; ) {
    let stop = frame;
    while (stop < motion.numFrames && motion.isSeen(stop)) stop++;
    const scale = width / motion.numFrames;
    if (stop > frame) context.fillRect(frame * scale, 1, Math.max((stop - frame) * scale, 1), canvas.clientHeight - 2);
    frame = stop + 1;
  }
}

function fillJointRows(body, motion) {
  const { numFrames, numJoints, flag, confidence } = motion;
  motion.joints.forEach((name, joint) => {
    const counts = [0, 0, 0];
    let sum = 0;
    for (let at = joint; at < flag.length; at += numJoints) {
      counts[flag[at]]++;
      if (flag[at] === SEEN) sum += confidence[at] / 255;
    }
    const mean = counts[SEEN] ? (sum / counts[SEEN]).toFixed(2) : "–";
    const cells = [mean, ...counts.map((count) => percent(count / numFrames, 1))];
    body.append(element("tr", [element("th", name, { scope: "row" }), ...cells.map((text) => element("td", text))]));
  });
}

// Mean length of a limb, its coefficient of variation, and its curve in at most 160 points.
function limbStability(motion, [a, b]) {
  const { numFrames, numJoints, positions, flag } = motion, lengths = new Float64Array(numFrames).fill(NaN);
  let count = 0, sum = 0, squares = 0;
  for (let frame = 0; frame < numFrames; frame++) {
    const [one, other] = [frame * numJoints + a, frame * numJoints + b];
    if (flag[one] !== SEEN || flag[other] !== SEEN) continue;
    const length = Math.hypot(...[0, 1, 2].map((axis) => positions[3 * one + axis] - positions[3 * other + axis]));
    lengths[frame] = length;
    count++;
    sum += length;
  }
  const mean = sum / count;
  for (const length of lengths) if (length === length) squares += (length - mean) ** 2;
  const bins = Math.min(numFrames, 160), curve = [];
  for (let bin = 0; bin < bins; bin++) {
    const part = lengths.subarray((bin * numFrames) / bins, ((bin + 1) * numFrames) / bins).filter((length) => length === length);
    curve.push(part.length ? part.reduce((total, length) => total + length, 0) / part.length / mean : NaN);
  }
  return { mean, variation: Math.sqrt(squares / count) / mean, curve };
}

function limbCell(motion, limb) {
  const { mean, variation, curve } = limbStability(motion, motion.limbs[limb]);
  if (!(mean > 0)) return { mean: NaN, cell: element("td", "never seen") };
  let path = "", isDown = false;
  curve.forEach((share, at) => {
    if (share !== share) return (isDown = false);
    const x = ((at + 0.5) / curve.length) * 200, y = 13 - clamp((share - 1) / 0.2, -1, 1) * 12;
    path += `${isDown ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    isDown = true;
  });
  const thin = { "vector-effect": "non-scaling-stroke", fill: "none" };
  const drawing = element("svg", [
    element("line", [], { x1: 0, x2: 200, y1: 13, y2: 13, stroke: cssColor("--filled"), "stroke-width": 0.7, ...thin }),
    element("path", [], { d: path, stroke: motion.limbColors[limb], "stroke-width": 1.6, ...thin }),
  ], { viewBox: "0 0 200 26", preserveAspectRatio: "none", "aria-hidden": "true" });
  const length = motion.units === "m" ? `${(1000 * mean).toFixed(0)} mm` : mean.toFixed(3);
  const texts = [element("span", length, { class: "length" }), element("span", percent(variation, 1), { class: "variation" })];
  return { mean, cell: element("td", element("div", [drawing, ...texts], { class: "limb" })) };
}

// A row for each limb and its mirror image, left before right; a limb on the midline alone.
function fillLimbRows(body, motion) {
  motion.limbs.forEach((limb, at) => {
    const mirror = motion.limbMirror[at], isPaired = mirror !== at;
    if (isPaired && motion.limbSides[at] === "right") return;
    if (isPaired && motion.limbSides[at] === "center" && mirror < at) return;
    const name = limb.map((joint) => (isPaired ? motion.jointsOfBothSides : motion.joints)[joint]).join(" – ");
    const row = element("tr", element("th", name, { scope: "row" })), one = limbCell(motion, at);
    row.append(one.cell);
    if (isPaired) {
      const other = limbCell(motion, mirror), share = (2 * (one.mean - other.mean)) / (one.mean + other.mean);
      row.append(other.cell, element("td", share === share ? signedPercent(share) : "–"));
    } else {
      one.cell.setAttribute("colspan", 2);
      row.append(element("td"));
    }
    body.append(row);
  });
}

// One row a frame and joint, the same columns as the CSV beside the page.
async function csvOf(motion) {
  const parts = [`frame,time_s,joint,x,y,z,confidence,flag\n`], names = ["seen", "interpolated", "absent"];
  const quoted = motion.jointIds.map((name) => (/[",\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name));
  for (let frame = 0; frame < motion.numFrames; frame++) {
    let text = "";
    for (let joint = 0; joint < motion.numJoints; joint++) {
      const at = frame * motion.numJoints + joint, isKnown = motion.flag[at] !== ABSENT;
      const place = [0, 1, 2].map((axis) => (isKnown ? motion.positions[3 * at + axis].toFixed(4) : ""));
      const cells = [frame, motion.time[frame].toFixed(4), quoted[joint], ...place];
      text += `${cells.join(",")},${(motion.confidence[at] / 255).toFixed(2)},${names[motion.flag[at]]}\n`;
    }
    parts.push(text);
    if (frame % 500 === 499) await new Promise((resume) => setTimeout(resume)); // the page stays alive
  }
  return new Blob(parts, { type: "text/csv" });
}
