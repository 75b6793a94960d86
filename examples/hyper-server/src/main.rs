//! An example transmitter: the library's router over bare hyper, with an admin API beside it.
//! Not a product: receivers are given by flags.

mod adapter;

use std::error::Error;

use clap::Parser;
use example_host::{Admin, App, Flags};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let flags = Flags::parse();
    let listener = TcpListener::bind(flags.listen).await?;
    let url = format!("http://{}", listener.local_addr()?);

    let (transmitter, monitor) = example_host::transmitter(&flags, &url).await?;
    let router = example_host::router(&transmitter, &flags)?;
    let app = App::new(router, Admin::of(&transmitter, &monitor, &flags)?);

    println!("listening on {url}");
    example_host::run(transmitter, |stop| adapter::serve(listener, app, stop)).await
}
