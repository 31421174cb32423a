//! A node of the DHT that answers whatever it likes.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use peeroxide_dht::State;
use peeroxide_dht::hyperdht_messages::{ANNOUNCE, LOOKUP};
use peeroxide_dht::messages::{
    Ipv4Peer, Message, Request, Response, decode_message, encode_response, preencode_response,
};
use peeroxide_dht::peer::peer_id;
use tokio::net::UdpSocket;

use super::peers::{Peer, settings};

#[tokio::test]
async fn a_node_that_claims_more_records_than_there_can_be_ends_nothing() {
    for count in [10_000_000_000, u64::MAX >> 1] {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = socket.local_addr().expect("is bound");
        let mut peer = Peer::join_with(1, settings(address));
        let mut claim = vec![0xff];
        claim.extend(u64::to_le_bytes(count));
        let lying = async {
            let (mut lies, mut announced) = (0, 0);
            // A peer that has swallowed the lies of one round announces itself once more.
            while lies < 3 || announced < 4 {
                let (request, from) = receive(&socket).await;
                let is_lookup = !request.internal && request.command == LOOKUP;
                announced += u32::from(!request.internal && request.command == ANNOUNCE);
                lies += u32::from(is_lookup);
                answer(&socket, address, &request, from, is_lookup.then(|| claim.clone())).await;
            }
        };
        let lying = tokio::time::timeout(Duration::from_secs(60), lying);
        let (lied, ()) = tokio::join!(lying, peer.joined());
        lied.expect("the peer goes on");
        peer.leave().await;
    }
}

async fn receive(socket: &UdpSocket) -> (Request, SocketAddr) {
    let mut datagram = [0; 2_048];
    loop {
        let (length, from) = socket.recv_from(&mut datagram).await.expect("is received");
        if let Ok(Message::Request(request)) = decode_message(&datagram[..length]) {
            return (request, from);
        }
    }
}

/// Answers as a node of the DHT does that knows no other.
async fn answer(
    socket: &UdpSocket,
    address: SocketAddr,
    request: &Request,
    from: SocketAddr,
    value: Option<Vec<u8>>,
) {
    let peer =
        |address: SocketAddr| Ipv4Peer { host: address.ip().to_string(), port: address.port() };
    let response = Response {
        tid: request.tid,
        to: peer(from),
        id: Some(peer_id(&peer(address).host, address.port())),
        token: Some([7; 32]),
        closer_nodes: Vec::new(),
        error: 0,
        value,
    };
    let mut state = State::new();
    preencode_response(&mut state, &response);
    state.alloc();
    encode_response(&mut state, &response).expect("is encoded");
    socket.send_to(&state.buffer, from).await.expect("is sent");
}
