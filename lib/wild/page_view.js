
// The 3D view: floor grid, path, shadow and skeleton on a 2D canvas.

const TURN_PER_PIXEL = 0.008, EYE_DISTANCE = 5; // the eye's distance in radii of what is shown
const VIEWS = {
  home: { yaw: -0.6, pitch: 0.22, zoom: 1 },
  camera: { yaw: 0, pitch: 0, zoom: 1 },
  side: { yaw: -Math.PI / 2, pitch: 0, zoom: 1 },
  top: { yaw: 0, pitch: Math.PI / 2, zoom: 1 },
};

const cssColor = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
function mix(color, other, share) {
  const [a, b] = [channels(color), channels(other)];
  return `rgb(${a.map((value, at) => Math.round(value + (b[at] - value) * share)).join(" ")})`;
}

function percentile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted.length ? sorted[Math.floor(share * (sorted.length - 1))] : NaN;
}

// A canvas as sharp as the screen; true if its size changed.
function fitCanvas(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width === across && canvas.height === down) return false;
  Object.assign(canvas, { width: across, height: down });
  canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
  return true;
}

class View {
  constructor(canvas, motion, player) {
    Object.assign(this, { canvas, motion, player, ...VIEWS.home, follows: true, perspective: true });
    this.context = canvas.getContext("2d");
    this.measure();
    this.listen();
    new ResizeObserver(() => this.draw()).observe(canvas);
    player.listeners.push(() => this.draw());
  }

  // Extents of person and path, and a calm path for the eye to follow.
  measure() {
    const { motion } = this, { numFrames, numJoints, positions, origin, flag } = motion;
    const heights = [], distances = [], seen = [];
    const every = Math.max(1, Math.floor(numFrames / 500));
    for (let frame = 0; frame < numFrames; frame++) {
      if (!motion.isSeen(frame)) continue;
      seen.push(frame);
      if (seen.length % every) continue;
      for (let joint = 0; joint < numJoints; joint++) {
        if (flag[frame * numJoints + joint] === ABSENT) continue;
        const at = 3 * (frame * numJoints + joint);
        heights.push(positions[at + 1]);
        distances.push(Math.hypot(positions[at] - origin[3 * frame], positions[at + 2] - origin[3 * frame + 2]));
      }
    }
    const [low, high] = heights.length ? [percentile(heights, 0.01), percentile(heights, 0.99)] : [0, 1];
    this.middle = (Math.min(low, 0) + high) / 2;
    this.reach = 1.15 * Math.max((high - Math.min(low, 0)) / 2, percentile(distances, 0.99) || 0, 1e-3);
    this.path = seen.map((frame) => [frame, origin[3 * frame], origin[3 * frame + 2]]);
    const bounds = [1, 2].map((axis) => {
      const values = this.path.map((point) => point[axis]);
      return [percentile(values, 0) || 0, percentile(values, 1) || 0];
    });
    this.center = bounds.map(([from, to]) => (from + to) / 2);
    this.pathRadius = Math.hypot(...bounds.map(([from, to]) => (to - from) / 2));
    this.followed = this.smoothPath();
    this.cell = [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10].find((cell) => cell > 0.4 * this.reach) ?? 20;
  }

  // Path of the root, held where the person is not seen, averaged over half a second.
  smoothPath() {
    const { numFrames, fps } = this.motion, half = Math.round(fps / 4);
    const sums = new Float64Array(2 * (numFrames + 1)), smooth = new Float32Array(2 * numFrames);
    let next = 0;
    for (let frame = 0; frame < numFrames; frame++) {
      if (next < this.path.length - 1 && this.path[next + 1][0] <= frame) next++;
      const [, x, z] = this.path[next] ?? [0, 0, 0];
      sums[2 * frame + 2] = sums[2 * frame] + x;
      sums[2 * frame + 3] = sums[2 * frame + 1] + z;
    }
    for (let frame = 0; frame < numFrames; frame++) {
      const from = Math.max(0, frame - half), to = Math.min(numFrames, frame + half + 1);
      for (const axis of [0, 1]) smooth[2 * frame + axis] = (sums[2 * to + axis] - sums[2 * from + axis]) / (to - from);
    }
    return smooth;
  }

  aim() {
    const { clientWidth: width, clientHeight: height } = this.canvas, { frame } = this.player;
    const radius = this.follows ? this.reach : this.reach + this.pathRadius;
    const [x, z] = this.follows ? this.followed.subarray(2 * frame, 2 * frame + 2) : this.center;
    Object.assign(this, { width, height, radius, target: [x, this.middle, z] });
    this.turn = [Math.cos(this.yaw), Math.sin(this.yaw), Math.cos(this.pitch), Math.sin(this.pitch)];
    const tall = this.reach + (radius - this.reach) * Math.abs(this.turn[3]); // a path seen from the side is flat
    this.scale = (Math.min(width / radius, height / tall) / 2) * this.zoom;
  }

