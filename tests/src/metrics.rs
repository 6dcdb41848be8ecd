//! What a scrape of `/metrics` says, and the metrics that the documents name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::http::Client;

/// One scrape.
#[derive(Debug)]
pub struct Scrape {
    /// The whole text.
    pub text: String,
    /// Each series, such as `bedside_ready` or `bedside_part_ok{part="worker"}`, with its value.
    pub series: BTreeMap<String, f64>,
}

impl Scrape {
    /// Scrapes; the answer must be a whole document of the OpenMetrics form.
    #[track_caller]
    pub fn of(client: &Client) -> Self {
        let answer = client.get("/metrics").expect(200);
        let form = answer.header("content-type").expect("a content type");
        assert_eq!(form, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        Self::parse(answer.body)
    }

    /// Takes a text apart.
    #[track_caller]
    pub fn parse(text: String) -> Self {
        assert!(text.ends_with("\n# EOF\n"), "{text}");
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let value = match value {
                "+Inf" => f64::INFINITY,
                value => value.parse().expect("a number"),
            };
            (series.to_owned(), value)
        };
        let series = samples.map(sample).collect();
        Self { text, series }
    }

    /// A series' value.
    #[track_caller]
    pub fn value(&self, series: &str) -> f64 {
        let value = self.series.get(series);
        *value.unwrap_or_else(|| panic!("no {series} in {}", self.text))
    }

    /// The names of all series.
    pub fn names(&self) -> BTreeSet<String> {
        let name = |series: &String| series.split('{').next().unwrap_or_default().to_owned();
        self.series.keys().map(name).collect()
    }

    /// The names of the metrics, as the documents write them: a histogram's without `_bucket`, `_sum` and `_count`.
    pub fn metrics(&self) -> BTreeSet<String> {
        let histograms = self.text.lines().filter_map(|line| {
            line.strip_prefix("# TYPE ")
                .and_then(|line| line.strip_suffix(" histogram"))
        });
        let histograms: Vec<&str> = histograms.collect();
        let metric = |name: String| {
            let of = |histogram: &&&str| {
                name.strip_prefix(**histogram)
                    .is_some_and(|rest| rest.starts_with('_'))
            };
            histograms
                .iter()
                .find(of)
                .map_or(name.clone(), |histogram| (*histogram).to_owned())
        };
        self.names().into_iter().map(metric).collect()
    }

    /// Every metric without a line of help.
    pub fn without_help(&self) -> Vec<String> {
        let helped = |metric: &String| {
            let family = ["_total", "_info"]
                .iter()
                .find_map(|end| metric.strip_suffix(end))
                .unwrap_or(metric);
            self.text.contains(&format!("# HELP {family} "))
        };
        self.metrics()
            .into_iter()
            .filter(|metric| !helped(metric))
            .collect()
    }
}

/// A file of `docs/monitoring`.
pub fn document(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/monitoring");
    std::fs::read_to_string(folder.join(name)).expect("a document")
}

/// Every name of a metric of ours, or of the process, in a text.
pub fn names_in(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with("bedside_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

/// The metrics in the table of `docs/monitoring/README.md`: the first cell of its rows.
pub fn documented() -> BTreeSet<String> {
    let text = document("README.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next())
        .flat_map(names_in)
        .collect()
}
