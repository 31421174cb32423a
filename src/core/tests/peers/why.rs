//! Each reason why nothing is paid, reached by events, and what `why` says of it there.

/// Names each variant of a reason with the scenario that leads to it. What a new variant lacks
/// does not compile.
macro_rules! each {
    ($reason:ident: $($variant:ident => $scenario:expr,)*) => {{
        let _is_complete: fn(&$reason) = |reason| match reason {
            $($reason::$variant { .. } => {})*
        };
        vec![$((stringify!($variant), $scenario as Scenario)),*]
    }};
}

mod channels;
mod endings;
mod refusals;
mod rests;

use super::*;

/// Where a scenario has led.
struct Told {
    /// The reason's word, as the core has it.
    code: String,
    /// What `why` says of it.
    said: Vec<String>,
}

/// Leads to a reason, by events alone.
type Scenario = fn() -> Told;

/// Every scenario leads to its reason, and `why` says then what the golden text has.
fn check(scenarios: Vec<(&str, Scenario)>, golden: &str) {
    let mut text = String::new();
    for (variant, scenario) in scenarios {
        let Told { code, said } = scenario();
        let (first, rest) = variant.split_at(1);
        assert_eq!(code, first.to_lowercase() + rest, "the reason that was meant");
        text.push_str(&format!("{variant}\n"));
        for sentence in said {
            text.push_str(&format!("  {sentence}\n"));
        }
    }
    assert!(text == golden, "why says now:\n{text}");
}

/// What `why` says of the first channel that begins in one of these ways.
fn said(core: &Core, beginnings: &[&str]) -> Vec<String> {
    let sentences = core.why(fixture::point(1)).sentences;
    let is_wanted = |said: &String| beginnings.iter().any(|begins| said.starts_with(begins));
    sentences.into_iter().filter(is_wanted).collect()
}

/// Why a node's side of the first channel rests.
fn rest_of(core: &Core, node: NodeId) -> Told {
    let side = core.sides().find(|side| side.node == node).expect("its side is watched");
    let rest = side.rest.expect("it rests");
    let said = said(core, &[&format!("{} does not ask", side.alias)]);
    // The same stands in the report, for programs.
    let reports = core.report().channels;
    let report = reports.into_iter().find(|report| report.node == node).and_then(|it| it.rest);
    let report = report.expect("it rests in the report too");
    assert!(said[0].contains(&format!(": {}. {}", report.reason, report.mend)), "{said:?}");
    assert_eq!(report.until.is_some(), said[0].contains("It may ask again in"), "{said:?}");
    Told { code: crate::core::refusal::code(rest), said }
}
