//! The model card of an exported file.

use earmark_tagging::Origin;

use crate::{Exported, Loss, Precision};

/// The end of a card's title.
const TITLE: &str = ": an audio tagger in one ONNX file";

/// The model card of a file that is called `file`: what it is, its inputs and outputs, its labels,
/// its precision with the `loss` if it was measured, and examples in Python, JavaScript and C++.
pub fn card(exported: &Exported, file: &str, loss: Option<&Loss>) -> String {
    [about(exported, file), precision(exported, loss), examples(exported, file), labels(exported)].join("\n")
}

/// Whether a text is a model card that [`card`] returned.
pub fn is_card(text: &str) -> bool {
    text.lines().next().is_some_and(|line| line.ends_with(TITLE))
}

fn about(exported: &Exported, file: &str) -> String {
    let Exported { sample_rate, labels, learners, has_stack, origin, .. } = exported;
    let version = env!("CARGO_PKG_VERSION");
    let (count, rate) = (labels.len(), grouped(*sample_rate));
    let task = match exported.is_single_label {
        true => "a sound has one of them, and their scores sum to 1",
        false => "a sound may have several of them, each with a score from 0 to 1",
    };
    let learners: Vec<String> = learners.iter().map(|(name, arch)| format!("`{name}` ({arch})")).collect();
    let combined = match (has_stack, learners.len()) {
        (true, _) => ", combined by level 2",
        (false, 1) => "",
        (false, _) => ", averaged",
    };
    let thresholds = match &exported.thresholds {
        Some(_) => {
            format!("| output | `thresholds` | `float32 [{count}]`: a sound has a label if its score is not below |\n")
        }
        None => String::new(),
    };
    format!(
        "# {file}{TITLE}\n\n\
         Samples in, a score for each label out: resampling, front ends, windows, networks and averages are inside. \
         It needs a runtime for ONNX (opset {opset}) and nothing else. Earmark {version} wrote it, and `earmark tag` \
         gives the same scores; `docs/export.md` of Earmark's repository describes it.\n\n\
         | | name | |\n|---|---|---|\n\
         | input | `samples` | `float32 [n]`: a mono sound at {rate} Hz, any length, full scale 1 |\n\
         | output | `scores` | `float32 [{count}]` |\n\
         | output | `labels` | `string [{count}]`, in the order of the scores |\n{thresholds}\n\
         - {count} labels: {task}.\n\
         - Learners: {learners}{combined}.\n{origin}",
        opset = earmark_onnx::proto::OPSET,
        learners = learners.join(", "),
        origin = licence(origin.as_ref()),
    )
}

fn licence(origin: Option<&Origin>) -> String {
    let Some(Origin { source, licence, paper, .. }) = origin else {
        return "- Licence: the rights in the sounds that it was trained on, and in the weights that it started from, \
                decide what it may be used for.\n"
            .to_owned();
    };
    let licence = licence.as_deref().unwrap_or("not known");
    let paper = paper.as_ref().map_or(String::new(), |paper| format!("- Paper: {paper}\n"));
    format!("- Licence of the weights: {licence}\n- Source: {source}\n{paper}")
}

fn precision(exported: &Exported, loss: Option<&Loss>) -> String {
    let stored = match exported.precision {
        Precision::F32 => "Weights and computation have 32 bits (f32).".to_owned(),
        precision => format!("The networks' weights are stored as {precision}; all else is f32."),
    };
    let loss = loss.map_or(String::new(), |loss| format!(" Loss {loss}."));
    format!("## Precision\n\n{stored}{loss}\n")
}

fn examples(exported: &Exported, file: &str) -> String {
    let rate = exported.sample_rate;
    format!(
        r#"## Python

`pip install numpy onnxruntime`. `sound.wav` has 16 bits, one channel and {rate} Hz.

```python
import wave
import numpy
import onnxruntime

model = onnxruntime.InferenceSession("{file}")
with wave.open("sound.wav") as sound:
    samples = numpy.frombuffer(sound.readframes(sound.getnframes()), "<i2") / numpy.float32(32768)
scores, labels = model.run(["scores", "labels"], {{"samples": samples}})
for score, label in sorted(zip(scores, labels), reverse=True)[:3]:
    print(f"{{score:.6f}} {{label}}")
```

## JavaScript

A module of a web page, with `onnxruntime-web` from npm. The browser decodes and resamples; of
several channels, this takes the first one.

```js
import * as ort from "onnxruntime-web";

const model = await ort.InferenceSession.create("{file}");
const file = await (await fetch("sound.wav")).arrayBuffer();
const sound = await new OfflineAudioContext(1, 1, {rate}).decodeAudioData(file);
const samples = sound.getChannelData(0);
const input = {{ samples: new ort.Tensor("float32", samples, [samples.length]) }};
const {{ scores, labels }} = await model.run(input);
const tags = Array.from(scores.data, (score, i) => ({{ score, label: labels.data[i] }}));
console.log(tags.sort((a, b) => b.score - a.score).slice(0, 3));
```

## C++

`sound.f32` has the samples as 32-bit floats: `ffmpeg -i sound.mp3 -ac 1 -ar {rate} -f f32le sound.f32`.
Compile with ONNX Runtime's headers, and link with `-lonnxruntime`.

```cpp
#include <cstdio>
#include <fstream>
#include <vector>
#include <onnxruntime_cxx_api.h>

int main() {{
  std::ifstream file("sound.f32", std::ios::binary | std::ios::ate);
  std::vector<float> samples(file.tellg() / sizeof(float));
  file.seekg(0).read(reinterpret_cast<char*>(samples.data()), samples.size() * sizeof(float));
  Ort::Env env;
  Ort::Session model(env, "{file}", Ort::SessionOptions());
  auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  const int64_t shape[] = {{static_cast<int64_t>(samples.size())}};
  auto input = Ort::Value::CreateTensor<float>(memory, samples.data(), samples.size(), shape, 1);
  const char *inputs[] = {{"samples"}}, *outputs[] = {{"scores", "labels"}};
  auto tags = model.Run(Ort::RunOptions(), inputs, &input, 1, outputs, 2);
  for (size_t i = 0; i < tags[0].GetTensorTypeAndShapeInfo().GetElementCount(); ++i)
    std::printf("%.6f %s\n", tags[0].GetTensorData<float>()[i], tags[1].GetStringTensorElement(i).c_str());
}}
```
"#
    )
}

fn labels(exported: &Exported) -> String {
    let lines: String = exported.labels.iter().map(|label| format!("- {label}\n")).collect();
    format!("## Labels\n\n{lines}")
}

/// A number with commas between thousands.
fn grouped(number: u32) -> String {
    if number < 1_000 { number.to_string() } else { format!("{},{:03}", grouped(number / 1_000), number % 1_000) }
}
