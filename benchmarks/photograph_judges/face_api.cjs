// Expressions of 112-pixel face crops, read by @vladmandic/face-api's network.
//
//   node face_api.cjs FOLDER   where FOLDER holds node_modules
//
// Reads one job a line, {"key", "pixels": {"shape": [112, 112, 3], "base64"}}, and writes one line
// each, {"key", "reading": {expression: share}}; the first line names the versions. Nothing is
// fetched: weights and WebAssembly lie in node_modules.
const fs = require("fs");
const path = require("path");
const readline = require("readline");
const { createRequire } = require("module");

async function main() {
  const folder = path.resolve(process.argv[2]);
  const local = createRequire(path.join(folder, "package.json"));
  const tf = local("@tensorflow/tfjs");
  const wasm = local("@tensorflow/tfjs-backend-wasm");
  const place = path.join(folder, "node_modules/@tensorflow/tfjs-backend-wasm/dist/");
  wasm.setWasmPaths(place);
  wasm.setThreadsCount(1);
  await tf.setBackend("wasm");
  await tf.ready();
  const faceapi = local("@vladmandic/face-api/dist/face-api.node-wasm.js");
  const models = path.join(folder, "node_modules/@vladmandic/face-api/model");
  await faceapi.nets.faceExpressionNet.loadFromDisk(models);
  const stored = path.join(folder, "node_modules/@vladmandic/face-api/package.json");
  const versions = {
    "@vladmandic/face-api": JSON.parse(fs.readFileSync(stored)).version,
    tfjs: tf.version_core ?? tf.version["tfjs-core"],
    backend: tf.getBackend(),
    node: process.version,
  };
  console.log(JSON.stringify({ versions }));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { key, pixels } = JSON.parse(line);
    const bytes = new Uint8Array(Buffer.from(pixels.base64, "base64"));
    const crop = tf.tensor3d(bytes, pixels.shape, "int32");
    const reading = { ...(await faceapi.nets.faceExpressionNet.predictExpressions(crop)) };
    crop.dispose();
    console.log(JSON.stringify({ key, reading }));
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
