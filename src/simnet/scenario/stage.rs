//! Sets up what a scenario begins with. Its script is for others to play.

use super::super::command::Command;
use super::super::{CommandError, LndVersion, Simnet, SimnetError};
use super::Scenario;

/// The blocks after which a channel is announced to everybody.
const CONFIRMATIONS: u32 = 6;

/// Why a scenario cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// A node does not start.
    #[error(transparent)]
    Node(#[from] SimnetError),
    /// What should be there from the start cannot be done.
    #[error("{line}")]
    Line {
        /// The line of the scenario.
        line: String,
        /// Why not.
        source: CommandError,
    },
}

impl Scenario {
    /// Adds the nodes, opens the channels and begins the traffic. Nodes of which the scenario does
    /// not say which lnd they are, are of `version`.
    pub async fn set_up(&self, network: &Simnet, version: LndVersion) -> Result<(), StageError> {
        for node in &self.nodes {
            network.add(node.alias.as_str(), node.version.unwrap_or(version))?;
        }
        for opening in &self.channels {
            let opened = network.run(&Command::Open(opening.clone())).await;
            let line = || format!("channel {opening}");
            opened.map_err(|source| StageError::Line { line: line(), source })?;
            // A node has only so many at once that wait for a block.
            network.mine(1);
        }
        network.mine(CONFIRMATIONS);
        network.channels_are_ready().await;
        for traffic in &self.traffic {
            let line = || format!("traffic {traffic}");
            let begun = network.add_traffic(traffic);
            begun.map_err(|source| StageError::Line { line: line(), source })?;
        }
        Ok(())
    }
}
