
// Gaps under the slider, the tables of joints and limbs, and positions as CSV.

const percent = (share) => `${(100 * share).toFixed(1)}%`;
const signOf = (share) => ["−", "", "+"][1 + Math.sign(Math.round(1000 * share))]; // none where it shows as 0.0%

// The slider's track: dark where the person is seen, pale in gaps.
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
    const length = Math.max((stop - frame) * scale, 1);
    if (stop > frame) context.fillRect(frame * scale, 1, length, canvas.clientHeight - 2);
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
    const cells = [mean, ...counts.map((count) => percent(count / numFrames))];
    const row = element("tr", element("th", name, { scope: "row" }));
    row.append(...cells.map((text) => element("td", text)));
    body.append(row);
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
    const [from, to] = [bin, bin + 1].map((edge) => Math.floor((edge * numFrames) / bins));
    const known = lengths.subarray(from, to).filter((length) => length === length);
    curve.push(known.reduce((total, length) => total + length, 0) / known.length / mean); // NaN where none is
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
  const thin = { "vector-effect": "non-scaling-stroke", fill: "none" }, even = cssColor("--filled");
  const drawing = element("svg", [
    element("line", [], { x1: 0, x2: 200, y1: 13, y2: 13, stroke: even, "stroke-width": 0.7, ...thin }),
    element("path", [], { d: path, stroke: motion.limbColors[limb], "stroke-width": 1.6, ...thin }),
  ], { viewBox: "0 0 200 26", preserveAspectRatio: "none", "aria-hidden": "true" });
  const length = motion.units === "m" ? `${(1000 * mean).toFixed(0)} mm` : mean.toFixed(3);
  const texts = Object.entries({ length, variation: percent(variation) });
  const spans = texts.map(([name, text]) => element("span", text, { class: name }));
  return { mean, cell: element("td", element("div", [drawing, ...spans], { class: "limb" })) };
}

// A row for each limb and its mirror image, left before right; a limb on the midline alone.
function fillLimbRows(body, motion) {
  if (motion.limbMirror.every((mirror, at) => mirror === at)) { // a single hand has no sides
    body.parentElement.querySelectorAll("thead th").forEach((cell, at) => (cell.textContent = at ? "" : "Limb"));
  }
  motion.limbs.forEach((limb, at) => {
    const mirror = motion.limbMirror[at], isPaired = mirror !== at;
    if (isPaired && motion.limbSides[at] === "right") return;
    if (isPaired && motion.limbSides[at] === "center" && mirror < at) return;
    const name = limb.map((joint) => (isPaired ? motion.jointsOfBothSides : motion.joints)[joint]).join(" – ");
    const row = element("tr", element("th", name, { scope: "row" })), one = limbCell(motion, at);
    row.append(one.cell);
    if (isPaired) {
      const other = limbCell(motion, mirror), share = (2 * (one.mean - other.mean)) / (one.mean + other.mean);
      row.append(other.cell, element("td", share === share ? signOf(share) + percent(Math.abs(share)) : "–"));
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
