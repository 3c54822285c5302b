
// The page's data, and the clock that video, 3D view and charts follow.

const SEEN = 0, INTERPOLATED = 1, ABSENT = 2;
const byId = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function element(name, content = [], attributes = {}) {
  const space = ["svg", "path", "line"].includes(name) ? "2000/svg" : "1999/xhtml";
  const made = document.createElementNS(`http://www.w3.org/${space}`, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...[content].flat());
  return made;
}

// Bytes of a data block, in pieces so that a large video needs no second text of its size.
function bytesOf(id) {
  const block = byId(id), text = block.textContent, pieces = [];
  block.remove();
  for (let at = 0; at < text.length; at += 1 << 20) {
    const letters = atob(text.slice(at, at + (1 << 20))), piece = new Uint8Array(letters.length);
    for (let place = 0; place < letters.length; place++) piece[place] = letters.charCodeAt(place);
    pieces.push(piece);
  }
  return pieces;
}

function arrayOf(id, Type) {
  const pieces = bytesOf(id), joined = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  return new Type(joined.buffer);
}

function loadMotion() {
  const motion = JSON.parse(byId("data").textContent);
  const steps = arrayOf("positions", Int16Array), numJoints = motion.joints.length;
  const origin = arrayOf("origin", Float32Array), positions = new Float32Array(steps.length);
  for (let at = 0; at < steps.length; at++) {
    const frame = Math.floor(at / (3 * numJoints));
    positions[at] = steps[at] * motion.step + origin[3 * frame + (at % 3)];
  }
  return Object.assign(motion, {
    numJoints, numFrames: origin.length / 3, positions, origin,
    confidence: arrayOf("confidence", Uint8Array), // 255 = 1
    flag: arrayOf("flag", Uint8Array),
    contact: arrayOf("contact", Uint8Array), // left, right
    time: arrayOf("time", Float64Array),
    isSeen(frame) {
      const first = frame * numJoints;
      for (let joint = 0; joint < numJoints; joint++) if (this.flag[first + joint] !== ABSENT) return true;
      return false;
    },
  });
}

// What was clicked far down the page is to be seen: video and 3D view come back if less than half of them shows.
function showStage() {
  const stage = document.querySelector(".stage"), { top, bottom, height } = stage.getBoundingClientRect();
  const shown = Math.min(bottom, innerHeight) - Math.max(top, 0);
  if (shown >= Math.min(height, innerHeight) / 2) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  stage.scrollIntoView({ block: "start", behavior: calm ? "auto" : "smooth" });
}

// Shows one frame at a time; runs with the video, or by itself where there is none or it cannot be played.
class Player {
  constructor(numFrames, fps, video) {
    Object.assign(this, { numFrames, fps, video, frame: 0, playing: false, speed: 1, listeners: [] });
    if (video) this.follow(video);
  }

  follow(video) {
    const show = (frame) => {
      if (!video.seeking && this.video) this.show(frame);
    };
    for (const name of ["play", "pause", "ended"]) {
      video.addEventListener(name, () => this.setPlaying(!video.paused && !video.ended));
    }
    const giveUp = () => {
      this.video = null;
      video.hidden = true;
      byId("video-error").hidden = false;
      this.setPlaying(false);
    };
    video.addEventListener("error", giveUp);
    if (video.error) giveUp();
    if (video.requestVideoFrameCallback) {
      const each = (now, picture) => {
        show(Math.round(picture.mediaTime * this.fps));
        video.requestVideoFrameCallback(each);
      };
      video.requestVideoFrameCallback(each);
    } else {
      const each = () => {
        if (!video.paused) show(Math.floor(video.currentTime * this.fps + 0.01));
        requestAnimationFrame(each);
      };
      each();
    }
  }

  setPlaying(playing) {
    this.playing = playing;
    this.tell();
  }

  show(frame) {
    frame = clamp(frame, 0, this.numFrames - 1);
    if (frame === this.frame) return;
    this.frame = frame;
    this.tell();
  }

  tell() {
    this.isTelling = true;
    for (const listener of this.listeners) listener();
    this.isTelling = false;
  }

  seek(frame) {
    this.show(frame);
    if (this.video) this.video.currentTime = (this.frame + 0.5) / this.fps; // the middle, safe from rounding
    this.startClock();
  }

  step(frames) {
    if (this.playing) this.toggle();
    this.seek(this.frame + frames);
  }

  setSpeed(speed) {
    this.speed = speed;
    if (this.video) this.video.playbackRate = speed;
    this.startClock();
  }

  toggle() {
    const wasAtEnd = this.frame >= this.numFrames - 1;
    if (!this.playing && wasAtEnd) this.seek(0);
    if (this.video) {
      if (this.video.paused || this.video.ended) this.video.play().catch(() => this.setPlaying(false));
      else this.video.pause();
      return;
    }
    this.setPlaying(!this.playing);
    this.startClock();
    if (this.playing) requestAnimationFrame((now) => this.tick(now));
  }

  startClock() {
    this.clock = { frame: this.frame, since: null };
  }

  tick(now) {
    if (!this.playing || this.video) return;
    this.clock.since ??= now;
    this.show(this.clock.frame + Math.floor(((now - this.clock.since) / 1000) * this.fps * this.speed));
    if (this.frame >= this.numFrames - 1) this.setPlaying(false);
    else requestAnimationFrame((later) => this.tick(later));
  }
}