  // Canvas x and y, depth towards the eye in radii, and the size of things there; null behind the eye.
  project(x, y, z) {
    const [cosYaw, sinYaw, cosPitch, sinPitch] = this.turn, [atX, atY, atZ] = this.target;
    const across = (x - atX) * cosYaw + (z - atZ) * sinYaw, ahead = (z - atZ) * cosYaw - (x - atX) * sinYaw;
    const up = (y - atY) * cosPitch - ahead * sinPitch;
    const depth = ((y - atY) * sinPitch + ahead * cosPitch) / this.radius;
    const eye = EYE_DISTANCE / Math.sqrt(this.zoom);
    if (this.perspective && depth > 0.9 * eye) return null;
    const size = this.perspective ? eye / (eye - depth) : 1;
    return [this.width / 2 + across * this.scale * size, this.height / 2 - up * this.scale * size, depth, size];
  }

  draw() {
    const { context, canvas, motion, player } = this;
    if (!canvas.clientWidth) return;
    fitCanvas(canvas, canvas.clientWidth, canvas.clientHeight);
    this.aim();
    this.colors = Object.fromEntries(["surface", "ink", "muted", "line"].map((name) => [name, cssColor(`--${name}`)]));
    this.isDark = matchMedia("(prefers-color-scheme: dark)").matches;
    context.clearRect(0, 0, this.width, this.height);
    context.lineCap = context.lineJoin = "round";
    this.drawFloor();
    this.drawPath();
    byId("unseen").hidden = motion.isSeen(player.frame);
    this.shown = [];
    if (motion.isSeen(player.frame)) this.drawPerson();
    this.drawAxes();
  }

  // A path of straight pieces between 3D points, broken where one is behind the eye.
  trace(points) {
    let isDown = false;
    for (const point of points) {
      const place = point && this.project(...point);
      if (!place) isDown = false;
      else if (isDown) this.context.lineTo(place[0], place[1]);
      else {
        this.context.moveTo(place[0], place[1]);
        isDown = true;
      }
    }
  }

  // Lines at whole multiples of the cell, so the grid stands still while the eye follows; it fades outwards.
  drawFloor() {
    const { context, cell, target, radius } = this, levels = 8;
    const size = Math.max(cell, cell * Math.ceil(radius / cell / 6)); // a long path gets a coarser grid
    const count = Math.ceil((2.6 * radius) / size), [left, near] = [target[0], target[2]].map((value) => Math.round(value / size));
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
    const grid = `grid ${+size.toFixed(2)} ${this.motion.units === "m" ? "m" : "× height"}`;
    if (byId("grid-size").textContent !== grid) byId("grid-size").textContent = grid;
    context.lineWidth = 1;
    context.strokeStyle = this.colors.muted;
    paths.forEach((segments, level) => {
      context.globalAlpha = (0.42 * (level + 1)) / levels;
      context.beginPath();
      for (const segment of segments) this.trace(segment);
      context.stroke();
    });
    context.globalAlpha = 1;
  }

  drawPath() {
    const { context, path, motion } = this, every = Math.max(1, Math.floor(path.length / 1500));
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
    this.trace(points);
    context.stroke();
    context.globalAlpha = 1;
  }

  drawPerson() {
    const { context, motion, colors, scale, reach } = this, { numJoints, positions, flag, confidence } = motion;
    const first = this.player.frame * numJoints, points = [];
    for (let joint = 0; joint < numJoints; joint++) {
      const at = 3 * (first + joint);
      const isKnown = flag[first + joint] !== ABSENT;
      points.push(isKnown ? [positions[at], positions[at + 1], positions[at + 2]] : null);
    }
    const places = points.map((point) => point && this.project(...point));
    const width = clamp(0.028 * reach * scale, 2, 14) * (numJoints > 40 ? 0.6 : 1);
    const halo = Math.min(1.5, 0.25 * width);
    const limbs = motion.limbs
      .map(([a, b], limb) => ({ a, b, limb, depth: places[a] && places[b] ? (places[a][2] + places[b][2]) / 2 : null }))
      .filter((limb) => limb.depth !== null)
      .sort((one, other) => one.depth - other.depth);

    context.strokeStyle = colors.ink;
    context.globalAlpha = 0.13;
    context.lineWidth = 1.3 * width;
    context.beginPath();
    for (const { a, b } of limbs) this.trace([points[a], points[b]].map(([x, , z]) => [x, 0, z]));
    context.stroke();
    context.globalAlpha = 1;
    this.drawContacts(points);

    // far things pale, like in haze; what was filled in is dashed
    const shade = (color, depth) => {
      const clear = this.isDark ? mix(color, "#ffffff", 0.28) : color;
      return this.haze(clear, 0.45 * clamp((0.9 - depth) / 1.8, 0, 1));
    };
    for (const { a, b, limb, depth } of limbs) {
      const size = (places[a][3] + places[b][3]) / 2, isFilled = [a, b].some((joint) => flag[first + joint] === INTERPOLATED);
      context.beginPath();
      context.moveTo(places[a][0], places[a][1]);
      context.lineTo(places[b][0], places[b][1]);
      context.setLineDash([]);
      context.strokeStyle = colors.surface;
      context.lineWidth = (width + 2 * halo) * size;
      context.stroke();
      context.setLineDash(isFilled ? [0.1, 1.9 * width] : []);
      context.strokeStyle = shade(motion.limbColors[limb], depth);
      context.lineWidth = width * size;
      context.stroke();
    }
    context.setLineDash([]);
    places.forEach((place, joint) => {
      if (!place) return;
      const isSure = flag[first + joint] === SEEN && confidence[first + joint] >= 77;
      context.beginPath();
      context.arc(place[0], place[1], 0.72 * width * place[3], 0, 2 * Math.PI);
      context.lineWidth = halo;
      context.strokeStyle = isSure ? colors.surface : shade(motion.jointColors[joint], place[2]);
      context.fillStyle = isSure ? shade(motion.jointColors[joint], place[2]) : colors.surface;
      context.fill();
      context.stroke();
    });
    this.shown = places;
  }

