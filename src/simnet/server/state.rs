//! LND's service `State`: whether the node is ready. A simulated node always is.

use futures_util::stream::{self, StreamExt};
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};

use super::Node;
use crate::rpc::lnrpc;
use crate::rpc::lnrpc::WalletState;
use crate::rpc::lnrpc::state_server::State;

#[tonic::async_trait]
impl State for Node {
    async fn get_state(
        &self,
        _: Request<lnrpc::GetStateRequest>,
    ) -> Result<Response<lnrpc::GetStateResponse>, Status> {
        let state = WalletState::ServerActive.into();
        Ok(Response::new(lnrpc::GetStateResponse { state }))
    }

    async fn subscribe_state(
        &self,
        _: Request<lnrpc::SubscribeStateRequest>,
    ) -> Result<Response<BoxStream<lnrpc::SubscribeStateResponse>>, Status> {
        let state = WalletState::ServerActive.into();
        let told = stream::iter([Ok(lnrpc::SubscribeStateResponse { state })]);
        Ok(Response::new(Box::pin(told.chain(stream::pending()))))
    }
}
