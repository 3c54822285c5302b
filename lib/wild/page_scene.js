
// What stands on the canvas of the 3D view: floor grid, path, shadow, skeleton or body, axes.

// A path of straight pieces between 3D points, broken where one is behind the eye.
function trace(view, points) {
  let isDown = false;
  for (const point of points) {
    const place = point && view.project(...point);
    if (!place) isDown = false;
    else if (isDown) view.context.lineTo(place[0], place[1]);
    else {
      view.context.moveTo(place[0], place[1]);
      isDown = true;
    }
  }
}

// Lines at whole multiples of the cell, so the grid stands still while the eye follows; it fades outwards.
function drawFloor(view) {
  const { context, cell, target, radius } = view, levels = 8;
  const size = Math.max(cell, cell * Math.ceil(radius / cell / 6)); // a long path gets a coarser grid
  const count = Math.ceil((2.6 * radius) / size);
  const [left, near] = [target[0], target[2]].map((value) => Math.round(value / size));
  const paths = Array.from({ length: levels }, () => []);
  for (let i = -count; i <= count; i++) {
    for (let j = -count; j < count; j++) {
      const reach = 1 - Math.hypot(i, j + 0.5) / (count + 0.5);
      if (reach <= 0) continue;
      const level = paths[Math.min(levels - 1, Math.floor(reach * 1.6 * levels))];
      const [x, z] = [left + i, near + j].map((value) => value * size);
      level.push([[x, 0, z], [x, 0, z + size]]);
      const [x2, z2] = [left + j, near + i].map((value) => value * size);
      level.push([[x2, 0, z2], [x2 + size, 0, z2]]);
    }
  }
  const grid = `grid ${+size.toFixed(2)} ${view.motion.units === "m" ? "m" : `× ${view.motion.unitLength}`}`;
  if (byId("grid-size").textContent !== grid) byId("grid-size").textContent = grid;
  context.lineWidth = 1;
  context.strokeStyle = view.colors.muted;
  paths.forEach((segments, level) => {
    context.globalAlpha = (0.42 * (level + 1)) / levels;
    context.beginPath();
    for (const segment of segments) trace(view, segment);
    context.stroke();
  });
  context.globalAlpha = 1;
}

function drawPath(view) {
  const { context, path, motion } = view, every = Math.max(1, Math.floor(path.length / 1500));
  const points = [];
  for (let at = 0; at < path.length; at += every) {
    const [frame, x, z] = path[at];
    const before = at ? path[at - every][0] : frame;
    if (frame - before > every + motion.fps / 2) points.push(null);
    points.push([x, 0, z]);
  }
  context.strokeStyle = cssColor("--accent");
  context.globalAlpha = 0.55;
  context.lineWidth = 1.5;
  context.beginPath();
  trace(view, points);
  context.stroke();
  context.globalAlpha = 1;
}

