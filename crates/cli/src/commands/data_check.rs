//! `earmark data check`: what a data set holds and what is wrong with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

use earmark_datasets::check::{CheckSettings, Problem, Report, Severity, check};

use earmark_tables::text_table;

use crate::args::Check;
use crate::output;

/// How many problems of a kind, and how many files of a problem, are shown to people.
const SHOWN: usize = 20;

/// Runs the command.
pub fn run(options: &Check) -> anyhow::Result<()> {
    let visible = std::io::stderr().is_terminal();
    let tick = |done: usize, of: usize| {
        if visible && (done == of || done.is_multiple_of(of.div_ceil(100))) {
            let end = if done == of { "\n" } else { "" };
            let _ = write!(std::io::stderr().lock(), "\rdecoded {done} of {of} clips{end}");
        }
    };
    let settings = CheckSettings { limits: options.limits.limits()?, folds: options.folds };
    let report = check(&options.data, &options.reading.options()?, &settings, tick)?;
    if options.json {
        output::print_json(&report)?;
    } else {
        output::print(&text(&report))?;
    }
    anyhow::ensure!(report.errors == 0, "{}: {} to fix", report.data, counted(report.errors, "problem"));
    Ok(())
}

fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// The report for people.
fn text(report: &Report) -> String {
    let mut text = format!(
        "{}: {}, {}, {} classes\n\n",
        report.data,
        counted(report.train, "training clip"),
        counted(report.test, "test clip"),
        report.classes.len()
    );
    let mut rows = vec![["class", "train", "test", "seconds"].map(str::to_owned).to_vec()];
    rows.extend(report.classes.iter().map(|class| {
        vec![class.label.clone(), class.train.to_string(), class.test.to_string(), format!("{:.1}", class.seconds)]
    }));
    text += &text_table(&rows);
    text.push('\n');
    if let Some(lengths) = &report.lengths {
        let lengths = [lengths.shortest, lengths.median, lengths.longest, lengths.total].map(|of| format!("{of:.2}"));
        let [shortest, median, longest, total] = lengths;
        let _ = writeln!(text, "seconds   shortest {shortest}, median {median}, longest {longest}, all {total}");
    }
    let list = |counts: Vec<String>| if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
    let clips = |(value, n): (String, &usize)| format!("{value}: {}", counted(*n, "clip"));
    let rates = report.sample_rates.iter().map(|(rate, n)| clips((format!("{rate} Hz"), n))).collect();
    let channels = report.channels.iter().map(|(channels, n)| clips((channels.to_string(), n))).collect();
    let _ = writeln!(text, "rates     {}", list(rates));
    let _ = writeln!(text, "channels  {}", list(channels));
    let folds = list(report.folds.iter().map(usize::to_string).collect());
    let _ = writeln!(text, "excluded  {}", counted(report.excluded, "clip"));
    let _ = writeln!(text, "folds     {folds}");
    let _ = writeln!(text, "groups    {}", report.groups.map_or_else(|| "none".to_owned(), |n| n.to_string()));
    text + &problems(report)
}

/// The problems, kind by kind.
fn problems(report: &Report) -> String {
    let mut kinds: BTreeMap<_, Vec<&Problem>> = BTreeMap::new();
    for problem in &report.problems {
        kinds.entry((problem.severity, problem.kind)).or_default().push(problem);
    }
    let mut text = String::new();
    for ((severity, _), problems) in kinds {
        let severity = match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        text.push('\n');
        for problem in problems.iter().take(SHOWN) {
            let _ = writeln!(text, "{severity}: {}", described(problem));
        }
        if problems.len() > SHOWN {
            let _ = writeln!(text, "  and {} more of this kind; --json lists them all", problems.len() - SHOWN);
        }
    }
    let _ = writeln!(text, "\n{}, {}", counted(report.errors, "error"), counted(report.warnings, "warning"));
    text
}

/// The message, with the files where it does not name them itself.
fn described(problem: &Problem) -> String {
    match problem.files.as_slice() {
        [file] if !problem.message.contains(file.as_str()) => format!("{file}: {}", problem.message),
        [] | [_] => problem.message.clone(),
        files => {
            let mut text = problem.message.clone();
            for file in files.iter().take(SHOWN) {
                let _ = write!(text, "\n  {file}");
            }
            if files.len() > SHOWN {
                let _ = write!(text, "\n  and {} more", files.len() - SHOWN);
            }
            text
        }
    }
}
