//! `earmark listen`: events of files, pipes and files that grow, while they give sound.
#![cfg(all(feature = "train", unix))]
#![allow(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod common;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Place, Ran, shared};
use serde_json::Value;

/// What makes events of the sounds of the tests' data.
const EVENTS: &str = "--window 0.5 --hop 0.125 --on 0.2 --off 0.1";
const RATE: usize = 44_100;

/// Samples with many events: clips of the tests' data, one after the other.
fn sound(clips: usize) -> Vec<f32> {
    let names = shared().tree("data/audio_test").into_keys().take(clips);
    let decode = |name: String| {
        let path = shared().path(&format!("data/audio_test/{name}"));
        earmark_audio::decode(&path, &Default::default()).unwrap().samples
    };
    names.flat_map(decode).collect()
}

fn raw(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn listen(options: &str) -> String {
    format!("listen {options} --model {}", shared().path("run/bundle").display())
}

/// Runs a command with this standard input.
fn with_input(place: &Place, words: &str, input: Vec<u8>) -> Ran {
    let path = place.path("input");
    std::fs::write(&path, input).unwrap();
    let mut command = Command::new("sh");
    // A pipe, not a file.
    let binary = env!("CARGO_BIN_EXE_earmark");
    command.args(["-c", &format!("cat input | {binary} {words}")]).current_dir(place.path(""));
    command.env("OMP_WAIT_POLICY", "passive");
    Ran::of(command, words)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The events of some lines as `earmark tag` has them: label, start, end, score. Each has one
/// start, before its end, with the same number.
fn events(lines: &[Value]) -> Vec<(String, String)> {
    let mut open = BTreeMap::new();
    let mut found = Vec::new();
    for line in lines {
        let id = line["id"].as_u64();
        match line["event"].as_str().unwrap() {
            "start" => {
                assert!(open.insert(id, line.clone()).is_none(), "{line}");
                assert_eq!(id, Some(found.len() as u64 + open.len() as u64), "{line}");
            }
            "end" => {
                let start = open.remove(&id).unwrap_or_else(|| panic!("{line}"));
                for key in ["label", "start", "start_time"] {
                    assert_eq!(start[key], line[key], "{line}");
                }
                let length = line["end"].as_f64().unwrap() - line["start"].as_f64().unwrap();
                assert!((line["duration"].as_f64().unwrap() - length).abs() < 1e-9, "{line}");
                found.push(event(line));
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "{open:?}");
    found.sort();
    found
}

fn event(of: &Value) -> (String, String) {
    (of["label"].as_str().unwrap().to_owned(), format!("{} {} {}", of["start"], of["end"], of["score"]))
}

/// The events that `earmark tag` finds in a file.
fn tagged(place: &Place, file: &str) -> Vec<(String, String)> {
    let words = format!("tag {file} --events {EVENTS} --json --model {}", shared().path("run/bundle").display());
    let files = place.run(&words).done().json();
    let mut found: Vec<_> = files[0]["events"].as_array().unwrap().iter().map(event).collect();
    found.sort();
    assert!(found.len() > 5, "{found:?}");
    found
}

/// A command that runs; it is killed on drop.
struct Live {
    child: Child,
    words: String,
}

impl Live {
    fn start(place: &Place, words: &str) -> Self {
        let mut command = place.command(words);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { child, words: words.to_owned() }
    }

    fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits until it ends by itself, successfully. Returns what it wrote, and its messages.
    fn done(mut self) -> (String, String) {
        drop(self.child.stdin.take());
        let child = std::mem::replace(&mut self.child, Command::new("true").spawn().unwrap());
        let output = child.wait_with_output().unwrap();
        let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(output.status.code(), Some(0), "{}: {stderr}", self.words);
        assert!(!stderr.contains("panicked"), "{stderr}");
        (stdout, stderr)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a condition.
#[track_caller]
fn wait_until(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not come so far");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn live_events_are_those_of_tag() {
    let place = Place::new("listen-equal");
    let samples = sound(6);
    place.write("sound.wav", common::float_wav(&samples));
    let expected = tagged(&place, "sound.wav");
    let form = format!("--raw {RATE},1,f32le");

    let of_file = place.run(&listen(&format!("sound.wav --speed max {EVENTS}"))).done();
    let found = lines(&of_file.stdout);
    assert_eq!(events(&found), expected);
    assert!(of_file.stderr.contains(&format!("{} events", expected.len())), "{of_file}");
    let times: Vec<&str> = found.iter().filter_map(|line| line["start_time"].as_str()).collect();
    assert!(times.iter().all(|time| time.len() == 24 && time.starts_with("20") && time.ends_with('Z')), "{times:?}");

    let of_wav = with_input(&place, &listen(&format!("- {EVENTS}")), common::float_wav(&samples)).done();
    assert_eq!(events(&lines(&of_wav.stdout)), expected);
    let of_raw = with_input(&place, &listen(&format!("- {form} {EVENTS} --quiet")), raw(&samples)).done();
    assert_eq!(events(&lines(&of_raw.stdout)), expected);
    assert_eq!(of_raw.stderr, "");

    // One label, in a file that has lines already, the last of them unfinished.
    let label = expected[0].0.clone();
    place.write("out.ndjson", "{\"event\":\"other\"}\n{\"ev");
    let words = listen(&format!("sound.wav --speed 0 {EVENTS} --class {label} --output out.ndjson"));
    assert_eq!(place.run(&words).done().stdout, "");
    let text = place.text("out.ndjson");
    let (before, ours) = text.split_once("{\"ev\n").unwrap();
    assert_eq!(before, "{\"event\":\"other\"}\n");
    let of_label: Vec<_> = expected.iter().filter(|(of, _)| *of == label).cloned().collect();
    assert_eq!(events(&lines(ours)), of_label);
}

#[test]
fn events_come_while_the_sound_goes_on() {
    let place = Place::new("listen-latency");
    let samples = sound(4);
    place.write("sound.wav", common::float_wav(&samples));
    let expected = tagged(&place, "sound.wav");
    let mut live = Live::start(&place, &listen(&format!("- --raw {RATE},1,f32le {EVENTS}")));
    let mut pipe = live.child.stdin.take().unwrap();
    let output = BufReader::new(live.child.stdout.take().unwrap());
    let (begun, begun_at) = (Instant::now(), std::time::SystemTime::now());
    let writer = std::thread::spawn(move || {
        for (block, samples) in samples.chunks(RATE / 20).enumerate() {
            let due = Duration::from_secs_f64(0.05 * (block + 1) as f64);
            std::thread::sleep((begun + due).saturating_duration_since(Instant::now()));
            pipe.write_all(&raw(samples)).unwrap();
        }
    });
    let mut found = Vec::new();
    for line in output.lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let after = begun.elapsed().as_secs_f64() - line["start"].as_f64().unwrap();
        // On a machine that does other things, too.
        assert!(line["event"] != "start" || after < 2.0, "{after} s after its onset: {line}");
        found.push(line);
    }
    writer.join().unwrap();
    assert_eq!(events(&found), expected);
    // The time of day is that of the first sample, and as many seconds later as there are samples.
    let day = |line: &Value| {
        let (hours, rest) = line["start_time"].as_str().unwrap()[11..23].split_once(':').unwrap();
        let (minutes, seconds) = rest.split_once(':').unwrap();
        hours.parse::<f64>().unwrap() * 3600.0
            + minutes.parse::<f64>().unwrap() * 60.0
            + seconds.parse::<f64>().unwrap()
    };
    let origin = begun_at.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64() % 86_400.0;
    for line in &found {
        let late = (day(line) - line["start"].as_f64().unwrap() - origin).rem_euclid(86_400.0);
        assert!(!(2.0..86_399.9).contains(&late), "{late}: {line}");
        let first = day(&found[0]) - found[0]["start"].as_f64().unwrap();
        assert!((day(line) - line["start"].as_f64().unwrap() - first).abs() < 2e-3, "{line}");
    }
    live.done();
}

#[test]
fn a_file_is_read_on_while_it_grows() {
    let place = Place::new("listen-growing");
    let samples = sound(6);
    place.write("sound.wav", common::float_wav(&samples));
    let expected = tagged(&place, "sound.wav");
    let whole = common::float_wav(&samples);
    // A recorder that has announced some of what it will write.
    let mut begin = common::float_wav(&samples[..RATE]);
    begin.truncate(20_000);
    place.write("growing.wav", &begin);
    let live = Live::start(&place, &listen(&format!("growing.wav {EVENTS} --output out.ndjson")));
    let mut file = File::options().append(true).open(place.path("growing.wav")).unwrap();
    let count = || place.tree("").get("out.ndjson").map_or(0, |text| text.split(|byte| *byte == b'\n').count());
    for block in whole[begin.len()..].chunks(300_001) {
        file.write_all(block).unwrap();
        std::thread::sleep(Duration::from_millis(30));
    }
    wait_until(|| count() > 4);
    // The same name is another file, then it is truncated: what follows has later times.
    std::fs::rename(place.path("growing.wav"), place.path("old.wav")).unwrap();
    place.write("growing.wav", &whole);
    let ends = || lines(&place.text("out.ndjson")).iter().filter(|line| line["event"] == "end").count();
    wait_until(|| ends() + 12 >= 2 * expected.len());
    std::thread::sleep(Duration::from_millis(500));
    place.write("growing.wav", &whole[..whole.len() / 2]);
    std::thread::sleep(Duration::from_millis(1000));
    live.signal("-TERM");
    let (_, stderr) = live.done();
    assert!(stderr.contains("2 times again after a pause"), "{stderr}");
    let found = lines(&place.text("out.ndjson"));
    let all = events(&found);
    assert!(all.len() > 2 * expected.len(), "{all:?}");
    let first: Vec<_> = expected.iter().filter(|of| all.contains(of)).collect();
    assert_eq!(first.len(), expected.len(), "{all:?}");
    let starts: Vec<f64> =
        found.iter().filter(|line| line["event"] == "start").map(|line| line["start"].as_f64().unwrap()).collect();
    let seconds = samples.len() as f64 / RATE as f64;
    assert!(starts.iter().any(|start| *start > 2.0 * seconds), "{starts:?}");
}

#[test]
fn a_named_pipe_is_opened_again() {
    let place = Place::new("listen-fifo");
    let fifo = place.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let samples = sound(3);
    place.write("sound.wav", common::float_wav(&samples));
    let bytes = common::float_wav(&samples);
    let live = Live::start(&place, &listen(&format!("fifo {EVENTS} --output out.ndjson")));
    std::fs::write(&fifo, &bytes).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    // Another rate, and cut off within a frame.
    let mut other = bytes[..bytes.len() - 1_001].to_vec();
    other[24..28].copy_from_slice(&22_050u32.to_le_bytes());
    std::fs::write(&fifo, &other).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    std::fs::write(&fifo, b"this is no sound").unwrap();
    std::thread::sleep(Duration::from_millis(300));
    std::fs::write(&fifo, &bytes).unwrap();
    let seconds = samples.len() as f64 / RATE as f64;
    let last = || lines(&place.text("out.ndjson")).last().map_or(0.0, |line| line["start"].as_f64().unwrap());
    wait_until(|| last() > 3.0 * seconds);
    live.signal("-INT");
    let (_, stderr) = live.done();
    assert!(stderr.contains("2 times again after a pause"), "{stderr}");
    assert!(stderr.contains("fifo is damaged") && stderr.contains("fifo is not an audio file"), "{stderr}");
    let found = lines(&place.text("out.ndjson"));
    events(&found);
    let starts: Vec<&str> =
        found.iter().filter(|line| line["event"] == "start").map(|line| line["start_time"].as_str().unwrap()).collect();
    assert!(starts.is_sorted(), "{starts:?}");

    let once = Live::start(&place, &listen(&format!("fifo {EVENTS} --no-reconnect")));
    std::fs::write(&fifo, &bytes).unwrap();
    assert_eq!(events(&lines(&once.done().0)), tagged(&place, "sound.wav"));
}

#[test]
fn sound_is_dropped_only_if_that_is_wanted_and_is_counted() {
    let place = Place::new("listen-drop");
    let samples = sound(4).repeat(20);
    let seconds = samples.len() as f64 / RATE as f64;
    let words = |options: &str| listen(&format!("- --raw {RATE},1,f32le {EVENTS} --buffer 1 {options}"));
    let waits = with_input(&place, &words(""), raw(&samples)).done();
    assert!(waits.stderr.contains("; 0.0 s dropped"), "{waits}");
    let drops = with_input(&place, &words("--drop"), raw(&samples)).done();
    let found = lines(&drops.stdout);
    let dropped: Vec<&Value> = found.iter().filter(|line| line["event"] == "dropped").collect();
    let sum: f64 = dropped.iter().map(|line| line["duration"].as_f64().unwrap()).sum();
    assert!(sum > 0.2 * seconds && sum < seconds - 1.0, "{sum} of {seconds} s: {drops}");
    assert!(drops.stderr.contains("were dropped, because tagging is too slow"), "{drops}");
    assert!(drops.stderr.contains(&format!("listened to {:.1} s", seconds - sum)), "{sum} of {seconds} s: {drops}");
    events(&found);
    let last = found.last().unwrap();
    assert!(last["end"].as_f64().unwrap() <= seconds + 1e-6, "{last}");
}

#[test]
fn clips_of_events_are_saved() {
    let place = Place::new("listen-clips");
    let samples = sound(6);
    place.write("sound.wav", common::float_wav(&samples));
    let words = listen(&format!("sound.wav --speed max {EVENTS} --save-clips clips --padding 0.25 --max-clip 1"));
    let ran = place.run(&words).done();
    let found = lines(&ran.stdout);
    let ended: BTreeMap<u64, &Value> =
        found.iter().filter(|line| line["event"] == "end").map(|line| (line["id"].as_u64().unwrap(), line)).collect();
    let mut names = Vec::new();
    for clip in found.iter().filter(|line| line["event"] == "clip") {
        let event = ended[&clip["id"].as_u64().unwrap()];
        assert_eq!(event["label"], clip["label"]);
        let path = clip["path"].as_str().unwrap();
        let saved = earmark_audio::decode(&place.path(path), &Default::default()).unwrap();
        let [start, end] = ["start", "end"].map(|key| event[key].as_f64().unwrap());
        let place_of = |seconds: f64| ((seconds.max(0.0) * RATE as f64).round() as usize).min(samples.len());
        let expected = &samples[place_of(start - 0.25)..place_of(end.min(start + 1.0) + 0.25)];
        assert_eq!(saved.samples.len(), expected.len(), "{event}");
        let is_near = |(a, b): (&f32, &f32)| (a - b.clamp(-1.0, 1.0)).abs() < 1e-4;
        assert!(saved.samples.iter().zip(expected).all(is_near), "{event}");
        names.push(path.strip_prefix("clips/").unwrap().to_owned());
    }
    names.sort();
    assert_eq!(names.len(), ended.len());
    assert_eq!(names, place.tree("clips").into_keys().collect::<Vec<_>>(), "nothing but whole clips");

    // Clips that cannot be written do not end the listening.
    place.write("full", "");
    place.run(&listen(&format!("sound.wav --speed max {EVENTS} --save-clips full"))).failed_naming(&["full"]);
}

#[test]
fn bad_input_is_named() {
    let place = Place::new("listen-bad");
    place.write("text.txt", "this is no sound\n".repeat(200_000));
    place.write("sound.wav", common::float_wav(&sound(1)));
    place.write("folder/x", "");
    for (options, names) in [
        ("none.wav", &["none.wav"][..]),
        ("folder", &["folder"]),
        ("text.txt", &["text.txt is not an audio file"]),
        ("sound.wav --speed max --output /missing/folder/x", &["--output", "/missing/folder"]),
        ("sound.wav --speed max --save-clips /missing/folder/x", &["--save-clips", "/missing/folder"]),
        ("sound.wav --speed max --on 0.01 --output /dev/full", &["/dev/full", "No space left"]),
        ("sound.wav --channel 2", &["no channel 2"]),
        // Standard input is empty.
        ("-", &["- is not an audio file: it has 0 bytes"]),
        ("- --raw 8000,1,u8", &["- has no samples"]),
    ] {
        let ran = place.run(&listen(options)).failed();
        assert!(names.iter().all(|name| ran.stderr.contains(name)), "{ran}");
    }
    for (options, words) in [
        ("", "SOURCE"),
        ("- --raw 8000,1", "RATE,CHANNELS,FORMAT is needed"),
        ("- --raw 8000,1,mp3", "not one of the formats"),
        ("- --speed 2", "--speed is for files"),
        ("sound.wav --speed fast", "max"),
        ("sound.wav --buffer 0", "range"),
        ("sound.wav --padding 2", "--save-clips"),
        ("sound.wav --class nothing", "no such label"),
        ("sound.wav --speed max --window 0.1 --hop 0.2", "hop"),
        ("sound.wav --speed max --on 0.1 --off 0.2", "off"),
        ("sound.wav --output ./sound.wav", "the source itself"),
    ] {
        let ran = place.run(&listen(options));
        assert!(ran.code == Some(2) && ran.stderr.contains(words), "{ran}");
    }
    let garbage = with_input(&place, &listen("-"), vec![b'x'; 3_000_000]);
    garbage.failed_naming(&["- is not an audio file"]);
    let mp4 = [&b"\0\0\0\x20ftypM4A "[..], &[0; 5_000]].concat();
    with_input(&place, &listen("-"), mp4).failed_naming(&["MP4", "must be complete"]);
    let mut samples = sound(1);
    samples[5_000] = f32::NAN;
    samples[6_000] = f32::INFINITY;
    let ran = with_input(&place, &listen(&format!("- --raw {RATE},1,f32le")), raw(&samples)).done();
    assert!(ran.stderr.contains("samples so far are no sound"), "{ran}");
}

#[test]
fn a_disk_that_fills_leaves_whole_lines() {
    let place = Place::new("listen-full");
    place.write("sound.wav", common::float_wav(&sound(6)));
    let binary = env!("CARGO_BIN_EXE_earmark");
    let words = listen(&format!("sound.wav --speed max {EVENTS} --output out.ndjson"));
    let mut command = Command::new("bash");
    // At most 1,024 bytes a file.
    command.args(["-c", &format!("trap '' XFSZ; ulimit -f 1; {binary} {words}")]).current_dir(place.path(""));
    Ran::of(command, &words).failed_naming(&["out.ndjson"]);
    let text = place.text("out.ndjson");
    assert!(text.ends_with("}\n") && text.len() <= 1_024, "{text}");
    assert!(!lines(&text).is_empty());
}

#[test]
fn whoever_closes_the_output_ends_the_listening() {
    let place = Place::new("listen-closed");
    place.write("sound.wav", common::float_wav(&sound(6)));
    let binary = env!("CARGO_BIN_EXE_earmark");
    let words = listen(&format!("sound.wav {EVENTS}"));
    let mut command = Command::new("bash");
    command.args(["-c", &format!("{binary} {words} | head -n 1; exit ${{PIPESTATUS[0]}}")]);
    command.current_dir(place.path(""));
    assert_eq!(lines(&Ran::of(command, &words).done().stdout).len(), 1);
}
