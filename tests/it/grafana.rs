//! config/grafana.json: the dashboard and docs/operations.md speak of the same metrics.
//!
//! Whether the daemon has them is not this file's business.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::docs::{document, metrics};

#[test]
fn each_panel_says_what_it_shows_in_which_unit_and_from_where() {
    let mut ids = BTreeSet::new();
    let mut cells = BTreeSet::new();
    for panel in panels() {
        let title = panel["title"].as_str().unwrap_or_default();
        assert!(!title.is_empty(), "{panel} has a title");
        assert!(ids.insert(panel["id"].as_u64()), "{title} has an id of its own");
        for cell in area(&panel["gridPos"]) {
            assert!(cells.insert(cell), "{title} lies on another panel");
        }
        if panel["type"] != "row" {
            let unit = panel["fieldConfig"]["defaults"]["unit"].as_str();
            assert!(unit.is_some_and(|unit| !unit.is_empty()), "{title} has a unit");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            assert!(!expressions(&panel).is_empty(), "{title} shows something");
        }
    }
}

#[test]
fn the_board_shows_all_metrics_of_the_docs_and_no_other() {
    let board = panels();
    let mut shown = BTreeSet::new();
    for expression in board.iter().flat_map(expressions) {
        shown.extend(named(&expression).unwrap_or_else(|name| panic!("{name} in {expression}")));
    }
    assert_eq!(shown, metrics().into_keys().collect());
}

#[test]
fn the_alerts_of_the_docs_and_the_variables_of_the_board_name_metrics_that_there_are() {
    let docs = document("docs/operations.md");
    let alerts: Vec<_> = docs.lines().filter(|line| line.contains("{ alert: ")).collect();
    assert!(alerts.len() > 5, "found the alerts");
    let variables = board()["templating"]["list"].to_string();
    for text in alerts.into_iter().chain([variables.as_str()]) {
        let names = named(text).unwrap_or_else(|name| panic!("{name} in {text}"));
        assert!(!names.is_empty(), "{text} names a metric");
    }
}

#[test]
fn a_metric_that_does_not_exist_is_found() {
    check("tightrope_peers + tightrope_peer", Err("tightrope_peer"));
    check("rate(tightrope_peers_bucket[5m])", Err("tightrope_peers_bucket"));
    check(
        "tightrope_audit_append_duration_seconds",
        Err("tightrope_audit_append_duration_seconds"),
    );
    check(
        "rate(tightrope_audit_append_duration_seconds_sum[5m])",
        Ok("tightrope_audit_append_duration_seconds"),
    );
}

fn check(expression: &str, expected: Result<&str, &str>) {
    let expected = expected.map(|name| BTreeSet::from([name.to_owned()]));
    assert_eq!(named(expression), expected.map_err(str::to_owned));
}

/// The metrics that an expression names, histograms without their endings, or the first that the
/// docs do not have.
fn named(expression: &str) -> Result<BTreeSet<String>, String> {
    let known = metrics();
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expression.split(|c| !is_part(c)).filter(|word| word.starts_with("tightrope_"));
    let metric = |word: &str| {
        let stems = ["_bucket", "_sum", "_count"].map(|ending| word.strip_suffix(ending));
        let is_histogram =
            |name: &str| known.get(name).is_some_and(|kind| kind.contains("histogram"));
        match stems.into_iter().flatten().find(|stem| is_histogram(stem)) {
            Some(stem) => Ok(stem.to_owned()),
            None if known.contains_key(word) && !is_histogram(word) => Ok(word.to_owned()),
            None => Err(word.to_owned()),
        }
    };
    words.map(metric).collect()
}

/// The places of the grid that a panel takes.
fn area(grid: &Value) -> Vec<(u64, u64)> {
    let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| grid[key].as_u64().expect("a number"));
    assert!(x + w <= 24, "the board is 24 columns wide: {grid}");
    (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))).collect()
}

fn expressions(panel: &Value) -> Vec<String> {
    let targets = panel["targets"].as_array().cloned().unwrap_or_default();
    targets.iter().map(|target| target["expr"].as_str().expect("an expr").to_owned()).collect()
}

fn panels() -> Vec<Value> {
    board()["panels"].as_array().expect("panels").clone()
}

fn board() -> Value {
    serde_json::from_str(&document("config/grafana.json")).expect("the board is JSON")
}
