//! The integration tests: what goes through files, sockets and processes.

mod audit;
mod cli;
mod config;
mod control;
mod daemon;
mod demo;
mod docs;
mod grafana;
mod lnd;
mod operator;
mod prompt;
mod rpc;
mod scenario;
mod secrets;
mod simnet;
mod status;
mod swarm;
mod systemd;
mod tidy;
mod wire;
