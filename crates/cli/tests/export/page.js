// Posts the scores of each sound of the list `sounds` by the exported model.
import * as ort from "onnxruntime-web";

const { model, rate, sounds } = await (await fetch("list.json")).json();
const session = await ort.InferenceSession.create(model);
const found = {};
for (const path of sounds) {
  const file = await (await fetch(path)).arrayBuffer();
  const sound = await new OfflineAudioContext(1, 1, rate).decodeAudioData(file);
  const samples = sound.getChannelData(0);
  const tensor = new ort.Tensor("float32", samples, [samples.length]);
  const { labels, scores } = await session.run({ samples: tensor });
  found[path] = Object.fromEntries(labels.data.map((label, i) => [label, scores.data[i]]));
}
console.log(found);
