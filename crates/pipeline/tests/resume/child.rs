//! A child process that trains a run and waits at a given point to be killed there.
//!
//! Points are named by what happens: `renaming FILE` and `written FILE`, the log records of
//! `earmark-files`, with the path in the run; `batch N of JOB` after a job's Nth batch; `done JOB`.

use std::env;
use std::fmt::Debug;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use earmark_pipeline::{CancelToken, Event, JobOutcome, PipelineError, Progress, train};
use tracing::field::{Field, Visit};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::common::Workspace;

/// The variable with the child's workspace; without it, the test that runs as the child does
/// nothing.
const WORKSPACE: &str = "EARMARK_TEST_WORKSPACE";
/// The variable with the number of jobs at once.
const JOBS: &str = "EARMARK_TEST_JOBS";
/// The variable with the point to wait at.
const STOP: &str = "EARMARK_TEST_STOP";
/// The prefix of the child's reports on stdout, among the lines of the test harness.
const REPORT: &str = "child: ";
/// A child that reports nothing for this long hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// A running child, killed on drop.
pub struct Child {
    process: std::process::Child,
    reports: Receiver<String>,
}

impl Child {
    /// Starts to train in a workspace, with this many jobs at once; the child waits at `stop` if it
    /// gets there.
    pub fn start(workspace: &Workspace, jobs: usize, stop: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "child", "--ignored", "--nocapture"]);
        command.env(WORKSPACE, workspace.path("")).env(JOBS, jobs.to_string()).env(STOP, stop);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, reports) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some((_, report)) = line.split_once(REPORT) {
                    let _ = sender.send(report.to_owned());
                }
            }
        });
        Self { process, reports }
    }

    /// Waits until the child has reached its point.
    #[track_caller]
    pub fn wait_for_stop(&self) {
        let mut reports = Vec::new();
        while reports.last().is_none_or(|report| report != "waiting") {
            let next = self.reports.recv_timeout(PATIENCE);
            reports.push(next.unwrap_or_else(|_| panic!("the child never comes to its point: {reports:?}")));
        }
    }

    /// Kills the child, by SIGKILL on Unix.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        assert!(!self.process.wait().unwrap().success());
    }

    /// Waits until the child ends, and returns the jobs that it trained.
    pub fn finish(mut self) -> Finished {
        let mut finished = Finished { done: Vec::new(), is_whole: false };
        while let Ok(report) = self.reports.recv_timeout(PATIENCE) {
            match report.strip_prefix("done ") {
                Some(job) => finished.done.push(job.to_owned()),
                None => finished.is_whole = report == "whole",
            }
        }
        assert!(self.process.wait().unwrap().success());
        finished
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The results of a child.
#[derive(Debug)]
pub struct Finished {
    /// The jobs that it trained.
    pub done: Vec<String>,
    /// Whether it stacked the learners; if not, another process was training the last jobs.
    pub is_whole: bool,
}

/// The child's own code.
pub fn run() {
    let Some(folder) = env::var_os(WORKSPACE) else { return };
    let workspace = Workspace::at(PathBuf::from(folder));
    let stop = env::var(STOP).unwrap();
    tracing_subscriber::registry().with(FilePoints { run: workspace.run(), stop: stop.clone() }).init();
    let observer = |event: &Event| match event {
        Event::JobAdvanced { job, progress: Progress::Learning(now), .. } => {
            wait_at(&format!("batch {} of {}", now.batches, job.name), &stop);
        }
        Event::JobFinished { job, outcome: JobOutcome::Done, .. } => {
            report(&format!("done {}", job.name));
            wait_at(&format!("done {}", job.name), &stop);
        }
        _ => {}
    };
    let jobs = env::var(JOBS).unwrap().parse().unwrap();
    match train(&workspace.options(jobs), &observer, &CancelToken::new()) {
        Ok(_) => report("whole"),
        Err(PipelineError::Jobs(_)) => report("not whole"),
        Err(error) => panic!("{}", error.line()),
    }
}

fn report(text: &str) {
    println!("{REPORT}{text}");
}

/// Waits to be killed if this is the point.
fn wait_at(point: &str, stop: &str) {
    if point == stop {
        report("waiting");
        loop {
            thread::park();
        }
    }
}

/// Reports the points at which files of a run are written.
struct FilePoints {
    run: PathBuf,
    stop: String,
}

impl<S: tracing::Subscriber> Layer<S> for FilePoints {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut record = Record::default();
        event.record(&mut record);
        if let Ok(name) = Path::new(&record.file).strip_prefix(&self.run) {
            wait_at(&format!("{} {}", record.message, name.display()), &self.stop);
        }
    }
}

/// The fields of a log record that are needed here.
#[derive(Default)]
struct Record {
    message: String,
    file: String,
}

impl Visit for Record {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "file" => self.file = format!("{value:?}"),
            _ => {}
        }
    }
}
