/** What this browser says it can play, in the words that others may show. */

const FORMATS: readonly (readonly [name: string, type: string])[] = [
  ["flac", "audio/flac"],
  ["mp3", "audio/mpeg"],
  ["aac", 'audio/mp4; codecs="mp4a.40.2"'],
  ["alac", 'audio/mp4; codecs="alac"'],
  ["opus", 'audio/ogg; codecs="opus"'],
  ["vorbis", 'audio/ogg; codecs="vorbis"'],
  ["wav", 'audio/wav; codecs="1"'],
];

export function supportedFormats(audio: Pick<HTMLMediaElement, "canPlayType">): readonly string[] {
  return FORMATS.filter(([, type]) => audio.canPlayType(type) !== "").map(([name]) => name);
}