function drawPerson(view) {
  const { context, motion, colors, scale, reach } = view, { numJoints, positions, flag, confidence } = motion;
  const first = view.player.frame * numJoints, points = [];
  for (let joint = 0; joint < numJoints; joint++) {
    const at = 3 * (first + joint);
    const isKnown = flag[first + joint] !== ABSENT;
    points.push(isKnown ? [positions[at], positions[at + 1], positions[at + 2]] : null);
  }
  const places = points.map((point) => point && view.project(...point));
  view.shown = places;
  if (view.showsBody()) {
    drawContacts(view, points);
    view.painter.paint(view);
    return;
  }
  const numCoarse = motion.fine.filter((isFine) => !isFine).length;
  const coarse = clamp(0.028 * reach * scale, 2, 14) * (numCoarse > 40 ? 0.6 : 1);
  const widthOf = (joint) => coarse * (motion.fine[joint] ? 0.35 : 1);
  const limbs = motion.limbs
    .map(([a, b], limb) => ({ a, b, limb }))
    .filter(({ a, b }) => places[a] && places[b])
    .map((limb) => ({ ...limb, depth: (places[limb.a][2] + places[limb.b][2]) / 2 }))
    .sort((one, other) => one.depth - other.depth); // the far ones first

  context.strokeStyle = colors.ink;
  context.globalAlpha = 0.13;
  context.lineWidth = 1.3 * coarse;
  context.beginPath();
  for (const { a, b } of limbs) trace(view, [points[a], points[b]].map(([x, , z]) => [x, 0, z]));
  context.stroke();
  context.globalAlpha = 1;
  drawContacts(view, points);

  // far things pale, like in haze; what was filled in is dotted
  const shade = (color, depth) => {
    const clear = mix(channels(color), [255, 255, 255], view.isDark ? 0.28 : 0);
    return `rgb(${mix(clear, channels(colors.surface), 0.45 * clamp((0.9 - depth) / 1.8, 0, 1)).join(" ")})`;
  };
  for (const { a, b, limb, depth } of limbs) {
    const isFilled = [a, b].some((joint) => flag[first + joint] === INTERPOLATED);
    const width = Math.min(widthOf(a), widthOf(b)), halo = Math.min(1.5, 0.25 * width);
    const size = (places[a][3] + places[b][3]) / 2;
    context.beginPath();
    context.moveTo(places[a][0], places[a][1]);
    context.lineTo(places[b][0], places[b][1]);
    context.setLineDash([]);
    context.strokeStyle = colors.surface;
    context.lineWidth = (width + 2 * halo) * size;
    context.stroke();
    context.setLineDash(isFilled ? [0.1, 1.9 * width] : []);
    context.strokeStyle = strokeOf(view, a, b, (joint) => shade(view.jointColors?.[joint] ?? motion.limbColors[limb], depth));
    context.lineWidth = width * size;
    context.stroke();
  }
  context.setLineDash([]);
  places.forEach((place, joint) => {
    if (!place) return;
    const color = shade(view.jointColors?.[joint] ?? motion.jointColors[joint], place[2]);
    const isSure = flag[first + joint] === SEEN && confidence[first + joint] >= 77;
    context.beginPath();
    const width = widthOf(joint);
    context.arc(place[0], place[1], Math.max(0.72 * width, motion.fine[joint] ? 1 : 2) * place[3], 0, 2 * Math.PI);
    context.lineWidth = Math.min(1.5, 0.25 * width);
    context.strokeStyle = isSure ? colors.surface : color;
    context.fillStyle = isSure ? color : colors.surface;
    context.fill();
    context.stroke();
  });
}

// One colour, or the way from one end's to the other's.
function strokeOf(view, a, b, colorOf) {
  const [from, to] = [a, b].map((joint) => view.shown[joint]), ends = [colorOf(a), colorOf(b)];
  if (ends[0] === ends[1]) return ends[0];
  const gradient = view.context.createLinearGradient(from[0], from[1], to[0], to[1]);
  ends.forEach((color, at) => gradient.addColorStop(at, color));
  return gradient;
}

// A ring on the floor under each foot that stands.
function drawContacts(view, points) {
  const { context, motion, player, reach } = view;
  motion.ankles.forEach((joint, side) => {
    if (joint === null || !points[joint] || !motion.contact[2 * player.frame + side]) return;
    const [x, , z] = points[joint], ring = Array.from({ length: 25 }, (_, at) => {
      const angle = (at / 12) * Math.PI;
      return [x + 0.13 * reach * Math.cos(angle), 0, z + 0.13 * reach * Math.sin(angle)];
    });
    context.strokeStyle = motion.jointColors[joint];
    context.lineWidth = 1.5;
    context.beginPath();
    trace(view, ring);
    context.stroke();
  });
}

function drawAxes(view) {
  const { context, turn, height } = view, [cosYaw, sinYaw, cosPitch, sinPitch] = turn;
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.strokeStyle = context.fillStyle = view.colors.muted;
  context.lineWidth = 1.2;
  for (const [label, [x, y, z]] of Object.entries({ X: [1, 0, 0], Y: [0, 1, 0], Z: [0, 0, 1] })) {
    const ahead = z * cosYaw - x * sinYaw;
    const [across, up] = [x * cosYaw + z * sinYaw, y * cosPitch - ahead * sinPitch];
    context.beginPath();
    context.moveTo(34, height - 34);
    context.lineTo(34 + 17 * across, height - 34 - 17 * up);
    context.stroke();
    if (Math.hypot(across, up) > 0.25) context.fillText(label, 34 + 25 * across, height - 34 - 25 * up);
  }
}
