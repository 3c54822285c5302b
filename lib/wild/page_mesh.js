
// The body of the 3D view: WebGL skins and shades it on a canvas of its own, which the view copies onto its own.

const BODY_COLOR = "#8fa9c4", SHADOW_SHARE = 0.13;
const DEPTH_SHARE = 0.05; // of the depth buffer for one radius: the whole view lies within -1 and 1

const VERTEX_SHADER = `#version 300 es
in vec3 place;
in vec3 normal;
in vec4 joints;
in vec4 weights;
uniform vec4 rows[3 * NUM_JOINTS]; // of the matrices that move each joint's vertices
uniform vec3 target;
uniform vec4 turn; // cosine and sine of yaw and pitch
uniform vec4 lens; // canvas widths and heights for a unit, one over the radius, one over the eye's distance
uniform bool isShadow;
out vec3 facing;

vec3 turned(vec3 v) { // across, up, towards the eye
  float ahead = v.z * turn.x - v.x * turn.y;
  return vec3(v.x * turn.x + v.z * turn.y, v.y * turn.z - ahead * turn.w, v.y * turn.w + ahead * turn.z);
}

void main() {
  vec4 x = vec4(0), y = vec4(0), z = vec4(0);
  for (int at = 0; at < 4; at++) {
    int row = 3 * int(joints[at]);
    x += weights[at] * rows[row];
    y += weights[at] * rows[row + 1];
    z += weights[at] * rows[row + 2];
  }
  vec4 rest = vec4(place, 1);
  vec3 point = vec3(dot(x, rest), isShadow ? 0. : dot(y, rest), dot(z, rest));
  facing = turned(vec3(dot(x.xyz, normal), dot(y.xyz, normal), dot(z.xyz, normal)));
  vec3 seen = turned(point - target) * vec3(lens.xy, lens.z);
  gl_Position = vec4(seen.xy, -${DEPTH_SHARE} * seen.z, 1. - seen.z * lens.w);
}`;

const FRAGMENT_SHADER = `#version 300 es
precision mediump float;
in vec3 facing;
uniform vec4 color;
uniform bool isShadow;
out vec4 pixel;
void main() {
  vec3 n = normalize(facing);
  float light = 0.52 + 0.38 * max(dot(n, vec3(-0.42, 0.56, 0.71)), 0.) + 0.14 * n.z + 0.08 * n.y;
  pixel = isShadow ? vec4(color.rgb * color.a, color.a) : vec4(color.rgb * light, 1);
}`;

function loadBody() {
  if (!byId("body")) return null;
  const body = JSON.parse(byId("body").textContent), numJoints = body.parents.length;
  const vertices = Float32Array.from(arrayOf("body-vertices", Int16Array), (value) => value * body.step);
  const faces = Uint32Array.from(arrayOf("body-faces", body.bytesOfFace === 2 ? Uint16Array : Uint32Array));
  return Object.assign(body, {
    numJoints, vertices, faces, normals: normalsOf(vertices, faces),
    joints: arrayOf("body-joints", Uint8Array), // four for each vertex
    weights: arrayOf("body-weights", Uint8Array), // 255 = 1
    rotations: arrayOf("body-rotations", Int16Array), // x, y, z, w; 32767 = 1
    translation: arrayOf("body-translation", Float32Array), // NaN where the person is absent
    has(frame) {
      return this.translation[3 * frame] === this.translation[3 * frame];
    },
  });
}

// Means over the triangles around each vertex, weighted by area.
function normalsOf(vertices, faces) {
  const normals = new Float32Array(vertices.length), [u, v] = [[0, 0, 0], [0, 0, 0]];
  for (let at = 0; at < faces.length; at += 3) {
    const [a, b, c] = [3 * faces[at], 3 * faces[at + 1], 3 * faces[at + 2]];
    for (let axis = 0; axis < 3; axis++) {
      u[axis] = vertices[b + axis] - vertices[a + axis];
      v[axis] = vertices[c + axis] - vertices[a + axis];
    }
    for (let axis = 0; axis < 3; axis++) {
      const [next, last] = [(axis + 1) % 3, (axis + 2) % 3], value = u[next] * v[last] - u[last] * v[next];
      for (const corner of [a, b, c]) normals[corner + axis] += value;
    }
  }
  for (let at = 0; at < normals.length; at += 3) {
    const length = Math.hypot(normals[at], normals[at + 1], normals[at + 2]) || 1;
    for (let axis = 0; axis < 3; axis++) normals[at + axis] /= length;
  }
  return normals;
}

