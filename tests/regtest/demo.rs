//! `tightrope demo --real`: the story is played to its good end on real nodes too.

use libtest_mimic::Trial;
use tokio::process::Command;

use crate::harness::ground::Ground;
use crate::trial::trial;

/// The one trial. On simulated nodes, `tests/it` has the demo.
pub(crate) fn trial_on_real_nodes() -> Trial {
    trial(Ground::Real, "demo::the_story_ends_well_on_real_nodes", play)
}

async fn play() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_tightrope"));
    demo.args(["demo", "--real", "--plain"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let output = demo.kill_on_drop(true).output().await.expect("it runs");
    let [said, complaints] = [output.stdout, output.stderr].map(String::from_utf8);
    let (said, complaints) = (said.expect("text"), complaints.expect("text"));
    assert_eq!(output.status.code(), Some(0), "{said}{complaints}");
    for (part, count) in [
        ("at rest in its deadzone\n", 5),
        ("transaction-log verified: ", 2),
        ("event-log       verified: ", 2),
        ("NOT AS IT SHOULD BE", 0),
    ] {
        assert_eq!(said.matches(part).count(), count, "{part:?} in:\n{said}");
    }
}