  haze(color, share) {
    const from = color.startsWith("#") ? channels(color) : color.match(/\d+/g).map(Number);
    const to = channels(this.colors.surface);
    return `rgb(${from.map((value, at) => Math.round(value + (to[at] - value) * share)).join(" ")})`;
  }

  // A ring on the floor under each foot that stands.
  drawContacts(points) {
    const { context, motion, player, reach } = this;
    motion.ankles.forEach((joint, side) => {
      if (joint === null || !points[joint] || !motion.contact[2 * player.frame + side]) return;
      const [x, , z] = points[joint], ring = Array.from({ length: 25 }, (_, at) => {
        const angle = (at / 12) * Math.PI;
        return [x + 0.13 * reach * Math.cos(angle), 0, z + 0.13 * reach * Math.sin(angle)];
      });
      context.strokeStyle = motion.jointColors[joint];
      context.lineWidth = 1.5;
      context.beginPath();
      this.trace(ring);
      context.stroke();
    });
  }

  drawAxes() {
    const { context, turn, height } = this, [cosYaw, sinYaw, cosPitch, sinPitch] = turn;
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.strokeStyle = context.fillStyle = this.colors.muted;
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

  look(changes) {
    Object.assign(this, changes);
    this.pitch = clamp(this.pitch, -0.2, Math.PI / 2);
    this.zoom = clamp(this.zoom, 0.3, 8);
    this.draw();
  }

  rotate(across, down) {
    this.look({ yaw: this.yaw + across * TURN_PER_PIXEL, pitch: this.pitch + down * TURN_PER_PIXEL });
  }

  listen() {
    const { canvas } = this, fingers = new Map();
    const spread = () => {
      const [a, b] = [...fingers.values()];
      return Math.hypot(a.x - b.x, a.y - b.y) || 1;
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    });
    canvas.addEventListener("pointermove", (event) => {
      const finger = fingers.get(event.pointerId);
      if (!finger) return this.point(event);
      byId("view-tip").hidden = true;
      const before = fingers.size > 1 ? spread() : 0, [dx, dy] = [event.clientX - finger.x, event.clientY - finger.y];
      Object.assign(finger, { x: event.clientX, y: event.clientY });
      if (fingers.size === 1) this.rotate(dx, dy);
      else if (fingers.size === 2) {
        this.look({ zoom: (this.zoom * spread()) / before });
        this.rotate(dx / 2, dy / 2);
      }
    });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
    }
    canvas.addEventListener("pointerleave", () => (byId("view-tip").hidden = true));
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 * event.deltaY : event.deltaY;
      this.look({ zoom: this.zoom * Math.exp(-0.0015 * lines) });
    }, { passive: false });
    canvas.addEventListener("dblclick", () => this.look(VIEWS.home));
  }

  // Name and place of the joint under the pointer.
  point(event) {
    const { motion, player } = this, tip = byId("view-tip");
    let nearest = -1, closest = 14;
    this.shown?.forEach((place, joint) => {
      const distance = place ? Math.hypot(place[0] - event.offsetX, place[1] - event.offsetY) : Infinity;
      if (distance < closest) [nearest, closest] = [joint, distance];
    });
    tip.hidden = nearest < 0;
    if (tip.hidden) return;
    const at = player.frame * motion.numJoints + nearest;
    const [x, y, z] = motion.positions.subarray(3 * at, 3 * at + 3).map((value) => value);
    const place = [x, y, z].map((value) => value.toFixed(2)).join(", ");
    tip.textContent = `${motion.joints[nearest]} · ${place}${motion.units === "m" ? " m" : ""} · ${certainty(motion, at)}`;
    placeTip(tip, event.offsetX, event.offsetY, this.width);
  }
}

function certainty(motion, at) {
  return ["confidence " + (motion.confidence[at] / 255).toFixed(2), "filled in", "not seen"][motion.flag[at]];
}

// Beside the pointer, inside the panel.
function placeTip(tip, x, y, width) {
  const left = clamp(x - tip.offsetWidth / 2, 2, Math.max(2, width - tip.offsetWidth - 2));
  const top = y > 48 ? y - tip.offsetHeight - 12 : y + 20;
  tip.style.transform = `translate(${left}px, ${top}px)`;
}