// Rows (K,3,4) of the matrices from the body at rest to a frame, each joint turned in its parent.
function bodyRows(body, frame) {
  const { numJoints, parents, rest, rotations, translation } = body, rows = new Float32Array(12 * numJoints);
  for (let joint = 0; joint < numJoints; joint++) {
    const at = 4 * (frame * numJoints + joint), parent = 12 * parents[joint];
    const [x, y, z, w] = Array.from(rotations.subarray(at, at + 4), (value) => value / 32767);
    const own = [
      [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
      [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
      [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ];
    // the joint's own turn leaves the joint where it is
    const shift = own.map((row, axis) => rest[joint][axis] - row.reduce((sum, value, k) => sum + value * rest[joint][k], 0));
    for (let row = 0; row < 3; row++) {
      const before = parents[joint] < 0 ? [+(row === 0), +(row === 1), +(row === 2), translation[3 * frame + row]]
        : rows.subarray(parent + 4 * row, parent + 4 * row + 4);
      for (let column = 0; column < 4; column++) {
        const of = (k) => (column < 3 ? own[k][column] : shift[k]);
        rows[12 * joint + 4 * row + column] =
          before[0] * of(0) + before[1] * of(1) + before[2] * of(2) + (column === 3 ? before[3] : 0);
      }
    }
  }
  return rows;
}

class BodyPainter {
  // Null where the browser has no WebGL that can do it.
  static of(body) {
    const gl = body && document.createElement("canvas").getContext("webgl2", { antialias: true });
    if (!gl || 3 * body.numJoints + 16 > gl.getParameter(gl.MAX_VERTEX_UNIFORM_VECTORS)) return null;
    const painter = new BodyPainter(body, gl);
    return gl.getProgramParameter(painter.program, gl.LINK_STATUS) ? painter : null;
  }

  constructor(body, gl) {
    Object.assign(this, { body, gl, program: gl.createProgram() });
    const sources = [VERTEX_SHADER.replace("NUM_JOINTS", body.numJoints), FRAGMENT_SHADER];
    [gl.VERTEX_SHADER, gl.FRAGMENT_SHADER].forEach((kind, at) => {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, sources[at]);
      gl.compileShader(shader);
      gl.attachShader(this.program, shader);
    });
    gl.linkProgram(this.program);
    gl.useProgram(this.program);
    const attribute = (name, values, size, type, isShare) => {
      const place = gl.getAttribLocation(this.program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, size, type, isShare, 0, 0);
    };
    attribute("place", body.vertices, 3, gl.FLOAT, false);
    attribute("normal", body.normals, 3, gl.FLOAT, false);
    attribute("joints", body.joints, 4, gl.UNSIGNED_BYTE, false);
    attribute("weights", body.weights, 4, gl.UNSIGNED_BYTE, true);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, body.faces, gl.STATIC_DRAW);
  }

  // Shadow and body as the view sees them, copied onto its canvas.
  paint(view) {
    const { gl, body } = this, { canvas } = gl, { perspective, zoom, radius, width, height, scale } = view;
    if (canvas.width !== view.canvas.width || canvas.height !== view.canvas.height) {
      Object.assign(canvas, { width: view.canvas.width, height: view.canvas.height });
    }
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const at = (name) => gl.getUniformLocation(this.program, name);
    gl.uniform4fv(at("rows"), bodyRows(body, view.player.frame));
    gl.uniform3fv(at("target"), view.target);
    gl.uniform4fv(at("turn"), view.turn);
    const nearness = perspective ? Math.sqrt(zoom) / EYE_DISTANCE : 0;
    gl.uniform4f(at("lens"), (2 * scale) / width, (2 * scale) / height, 1 / radius, nearness);
    const shadow = [...channels(view.colors.ink).map((value) => value / 255), SHADOW_SHARE];
    const color = [...channels(BODY_COLOR).map((value) => value / 255), 1];
    for (const isShadow of [true, false]) { // the shadow without depth or blending: one even grey
      gl.uniform1i(at("isShadow"), isShadow);
      gl.uniform4fv(at("color"), isShadow ? shadow : color);
      if (isShadow) gl.disable(gl.DEPTH_TEST);
      else gl.enable(gl.DEPTH_TEST);
      gl.drawElements(gl.TRIANGLES, body.faces.length, gl.UNSIGNED_INT, 0);
    }
    view.context.drawImage(canvas, 0, 0, width, height);
  }
}
