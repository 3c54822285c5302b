
// The 3D view: where the eye is, what turns and moves it, what lies under the pointer.

const TURN_PER_PIXEL = 0.008, EYE_DISTANCE = 5; // the eye's distance in radii of what is shown
const VIEWS = {
  home: { yaw: -0.6, pitch: 0.22, zoom: 1 },
  camera: { yaw: 0, pitch: 0, zoom: 1 },
  side: { yaw: -Math.PI / 2, pitch: 0, zoom: 1 },
  top: { yaw: 0, pitch: Math.PI / 2, zoom: 1 },
};

const cssColor = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const probe = document.createElement("canvas").getContext("2d"), parsed = new Map();

// Red, green and blue of any CSS colour, which a canvas gives back as #rrggbb.
function channels(color) {
  if (!parsed.has(color)) {
    probe.fillStyle = color;
    parsed.set(color, [1, 3, 5].map((at) => parseInt(probe.fillStyle.slice(at, at + 2), 16)));
  }
  return parsed.get(color);
}

const mix = (color, other, share) => color.map((value, at) => value + (other[at] - value) * share);

function percentile(values, share) {
  const sorted = Float64Array.from(values).sort();
  return sorted.length ? sorted[Math.floor(share * (sorted.length - 1))] : NaN;
}

// Makes a canvas as sharp as the screen.
function fitCanvas(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width === across && canvas.height === down) return;
  Object.assign(canvas, { width: across, height: down });
  canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
}

class View {
  constructor(canvas, motion, player, painter) {
    Object.assign(this, { canvas, motion, player, painter, ...VIEWS.home, follows: true, perspective: true });
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
    if (this.painter) { // a body reaches beyond its joints, most of all above the head
      this.reach *= 1.1;
      this.middle += 0.04 * this.reach;
    }
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
      for (const axis of [0, 1]) {
        smooth[2 * frame + axis] = (sums[2 * to + axis] - sums[2 * from + axis]) / (to - from);
      }
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

  showsBody() {
    return Boolean(this.painter && this.prefersBody && this.painter.body.has(this.player.frame));
  }

  draw() {
    const { context, canvas, motion, player } = this;
    if (!canvas.clientWidth) return;
    fitCanvas(canvas, canvas.clientWidth, canvas.clientHeight);
    this.aim();
    this.colors = Object.fromEntries(["surface", "ink", "muted"].map((name) => [name, cssColor(`--${name}`)]));
    this.isDark = matchMedia("(prefers-color-scheme: dark)").matches;
    context.clearRect(0, 0, this.width, this.height);
    context.lineCap = context.lineJoin = "round";
    drawFloor(this);
    drawPath(this);
    byId("unseen").hidden = motion.isSeen(player.frame);
    this.shown = [];
    if (motion.isSeen(player.frame)) drawPerson(this);
    drawAxes(this);
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
      const before = fingers.size > 1 ? spread() : 0;
      const [dx, dy] = [event.clientX - finger.x, event.clientY - finger.y];
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
    if (nearest < 0) return;
    const at = player.frame * motion.numJoints + nearest;
    const place = Array.from(motion.positions.subarray(3 * at, 3 * at + 3), (value) => value.toFixed(2)).join(", ");
    const unit = motion.units === "m" ? " m" : "";
    tip.textContent = `${motion.joints[nearest]} · ${place}${unit} · ${certainty(motion, at)}`;
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
