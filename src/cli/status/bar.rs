//! A channel's balance as a bar: what we have is filled, and the band and the target are marked.

use crate::core::report::ChannelReport;
use crate::units::Ppm;

/// What we have.
const LOCAL: char = '█';
/// What the other end has.
const REMOTE: char = '░';
/// The share below which our side asks.
const LOWEST: char = '[';
/// The share above which the other side asks.
const HIGHEST: char = ']';
/// The share at which a rebalance leaves ours.
const TARGET: char = '│';

/// The bar of `channel`, `width` columns wide. Where its figures make no sense, it is empty.
pub(super) fn bar(channel: &ChannelReport, width: usize) -> String {
    let Some(share) = channel.share else { return " ".repeat(width) };
    marked(share, marks(channel), width)
}

/// The marks of `channel`: the lowest share, the highest and the target, as far as they are known.
pub(in crate::cli) fn marks(channel: &ChannelReport) -> [Option<Ppm>; 3] {
    // What a legacy peer would ask for is not known; below our own threshold we ask in any case.
    let threshold = channel.threshold();
    let [lowest, highest] = channel.band.map_or([Some(threshold), None], |band| band.map(Some));
    [lowest, highest, channel.target]
}

/// A bar that is filled to `share`, with its marks.
pub(in crate::cli) fn marked(share: Ppm, marks: [Option<Ppm>; 3], width: usize) -> String {
    let filled = cells(share, width);
    let mut bar: Vec<char> =
        (0..width).map(|cell| if cell < filled { LOCAL } else { REMOTE }).collect();
    for (share, mark) in marks.into_iter().zip([LOWEST, HIGHEST, TARGET]) {
        let last = width.saturating_sub(1);
        if let Some(cell) = share.and_then(|share| bar.get_mut(cells(share, width).min(last))) {
            *cell = mark;
        }
    }
    bar.into_iter().collect()
}

/// How many of `width` cells `share` fills.
fn cells(share: Ppm, width: usize) -> usize {
    let part = u64::from(share.ppm()) * u64::try_from(width).unwrap_or(0);
    usize::try_from(part / u64::from(Ppm::ONE.ppm())).unwrap_or(width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Status;

    fn check(share: Option<u32>, target: Option<u32>, band: Option<[u32; 2]>, expected: &str) {
        let ppm = |ppm| Ppm::new(ppm).unwrap();
        let json = include_str!("../../../tests/data/cli/status.json");
        let mut channel = serde_json::from_str::<Status>(json).unwrap().report.channels.remove(0);
        channel.share = share.map(ppm);
        channel.target = target.map(ppm);
        channel.band = band.map(|band| band.map(ppm));
        assert_eq!(bar(&channel, 20), expected);
    }

    #[test]
    fn the_bar_shows_the_share_the_band_and_the_target() {
        check(Some(500_000), Some(500_000), Some([400_000, 600_000]), "████████[█│░]░░░░░░░");
        check(Some(1_000_000), Some(500_000), Some([400_000, 600_000]), "████████[█│█]███████");
        check(Some(0), Some(500_000), Some([0, 1_000_000]), "[░░░░░░░░░│░░░░░░░░]");
    }

    #[test]
    fn what_is_not_known_is_not_marked() {
        check(Some(59_880), None, None, "█░░░░░░░[░░░░░░░░░░░");
        check(None, None, None, "                    ");
    }
}
