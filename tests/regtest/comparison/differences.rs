//! What simulated nodes say otherwise than real ones, and in another order.

use std::collections::{BTreeMap, BTreeSet};

use super::normal::Said;

/// What comes before what in the same act, so much later at least and each time, is a rule; else it
/// may be a chance.
const GAP_MIN_US: u64 = 4_000;
/// How often it must be seen.
const TIMES_MIN: usize = 4;

/// All differences, a line each.
pub(crate) fn differences(real: &[Said], simulated: &[Said]) -> Vec<String> {
    let mut found = words(real, simulated);
    found.extend(order(real, simulated));
    found
}

/// What one node said in one act to one call, or on one stream, in its order.
fn voices(said: &[Said]) -> BTreeMap<(usize, String, String), Vec<&Said>> {
    let acts = acts(said);
    let mut voices = BTreeMap::<_, Vec<&Said>>::new();
    for said in said {
        let act = acts.iter().position(|act| *act == said.act).expect("an act");
        let voice = (act, said.act.clone(), said.whence.clone());
        voices.entry(voice).or_default().push(said);
    }
    for voice in voices.values_mut() {
        // What happens to several channels at once comes in any order.
        voice
            .chunk_by_mut(|a, b| channel(a).is_some() && channel(b).is_some())
            .for_each(|chunk| chunk.sort_by_key(|said| channel(said)));
    }
    voices
}

/// The acts in their order.
fn acts(said: &[Said]) -> Vec<&str> {
    let mut acts = Vec::new();
    for said in said {
        if !acts.contains(&said.act.as_str()) {
            acts.push(&said.act);
        }
    }
    acts
}

/// The channel of whose life an event tells.
fn channel(said: &Said) -> Option<String> {
    let kind = said.fields.get("type").filter(|kind| *kind != "CHANNEL_UPDATE")?;
    let names = ["txid", "funding_txid_bytes", "channel_point"];
    let is_name = |path: &str| names.iter().any(|name| path.ends_with(name));
    let name = said.fields.iter().find(|(path, _)| is_name(path));
    name.map(|(_, name)| name.clone()).or_else(|| Some(kind.clone()))
}

/// Voice by voice, message by message, field by field.
fn words(real: &[Said], simulated: &[Said]) -> Vec<String> {
    let (real, simulated) = (voices(real), voices(simulated));
    let mut found = Vec::new();
    let all: BTreeSet<_> = real.keys().chain(simulated.keys()).collect();
    for voice in all {
        let (_, act, whence) = voice;
        let none = Vec::new();
        let theirs = real.get(voice).unwrap_or(&none);
        let ours = simulated.get(voice).unwrap_or(&none);
        let kinds = |voice: &[&Said]| voice.iter().map(|said| kind(said)).collect::<Vec<_>>();
        if kinds(theirs) != kinds(ours) {
            found.push(format!(
                "{act}: {whence}: real {:?}, simulated {:?}",
                kinds(theirs),
                kinds(ours)
            ));
            continue;
        }
        for (n, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
            let paths: BTreeSet<_> = theirs.fields.keys().chain(ours.fields.keys()).collect();
            for path in paths {
                let of = |said: &Said| said.fields.get(path).cloned();
                if of(theirs) != of(ours) && !is_free(act, whence, path) {
                    let absent = || "absent".to_owned();
                    found.push(format!(
                        "{act}: {whence} {n}: {path}: real {:?}, simulated {:?}",
                        of(theirs).unwrap_or_else(absent),
                        of(ours).unwrap_or_else(absent)
                    ));
                }
            }
        }
    }
    found
}

/// What lnd itself says now so and now otherwise.
fn is_free(act: &str, whence: &str, path: &str) -> bool {
    // The other end's terms of a new channel come with gossip, some time.
    let is_new = act.starts_with("open") && whence.ends_with("GetChanInfo");
    // How a stream breaks off is a matter of the connection.
    let is_broken = act == "the other end is killed" && path.starts_with("error");
    // How what cannot be read is complained of is a matter of the reader.
    let is_nonsense = whence.ends_with("DecodePayReq") && path == "error.message";
    (is_new && path.contains("_policy")) || is_broken || is_nonsense
}

/// What a message is, in a word or two.
fn kind(said: &Said) -> String {
    let words = ["type", "event_type", "state", "status", "error.code"];
    let mut kind: Vec<_> =
        words.iter().filter_map(|word| said.fields.get(*word)).cloned().collect();
    let events = said.fields.keys().filter(|path| path.ends_with("_event"));
    kind.extend(events.cloned());
    kind.join(" ")
}

/// The rules of the order in which things come on real nodes, and where they are broken.
fn order(real: &[Said], simulated: &[Said]) -> Vec<String> {
    let (real, simulated) = (scenes(real), scenes(simulated));
    let mut found = Vec::new();
    for (shape, scenes) in &real {
        if scenes.len() < TIMES_MIN {
            continue;
        }
        for a in shape {
            for b in shape {
                let is_rule = a != b && scenes.iter().all(|(_, at)| at[a] + GAP_MIN_US <= at[b]);
                if !is_rule {
                    continue;
                }
                let ours = simulated.get(shape).map_or(&[][..], Vec::as_slice);
                let is_broken = |at: &BTreeMap<_, u64>| at[a] > at[b] + GAP_MIN_US;
                let broken = ours.iter().filter(|(_, at)| is_broken(at)).count();
                // The simulated world always has the same order: what is wrong with it is wrong
                // each time. On a busy machine what comes on two connections is heard late at
                // times, and so in another order.
                if 2 * broken > ours.len() {
                    let times = ours.len();
                    found.push(format!(
                        "{broken} of {times} times, simulated, {b:?} comes before {a:?}"
                    ));
                }
            }
        }
    }
    found
}

/// What is told in an act and when, by what it is.
type Scene<'a> = (&'a str, BTreeMap<String, u64>);

/// The acts that consist of the same messages, by those.
fn scenes(said: &[Said]) -> BTreeMap<Vec<String>, Vec<Scene<'_>>> {
    let mut scenes = BTreeMap::<_, Vec<Scene<'_>>>::new();
    for act in acts(said) {
        let mut at = BTreeMap::new();
        for said in said.iter().filter(|said| said.act == act && is_heard_by_itself(said)) {
            let name = format!("{} {}", said.whence, kind(said));
            let count = (1..).find(|n| !at.contains_key(&format!("{name} {n}")));
            at.insert(format!("{name} {}", count.expect("some number")), said.at_us);
        }
        let shape = at.keys().cloned().collect();
        scenes.entry(shape).or_default().push((act, at));
    }
    scenes
}

/// Whether it was not asked for at that moment.
fn is_heard_by_itself(said: &Said) -> bool {
    ["ChannelEvents", "HtlcEvents", "SingleInvoice", "SendToRouteV2"]
        .iter()
        .any(|call| said.whence.ends_with(call))
}
