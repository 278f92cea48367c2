// Beside each text of the built page, the same compressed: the server sends these as they are.
// node tools/compress.mjs FOLDER
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const TEXT = /\.(css|html|js|json|svg|webmanifest)$/;
const SMALL = 512;

const folder = process.argv[2];
for (const name of readdirSync(folder, { recursive: true })) {
  if (!TEXT.test(name)) continue;
  const file = join(folder, name);
  const plain = readFileSync(file);
  const made = {
    br: brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: plain.length } }),
    gz: gzipSync(plain, { level: 9 }),
  };
  for (const [suffix, data] of Object.entries(made)) {
    if (plain.length >= SMALL && data.length < plain.length) writeFileSync(`${file}.${suffix}`, data);
  }
}
