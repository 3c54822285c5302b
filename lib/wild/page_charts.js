
// The chart of each joint's confidence over time.

const AXIS_HEIGHT = 24, TICK_STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800];

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
    const each = `Each column stands for ${Math.ceil(pooled)} frames and shows the most doubtful of them.`;
    byId("heat-note").textContent = `${pooled > 1 ? each : ""} Click or tap to go to a frame.`;
  }

  picture() {
    const { motion, columns } = this, image = new ImageData(columns, motion.numJoints);
    const [sure, unsure, filled] = ["--sure", "--unsure", "--filled"].map((name) => channels(cssColor(name)));
    for (let joint = 0; joint < motion.numJoints; joint++) {
      for (let column = 0; column < columns; column++) {
        const doubt = this.doubt(this.worstFrame(column, joint), joint), share = doubt / 255;
        const color = doubt > 255 ? filled : mix(sure, unsure, share);
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
    canvas.addEventListener("pointerleave", (event) => {
      tip.hidden = event.pointerType === "mouse"; // a finger is lifted to read
    });
    canvas.addEventListener("click", (event) => {
      const found = this.at(event);
      if (!found) return;
      player.seek(found.frame);
      showStage();
    });
  }
}
